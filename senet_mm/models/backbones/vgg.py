"""VGG for images in any memory format."""

from mmpretrain.models import VGG as _VGG
from torch import Tensor, nn

from senet_mm.registry import MODELS


def make_contiguous(module: nn.Module, args: tuple, output: Tensor) -> Tensor:
    """A forward hook: the output, laid out channel by channel."""
    return output.contiguous()


@MODELS.register_module()
class VGG(_VGG):
    """mmpretrain's VGG that classifies images whose channels lie together in memory, too.

    Upstream flattens the last map with ``view``, which such a map does not allow. Arguments as
    upstream: ``depth``, ``num_classes``, ``norm_cfg``, ...
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.features[-1].register_forward_hook(make_contiguous)
