"""The role of excitation, as a user asks for it."""

import csv

import cv2
import pytest
import torch

from senet_mm.apis import get_model

from ..forked import run_ranks

DIGITS = 'configs/digits/seresnet8_1xb64_digits.py'
TOOL = 'tools/analysis_tools/excitation.py'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    """The digits network as it is initialised."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp('weights') / 'digits.pth'
    torch.save({'state_dict': get_model('seresnet8_1xb64_digits').state_dict()}, file)
    return file


def read(path):
    with open(path, newline='') as file:
        return list(csv.DictReader(file))


def test_figures_numbers_and_report(run_tool, tmp_path, checkpoint):
    out = tmp_path / 'out'
    run = run_tool(TOOL, DIGITS, checkpoint, '--work-dir', tmp_path / 'log', '--out', out)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ''
    for name in ('gates.png', 'spread.png'):
        assert (out / name).stat().st_size > 20_000
        assert cv2.imread(str(out / name)).shape[1] > 1000
    assert len(read(out / 'excitation.csv')) == (16 + 32 + 64) * 11
    report = (out / 'report.md').read_text()
    table = report[: report.index('\n\n') + 1]
    assert run.stdout.endswith(table)
    assert [line.split(' | ')[0] for line in table.splitlines()[2:]] == [
        '| SE_2_1', '| SE_3_1', '| SE_4_1',
    ]  # fmt: skip


def test_chosen_classes_and_blocks(run_tool, tmp_path, checkpoint):
    run = run_tool(
        TOOL, DIGITS, checkpoint, '--work-dir', tmp_path, '--classes', 7, 1,
        '--blocks', 'SE_4_1', '--channels', 10, '--thresholds', 0, 0.4,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    rows = read(tmp_path / 'excitation/excitation.csv')
    assert list(dict.fromkeys(row['class'] for row in rows)) == ['7', '1', 'all']
    assert len(rows) == (16 + 32 + 64) * 3
    report = (tmp_path / 'excitation/report.md').read_text()
    assert 'above 0.4 (high) or below 0.0 (low) for 99% of the images' in report
    assert '- SE_2_1, saturated high: 0, ' in report


def test_processes_share_the_images(run_tool, tmp_path, checkpoint):
    """Seven images on two processes: the eighth, which fills the batch, is not counted."""
    rows = []
    for processes in (1, 2):
        out = tmp_path / str(processes)
        command = [TOOL, DIGITS, checkpoint, '--work-dir', out]
        command += ['--cfg-options', 'test_dataloader.dataset.indices=7']
        for run in run_ranks(command, 2) if processes == 2 else [run_tool(*command)]:
            assert run.returncode == 0, run.stderr
        rows.append(read(out / 'excitation/excitation.csv'))
    for one, two in zip(*rows, strict=True):
        assert [one[key] for key in ('block', 'label', 'channel', 'count')] == [
            two[key] for key in ('block', 'label', 'channel', 'count')
        ]
        for key in ('mean', 'std'):
            assert float(one[key]) == pytest.approx(float(two[key]), rel=1e-5, abs=1e-7)
    assert max(int(row['count']) for row in rows[0]) == 7


MISTAKES = [
    ([DIGITS, '--classes', '0', 'ten'], "class 'ten' is not known; allowed: a name ('0', '1'"),
    ([DIGITS, '--blocks', 'SE_5_1'], "block='SE_5_1' is not known; allowed: SE_2_1, SE_3_1"),
    ([DIGITS, '--channels', '0'], '--channels 0: allowed: 1 or more'),
    (['configs/digits/resnet8_1xb64_digits.py'], 'the network has no gates; allowed: one with'),
]


@pytest.mark.parametrize(('options', 'message'), MISTAKES)
def test_a_mistake_is_one_line(run_tool, tmp_path, checkpoint, options, message):
    config, *options = options
    run = run_tool(TOOL, config, checkpoint, '--work-dir', tmp_path, *options)
    assert run.returncode == 1
    assert run.stderr.startswith('error: ' + message)
    assert len(run.stderr.splitlines()) == 1
