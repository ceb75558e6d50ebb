"""The checkpoints of a run by their names."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.runner import CheckpointLoader

from senet_mm.engine.resume import get_checkpoint_folder
from senet_mm.engine.weights.notes import reading_record
from senet_mm.utils.errors import InputError, describe
from senet_mm.utils.files import check_inside
from senet_mm.utils.options import is_number

from ..places import Places
from .runs import LoggedRun

PLACE = re.compile(r'(?:^|_)(epoch|iter)_(\d+)\.pth$')
# Checkpoints of a run whose gates are recorded.
MOST_CHECKPOINTS = 12


class Checkpoint(NamedTuple):
    """A checkpoint of a run.

    Attributes:
        path: The file.
        step: Epoch or iteration, as the run counts.
        is_best: Whether the run saved it as its best.
    """

    path: Path
    step: float
    is_best: bool


def find_checkpoints(run: LoggedRun, places: Places, remarks: list[str]) -> list[Checkpoint]:
    """The checkpoints of a run in their order.

    Args:
        run: The run.
        places: Where its ``out_dir`` may be.
        remarks: What is not read is appended, a line each.
    """
    found = []
    for folder in _find_folders(run, places, remarks):
        for path in sorted(folder.glob('*.pth')):
            if place := PLACE.search(path.name):
                try:
                    check_inside(path, folder)
                    step = _find_step(path, run, place[1], int(place[2]))
                except Exception as error:  # a damaged file may raise anything
                    remarks.append(f'{path.name} is not read: {describe(error)}')
                else:
                    found.append(Checkpoint(path, step, path.name.startswith('best_')))
    return sorted(found, key=lambda each: each.step)


def _find_step(path: Path, run: LoggedRun, word: str, number: int) -> float:
    """Where a checkpoint is in the unit of its run, by its name, or by what it says of itself."""
    if word == run.key:
        return number
    iteration: Any = _read_meta(path).get('iter')
    if not is_number(iteration, 0):
        raise InputError('it does not say its iteration')
    return round(run.place(dict(iter=iteration)), 2)


def _read_meta(path: Path) -> Mapping[str, Any]:
    """What a checkpoint says of itself; empty where it says nothing."""
    with reading_record():
        loaded = CheckpointLoader.load_checkpoint(str(path), 'cpu', logger='silent')
    meta = loaded.get('meta') if isinstance(loaded, Mapping) else None
    return meta if isinstance(meta, Mapping) else {}


def _find_folders(run: LoggedRun, places: Places, remarks: list[str]) -> list[Path]:
    """Where the checkpoints of a run are: its folder, and that in ``out_dir`` of its config."""
    hook = run.part('default_hooks').get('checkpoint')
    if not isinstance(hook, Mapping) or not isinstance(hook.get('out_dir'), str):
        return [run.folder]
    folder = get_checkpoint_folder({**run.config, 'work_dir': str(run.folder)})
    try:
        places.check(folder, f'default_hooks.checkpoint.out_dir={hook["out_dir"]!r:.80}')
    except InputError as error:
        remarks.append(str(error))
        return [run.folder]
    return list({path.resolve(): path for path in (run.folder, folder)}.values())


def check_training(checkpoint: Checkpoint, run: LoggedRun) -> None:
    """Raise an InputError for a checkpoint of an earlier training in the folder of a run."""
    name = _read_meta(checkpoint.path).get('experiment_name')
    own = any(str(name).endswith(f'_{start}') for start in run.names)
    if name is not None and run.names and not own:
        raise InputError(f'it is of an earlier training, {name!r:.80}')


def order_by_choice(checkpoints: list[Checkpoint]) -> list[Checkpoint]:
    """The one whose classes and pictures are shown, then those to take if it is damaged."""
    return sorted(checkpoints, key=lambda each: (each.is_best, each.step), reverse=True)


def choose_others(checkpoints: list[Checkpoint], chosen: Checkpoint) -> list[Checkpoint]:
    """Those whose gates are recorded beside the chosen one's, one for each step."""
    steps = {each.step: each for each in order_by_choice(checkpoints)[::-1]}
    others = [steps[step] for step in sorted(steps) if step != chosen.step]
    return others[-MOST_CHECKPOINTS + 1 :]
