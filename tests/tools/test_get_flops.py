"""Parameters, FLOPs and memory of a config, as printed."""

import json
import subprocess
import sys

import pytest

from ..conftest import ROOT, load_tool

TOOL = 'tools/analysis_tools/get_flops.py'
DIGITS = 'seresnet8_1xb64_digits'


@pytest.fixture
def call(monkeypatch, capsys):
    """Call the tool in this process; returns what it prints."""
    tool = load_tool(TOOL)

    def run(*arguments):
        monkeypatch.setattr('sys.argv', [TOOL, *map(str, arguments)])
        tool.main(tool.parse_args())
        return capsys.readouterr().out

    return run


def test_memory_by_size_and_batch(call):
    printed = call(DIGITS, '--memory', '--shape', 8, '--shape', 16, 8, '--batch-size', 1, 4)
    lines = printed.splitlines()
    assert lines[0].startswith('float32; parameters 0.3, buffers 0.0; in training also gradients')
    rows = [line.split() for line in lines[2:6]]
    assert [row[:2] for row in rows] == [
        ['1x8x8', '1'], ['1x8x8', '4'], ['1x16x8', '1'], ['1x16x8', '4']
    ]  # fmt: skip
    assert [row[3] for row in rows] == ['64x2x2', '64x2x2', '64x4x2', '64x4x2']
    assert lines[6].startswith('MiB of 2^20 bytes.')


def test_memory_as_json(call):
    memory = json.loads(call(DIGITS, '--memory', '--json', '--measure', '--amp'))
    assert memory['precision'] == 'bfloat16'
    assert [batch['batch_size'] for batch in memory['batches']] == [1, 64]  # that of the config
    for batch in memory['batches']:
        peaks = [batch['inference_peak'], batch['training_peak']]
        assert batch['measured'] == pytest.approx(peaks, rel=0.1)
        assert batch['kept'] < batch['training_peak'] - memory['weights']['parameters']


def test_several_sizes(call):
    one, two = json.loads(call(DIGITS, '--json', '--shape', 8, '--shape', 16))
    assert (one['shape'], two['shape']) == ([1, 8, 8], [1, 16, 16])
    assert one['params'] == two['params']
    assert two['macs'] > 3 * one['macs']
    printed = call(DIGITS, '--shape', 8, '--shape', 16)
    assert printed.count('OpenMMLab counts') == 2


MISTAKES = {
    ('--batch-size', '2'): '--batch-size: allowed: with --memory',
    ('--amp',): '--amp: allowed: with --memory',
    ('--measure',): '--measure: allowed: with --memory',
    ('--memory', '--batch-size', '4', '0'): '--batch-size 4 0: allowed: whole numbers from 1',
    ('--memory', '--shape', '0'): '--shape 0: allowed: SIZE or HEIGHT WIDTH',
    ('--memory', '--shape', '4', '--batch-size', '1'): 'images 1x4x4, batch 1: Expected more than '
    '1 value per channel when training, got input size torch.Size([1, 64, 1, 1]); allowed: other '
    'sizes, such as 1x8x8, batch 2',
}  # fmt: skip


@pytest.mark.parametrize('arguments', MISTAKES, ids=' '.join)
def test_a_mistake_is_one_line(call, arguments):
    with pytest.raises(ValueError) as error:  # noqa: PT011, the message is compared below
        call(DIGITS, *arguments)
    assert str(error.value) == MISTAKES[arguments]


def test_an_error_that_is_not_of_the_sizes_is_told_as_it_is(call):
    """The accuracy of 50 of 10 classes."""
    options = ['--cfg-options', 'model.head.cal_acc=True', 'model.head.topk=(50,)']
    with pytest.raises(ValueError, match='number of categories is 10') as error:
        call(DIGITS, '--memory', '--batch-size', 2, *options)
    assert 'allowed' not in str(error.value)


def test_options_that_change_nothing_are_named(call, monkeypatch, capsys):
    tool = load_tool(TOOL)
    options = ['fuse_tails.implementation=fused', 'optim_wrapper.optimizer.lr=1']
    monkeypatch.setattr('sys.argv', [TOOL, DIGITS, '--memory', '--cfg-options', *options])
    tool.main(tool.parse_args())
    unused = '--cfg-options fuse_tails.implementation: not used by this tool\n'
    assert capsys.readouterr().err == unused


def test_help_has_an_example():
    run = subprocess.run(
        [sys.executable, TOOL, '--help'], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert 'python tools/analysis_tools/get_flops.py' in run.stdout
