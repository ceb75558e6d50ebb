"""The folder of a run's checkpoints: which is the last whole one, what may go."""

import functools
import os
from pathlib import Path

from mmengine.logging import print_log

from senet_mm.engine.weights.archive import is_archive, read_archive
from senet_mm.utils.files import TEMPORARY, atomic_file

POINTER = 'last_checkpoint'


def point_to(work_dir: str | os.PathLike, path: str) -> None:
    """Write into ``last_checkpoint`` where the last checkpoint is, relative to the folder."""
    relative = os.path.relpath(path, work_dir) if '://' not in path else path
    with atomic_file(Path(work_dir) / POINTER) as file:
        file.write(relative.encode())


def find_last(work_dir: str | os.PathLike, folder: Path | None = None) -> str | None:
    """The checkpoint to which ``last_checkpoint`` points, if it is whole, or the newest that is.

    Of the path in ``last_checkpoint`` only the name counts, since a folder may be a copy. A line
    names each checkpoint that is passed over.

    Args:
        work_dir: The work directory.
        folder: Where its checkpoints lie, by default there.

    Returns:
        Its path; None for a folder without checkpoints.

    Raises:
        FileNotFoundError: The one to which it points is not there, and there is no other.
        ValueError: There are checkpoints, and all are damaged.
    """
    folder = Path(work_dir) if folder is None else folder
    wrong = None
    for path in _candidates(Path(work_dir) / POINTER, folder):
        status = path.stat() if path.is_file() else None
        problem = _problem(path, status.st_mtime_ns, status.st_size) if status else 'is not there'
        if problem is None:
            if wrong:
                print_log(f'{wrong}; the run resumes from {path.name}', logger='current')
            return str(path)
        wrong = f'{wrong}, {path.name} {problem}' if wrong else f'{path} {problem}'
    if wrong is None:
        return None
    error = ValueError if any(folder.glob('*.pth')) else FileNotFoundError
    raise error(f'{wrong}; allowed: --resume CHECKPOINT, with the path of one that is whole')


def _candidates(record: Path, folder: Path) -> list[Path]:
    """The checkpoint that is pointed to, then the others that can be resumed, newest first."""
    others = [path for path in folder.glob('*.pth') if not path.name.startswith('best_')]
    others.sort(key=lambda path: path.stat().st_mtime_ns, reverse=True)
    if not record.is_file():
        return others
    file = folder / Path(record.read_text().strip()).name
    return [file, *(path for path in others if path != file)]


@functools.lru_cache(maxsize=16)
def _problem(path: Path, changed: int, size: int) -> str | None:
    """What is wrong with a checkpoint; None where all bytes are as they were written.

    Args:
        path: The file.
        changed: When it was changed, in nanoseconds; it is read once for each state.
        size: Its size in bytes.
    """
    try:
        with open(path, 'rb') as file:
            if is_archive(file):
                read_archive(file)
                return None
    except (OSError, ValueError) as error:
        return f'is damaged ({error})'
    return 'is no archive of torch'


def clean_up(*folders: str | os.PathLike) -> None:
    """Remove what a killed process left half written; the folder must be locked."""
    for folder in folders:
        for path in Path(folder).glob(TEMPORARY):
            path.unlink(missing_ok=True)
