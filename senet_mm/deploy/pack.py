"""Convolutions for a CPU: weights in oneDNN's layout, the ReLU inside the convolution."""

from typing import TypeGuard

import torch
from torch import Tensor, nn


class PackedConv(nn.Module):
    """A convolution whose weights are laid out once, at the first call, not at every call.

    It calls the operators that Inductor puts into its programs for a CPU.

    Args:
        conv: The convolution; see :meth:`fits`.
        relu: Apply a ReLU before the output is written.
    """

    def __init__(self, conv: nn.Conv2d, relu: bool = False) -> None:
        super().__init__()
        self.conv = conv
        self.relu = relu
        self.packed: Tensor | None = None

    @staticmethod
    def fits(module: nn.Module) -> TypeGuard[nn.Conv2d]:
        """Whether a module is a convolution that this class can replace."""
        return (
            type(module) is nn.Conv2d
            and module.padding_mode == 'zeros'
            and isinstance(module.padding, tuple)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The convolution, with its ReLU, (N, C, H, W) -> (N, C', H', W')."""
        conv = self.conv
        geometry = conv.padding, conv.stride, conv.dilation, conv.groups
        if self.packed is None:
            self.packed = torch.ops.mkldnn._reorder_convolution_weight(
                conv.weight, *geometry, x.shape
            )
        function = 'relu' if self.relu else 'none'
        return torch.ops.mkldnn._convolution_pointwise(
            x, self.packed, conv.bias, *geometry, function, [], ''
        )


def pack(network: nn.Module) -> nn.Module:
    """Pack the convolutions of a folded network on a CPU, in place.

    The network can be neither copied nor saved afterwards. Without oneDNN nothing is changed.
    """
    if not torch.backends.mkldnn.is_available():
        return network
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if PackedConv.fits(child):
                setattr(parent, name, PackedConv(child))
            elif type(child) is nn.Sequential and len(child) == 2:
                conv, function = child
                if PackedConv.fits(conv) and type(function) is nn.ReLU:
                    setattr(parent, name, PackedConv(conv, relu=True))
    return network
