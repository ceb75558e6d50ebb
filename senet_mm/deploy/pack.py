"""Convolutions for a CPU: weights in oneDNN's layout, the ReLU inside the convolution."""

import ctypes
from typing import TypeGuard

import torch
from torch import Tensor, nn

# Shapes and thread counts; their weights share memory where the layout is the same. A convolution
# has two shapes for each batch size, and a server has many of these.
REMEMBERED = 4096


class PackedConv(nn.Module):
    """A convolution that keeps its weights in the layout that oneDNN wants.

    It calls the operators that Inductor puts into its programs for a CPU. The layout depends on the
    shape of the map and on the number of threads. Weights in another layout are rearranged at every
    call, which can take 50 times as long as the convolution; so they are laid out once for each
    shape and number of threads.

    Args:
        conv: The convolution; see :meth:`fits`.
        relu: Apply a ReLU before the output is written.
    """

    def __init__(self, conv: nn.Conv2d, relu: bool = False) -> None:
        super().__init__()
        self.conv = conv
        self.relu = relu
        self.geometry = conv.padding, conv.stride, conv.dilation, conv.groups
        self.packed: dict[tuple[torch.Size, int], Tensor] = {}

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
        call = x.shape, torch.get_num_threads()
        weight = self.packed.get(call)
        if weight is None:
            weight = self._pack(call)
        function = 'relu' if self.relu else 'none'
        return torch.ops.mkldnn._convolution_pointwise(
            x, weight, self.conv.bias, *self.geometry, function, [], ''
        )

    def _pack(self, call: tuple[torch.Size, int]) -> Tensor:
        """Lay the weights out for calls with a shape (N, C, H, W) and number of threads."""
        weight = torch.ops.mkldnn._reorder_convolution_weight(
            self.conv.weight, *self.geometry, call[0]
        )
        layouts = {id(other): other for other in self.packed.values()}.values()
        content = _content(weight)
        weight = next((other for other in layouts if _content(other) == content), weight)
        if len(self.packed) >= REMEMBERED:
            del self.packed[next(iter(self.packed))]  # the oldest
        self.packed[call] = weight
        return weight


def _content(weight: Tensor) -> bytes:
    """The values of oneDNN's weight in memory order; nothing else tells its layout."""
    return ctypes.string_at(torch.ops.mkldnn.data_ptr(weight), torch.ops.mkldnn._nbytes(weight))


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
