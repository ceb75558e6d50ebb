"""Mixed precision that works on every device."""

import contextlib
from collections.abc import Iterator

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper
from torch import nn

from senet_mm.registry import OPTIM_WRAPPERS
from senet_mm.utils.options import check_option

from .speed import has_fast_bf16


@OPTIM_WRAPPERS.register_module()
class Bf16OptimWrapper(OptimWrapper):
    """Forward passes under bfloat16 autocast, on a GPU or a CPU.

    bfloat16 has float32's range, so no loss scaling is needed. mmengine's ``AmpOptimWrapper``
    (float16) refuses to run on a CPU.

    Args:
        *args: Arguments of mmengine's ``OptimWrapper``.
        when: ``always``, or ``fast``: where the device calculates in bfloat16, else float32.
        **kwargs: Arguments of mmengine's ``OptimWrapper``: ``accumulative_counts``, ...

    Raises:
        ValueError: ``when`` is not known.
    """

    def __init__(self, *args: object, when: str = 'always', **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        check_option('when', when, ('always', 'fast'))
        self.enabled = when == 'always' or has_fast_bf16(get_device())

    @contextlib.contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """Autocast, inside of the parent's gradient accumulation context."""
        autocast = torch.autocast(get_device(), torch.bfloat16, enabled=self.enabled)
        with super().optim_context(model), autocast:
            yield
