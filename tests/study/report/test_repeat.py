"""The commands of a report do what a run did, in a folder of their own."""

import json
import shutil

import pytest

from senet_mm.study.report.groups import group_runs
from senet_mm.study.report.reading import read_run
from senet_mm.study.report.repeat import repeat_section, write_command

from .conftest import write_run


@pytest.mark.parametrize(
    ('command', 'expected'),
    [
        ('python tools/train.py net.py', 'python tools/train.py net.py {new}'),
        ('python train.py net.py --work-dir a b', 'python train.py net.py b {new}'),
        ('python train.py net.py --resume --amp', 'python train.py net.py --amp {new}'),
        ('python train.py net.py --resume a.pth', 'python train.py net.py {new}'),
        ('python train.py net.py --resume=a.pth --work-dir=b', 'python train.py net.py {new}'),
        (
            'python train.py net.py --cfg-options resume=True work_dir=a --resume',
            'python train.py net.py {new}',
        ),
        (
            "python train.py net.py --cfg-options resume=auto 'a=[1, 2]' --amp",
            "python train.py net.py --cfg-options 'a=[1, 2]' --amp {new}",
        ),
        ('python -m senet_mm train net', 'python -m senet_mm train net {new}'),
        ('python train_detector.py data --out a', 'python train_detector.py data {new}'),
        ('python mine.py --resume', 'python mine.py --resume'),
        ('python train.py "', 'python train.py "'),
    ],
)
def test_commands_to_repeat(tmp_path, command, expected):
    run = read_run(write_run(tmp_path / 'run', command=command))
    new = '--work-dir work_dirs/repeated/net-20260101000000'
    assert write_command(run) == expected.format(new=new)


def test_a_drawn_seed_is_repeated(tmp_path):
    folder = write_run(tmp_path / 'run', command='python train.py net.py', seed=None)
    [record] = folder.glob('*/run.json')
    record.write_text(json.dumps({**json.loads(record.read_text()), 'seed': 5}))
    assert write_command(read_run(folder)).endswith(' --cfg-options randomness.seed=5')


@pytest.mark.parametrize(
    ('options', 'is_told'), [('train_cfg.max_epochs=4', True), ('train_cfg.max_epochs=2', False)]
)
def test_a_run_that_was_resumed_is_repeated_with_its_last_options(tmp_path, options, is_told):
    """The config and the schedule of the whole run are those of the last start."""
    first = 'python train.py net.py --cfg-options train_cfg.max_epochs=2'
    folder = write_run(tmp_path / 'run', command=first)
    [record] = folder.glob('*/run.json')
    resumed = dict(
        json.loads(record.read_text()), time='2026-01-02 00:00:00 +0000', resumed_from='x.pth',
        command=f'python train.py net.py --work-dir {folder} --resume --cfg-options {options}',
    )  # fmt: skip
    later = folder / '20260102_000000'
    shutil.copytree(record.parent, later)
    (later / 'run.json').write_text(json.dumps(resumed))
    run = read_run(folder)
    new = '--work-dir work_dirs/repeated/net-20260101000000'
    assert write_command(run) == f'python train.py net.py --cfg-options {options} {new}'
    page = repeat_section(group_runs([run]))
    assert 'It was resumed 1 time.' in page
    assert ('options above are those of the last start' in page) == is_told
