"""How a model is wrapped for several processes: settings of torch's DDP, and compression."""

import inspect
from collections.abc import Mapping

import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from senet_mm.registry import MODEL_WRAPPERS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_option

# What a config need not set. Neither changes a weight: docs/scaling.md.
DEFAULTS = dict(
    broadcast_buffers=False,  # SyncBuffersHook averages them before they are needed
    gradient_as_bucket_view=True,  # no second copy of all gradients
)
# Value of ``compression`` -> hook of torch.distributed.algorithms.ddp_comm_hooks.default_hooks.
COMPRESSIONS = {'bf16': 'bf16_compress_hook', 'fp16': 'fp16_compress_hook'}


@MODEL_WRAPPERS.register_module()
class DistributedModel(MMDistributedDataParallel):
    """mmengine's wrapper, which can compress the gradients that processes exchange.

    Args:
        module: The model.
        compression: ``bf16`` or ``fp16``: each process rounds its gradients to 16 bits, and their
            sum is rounded too. None exchanges them as they are.
        **kwargs: Arguments of mmengine's wrapper and of torch's ``DistributedDataParallel``.

    Raises:
        ValueError: The compression is not known.
    """

    def __init__(self, module: nn.Module, compression: str | None = None, **kwargs: object) -> None:
        check_option('model_wrapper_cfg.compression', compression, (None, *COMPRESSIONS))
        super().__init__(module, **kwargs)
        if compression:
            # Late: it imports optimizers, and few runs need it.
            from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

            self.register_comm_hook(None, getattr(default_hooks, COMPRESSIONS[compression]))


def complete_wrapper(cfg: Config, given: dict | None) -> dict:
    """The whole config of a wrapper: what the user gives, :data:`DEFAULTS` for the rest.

    mmengine has its defaults only where nothing at all is given. Wrappers other than DDP and its
    subclasses are left as they are.

    Args:
        cfg: The config of the run.
        given: Its ``model_wrapper_cfg``.

    Raises:
        ValueError: There is no such wrapper, or a setting contradicts another.
    """
    wrapper = dict(given or {})
    name = wrapper.get('type', 'DistributedModel')
    # A class: mmengine does not look for names in our registry.
    wrapper['type'] = kind = MODEL_WRAPPERS.get(name) if isinstance(name, str) else name
    if not inspect.isclass(kind):
        raise InputError(
            f'model_wrapper_cfg.type={name!r} is not known; allowed: DistributedModel, '
            'MMDistributedDataParallel, or the name of a registered wrapper'
        )
    if not issubclass(kind, DistributedDataParallel):
        return wrapper
    unused = cfg.get('find_unused_parameters', False)
    wrapper = {**DEFAULTS, 'find_unused_parameters': unused, **wrapper}
    if not torch.cuda.is_available():
        wrapper.setdefault('device_ids', None)
    _check_static_graph(cfg, wrapper)
    return wrapper


def _check_static_graph(cfg: Config, wrapper: dict) -> None:
    """torch fails in the first backward pass that does not exchange gradients.

    https://github.com/pytorch/pytorch/pull/187732
    """
    optimizer = cfg.get('optim_wrapper')
    count = optimizer.get('accumulative_counts', 1) if isinstance(optimizer, Mapping) else 1
    if wrapper.get('static_graph') and count > 1:
        raise InputError(
            f'model_wrapper_cfg.static_graph=True with optim_wrapper.accumulative_counts={count}; '
            'allowed: static_graph=False, or accumulative_counts=1'
        )
