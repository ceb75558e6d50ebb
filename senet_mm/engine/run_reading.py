"""What the folder of a training says of it: how it was started, and what it logged."""

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from senet_mm.utils.files import read_inside

from .checkpoints.history import FOLDER
from .run_record import RECORD

# Folders before the last part of an absolute path; `//` is of an address.
FOLDERS = re.compile(r'(?<![\w./~-])~?/(?!/)(?:[^\s/\'",\]]+/)*')


# Logged with the metrics of a validation, and none.
TIMES = {'data_time', 'images_per_s', 'step', 'time'}
# Bytes that are read of a record (ours have 20 kB) and of a log: 300 epochs of ImageNet have 40 MB.
LARGEST_RECORD, LARGEST_LOG = 4 << 20, 128 << 20
LONGEST_LINE = 1 << 20
# What counts, and is counted by integers elsewhere; other numbers above are no scores.
COUNTS = ('step', 'iter', 'epoch')
LARGEST_COUNT, LARGEST_NUMBER = 2**53, 1e100


class Validation(NamedTuple):
    """A validation in a log.

    Attributes:
        step: The epoch or iteration after which it was.
        loss: The loss of the training that was logged last before it.
        metrics: What was measured, finite numbers.
        broken: Names of metrics that were NaN, infinite, or larger than any score.
    """

    step: int
    loss: float | None
    metrics: dict[str, float]
    broken: tuple[str, ...] = ()


class Scalars(NamedTuple):
    """What a log has.

    Attributes:
        lines: The numbers of each line, NaN and infinity as well.
        damaged: Number of lines that cannot be read.
    """

    lines: list[dict[str, float]]
    damaged: int


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
    starts = read_starts(checkpoint.parent)
    own = [folder for folder in starts if name.endswith(f'_{folder.name}')]
    if not own:
        return None
    commands = [strip_folders(str(start.get('command'))) for start in chain_starts(starts, own[0])]
    last = meta.get('epoch' if by_epoch else 'iter', 0)
    scalars = read_scalars(checkpoint.parent, own[0] / FOLDER)
    validations = find_validations(scalars.lines)
    unit = 'epoch' if by_epoch else 'iteration'
    return TrainingRun(commands, starts[own[0]], unit, [v for v in validations if v.step <= last])


def get_scores(run: TrainingRun | None, meta: Mapping, by_epoch: bool) -> dict[str, float]:
    """The metrics that a log has of a checkpoint itself; none where it was not validated."""
    last = meta.get('epoch' if by_epoch else 'iter')
    validations = run.validations if run else []
    return next((v.metrics for v in validations[::-1] if v.step == last), {})


def read_starts(work_dir: Path) -> dict[Path, dict]:
    """``run.json`` by folder, in the order of the starts; one that cannot be read is left out."""
    starts = {}
    for file in sorted(work_dir.glob(f'*/{RECORD}')):
        try:
            content = json.loads(read_inside(file, work_dir, LARGEST_RECORD))
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            starts[file.parent] = content
    return dict(sorted(starts.items(), key=lambda item: str(item[1].get('time'))))


def chain_starts(starts: Mapping[Path, dict], last: Path | None) -> list[dict]:
    """The starts from the one that resumed nothing to the last, which is the latest by default."""
    chain: list[dict] = []
    for folder, start in starts.items():
        chain = [*chain, start] if start.get('resumed_from') else [start]
        if folder == last:
            break
    return chain


def read_scalars(work_dir: Path, folder: Path) -> Scalars:
    """The scalars of a log; a line that is cut off or damaged is left out and counted.

    Args:
        work_dir: Folder of the run.
        folder: The one in it that has the log, or itself.

    Raises:
        InputError: A link leads out of the run, or the log is larger than any of ours.
        OSError: It cannot be read.
    """
    file = folder / 'scalars.json'
    if not os.path.lexists(file):
        return Scalars([], 0)
    lines, damaged = [], 0
    for line in read_inside(file, work_dir, LARGEST_LOG).split(b'\n'):
        if not line.strip():
            continue
        try:
            lines.append(_read_line(line))
        except (AttributeError, ValueError, RecursionError):
            damaged += 1
    return Scalars(lines, damaged)


def _read_line(line: bytes) -> dict[str, float]:
    """The numbers of a line; what is no JSON of a dict is a ValueError or an AttributeError."""
    if len(line) > LONGEST_LINE:
        raise ValueError(f'{len(line)} bytes')
    values = json.loads(line.decode(errors='replace'))
    for key in COUNTS:
        if _is_number(count := values.get(key)) and abs(count) > LARGEST_COUNT:
            raise ValueError(f'{key}={count}')
    return {key: value for key, value in values.items() if _is_number(value)}


def find_training(lines: Iterable[Mapping[str, float]]) -> list[dict[str, float]]:
    """The finite numbers of the lines of the training."""
    return [_keep_finite(values) for values in lines if _is_of_training(values)]


def _is_of_training(values: Mapping[str, float]) -> bool:
    """Whether a line is of the training: it has the learning rate."""
    return 'lr' in values


def find_validations(lines: Iterable[Mapping[str, float]]) -> list[Validation]:
    """The validations among the lines of a log."""
    validations, loss = [], None
    for values in lines:
        finite = _keep_finite(values)
        loss = finite.get('loss', loss)
        metrics = {key: value for key, value in finite.items() if key not in TIMES}
        broken = tuple(key for key in values if key not in TIMES | finite.keys())
        # The first line has the costs of the network.
        is_cost = any(key.startswith('complexity/') for key in metrics)
        if (metrics or broken) and not is_cost and not _is_of_training(values):
            validations.append(Validation(int(finite.get('step', 0)), loss, metrics, broken))
    return validations


def _keep_finite(values: Mapping[str, float]) -> dict[str, float]:
    """Those whose sums are finite, too."""
    return {key: value for key, value in values.items() if abs(value) < LARGEST_NUMBER}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
