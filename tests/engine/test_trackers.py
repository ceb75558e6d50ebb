"""What trackers write of a run, of an interrupted one, and where they cannot."""

import importlib.util
import json
import struct

import pytest

from senet_mm.engine.trackers import Tensorboard, Wandb, name_scalars, open_trackers
from senet_mm.utils.errors import InputError, MissingModuleError

CONFIG = 'configs/digits/seresnet8_1xb64_digits.py'
TRAIN = {'lr': 0.1, 'loss': 2.0, 'time': 0.5, 'epoch': 1, 'iter': 7}
VALIDATION = {'accuracy/top1': 50.0, 'time': 0.1, 'names': 'x', 'by_class': [1.0, 2.0]}


class Run:
    """A training, as far as a tracker knows it."""

    iter = 0


def read_tensorboard(folder):
    """Pairs of step and value by name of a curve."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()['scalars']
    }


def wandb_records(data):
    """The records in a file of wandb: LevelDB's log, blocks of 32 KiB, after a header of 7 bytes.

    A record in a block is a checksum (4 bytes), length (2), part (1: whole, 2: first, 3: middle,
    4: last), content. wandb's own reader is not installed with it.
    """
    assert data[:4] == b':W&B'
    place, parts = 7, b''
    while place + 7 <= len(data):
        if (left := -place % 2**15) and left < 7:  # too little for a head
            place += left
        length, part = struct.unpack('<HB', data[place + 4 : place + 7])
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if part in (1, 4):
            yield parts
            parts = b''


def read_wandb(folder):
    """Rows of the histories, config, and names of runs in the files of wandb."""
    from wandb.proto import wandb_internal_pb2

    rows, config, ids = [], {}, set()
    for file in sorted(folder.glob('offline-run-*/run-*.wandb')):
        for data in wandb_records(file.read_bytes()):
            record = wandb_internal_pb2.Record.FromString(data)
            if record.HasField('run'):
                ids.add(record.run.run_id)
            for item in [*record.run.config.update, *record.config.update]:
                config[item.key or '.'.join(item.nested_key)] = item.value_json
            if record.history.item:
                rows.append(
                    {
                        item.key or '.'.join(item.nested_key): json.loads(item.value_json)
                        for item in record.history.item
                    }
                )
    return rows, config, ids


def test_names_of_curves():
    assert name_scalars(TRAIN) == {'train/lr': 0.1, 'train/loss': 2.0, 'train/time': 0.5}
    assert name_scalars(VALIDATION) == {'val/accuracy/top1': 50.0, 'val/time': 0.1}
    assert name_scalars({'complexity/macs': 3, 'step': 0}) == {'complexity/macs': 3.0}


def test_tensorboard_has_one_curve_of_a_resumed_run(tmp_path):
    """The killed run got to iteration 21, its last checkpoint is of iteration 14."""
    run = Run()
    for first in (0, 2):
        run.iter = 7 * first
        tracker = Tensorboard(str(tmp_path), lambda: run.iter)
        for number in range(first + 1, first + 4):
            tracker.add_scalars(dict(TRAIN, iter=7 * number, loss=first + number))
            run.iter = 7 * number
            tracker.add_scalars(VALIDATION, step=number)
        # No close: what was added is in the file when the process is killed.
    curves = read_tensorboard(tmp_path)
    assert curves['train/loss'] == [(7, 1), (14, 2), (21, 5), (28, 6), (35, 7)]
    assert [step for step, _ in curves['val/accuracy/top1']] == [7, 14, 21, 28, 35]


def test_a_new_run_in_the_folder_begins_anew(tmp_path):
    for loss in (1, 2):
        tracker = Tensorboard(str(tmp_path), lambda: 0)
        tracker.add_scalars(dict(TRAIN, loss=loss))
    assert read_tensorboard(tmp_path)['train/loss'] == [(7, 2)]


def test_a_training_is_tracked_and_a_test_is_not(run_tool, tmp_path):
    options = ['train_cfg.max_epochs=2', 'tracker=[tensorboard,wandb]', 'randomness.seed=0']
    run = run_tool(
        'tools/train.py', CONFIG, '--work-dir', tmp_path, '--cfg-options', *options
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    logs = [json.loads(line) for file in tmp_path.glob('*/vis_data/scalars.json')
            for line in file.read_text().splitlines()]  # fmt: skip
    losses = [(line['iter'], line['loss']) for line in logs if 'loss' in line]
    scores = [line['accuracy/top1'] for line in logs if 'accuracy/top1' in line]
    curves = read_tensorboard(tmp_path / 'tensorboard')
    assert curves['train/loss'] == [(step, pytest.approx(loss)) for step, loss in losses]
    assert curves['val/accuracy/top1'] == [
        (step, pytest.approx(score)) for (step, _), score in zip(losses, scores, strict=True)
    ]
    rows, config, _ = read_wandb(tmp_path / 'wandb')
    assert [row['train/loss'] for row in rows if 'train/loss' in row] == [
        pytest.approx(loss) for _, loss in losses
    ]
    assert [row['_step'] for row in rows if 'val/accuracy/top1' in row] == [
        step for step, _ in losses
    ]
    assert json.loads(config['train_cfg'])['max_epochs'] == 2
    files = sorted(tmp_path.rglob('*tfevents*')) + sorted(tmp_path.glob('wandb/offline-*'))
    run = run_tool(
        'tools/test.py', CONFIG, tmp_path / 'epoch_2.pth', '--work-dir', tmp_path,
        '--cfg-options', options[1],
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert files == sorted(tmp_path.rglob('*tfevents*')) + sorted(tmp_path.glob('wandb/offline-*'))


@pytest.mark.slow
def test_wandb_keeps_the_id_of_a_resumed_run(tmp_path):
    for iterations in (0, 7):
        tracker = Wandb(str(tmp_path), lambda done=iterations: done)
        tracker.add_scalars(dict(TRAIN, iter=iterations + 7))
        tracker.close()
        # The folder has the second of its start in its name.
        [folder] = tmp_path.glob('wandb/offline-run-2*')
        folder.rename(folder.with_name(f'offline-run-{iterations}'))
    rows, _, ids = read_wandb(tmp_path / 'wandb')
    assert [row['_step'] for row in rows] == [7, 14]
    assert len(ids) == 1


def test_a_failure_is_logged_once_and_ends_nothing(tmp_path, logged):
    (tmp_path / 'file').touch()
    tracker = Tensorboard(str(tmp_path / 'file'), lambda: 0)
    for _ in range(2):
        tracker.add_scalars(TRAIN)
    lines = [line for line in logged.messages if line.startswith('tensorboard: ')]
    assert len(lines) == 1
    assert lines[0].endswith('; the training continues without it')


def test_wrong_names(tmp_path, monkeypatch):
    assert open_trackers(None, str(tmp_path), lambda: 0) == {}
    with pytest.raises(InputError, match='allowed: tensorboard, wandb, None'):
        open_trackers('tensorbord', str(tmp_path), lambda: 0)
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    with pytest.raises(MissingModuleError, match='wandb is not installed; mend it with: pip'):
        open_trackers(['wandb'], str(tmp_path), lambda: 0)
    assert not list(tmp_path.iterdir())
