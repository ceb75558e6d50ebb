"""A study: what its file says, what its runs say, and its page."""

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from scipy import stats

from senet_mm.config.names import list_models
from senet_mm.study.contrasts import (
    Contrast,
    SeedScore,
    compare_pairs,
    configs_of,
    keep_score,
    published_accuracies,
)
from senet_mm.study.study_file import find_study, load_contrasts
from senet_mm.study.study_page import draw_study, study_summary, study_tables
from senet_mm.utils.errors import InputError

from ..conftest import ROOT, load_tool
from ..figure_texts import check_texts

STUDY = ROOT / 'configs/scenes/study.yml'
PLAIN, SE, MAX = 'resnet29_1xb64_scenes', 'seresnet29_1xb64_scenes', 'seresnet29-max_1xb64_scenes'
RECIPE = '8xb32-300e_in1k'
CONTRASTS = [
    Contrast('ratio', 'SE', SE, PLAIN, f'seresnet50_{RECIPE}', f'resnet50_{RECIPE}'),
    Contrast('squeeze', 'max', MAX, SE, f'seresnet50-max_{RECIPE}', f'seresnet50_{RECIPE}'),
    Contrast('squeeze', 'max | plain', MAX, PLAIN),
]


def runs(**scores):
    """Runs of the three configs, seed by seed; the score is the last validation."""
    names = dict(plain=PLAIN, se=SE, max=MAX)
    return [
        SeedScore(names[name], seed, 100_000, [90.0, score], 36.0, 'a processor')
        for name, each in scores.items()
        for seed, score in enumerate(each)
    ]


def test_every_config_of_the_scenes_is_compared():
    contrasts = load_contrasts(STUDY)
    assert sorted(configs_of(contrasts)) == list_models('*_scenes')
    accuracies = published_accuracies()
    for contrast in contrasts:
        assert (contrast.paper is None) == (contrast.paper_against is None)
        assert contrast.paper is None or {contrast.paper, contrast.paper_against} <= {*accuracies}


def test_every_published_ablation_is_repeated():
    """Tables 10 to 16, each row but for the baselines."""
    tables = yaml.safe_load((ROOT / 'configs/results.yml').read_text())
    wanted = {row['config'] for number in range(10, 17) for row in tables[f'table{number}']['rows']}
    contrasts = load_contrasts(STUDY)
    repeated = {c.paper for c in contrasts} | {c.paper_against for c in contrasts}
    assert wanted <= repeated


def test_differences():
    findings = compare_pairs(
        CONTRASTS, runs(plain=[70, 72, 71], se=[73, 73, 74, 80], max=[70, 75, 71])
    )
    se, squeeze, _ = findings
    assert (se.score.n, se.difference.n, se.params) == (4, 3, 100_000)
    assert se.score.mean == 75
    assert se.difference.mean == pytest.approx(7 / 3)
    margin = stats.t.ppf(0.975, 2) * np.std([3, 1, 3], ddof=1) / math.sqrt(3)
    assert se.difference.low == pytest.approx(7 / 3 - margin)
    assert se.published == 1.02  # 23.30 - 22.28
    assert squeeze.published == -0.29  # 22.28 - 22.57
    assert findings[2].published is None
    assert not se.excludes_zero


def test_page():
    scores = runs(plain=[70, 72, 71], se=[75, 77, 76.1], max=[70, 75, 71])
    findings = compare_pairs(CONTRASTS, scores)
    tables = study_tables(findings)
    assert tables.startswith('### ratio\n')
    assert '\n### squeeze\n' in tables
    row = next(line for line in tables.splitlines() if line.startswith('| SE '))
    assert '+5.03 [+4.89, +5.18], p = ' in row
    assert row.startswith(
        f'| SE (`{SE}`) | 0.1 | 3 | 76.03 ± 1.00 | 71.00 ± 1.00 (`{PLAIN}`) | +5.03 ['
    )
    assert row.endswith(' | +1.02 |')
    summary = study_summary(findings, scores)
    assert summary.startswith(
        '9 runs, 0.1 hours of one core in all; a processor.\n'
        'Of 3 different intervals, 1 exclude zero;'
    )
    assert summary.endswith('\nOf these, 1 have a published difference; its sign agrees in 1.\n')
    worse = runs(plain=[75, 77, 76.1], se=[70, 72, 71], max=[70, 75, 71])
    summary = study_summary(compare_pairs(CONTRASTS, worse), worse)
    assert summary.endswith('its sign agrees in 0.\n')
    few = worse[:1]
    text = study_summary(compare_pairs(CONTRASTS, few), few)
    assert text.endswith('No difference has an interval: that takes two seeds.\n')


def test_page_is_made_from_the_scores():
    tool = load_tool('.dev_scripts/update_study.py')
    tool.main(SimpleNamespace(work_dir=None, check=True))


def test_page_from_a_folder_of_runs(tmp_path):
    """Two runs of three, in a copy of the page."""
    tool = load_tool('.dev_scripts/update_study.py')
    result = dict(params=5, device='CPU', torch='2', senet_mm='1', cpu_seconds=3600.0)
    for config, seed, score in ((SE, 0, 71.0), (PLAIN, 0, 70.0), (SE, 1, 99.0)):
        folder = tmp_path / config / f'seed-{seed}'
        folder.mkdir(parents=True)
        if score < 99:
            text = json.dumps({**result, 'seed': seed, 'validations': [{'accuracy/top1': score}]})
            (folder / 'result.json').write_text(text)
    found = tool.collect(tmp_path, [PLAIN, SE])
    assert [(run.config, run.seed, run.top1) for run in found] == [
        (PLAIN, 0, [70.0]), (SE, 0, [71.0]),
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r'has no finished run of configs/scenes/study.yml'):
        tool.collect(tmp_path / SE, [PLAIN, SE])


def test_figure_has_every_row():
    figure = draw_study(compare_pairs(CONTRASTS, runs(plain=[70, 72], se=[75, 76])))
    assert {figure.get_suptitle(), 'here, on the scenes'} <= {*check_texts(figure)}
    axes = figure.axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == ['ratio', 'SE', 'squeeze', 'max', 'max | plain']
    points = [line for line in axes.lines if line.get_marker() == 'D' and len(line.get_xdata())]
    assert [line.get_xdata()[0] for line in points] == [1.02, -0.29]
    (ours,) = (line for line in axes.lines if line.get_marker() == 'o' and len(line.get_xdata()))
    assert (ours.get_xdata()[0], ours.get_ydata()[0]) == (4.5, 1)


def test_without_runs():
    findings = compare_pairs(CONTRASTS, [])
    assert f'| - | 0 | - | - (`{PLAIN}`) | - | +1.02 |' in study_tables(findings)
    assert study_summary(findings, []) == 'There are no runs yet.\n'
    draw_study(findings)


def test_what_is_kept_of_a_run():
    result = dict(
        seed=3, params=5, device='CPU', torch='2', senet_mm='1', cpu_seconds=1.26,
        validations=[{'accuracy/top1': 10.0}, {'accuracy/top1': 20.12345, 'loss': 1}],
    )  # fmt: skip
    kept = keep_score('a', result)
    assert kept == SeedScore('a', 3, 5, [10.0, 20.123], 1.3, 'CPU, torch 2, senet_mm 1')


PAPER = f'seresnet50_{RECIPE}'


def row_of(fields):
    """A study of one row with some fields."""
    return f'tables: [{{title: a, rows: [{{name: b, {fields}}}]}}]'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('tables: [{title: a, rows: [{name: b, confg: c}]}]', "'confg' is not known; did you mean"),
        ('tables: [{title: a, row: []}]', "'row' is not known; did you mean"),
        ('tables: [{title: a, rows: [{name: b, config: c}]}]', "'config': 'c'} has no against"),
        ('tables: [{rows: []}]', 'has no title; allowed: one with title, rows'),
        ('tabels: []', "'tabels' is not known; did you mean 'tables'"),
        ('[', 'study.yml is not YAML'),
        ('tables: 3', 'study.yml: tables=3; allowed: a list of one and more'),
        ('tables: []', r'study.yml: tables=\[\]; allowed: a list of one and more'),
        ('{}', 'study.yml: tables=None; allowed: a list of one and more'),
        ('tables: [3]', 'study.yml: table=3; allowed: a dict of '),
        ('tables: [{title: a, rows: 3}]', 'study.yml: table a: rows=3; allowed: a list of one'),
        ('tables: [{title: a, rows: [3]}]', 'study.yml: row=3; allowed: a dict of '),
        ('tables: [{title: 1, rows: [{}]}]', 'study.yml: table=.*: title=1; allowed: text'),
        (row_of('config: 3, against: d'), 'study.yml: row=.*: config=3; allowed: text'),
        (
            row_of('config: c, against: x/c.py'),
            'study.yml: table a: row b: config and against are c; allowed: two configs',
        ),
        (
            row_of(f'config: c, against: d, paper: {PAPER}, paper_against: {PAPER}'),
            f'study.yml: table a: row b: paper and paper_against are {PAPER}; allowed: two',
        ),
        (
            row_of(f'config: c, against: d, paper: {PAPER[1:]}, paper_against: {PAPER}'),
            f"row b: paper='{PAPER[1:]}' is not in configs/results.yml; did you mean '{PAPER}'",
        ),
        (
            row_of(f'config: c, against: d, paper: {PAPER}, paper_against: nobody'),
            "row b: paper_against='nobody' is not in configs/results.yml; allowed: a config with",
        ),
        (
            row_of(f'config: c, against: d, paper: {PAPER}'),
            'row b: paper=.* without paper_against; allowed: both',
        ),
    ],
)
def test_mistakes_in_a_study(tmp_path, text, message):
    file = tmp_path / 'study.yml'
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_contrasts(file)


@pytest.mark.parametrize('name', ['a/study.yml', 'study.yaml', 'STUDY.YML'])
def test_a_study_is_told_by_its_name(name):
    assert find_study([name]) == Path(name)
    assert find_study([PLAIN, SE]) is None
    for names in ([name, PLAIN], [PLAIN, name]):
        with pytest.raises(InputError, match=f'^{name} is the file of a study, beside 1 others; '):
            find_study(names)


def test_configs_by_their_paths():
    """Runs have the names alone."""
    paths = [str(ROOT / f'configs/scenes/{name}.py') for name in (SE, PLAIN)]
    scores = runs(plain=[70, 72], se=[75, 76])
    findings = [compare_pairs([Contrast('t', 'n', *pair)], scores) for pair in (paths, (SE, PLAIN))]
    assert findings[0][0].difference == findings[1][0].difference
    assert findings[0][0].params == 100_000
