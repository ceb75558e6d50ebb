"""What the folder of a training says of it: how it was started, and what it logged."""

import json
import math
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .checkpoints.history import FOLDER
from .run_record import RECORD

# Folders before the last part of an absolute path; `//` is of an address.
FOLDERS = re.compile(r'(?<![\w./~-])~?/(?!/)(?:[^\s/\'",\]]+/)*')


# Logged with the metrics of a validation, and none.
TIMES = {'data_time', 'images_per_s', 'step', 'time'}


class Validation(NamedTuple):
    """A validation in a log.

    Attributes:
        step: The epoch or iteration after which it was.
        loss: The loss of the training that was logged last before it.
        metrics: What was measured.
    """

    step: int
    loss: float | None
    metrics: dict[str, float]


class TrainingRun(NamedTuple):
    """A training, by the folder of its log.

    Attributes:
        commands: Those that started and resumed it, the first first, without folders.
        start: ``run.json`` of the last of them.
        unit: What it counts, ``epoch`` or ``iteration``.
        validations: Those up to a checkpoint.
    """

    commands: list[str]
    start: Mapping[str, Any]
    unit: str
    validations: list[Validation]


def find_run(checkpoint: Path, meta: Mapping, by_epoch: bool) -> TrainingRun | None:
    """The training that wrote a checkpoint, if its folder is beside it.

    Args:
        checkpoint: The file.
        meta: Its meta; the name of the experiment ends with that of the folder.
        by_epoch: Whether the training counts epochs.
    """
    name = str(meta.get('experiment_name', ''))
    starts = _read_starts(checkpoint.parent)
    own = [folder for folder in starts if name.endswith(f'_{folder.name}')]
    if not own:
        return None
    commands = [strip_folders(str(start.get('command'))) for start in _chain(starts, own[0])]
    last = meta.get('epoch' if by_epoch else 'iter', 0)
    validations = _read_validations(own[0] / FOLDER / 'scalars.json')
    unit = 'epoch' if by_epoch else 'iteration'
    return TrainingRun(commands, starts[own[0]], unit, [v for v in validations if v.step <= last])


def get_scores(run: TrainingRun | None, meta: Mapping, by_epoch: bool) -> dict[str, float]:
    """The metrics that a log has of a checkpoint itself; none where it was not validated."""
    last = meta.get('epoch' if by_epoch else 'iter')
    validations = run.validations if run else []
    return next((v.metrics for v in validations[::-1] if v.step == last), {})


def _read_starts(work_dir: Path) -> dict[Path, dict]:
    """``run.json`` by folder, in the order of the starts."""
    starts = {}
    for file in sorted(work_dir.glob(f'*/{RECORD}')):
        try:
            content = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(content, dict):
            starts[file.parent] = content
    return dict(sorted(starts.items(), key=lambda item: str(item[1].get('time'))))


def _chain(starts: Mapping[Path, dict], last: Path) -> list[dict]:
    """The starts from the one that resumed nothing to the last."""
    chain: list[dict] = []
    for folder, start in starts.items():
        chain = [*chain, start] if start.get('resumed_from') else [start]
        if folder == last:
            break
    return chain


def _read_validations(file: Path) -> list[Validation]:
    """The validations in the scalars of a log; a line that is cut off is left out."""
    validations, loss = [], None
    for line in file.read_text().splitlines() if file.is_file() else ():
        try:
            values = {key: value for key, value in json.loads(line).items() if _is_number(value)}
        except (AttributeError, ValueError):
            continue
        loss = values.get('loss', loss)
        metrics = {key: value for key, value in values.items() if key not in TIMES}
        # Lines of the training have the learning rate, the first one the costs of the network.
        if not metrics or 'lr' in metrics or any(key.startswith('complexity/') for key in metrics):
            continue
        validations.append(Validation(int(values.get('step', 0)), loss, metrics))
    return validations


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def strip_folders(command: str) -> str:
    """A command without the folders of absolute paths, and with ``python`` for the interpreter."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ''
    stripped = [_strip_word(word) for word in words]
    if stripped and stripped[0].startswith('python'):
        stripped[0] = 'python'
    return shlex.join(stripped)


def _strip_word(word: str) -> str:
    """``key=/folder/name`` as ``key=name``; paths in a list as well."""
    key, sign, value = word.rpartition('=')
    if value.startswith(('/', '~/')):
        return key + sign + Path(value).name
    return FOLDERS.sub('', word)
