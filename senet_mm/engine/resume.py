"""Resuming: which checkpoint, with which seed, and whether it has what a run needs."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mmengine.dist import all_gather_object
from mmengine.runner import CheckpointLoader

from senet_mm.utils.errors import InputError

from .checkpoints.folder import find_last

if TYPE_CHECKING:
    from .runner import Runner


class Resumed(NamedTuple):
    """The checkpoint that a run resumes from; it is read once."""

    filename: str
    checkpoint: dict


def find_resumed(cfg: Mapping) -> str | None:
    """The checkpoint that a run of a config resumes from; None where there is none yet.

    ``resume=True`` takes ``load_from``, or without one the last checkpoint of the work directory;
    ``resume='auto'`` the latter; ``load_from`` is then where a new run starts.

    Raises:
        FileNotFoundError: The last checkpoint is not there, nor another.
        ValueError: All are damaged.
    """
    resume = cfg.get('resume')
    if not resume:
        return None
    given = cfg.get('load_from') if resume != 'auto' else None
    return given or find_last(cfg['work_dir'], get_checkpoint_folder(cfg))


def open_checkpoint(cfg: Mapping) -> Resumed | None:
    """Read the checkpoint of :func:`find_resumed`.

    Raises:
        FileNotFoundError: The last checkpoint is not there.
        ValueError: The processes find different ones.
    """
    filename = find_resumed(cfg)
    found = {filename and os.path.basename(filename) for filename in all_gather_object(filename)}
    if len(found) > 1:
        raise ValueError(
            f'the processes resume from {" and ".join(sorted(map(str, found)))}; allowed: a work '
            'directory that all nodes share'
        )
    if filename is None:
        return None
    checkpoint = CheckpointLoader.load_checkpoint(filename, 'cpu', logger='silent')
    if not isinstance(checkpoint, dict):
        raise InputError(
            f'checkpoint {filename} is a {type(checkpoint).__name__}; allowed: a dict, as a run '
            'writes it'
        )
    return Resumed(filename, checkpoint)


def get_checkpoint_folder(cfg: Mapping) -> Path:
    """Where a run's checkpoints lie: the work directory, or a folder in ``out_dir``."""
    hooks = cfg.get('default_hooks') or {}
    out_dir = (hooks.get('checkpoint') or {}).get('out_dir')
    return Path(out_dir) / Path(cfg['work_dir']).name if out_dir else Path(cfg['work_dir'])


def get_seed(resumed: Resumed, given: int | None) -> int | None:
    """The seed with which a resumed run began.

    Args:
        resumed: Where it is from.
        given: The seed of the config.

    Raises:
        ValueError: The config gives another one.
    """
    meta = resumed.checkpoint.get('meta')
    seed = meta.get('seed') if isinstance(meta, dict) else None
    if seed is None:
        return given
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise InputError(
            f'checkpoint {resumed.filename} has meta.seed={seed!r}; allowed: from 0, below 2**32'
        )
    if given not in (None, seed):
        raise ValueError(
            f'randomness.seed={given}, and checkpoint {resumed.filename} is of a run with seed '
            f'{seed}; allowed: {seed} or None'
        )
    return seed


def relocate(runner: 'Runner') -> None:
    """Let the paths that a run remembers lie in its own folder.

    After a copied folder was resumed, a new best checkpoint would delete the original's.
    """
    folder = get_checkpoint_folder({**runner.cfg, 'work_dir': runner.work_dir})
    for key, value in list(runner.message_hub.runtime_info.items()):
        if key.startswith(('best_ckpt', 'last_ckpt')) and isinstance(value, str):
            runner.message_hub.update_info(key, str(folder / Path(value).name))
