"""The memory of the tensors that are alive, followed through a pass."""

import math
import weakref
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

CONVOLUTION = torch.ops.aten.convolution.default
BACKWARD = torch.ops.aten.convolution_backward.default
MEAN = torch.ops.aten.mean.dim


class MemoryMeter(TorchDispatchMode):
    """Adds up the storages that are alive, and what a convolution takes while it runs.

    torch's ``MemTracker`` gives the same sums of storages, and those of each module besides, for
    which it looks at all modules after each operation.

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
        out = func(*args, **(kwargs or {}))
        self.add(x for x in tree_leaves(out) if isinstance(x, Tensor))
        self.peak = max(self.peak, self.held + workspace(func, args))
        return out


def total_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of some tensors of any shapes, (...)."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def workspace(func: torch._ops.OpOverload, args: tuple) -> int:
    """Bytes that an operation takes on a CPU while it runs, besides its output.

    The mean of a map of 16 bits is taken from a copy in float32. A convolution of oneDNN copies its
    weights to another layout; any other one, as for a small image, makes patches (im2col).
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
        return total_bytes([weight])
    kernel, stride, padding, dilation = (weight.shape[2:], *geometry[:3])
    if backend != 'Slow2d' or math.prod(kernel) * math.prod(stride) == 1:
        return 0
    sides = zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    positions = math.prod((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in sides)
    return len(x) * positions * weight[0].numel() * x.element_size()
