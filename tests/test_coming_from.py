"""docs/coming-from*.md: every system has a row, and every command runs, in small."""

import re
import shlex
from pathlib import Path

import mmpretrain
import pytest
import torch

from senet_mm.apis import get_model, list_models

from .blocks import commands_run_by
from .conftest import ROOT
from .converters.caffe_definitions import plain_small_cnn
from .converters.test_caffe_form import write

PAGE = (ROOT / 'docs/coming-from.md').read_text()
ROWS = [
    line.strip('| ').split(' | ')
    for line in PAGE.splitlines()
    if line.startswith('| ') and not line.startswith('| from')
]
# Those of the table, and of pages about one system.
COMMANDS = dict.fromkeys(
    [row[3].strip('`') for row in ROWS]
    + commands_run_by('docs/coming-from-mmpretrain.md', 'test_command_runs')
    + commands_run_by('docs/coming-from-timm.md', 'test_command_runs')
    + commands_run_by('docs/weights.md', 'test_command_runs')
)
SYSTEMS = (
    'mmclassification', 'mmpretrain', 'timm', 'torchvision', 'hujie-frank', 'shicai', 'tensorpack',
    'mcnSENets', 'bruinxiong', 'nutszebra', 'titu1994', 'SENet_Keras', 'taki0112', 'moskomule',
    'farmingyard', 'weslynn',
)  # fmt: skip
# One step on two random images of 64 pixels.
SMALL = (
    'train_dataloader.batch_size=2', 'train_dataloader.num_batch_per_epoch=1',
    'train_cfg.max_epochs=1', 'fuse_tails.implementation=reference',
)  # fmt: skip


def test_every_system_has_a_row():
    for system in SYSTEMS:
        assert any(system in row[0] for row in ROWS), system


def test_configs_of_the_table_exist():
    named = re.findall(r'\w[\w-]*_\d+xb\d+[\w-]*', ' '.join(row[2] for row in ROWS))
    assert named
    assert set(named) <= set(list_models())


def make_source(words, run_tool, folder):
    """The file that a command of the converter reads: random weights, foreign by the way back."""
    kind, source, target, *options = words[1:]
    if '--prototxt' in options:
        write(plain_small_cnn(), 32, 'score', folder)
        return
    name = options[options.index('--model') + 1]
    torch.save(get_model(name).state_dict(), folder / target)
    if '--reverse' in options:
        (folder / target).rename(folder / source)
        return
    run = run_tool(words[0], kind, target, source, *options, '--reverse', cwd=folder)
    assert run.returncode == 0, run.stderr
    (folder / target).unlink()


@pytest.mark.parametrize('command', COMMANDS, ids=lambda command: command[7:90])
def test_command_runs(command, run_tool, tmp_path):
    for name in ('configs', 'tools', 'hubconf.py'):
        (tmp_path / name).symlink_to(ROOT / name)
    words = shlex.split(command)
    if words[1] != '-c':  # the fixture runs tools by themselves
        words = words[1:]
    small = []
    if words[0] == 'tools/train.py':
        side = () if 'cifar' in words[1] else ('input_shape=(3,64,64)',)
        small = ['--synthetic', '--cfg-options', *SMALL, *side]
    if words[1] == 'their_config.py':  # mmpretrain's own file, which names no image shape
        theirs = Path(mmpretrain.__file__).parent / '.mim/configs/seresnet/seresnet50_8xb32_in1k.py'
        text = f"_base_ = '{theirs}'\ninput_shape = (3, 224, 224)\n"
        (tmp_path / words[1]).write_text(text)
    if words[0] == 'tools/model_converters/convert.py':
        make_source(words, run_tool, tmp_path)
    run = run_tool(*words, *small, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    if small:
        assert 'Epoch(train) [1][1/1]' in run.stdout
