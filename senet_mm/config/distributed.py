"""Checks the settings of distributed training that contradict each other or the model."""

import inspect
from collections.abc import Mapping

from mmengine.model import MMSeparateDistributedDataParallel

from senet_mm.registry import MODEL_WRAPPERS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import is_integer

ALLOWED = 'allowed: DistributedModel, MMDistributedDataParallel, or a registered subclass of these'


def wrapper_class(wrapper: Mapping) -> object:
    """The class of a ``model_wrapper_cfg``, whose name may have a scope; None if it is unknown."""
    kind = wrapper.get('type', 'DistributedModel')
    return MODEL_WRAPPERS.get(kind) if isinstance(kind, str) else kind


def check_wrapper(wrapper: Mapping, optimizer: object) -> None:
    """Check what is known before a network is built.

    Args:
        wrapper: The ``model_wrapper_cfg``.
        optimizer: The ``optim_wrapper``, as a dict or built.

    Raises:
        InputError: The wrapper cannot train, or a setting contradicts another.
    """
    _check_class(wrapper)
    sizes = [wrapper.get(key) for key in ('bucket_cap_mb', 'bucket_cap_mb_list')]
    if None not in sizes:
        raise InputError(
            f'model_wrapper_cfg: bucket_cap_mb={sizes[0]!r} with bucket_cap_mb_list={sizes[1]!r}; '
            'allowed: one of them'
        )
    # torch fails in the first backward pass that does not exchange gradients:
    # https://github.com/pytorch/pytorch/pull/187732
    count = optimizer.get('accumulative_counts', 1) if isinstance(optimizer, Mapping) else 1
    if wrapper.get('static_graph') and is_integer(count) and count > 1:
        raise InputError(
            f'model_wrapper_cfg.static_graph=True with optim_wrapper.accumulative_counts={count}; '
            'allowed: static_graph=False, or accumulative_counts=1'
        )


def _check_class(wrapper: Mapping) -> None:
    """Raise an InputError for a wrapper that cannot train a classifier."""
    kind, place = wrapper_class(wrapper), f'model_wrapper_cfg.type={wrapper.get("type")!r}'
    if not inspect.isclass(kind):
        return  # perhaps registered later
    if issubclass(kind, MMSeparateDistributedDataParallel):
        raise InputError(f'{place} is for models that have a train_step of their own; {ALLOWED}')
    if not hasattr(kind, 'train_step'):
        raise InputError(f'{place} has no train_step, which the training loop calls; {ALLOWED}')
