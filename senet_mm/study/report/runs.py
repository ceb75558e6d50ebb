"""What is known of a run by its work directory; nothing in it is executed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from senet_mm.config.text import read_config_text
from senet_mm.engine.checkpoints.history import FOLDER
from senet_mm.engine.hooks.result_hook import RESULT
from senet_mm.engine.run_reading import (
    Validation,
    chain_starts,
    find_validations,
    is_of_training,
    read_scalars,
    read_starts,
)
from senet_mm.engine.run_record import RECORD
from senet_mm.utils.errors import InputError
from senet_mm.utils.scores import is_loss

from ..comparison import SCORE

# Deepest folder of a run below a folder that is given: WORK_DIR/CONFIG/seed-0 of an ablation.
DEPTH = 2


@dataclass
class LoggedRun:
    """A run, as far as its folder has it.

    Attributes:
        folder: Its work directory.
        name: Name of its config.
        config: Values of its config; empty where it cannot be read.
        starts: ``run.json`` of each start, from the one that resumed nothing to the last.
        training: Logged lines of the training, finite numbers by name.
        validations: Validations in their order.
        result: ``result.json``, if the run has written one.
        remarks: What is missing or damaged, a line each.
    """

    folder: Path
    name: str
    config: dict[str, Any]
    starts: list[dict]
    training: list[dict[str, float]]
    validations: list[Validation]
    result: dict | None
    remarks: list[str] = field(default_factory=list)

    @property
    def start(self) -> Mapping[str, Any]:
        """The record of the last start; empty where there is none."""
        return self.starts[-1] if self.starts else {}

    def part(self, key: str) -> Mapping[str, Any]:
        """A dict at the top of the config; empty where there is none."""
        value = self.config.get(key)
        return value if isinstance(value, Mapping) else {}

    @cached_property
    def seed(self) -> int | None:
        """The seed, also where it was drawn."""
        drawn = [self.start.get('seed'), (self.result or {}).get('seed')]
        drawn.append(self.part('randomness').get('seed'))
        return next((seed for seed in drawn if isinstance(seed, int)), None)

    @property
    def unit(self) -> str:
        """What validations are counted by, ``epoch`` or ``iteration``."""
        loop = self.part('train_cfg')
        is_iter = loop.get('by_epoch') is False or str(loop.get('type')).startswith('Iter')
        return 'iteration' if is_iter else 'epoch'

    @cached_property
    def epoch_length(self) -> float:
        """Iterations of an epoch: the last line of an epoch is logged at its last iteration."""
        rates = [line['iter'] / line['epoch'] for line in self.training if line.get('epoch')]
        return max(rates, default=1.0)

    @property
    def end(self) -> tuple[float, float] | None:
        """What was trained, and what was to be, in ``unit``; None where that is not known."""
        key = 'max_epochs' if self.unit == 'epoch' else 'max_iters'
        planned = self.part('train_cfg').get(key)
        if not isinstance(planned, int) or not (self.training or self.validations):
            return None
        done = self.place(self.training[-1]) if self.training else self.validations[-1].step
        return done, planned

    def place(self, line: Mapping[str, float]) -> float:
        """Where a line of the training stands, in ``unit``."""
        iteration = line.get('iter', line.get('step', 0))
        return iteration / self.epoch_length if self.unit == 'epoch' else iteration

    @property
    def metric(self) -> str | None:
        """The metric by which its best checkpoint is chosen here."""
        names = list(self.validations[-1].metrics) if self.validations else []
        others = (name for name in names if is_higher_better(name))
        return SCORE if SCORE in names else next(others, names[0] if names else None)

    def best(self, metric: str) -> Validation | None:
        """The validation with the best value of a metric."""
        known = [each for each in self.validations if metric in each.metrics]
        choose = max if is_higher_better(metric) else min
        return choose(known, key=lambda each: each.metrics[metric], default=None)


def is_higher_better(metric: str) -> bool:
    """Whether a larger value of a metric is better."""
    return not is_loss(metric)


def find_runs(folders: Sequence[Path]) -> list[LoggedRun]:
    """The runs in folders, each once.

    Raises:
        InputError: A folder is missing, or has no run in it or in the two levels below.
    """
    found: dict[Path, LoggedRun] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f'{folder} is no folder; allowed: a folder that train.py wrote')
        runs = list(_walk(folder, DEPTH))
        if not runs:
            raise InputError(
                f'{folder} has no run: no {RECORD}, no scalars.json, no {RESULT}; allowed: a '
                'folder that train.py wrote, or one of such folders'
            )
        new = [read_run(run) for run in runs if run.resolve() not in found]
        found |= {run.folder.resolve(): run for run in sorted(new, key=_get_time)}
    return list(found.values())


def _get_time(run: LoggedRun) -> str:
    """When it was started; an ablation starts with the baseline."""
    return str(run.starts[0].get('time')) if run.starts else ''


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    """The work directories in a folder."""
    if _has_run(folder):
        yield folder
    elif depth:
        for child in sorted(path for path in folder.iterdir() if path.is_dir()):
            yield from _walk(child, depth - 1)


def _has_run(folder: Path) -> bool:
    patterns = (f'*/{RECORD}', f'*/{FOLDER}/scalars.json', RESULT)
    return any(path.is_file() for pattern in patterns for path in folder.glob(pattern))


def read_run(folder: Path) -> LoggedRun:
    """What a work directory has of its run; what is missing is a remark."""
    remarks: list[str] = []
    records = read_starts(folder)
    logged = sorted(path.parent.parent for path in folder.glob(f'*/{FOLDER}/scalars.json'))
    ordered = [start for start in records if start in logged] or logged
    last = ordered[-1] if ordered else None
    starts = chain_starts(records, last if last in records else None)
    if not starts:
        remarks.append(f'no {RECORD}: command, seed and environment are not known')
    scalars = read_scalars(last / FOLDER / 'scalars.json' if last else folder / 'scalars.json')
    if scalars.damaged:
        remarks.append(f'{scalars.damaged} line(s) of scalars.json are damaged and left out')
    if not scalars.lines:
        remarks.append('nothing was logged')
    config, name = _read_config(folder, last, starts, remarks)
    run = LoggedRun(
        folder, name, config, starts, list(filter(is_of_training, scalars.lines)),
        find_validations(scalars.lines), _read_result(folder, remarks), remarks,
    )  # fmt: skip
    if not run.validations:
        remarks.append('no validation was logged')
    if (end := run.end) and end[0] < end[1]:
        remarks.append(
            f'interrupted or still running: {end[0]:g} of {end[1]:g} {run.unit}s are trained'
        )
    return run


def _read_config(
    folder: Path, last: Path | None, starts: Sequence[Mapping], remarks: list[str]
) -> tuple[dict, str]:
    """Values of the config, and its name; the text is read as data."""
    recorded = Path(str(starts[-1].get('config') or '')).name if starts else ''
    beside = [folder / recorded] if recorded else sorted(folder.glob('*.py'))
    files = [*([last / FOLDER / 'config.py'] if last else []), *beside]
    name = Path(recorded).stem or (beside[0].stem if beside else folder.name)
    for file in filter(Path.is_file, files):
        try:
            return read_config_text(file.read_text()), name
        except (OSError, ValueError) as error:
            remarks.append(f'its config cannot be read as data: {error}')
            return {}, name
    remarks.append('no config')
    return {}, name


def _read_result(folder: Path, remarks: list[str]) -> dict | None:
    """``result.json``; None without one, or a damaged one."""
    if not (folder / RESULT).is_file():
        return None
    try:
        result = json.loads((folder / RESULT).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        remarks.append(f'{RESULT} cannot be read: {error}')
        return None
    return result if isinstance(result, dict) else None
