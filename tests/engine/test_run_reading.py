"""What the folder of a training says of a checkpoint in it."""

import json

import pytest

from senet_mm.engine.run_reading import find_run, get_scores, strip_folders

TRAIN = dict(lr=0.1, loss=2.5, time=1.0, epoch=1, iter=7, step=7)


def write_run(work_dir, name, scalars=(), **start):
    """The folder of a start."""
    folder = work_dir / name
    (folder / 'vis_data').mkdir(parents=True)
    (folder / 'run.json').write_text(json.dumps(dict(time=name, seed=3, **start)))
    lines = [line if isinstance(line, str) else json.dumps(line) for line in scalars]
    (folder / 'vis_data/scalars.json').write_text('\n'.join(lines))


def test_starts_are_those_of_the_training(tmp_path):
    """Another training was in the folder before; this one was resumed once, and once after."""
    write_run(tmp_path, '20260101_000000', command='python other.py', resumed_from=None)
    write_run(tmp_path, '20260102_000000', command='/usr/bin/python3 /a/train.py x')
    write_run(tmp_path, '20260103_000000', command='python train.py --resume', resumed_from='/a/b')
    write_run(tmp_path, '20260104_000000', command='python train.py y', resumed_from='/a/c')
    (tmp_path / 'broken').mkdir()
    (tmp_path / 'broken/run.json').write_text('{')
    meta = dict(experiment_name='net_20260103_000000', epoch=2, iter=14)
    run = find_run(tmp_path / 'epoch_2.pth', meta, by_epoch=True)
    assert run.commands == ['python train.py x', 'python train.py --resume']
    assert run.start['time'] == '20260103_000000'
    assert run.validations == []


@pytest.mark.parametrize('name', ['net_20260101_000001', 'net', '', None])
def test_a_checkpoint_of_another_folder(tmp_path, name):
    write_run(tmp_path, '20260101_000000', command='python train.py')
    meta = {} if name is None else dict(experiment_name=name)
    assert find_run(tmp_path / 'net.pth', meta, True) is None
    assert get_scores(None, dict(epoch=1), True) == {}


def test_scores_are_those_of_the_checkpoint(tmp_path):
    scalars = [
        {'complexity/params': 5, 'step': 0},
        TRAIN,
        {'accuracy/top1': 10.0, 'time': 1.0, 'step': 1},
        TRAIN | dict(loss=1.5, epoch=2, iter=14, step=14),
        {'accuracy/top1': 20.0, 'loss/cross_entropy': float('nan'), 'data_time': 1, 'step': 2},
        {'accuracy/top1': 30.0, 'step': 3},
        '{"accuracy/top1": 40.0, "st',
        '[]',
    ]
    write_run(tmp_path, '20260101_000000', scalars, command='python train.py')
    meta = dict(experiment_name='net_20260101_000000', epoch=2, iter=14)
    run = find_run(tmp_path / 'epoch_2.pth', meta, by_epoch=True)
    rows = [(row.step, row.loss, row.metrics) for row in run.validations]
    assert rows == [(1, 2.5, {'accuracy/top1': 10.0}), (2, 1.5, {'accuracy/top1': 20.0})]
    assert run.unit == 'epoch'
    assert get_scores(run, meta, True) == {'accuracy/top1': 20.0}
    # Validated later alone, as every second epoch.
    assert get_scores(run, meta | dict(epoch=4), True) == {}
    by_iteration = find_run(tmp_path / 'iter_14.pth', meta, by_epoch=False)
    assert get_scores(by_iteration, meta, False) == {}
    assert by_iteration.unit == 'iteration'


@pytest.mark.parametrize(
    ('command', 'expected'),
    [
        ('/usr/bin/python3.11 -m tools.train x', 'python -m tools.train x'),
        ('python /home/u/t/train.py /home/u/my.py', 'python train.py my.py'),
        ("python t.py 'data_root=/home/u/My Pictures/cats'", 'python t.py data_root=cats'),
        ('python t.py --work-dir /tmp/run/', 'python t.py --work-dir run'),
        ('python t.py load_from=~/a/b.pth', 'python t.py load_from=b.pth'),
        ("""python t.py 'a=["/x/b.pth", "/y/c"]'""", """python t.py 'a=["b.pth", "c"]'"""),
        (
            'python t.py load_from=https://a.org/b/c.pth',
            'python t.py load_from=https://a.org/b/c.pth',
        ),
        ('python ./tools/t.py ../x a/b', 'python ./tools/t.py ../x a/b'),
        ('python t.py "cut off', ''),
    ],
)
def test_commands_name_no_folder_of_the_machine(command, expected):
    assert strip_folders(command) == expected
