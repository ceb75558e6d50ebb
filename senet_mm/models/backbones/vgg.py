"""VGG for images in any memory format."""

from typing import Any

from mmpretrain.models import VGG as _VGG
from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.options import check_integer, check_integers, check_option

from .base import build_norm


def make_contiguous(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
    """A forward hook: the output (N, C, H, W), laid out channel by channel."""
    return output.contiguous()


@MODELS.register_module()
class VGG(_VGG):
    """mmpretrain's VGG, which also takes images that are channels last in memory.

    Upstream flattens the last map with ``view``, which fails for that layout. Arguments as
    upstream: ``depth``, ``num_classes``, ``norm_cfg``, ...
    """

    def __init__(self, depth: int, *args: Any, **kwargs: Any) -> None:
        check_option('depth', depth, self.arch_settings)
        num_stages = kwargs.get('num_stages', 5)
        check_option('num_stages', num_stages, range(1, 6))
        check_integer('frozen_stages', kwargs.get('frozen_stages', -1), -1)
        if (out_indices := kwargs.get('out_indices')) is not None:
            check_integers('out_indices', out_indices, 0)
            for index in out_indices:
                check_option('out_indices', index, range(num_stages + 1))
        if (norm_cfg := kwargs.get('norm_cfg')) is not None:
            build_norm(norm_cfg, 64)
        super().__init__(depth, *args, **kwargs)
        self.features[-1].register_forward_hook(make_contiguous)
