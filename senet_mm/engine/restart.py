"""A run that its launcher restarts resumes by itself."""

import os
from collections.abc import Mapping
from pathlib import Path

from senet_mm.utils.files import atomic_file

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
    name = os.environ.get('TORCHELASTIC_RUN_ID', 'none')
    if name != 'none':  # torchrun's default on several machines
        return name
    # A job that goes back into the queue keeps its number, and its steps are counted anew.
    job, step = (os.environ.get(f'SLURM_{part}_ID') for part in ('JOB', 'STEP'))
    return f'slurm {job}.{step}' if step else ''


def _is_first() -> bool:
    """Whether Slurm starts this job for the first time: its steps may be shells for many runs."""
    return _get_launch().startswith('slurm') and 'SLURM_RESTART_COUNT' not in os.environ
