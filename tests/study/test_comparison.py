import csv
import io
import json

import pytest

from senet_mm.study.comparison import compare_configs, comparison_to_markdown, get_machines
from senet_mm.utils.tables import csv_table, json_table


def result(*top1, seconds=10.0, loss=0.5, device='CPU', **metrics):
    validations = [
        {'epoch': epoch, 'iter': 19 * epoch, 'accuracy/top1': score, **metrics}
        for epoch, score in enumerate(top1, 1)
    ]
    for validation in validations:
        validation['loss/cross_entropy'] = loss
    return {
        'params': 2_000_000, 'macs': 3_000_000_000, 'seconds': seconds, 'validations': validations,
        'torch': '2.15', 'senet_mm': '0.1', 'device': device,
    }  # fmt: skip


RESULTS = {
    'plain': {0: result(50, 92, 90), 1: result(50, 93, 93, seconds=14), 2: result(60, 70, 96)},
    'se': {0: result(80, 91, loss=0.25), 1: result(80, 95, loss=0.35), 2: result(80, 99)},
    'broken': {},
}


def test_the_last_epoch_is_the_score():
    plain, *_ = compare_configs(RESULTS)
    assert (plain.config, plain.metric, plain.difference) == ('plain', 'accuracy/top1', None)
    assert (plain.final.mean, plain.final.std) == (93, 3)
    assert plain.best.mean == pytest.approx((92 + 93 + 96) / 3)


def test_markdown():
    header, _, plain, se, broken, _, *legend = comparison_to_markdown(
        compare_configs(RESULTS)
    ).splitlines()
    assert header == (
        '| config | params (M) | GFLOPs | runs | seconds per run | top-1 % | difference '
        '| loss | difference |'
    )
    assert plain == (
        '| plain | 2.00 | 3.00 | 3 | 11.3 ± 2.3 | 93.00 ± 3.00 | - | 0.5000 ± 0.0000 | - |'
    )
    assert '| 3 | 10.0 ± 0.0 | 95.00 ± 4.00 | +2.00 [-0.48, +4.48], p = 0.074 |' in se
    assert broken == '| broken | - | - | 0 | - | - | - | - | - |'
    assert legend[0].startswith('Scores are those of the last epoch: the best epoch would be')
    assert 'against plain, with the 95 % confidence interval' in ' '.join(legend)


def test_one_seed_has_no_spread():
    one = {name: {0: result(90)} for name in ('a', 'b')}
    line = comparison_to_markdown(compare_configs(one)).splitlines()[3]
    assert line == '| b | 2.00 | 3.00 | 1 | 10.0 ± - | 90.00 ± - | +0.00 | 0.5000 ± - | +0.0000 |'


def test_nothing_finished():
    (row,) = compare_configs({'broken': {}})
    assert row.final.n == 0
    assert '| broken | - | - | 0 | - | - | - |' in comparison_to_markdown([row])


def test_json_and_csv_hold_the_same_rows():
    rows = [row.to_dict() for row in compare_configs(RESULTS, confidence=0.9)]
    from_json = json.loads(json_table(rows))
    from_csv = list(csv.DictReader(io.StringIO(csv_table(rows))))
    for a, b in zip(from_json, from_csv, strict=True):
        assert {key: '' if value is None else str(value) for key, value in a.items()} == b
    assert [row['config'] for row in from_json] == [
        'plain',
        'plain',
        'se',
        'se',
        'broken',
        'broken',
    ]
    assert from_json[2]['difference_n'] == 3
    assert from_json[2]['difference_mean'] == pytest.approx(2)


def test_metrics_are_those_of_all_runs():
    rows = compare_configs({'a': {0: result(1, other=2)}, 'b': {0: result(1)}})
    assert [row.metric for row in rows[:2]] == ['accuracy/top1', 'loss/cross_entropy']
    foreign = result(1)
    foreign['validations'] = [{'epoch': 1, 'iter': 19, 'mAP': 70.5}]
    with pytest.raises(ValueError, match='the configs have no metric in common; allowed: one val'):
        compare_configs({'a': {0: result(1)}, 'b': {0: foreign}})
    assert '| mAP | difference |' in comparison_to_markdown(compare_configs({'b': {0: foreign}}))


def test_machines():
    results = {'a': {0: result(1), 1: result(1, device='GPU')}, 'b': {0: result(1)}}
    machines = get_machines(results)
    assert machines == 'torch 2.15, senet_mm 0.1, CPU; torch 2.15, senet_mm 0.1, GPU'
    assert comparison_to_markdown(compare_configs(results), machines=machines).endswith(
        f'Made with {machines}.\n'
    )
