"""The commands of a report do what a run did, in a folder of their own."""

import json

import pytest

from senet_mm.study.report.reading import read_run
from senet_mm.study.report.repeat import write_command

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
