import csv
import io
import json

import pytest

from senet_mm.apis import list_models
from senet_mm.study.results import (
    Result,
    find_checkpoint,
    get_results,
    load_tables,
    measure,
    results_to_csv,
    results_to_json,
    results_to_markdown,
)

from ..conftest import ROOT, load_tool

GOLDEN = json.loads((ROOT / 'tests/golden/complexity.json').read_text())


@pytest.mark.slow
@pytest.mark.parametrize('table', load_tables())
def test_rows_have_the_golden_complexity_and_a_command(table):
    counts = {name.split('/')[1].removesuffix('.py'): count for name, count in GOLDEN.items()}
    for result in get_results(table):
        if result.config is None:
            assert (result.command, result.params, result.macs) == (None, None, None)
        else:
            expected = counts[result.config]
            assert (result.params, result.macs) == (expected['params'], expected['macs'])
            assert f'/{result.config}.py' in result.command


def test_made_pages_are_up_to_date():
    tool = load_tool('.dev_scripts/update_docs.py')
    tool.main(tool.argparse.Namespace(check=True))


def test_every_config_is_in_a_table():
    rows = [row['config'] for table in load_tables().values() for row in table['rows']]
    assert sorted(set(filter(None, rows))) == list_models()


@pytest.mark.parametrize('table', load_tables())
def test_counts_are_the_printed_ones_or_a_note_says_why_not(table):
    """Within 0.1 M parameters and 1 % of the multiply-adds."""
    for result in get_results(table):
        differs = False
        if result.printed_params is not None:
            differs |= abs(result.params / 1e6 - result.printed_params) > 0.1
        if result.printed_gflops is not None:
            differs |= abs(result.macs / 1e9 / result.printed_gflops - 1) > 0.01
        assert differs == (result.note is not None), result


def test_every_printed_count_of_the_paper_is_there():
    rows = {name: table['rows'] for name, table in load_tables().items()}
    counts = {
        key: {name: sum(key in row for row in rows[name]) for name in rows}
        for key in ('printed_params', 'printed_gflops')
    }
    assert {name: n for name, n in counts['printed_gflops'].items() if n} == dict(
        table2=16, table3=4, table13=5, table15=2, table16=3
    )
    assert {name: n for name, n in counts['printed_params'].items() if n} == dict(
        table3=4, table10=6, table13=5, table15=2, table16=3
    )


def test_the_page_on_detection_has_the_scores_of_the_table():
    page = (ROOT / 'docs/detection.md').read_text()
    rows = [row for row in load_tables()['table7']['rows'] if row['detector']]
    assert len(rows) == 4
    for row in rows:
        assert f'| `{row["detector"]}` | {row["top1"]:.1f} | {row["top5"]:.1f} |' in page


def test_unknown_table():
    with pytest.raises(ValueError, match="table='table1' is not known; allowed: released, mmpre"):
        get_results('table1')


ROWS = [
    Result('A', None, 'error', top1=20.5, top5=5.0, measured_top1=21, measured_top5=4.75),
    Result('B', 'seresnet8_1xb64_digits', 'error', 'digits', 'make', 75_793, 747_808, top1=1.25),
]


def test_formats_hold_the_same_rows():
    from_json = json.loads(results_to_json(ROWS))
    from_csv = list(csv.DictReader(io.StringIO(results_to_csv(ROWS))))
    assert from_json[0]['difference_top1'] == 0.5
    assert from_json[0]['difference_top5'] == -0.25
    assert from_json[1]['difference_top1'] is None
    for a, b in zip(from_json, from_csv, strict=True):
        assert {key: '' if value is None else str(value) for key, value in a.items()} == b


def test_markdown():
    header, _, a, b = results_to_markdown(ROWS, root='../').splitlines()
    assert header.startswith('| network | params (M) | GFLOPs | published error, top-1 / top-5 % |')
    assert a == '| A | - | - | 20.50 / 5.00 | 21.00 / 4.75 | +0.50 / -0.25 | - |'
    assert b == (
        '| [B](../configs/digits/seresnet8_1xb64_digits.py), digits | 0.0758 | 0.000748 '
        '| 1.25 / - | - | - | `make` |'
    )


def test_rows_without_measured_scores_have_no_columns_for_them():
    header, _, b = results_to_markdown(ROWS[1:]).splitlines()
    assert header.endswith(' top-1 / top-5 % | train |')
    assert b.endswith('| 1.25 / - | `make` |')


def test_notes_follow_the_table_once_each():
    row = dict(config=None, metric='error', note='because', printed_params=1.5, params=1_700_000)
    text = results_to_markdown([Result('A', **row), Result('B', **row)])
    assert '| A | 1.70 (1.5) | - |' in text
    assert text.endswith('\n\n- A, B: because.\n')


def test_find_checkpoint(tmp_path):
    assert find_checkpoint(tmp_path, 'a') is None
    (tmp_path / 'ab_20260101-01234567.pth').touch()
    assert find_checkpoint(tmp_path, 'a') is None
    published = tmp_path / 'a_20260101-01234567.pth'
    published.touch()
    assert find_checkpoint(tmp_path, 'a') == published
    (tmp_path / 'a.pth').touch()
    with pytest.raises(ValueError, match=r'holds a.pth, a_2026\S+ for a; allowed: one checkpoint'):
        find_checkpoint(tmp_path, 'a')


def test_a_row_without_config_cannot_be_measured(tmp_path):
    row = Result(model='ResNet-50', config=None, metric='error')
    with pytest.raises(ValueError, match='ResNet-50 has no config'):
        measure(row, tmp_path / 'weights.pth', '', str(tmp_path), {})
