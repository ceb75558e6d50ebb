import pytest

from senet_mm.study import heads

TABLES = dict(
    paper=dict(
        metric='error',
        cite='paper, table 1',
        rows=[
            dict(config='a', top1=22.3, top5=6.03),
            dict(config='b', top1=6.37, cite='He et al.'),
            dict(config='c', like='a'),
            dict(config='d', expected='4 % error here'),
            dict(config='e'),
            dict(config=None, top1=1),
        ],
    ),
    zoo=dict(
        metric='accuracy',
        cite='zoo',
        rows=[dict(config='f', top1=77.74, top5=93.84), dict(config='a', top1=99)],
    ),
    coco=dict(
        metric='AP', cite='paper', rows=[dict(config='g', detector='h', top1=40.4, top5=61.0)]
    ),
)


def test_every_kind_of_row(monkeypatch):
    monkeypatch.setattr(heads, 'load_tables', lambda: TABLES)
    assert heads.score_lines() == dict(
        a='# Published: 22.30 / 6.03 % top-1 / top-5 error (paper, table 1)',
        b='# Published: 6.37 % top-1 error (He et al.)',
        c='# Expected: 22.30 / 6.03 % top-1 / top-5 error, as a',
        d='# Expected: 4 % error here',
        e='# Expected: no score was published',
        f='# Published: 77.74 / 93.84 % top-1 / top-5 accuracy (zoo)',
        h='# Published: 40.40 / 61.00 % AP / AP50 (paper)',
    )


@pytest.mark.parametrize('old', ['# Expected: 1 %', '# Published: 1 %', '# Expected:'])
def test_the_line_is_replaced(old):
    text = f'# python tools/train.py a.py\n# Hardware: one GPU\n{old}\nmodel = dict()\n'
    new = '# Published: 2 %'
    assert heads.with_score_line(text, new, 'a.py') == text.replace(old, new)


@pytest.mark.parametrize('text', ['', '# a\n# b\n', '# a\n# b\nmodel = dict()\n'])
def test_another_third_line_is_not_lost(text):
    with pytest.raises(ValueError, match=r'a\.py, line 3 is not the score; allowed: "# Published'):
        heads.with_score_line(text, '# Published: 2 %', 'a.py')
