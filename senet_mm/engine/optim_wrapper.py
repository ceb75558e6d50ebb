"""Mixed precision that works on every device."""

import contextlib
from collections.abc import Iterator

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn

from senet_mm.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """Forward passes under bfloat16 autocast, on a GPU or a CPU.

    bfloat16 has float32's range, so no loss scaling is needed. mmengine's ``AmpOptimWrapper``
    (float16) refuses to run on a CPU.
    """

    @contextlib.contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, inside of the parent's gradient accumulation context."""
        with super().optim_context(model), torch.autocast(get_device(), torch.bfloat16):
            yield
