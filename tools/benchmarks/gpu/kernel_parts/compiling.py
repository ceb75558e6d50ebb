"""Compile the kernels without running them: many at once before they run, or without a GPU.

The passes are called on tensors of the meta device, so that the kernels are those which the same
calls on a GPU would compile, and no memory is used.
"""

import itertools
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest import mock

import torch
from triton.backends.compiler import GPUTarget
from triton.runtime import driver
from triton.runtime._async_compile import AsyncCompileMode, FutureKernel
from triton.runtime.jit import JITFunction

from senet_mm.ops import kernels
from senet_mm.ops.tiles import Tile

from .cases import VARIANTS, make_case
from .shapes import Map


class Absent:
    """What Triton asks of a driver, for a GPU that is not there.

    Args:
        capability: Compute capability without the dot, such as 90.
    """

    def __init__(self, capability: int) -> None:
        self.target = GPUTarget('cuda', capability, 32)

    def get_current_target(self) -> GPUTarget:
        return self.target

    def get_current_device(self) -> int:
        return self.target.arch  # kernels are kept by device

    def get_current_stream(self, device: int) -> int:
        return 0


@contextmanager
def absent_gpu(capability: int) -> Iterator[None]:
    """Compile for a GPU that is not there."""
    # Not `set_active`: without a GPU there is no driver to go back to.
    with mock.patch.object(driver, '_active', Absent(capability)):
        yield


@contextmanager
def only_compiling() -> Iterator[list[Any]]:
    """Launches compile and run nothing; the list receives the compiled kernels."""
    compiled: list[Any] = []

    def launcher(kernel: JITFunction, grid: tuple[int]) -> Callable[..., None]:
        def call(*args: object, **kwargs: object) -> None:
            compiled.append(kernel.run(*args, grid=grid, warmup=True, **kwargs))

        return call

    with mock.patch.object(JITFunction, '__getitem__', launcher):
        yield compiled


JITTED = [kernel for kernel in vars(kernels).values() if isinstance(kernel, JITFunction)]


class Calls(NamedTuple):
    """Variants by name, on all maps, batches, precisions and layouts, with one choice of tiles."""

    names: Sequence[str]
    sizes: Sequence[Map]
    batches: Sequence[int]
    dtypes: Sequence[torch.dtype]
    layouts: Sequence[bool]
    tile_for: Callable[..., Tile]

    def run(self) -> None:
        """Call the variants on the meta device."""
        settings = itertools.product(self.sizes, self.batches, self.dtypes, self.layouts)
        with mock.patch.object(kernels, 'tile_for', self.tile_for):
            for size, batch, dtype, last in settings:
                case = make_case(size, batch, dtype, last, 'meta')
                for name in self.names:
                    VARIANTS[name](case)


def narrow(compiled: Sequence[Any]) -> list[str]:
    """Names of compiled kernels that take no 16 bytes at a time, neither to registers nor ahead."""
    wide = r'ld\.global\.v4\.b32|cp\.async\.cg\.shared\.global .*, (0x10|16)\b'
    return [k.metadata.name for k in compiled if not re.search(wide, k.asm['ptx'])]


def warm_up(calls: Sequence[Calls]) -> list[Any]:
    """Compile what some calls need, on all cores; returns the kernels."""
    with (
        only_compiling() as compiled,
        ThreadPoolExecutor(os.cpu_count()) as pool,
        AsyncCompileMode(pool),
    ):
        for some in calls:
            some.run()
    for kernel in JITTED:
        # Unfinished kernels may remain; the next call loads the finished ones from Triton's folder.
        kernel.device_caches.clear()
    done = [k.result() if isinstance(k, FutureKernel) else k for k in compiled]
    return list({id(kernel): kernel for kernel in done}.values())
