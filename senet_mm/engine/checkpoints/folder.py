"""The folder of a run's checkpoints: which is the last whole one, what may go."""

import functools
import os
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath

from mmengine.logging import print_log

from senet_mm.engine.weights.archive import is_archive
from senet_mm.engine.weights.needed import check_needed
from senet_mm.engine.weights.safe_load import load_from_local
from senet_mm.utils.files import TEMPORARY, atomic_file

POINTER = 'last_checkpoint'
# In bytes: what is read of a pointer, and the longest name of a file.
MAX_POINTER, MAX_NAME = 4096, 255
# How a problem begins of a file that is whole, but from which no training was meant to resume.
FOREIGN = 'has no '


def point_to(work_dir: str | os.PathLike, path: str) -> None:
    """Write into ``last_checkpoint`` where the last checkpoint is, relative to the folder."""
    with atomic_file(Path(work_dir) / POINTER) as file:
        file.write(os.fsencode(os.path.relpath(path, work_dir)))


def find_last(work_dir: str | os.PathLike, folder: Path | None = None) -> str | None:
    """The checkpoint to which ``last_checkpoint`` points, if it is whole, or the newest that is.

    Of the path in ``last_checkpoint`` only the name counts, since a folder may be a copy. A line
    names each checkpoint that is passed over.

    Args:
        work_dir: The work directory.
        folder: Where its checkpoints lie, by default there.

    Returns:
        Its path; None for a folder without checkpoints of a training.

    Raises:
        FileNotFoundError: The one to which it points is not there, and there is no other.
        ValueError: There are checkpoints of a training, and all are damaged.
    """
    folder = Path(work_dir) if folder is None else folder
    name = _read_pointer(Path(work_dir) / POINTER)
    problems: dict[Path, str] = {}
    for path in _candidates(name, folder):
        status = path.stat() if path.is_file() else None
        problem = _problem(path, status.st_mtime_ns, status.st_size) if status else 'is not there'
        if problem is None:
            if problems:
                print_log(f'{_join(problems)}; the run resumes from {path.name}', logger='current')
            return str(path)
        problems[path] = problem
    if not name and all(problem.startswith(FOREIGN) for problem in problems.values()):
        if problems:
            print_log(f'{_join(problems)}: nothing to resume from', logger='current')
        return None
    error = ValueError if any(folder.glob('*.pth')) else FileNotFoundError
    raise error(
        f'{_join(problems)}; allowed: --resume CHECKPOINT, with the path of one that is whole'
    )


def _join(problems: dict[Path, str]) -> str:
    """Files and what is wrong with them, the first one with its folder."""
    first = next(iter(problems))
    return ', '.join(f'{p if p is first else p.name} {text}' for p, text in problems.items())


def _candidates(name: str, folder: Path) -> list[Path]:
    """The checkpoint of a name, if there is one, then all that can be resumed, newest first."""
    files = [path for path in folder.glob('*.pth') if path.is_file()]
    others = [path for path in files if not path.name.startswith('best_')]
    others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    if not name:
        return others
    return [folder / name, *(path for path in others if path.name != name)]


def _read_pointer(pointer: Path) -> str:
    """The name of the file in a pointer, which may be from any machine; empty for none."""
    if not pointer.is_file():
        return ''
    with open(pointer, 'rb') as file:
        path = file.read(MAX_POINTER).decode(errors='replace').strip().strip('\0')
    name = PureWindowsPath(path).name  # takes both kinds of slashes
    return name if len(name.encode()) <= MAX_NAME else ''


@functools.lru_cache(maxsize=16)
def _problem(path: Path, changed: int, size: int) -> str | None:
    """What is wrong with a checkpoint; None where a run can be resumed from it.

    Args:
        path: The file.
        changed: When it was changed, in nanoseconds; it is read once for each state.
        size: Its size in bytes.
    """
    try:
        with open(path, 'rb') as file:
            if not is_archive(file):
                return 'is damaged or foreign (it is no archive of torch)'
        check_needed(load_from_local(str(path), 'cpu'))
    except (OSError, ValueError) as error:
        reason = str(error).partition('; allowed')[0].removeprefix(f'checkpoint {path} ')
        return reason if reason.startswith(('is ', 'has ')) else f'is damaged ({reason})'
    return None


def set_aside(work_dir: str | os.PathLike, paths: Iterable[Path], into: Path) -> int:
    """Move the checkpoints of an earlier training into a folder; returns their number.

    The pointer goes, and then the one from which it would be resumed, after all others: a kill in
    between leaves a folder that can be resumed.
    """
    pointer = Path(work_dir) / POINTER
    last = _read_pointer(pointer)
    ordered = sorted(paths, key=lambda path: path.name == last)
    if ordered:
        into.mkdir(exist_ok=True)
    for path in ordered:
        if path.name == last:
            pointer.unlink()
        path.rename(into / path.name)
    return len(ordered)


def clean_up(*folders: str | os.PathLike) -> None:
    """Remove what a killed process left half written; the folder must be locked."""
    for folder in folders:
        for path in Path(folder).glob(TEMPORARY):
            path.unlink(missing_ok=True)
