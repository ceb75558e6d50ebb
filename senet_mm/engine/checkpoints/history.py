"""The logged scalars of a run, which a resumed run carries on in its own folder."""

from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.dist import is_main_process

if TYPE_CHECKING:
    from senet_mm.engine.runner import Runner

# In the message hub: folder, file of all scalars, file by time; and their sizes in bytes.
HISTORY = 'scalars_so_far'
FOLDER = 'vis_data'


def remember_history(runner: 'Runner') -> None:
    """Note how much of the logged scalars belongs to the state that is about to be saved."""
    folder = Path(runner.log_dir) / FOLDER
    sizes = [path.stat().st_size if path.is_file() else 0 for path in _files(runner)]
    where = str(folder.relative_to(runner.work_dir))
    runner.message_hub.update_info(HISTORY, (where, runner.timestamp, sizes))


def carry_history(runner: 'Runner') -> None:
    """Begin the scalars of a resumed run with those of the run before, up to its checkpoint."""
    where, timestamp, sizes = runner.message_hub.get_info(HISTORY, ('', '', []))
    if not is_main_process() or not sizes:
        return
    folder = Path(runner.work_dir) / where
    files = _files(runner)
    names = [path.name.replace(runner.timestamp, timestamp) for path in files]
    for name, size, file in zip(names, sizes, files, strict=True):
        # Of a run that was restarted within a second, the two are the same file.
        if (folder / name).is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes((folder / name).read_bytes()[:size])


def _files(runner: 'Runner') -> list[Path]:
    folder = Path(runner.log_dir) / FOLDER
    return [folder / 'scalars.json', folder / f'{runner.timestamp}.json']
