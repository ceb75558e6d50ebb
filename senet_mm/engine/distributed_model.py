"""How a model is wrapped for several processes: settings of torch's DDP, and compression."""

import inspect

import torch
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from senet_mm.config.distributed import ALLOWED, check_wrapper, wrapper_class
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
    given = given or {}
    wrapper = dict(given)
    check_wrapper(wrapper, cfg.get('optim_wrapper'))
    # A class: mmengine does not look for names in our registry.
    wrapper['type'] = kind = wrapper_class(wrapper)
    if not inspect.isclass(kind):
        raise InputError(f'model_wrapper_cfg.type={given["type"]!r} is not known; {ALLOWED}')
    if not issubclass(kind, DistributedDataParallel):
        return wrapper
    unused = cfg.get('find_unused_parameters', False)
    wrapper = {**DEFAULTS, 'find_unused_parameters': unused, **wrapper}
    if not torch.cuda.is_available():
        wrapper.setdefault('device_ids', None)
    return wrapper
