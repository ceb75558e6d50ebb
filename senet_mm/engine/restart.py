"""A run that its launcher restarts resumes by itself."""

import os
from collections.abc import Mapping
from pathlib import Path

from senet_mm.utils.files import atomic_file
from senet_mm.utils.processes import LAUNCH_NAME

# In the work directory: the launch that has saved a checkpoint there.
LAUNCH = '.launch'


def resumes_by_itself(cfg: Mapping) -> bool:
    """Whether the launcher of this process has started the run before, and it has saved then.

    The command may have no ``--resume``, or one with the checkpoint from which the run began.
    """
    if _is_first():
        return False
    file = Path(cfg['work_dir']) / LAUNCH
    return file.is_file() and file.read_text() == _get_launch() != ''


def note_saved(work_dir: str | os.PathLike) -> None:
    """Remember which launch has saved a checkpoint; for runs of torchrun and Slurm."""
    file, launch = Path(work_dir) / LAUNCH, _get_launch()
    if launch and not (file.is_file() and file.read_text() == launch):
        with atomic_file(file) as opened:
            opened.write(launch.encode())


def _get_launch() -> str:
    """The name of a launch, which restarts keep; empty where there is none."""
    if name := os.environ.get(LAUNCH_NAME):
        return name
    if 'TORCHELASTIC_RUN_ID' in os.environ:  # it may be the same in each launch, by --rdzv-id
        is_alone = os.environ.get('GROUP_WORLD_SIZE') == '1'
        return f'torchrun {os.environ["TORCHELASTIC_RUN_ID"]} {os.getppid()}' if is_alone else ''
    # A job that goes back into the queue keeps its number, and its steps are counted anew.
    job, step = (os.environ.get(f'SLURM_{part}_ID') for part in ('JOB', 'STEP'))
    return f'slurm {job}.{step}' if step else ''


def _is_first() -> bool:
    """Whether this is no restart: steps of Slurm may be shells, and numbers of processes repeat."""
    kind = _get_launch().partition(' ')[0]
    if kind == 'torchrun':
        return os.environ.get('TORCHELASTIC_RESTART_COUNT', '0') == '0'
    return kind == 'slurm' and 'SLURM_RESTART_COUNT' not in os.environ
