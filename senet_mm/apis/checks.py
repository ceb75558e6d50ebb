"""What is given to a prediction, checked before anything is read."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.config import Config

import senet_mm.registry  # noqa: F401, before mmpretrain, whose messages it swallows
from senet_mm.datasets.images.decoding import EXTENSIONS
from senet_mm.utils.errors import ArgumentError, InputError, NonFiniteError
from senet_mm.utils.files import EXPORTED, check_regular_file, is_exported, is_stream

from .models import WEIGHTS

if TYPE_CHECKING:
    import torch
    from torch import nn

NETWORKS = (*WEIGHTS, *EXPORTED)


def check_one_checkpoint(checkpoint: str, images: Sequence[str]) -> None:
    """Raise an InputError for a checkpoint among the images, as of a pattern that fits two."""
    others = [name for name in images if name.lower().endswith(NETWORKS)]
    if not others:
        return
    if checkpoint.lower().endswith(tuple(EXTENSIONS)):
        raise InputError(f'{others[0]} after {checkpoint}; allowed: the checkpoint first')
    names = ', '.join([checkpoint, *others])
    number = {1: 'two'}.get(len(others), 1 + len(others))
    raise InputError(f'{number} checkpoints: {names}; allowed: one, and then images')


def check_not_read(out: Path, read: Iterable[str | None]) -> None:
    """Raise an InputError for a file of results that would replace an image, a network or a config.

    Args:
        out: Where the results go.
        read: What is read, paths or other names.
    """
    if not out.is_file() or is_stream(out):
        return
    if str(out).lower().endswith((*NETWORKS, *EXTENSIONS)):
        raise InputError(f'--out {out} exists, and is no file of results; allowed: another name')
    status = out.stat()
    for name in filter(None, read):
        if os.path.exists(name) and os.path.samestat(status, os.stat(name)):
            raise InputError(f'--out {out} is read, as {name}; allowed: another name')


def check_finite(model: 'nn.Module', checkpoint: str | os.PathLike) -> None:
    """Raise a NonFiniteError for weights of which some are NaN or infinite."""
    from senet_mm.engine.weights.checkpoint import find_not_finite

    weights = model.state_dict()
    if broken := find_not_finite(weights):
        raise NonFiniteError(
            f'{checkpoint} has values that are not finite in {len(broken)} of {len(weights)} '
            f'tensors ({", ".join(broken[:3])}{", ..." * (len(broken) > 3)}); allowed: weights of '
            'a training that has not diverged'
        )


def check_options(
    checkpoint: str | os.PathLike,
    config: str | Config | None,
    device: 'str | torch.device | None',
    amp: bool,
) -> None:
    """Raise a UserError for a device without values, or options that an exported file has not.

    The config need not be read for it.
    """
    if device is not None and str(device).partition(':')[0] == 'meta':
        raise InputError(f'device={device} holds no values; allowed: cpu, cuda, ...')
    if not isinstance(config, str | os.PathLike | Config | None):
        raise ArgumentError(
            f'config={config!r:.80}; allowed: name or path of a config, or a config'
        )
    if not is_exported(checkpoint):
        return
    check_regular_file(checkpoint, 'exported file')
    name = config.filename if isinstance(config, Config) else config
    given = dict(config='Config' if config is not None and name is None else name)
    given |= dict(amp=amp or None, device=device)
    for key, value in given.items():
        if value is not None and str(value) != 'cpu':
            raise InputError(
                f'{key}={value} with the exported file {checkpoint}; allowed: a checkpoint; the '
                'file has its own config and precision, and runs on the CPU'
            )
