"""The memory of the tensors that are alive, followed through a pass."""

import math
import weakref
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import dtype_to_type
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

CONVOLUTION = torch.ops.aten.convolution.default
BACKWARD = torch.ops.aten.convolution_backward.default
MEAN = torch.ops.aten.mean.dim
READ = torch.ops.aten._local_scalar_dense.default
# Channels in a block of oneDNN's layouts.
BLOCK = 16


class MemoryMeter(TorchDispatchMode):
    """Adds up the storages that are alive, and what a convolution takes while it runs.

    torch's ``MemTracker`` gives the same sums of storages, and those of each module besides, for
    which it looks at all modules after each operation.

    Most fake tensors have no values; one that is read, as a label by a loss that makes one-hot
    vectors, is 0.

    Attributes:
        held: Bytes of the storages that are alive.
        peak: The most that were alive at once.
        written: Bytes of all storages that were made.
    """

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        self.peak = 0
        self.written = 0
        self._known = WeakIdKeyDictionary()

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Count the storages of some tensors of any shapes, (...), once each."""
        for tensor in tensors:
            storage = tensor.untyped_storage()
            if storage not in self._known:
                size = self._known[storage] = storage.nbytes()
                self.held += size
                self.written += size
                weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self.held -= size

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        try:
            out = func(*args, **(kwargs or {}))
        except DataDependentOutputException:
            if func is not READ:
                raise
            return dtype_to_type(args[0].dtype)()
        self.add(x for x in tree_leaves(out) if isinstance(x, Tensor))
        self.peak = max(self.peak, self.held + workspace(func, args, out))
        return out


def total_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of some tensors of any shapes, (...)."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def workspace(func: torch._ops.OpOverload, args: tuple, out: Any) -> int:
    """Bytes that an operation takes on a CPU while it runs, besides its output.

    The mean of a map of 16 bits is taken from a copy in float32. oneDNN copies what a convolution
    reads and writes; any other one, as for a small image, makes patches (im2col).
    """
    if func is MEAN and args[0].element_size() == 2:
        return 4 * args[0].numel()
    if func is CONVOLUTION:
        x, weight, geometry, bias_sizes = args[0], args[1], args[3:9], None
    elif func is BACKWARD:
        x, weight, geometry, bias_sizes = args[1], args[2], args[4:10], args[3]
    else:
        return 0
    backend = torch._C._select_conv_backend(x, weight, None, *geometry, bias_sizes).name
    if backend == 'Mkldnn':
        y: Tensor = out if func is CONVOLUTION else args[0]
        copies = blocked_bytes(x, weight, y)
        # The gradient of the weights, or the output, is made plain after the copies are done with.
        made = 1 if func is BACKWARD else 2
        return max(sum(copies) - total_bytes([(x, weight, y)[made]]), copies[made])
    kernel, stride, padding, dilation = (weight.shape[2:], *geometry[:3])
    if backend != 'Slow2d' or math.prod(kernel) * math.prod(stride) == 1:
        return 0
    sides = zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    positions = math.prod((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sides)
    return len(x) * positions * weight[0].numel() * x.element_size()


def blocked_bytes(x: Tensor, weight: Tensor, y: Tensor) -> tuple[int, int, int]:
    """Bytes of oneDNN's copies of a convolution's input, weights and output.

    They are in blocks of 16 channels, as on a CPU with AVX-512. An input of fewer channels is read
    as it is.

    Args:
        x: Input, (N, C, H, W).
        weight: Weights, (D, C / groups, h, w).
        y: Output, (N, D, H', W').
    """
    image, map_, kernel = (math.prod(tensor.shape[2:]) for tensor in (x, y, weight))
    outputs, inputs = weight.shape[:2]
    grouped = inputs < x.shape[1]
    few = not grouped and inputs < BLOCK
    size = x.element_size()
    return (
        0 if few else size * len(x) * to_blocks(x.shape[1]) * image,
        size * kernel * (inputs if few or grouped else to_blocks(inputs)) * to_blocks(outputs),
        size * len(y) * to_blocks(outputs) * map_,
    )


def to_blocks(channels: int) -> int:
    """Channels, filled up to whole blocks."""
    return -(-channels // BLOCK) * BLOCK
