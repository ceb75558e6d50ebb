"""A map with all that the passes take, and the passes, by what they are given."""

from typing import NamedTuple

import torch
from torch import Tensor

from senet_mm.ops import kernels

from .shapes import Map

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


class Case(NamedTuple):
    """Arguments of the passes; names as in :mod:`senet_mm.ops.fused`.

    Attributes:
        z, r, grad: Maps (N, C, H, W).
        out: A rectified map, (N, C, H, W).
        scale, offset, constant: (N, C).
        mean, gain, beta, factor: (C,).
    """

    z: Tensor
    r: Tensor
    grad: Tensor
    out: Tensor
    scale: Tensor
    offset: Tensor
    constant: Tensor
    mean: Tensor
    gain: Tensor
    beta: Tensor
    factor: Tensor

    def samples(self, rows: Tensor) -> 'Case':
        """Some samples, in float64."""
        parts = (v[rows] if i < 7 else v for i, v in enumerate(self))
        return Case(*(part.double() for part in parts))


def make_case(
    size: Map, batch: int, dtype: torch.dtype, last: bool, device: str, share: bool = False
) -> Case:
    """Random arguments; ``share`` lets the shortcut be the gradient, to save memory.

    The mean of a channel is three standard deviations of the map from 0 on average.
    """
    c, h, w = size[:3]

    def draw() -> Tensor:
        shape = (batch, h, w, c) if last else (batch, c, h, w)
        values = torch.randn(shape, dtype=dtype, device=device)
        return values.permute(0, 3, 1, 2) if last else values

    rows = [torch.randn(batch, c, device=device) for _ in range(3)]
    mean, *columns = (torch.randn(c, device=device) for _ in range(4))
    z = draw().add_(3 * mean[:, None, None].to(dtype))
    r = draw()
    grad, out = (r, r.clone().relu_()) if share else (draw(), draw().relu_())
    return Case(z, r, grad, out, *rows, 3 * mean, *columns)


class Variant(NamedTuple):
    """A pass with one choice of its arguments.

    Attributes:
        function: Name of the pass.
        arguments: Its arguments, names of a :class:`Case`; None is None.
        maps: Maps that it reads and writes.
        of: ``tail`` or ``norm``: which maps of a network it handles; empty for evaluation.
    """

    function: str
    arguments: tuple[str | None, ...]
    maps: int
    of: str

    def __call__(self, case: Case) -> tuple[Tensor, ...]:
        """Results of the kernel."""
        arguments = (None if name is None else getattr(case, name) for name in self.arguments)
        results = getattr(kernels, self.function)(*arguments)
        return results if isinstance(results, tuple) else (results,)


VARIANTS = {
    'moments': Variant('moments', ('z',), 1, 'tail norm'),
    'affine_relu, shortcut': Variant(
        'affine_relu', ('z', 'mean', 'scale', 'offset', 'r'), 3, 'tail'
    ),
    'affine_relu': Variant('affine_relu', ('z', 'mean', 'gain', 'beta', None), 2, 'norm'),
    'grad_sums': Variant('grad_sums', ('grad', 'out', 'z', 'mean'), 4, 'tail'),
    'relu_grad_sums': Variant('relu_grad_sums', ('grad', 'z', 'mean', 'gain', 'beta'), 2, 'norm'),
    'input_grad': Variant(
        'input_grad', ('grad', 'z', 'mean', 'scale', 'factor', 'constant'), 3, 'tail'
    ),
    'input_grad, rectifying': Variant(
        'input_grad', ('grad', 'z', 'mean', 'gain', 'factor', 'constant', 'beta'), 3, 'norm'
    ),
    'input_grad, running': Variant(
        'input_grad', ('grad', 'z', 'mean', 'scale', None, 'constant'), 2, ''
    ),
}


def handles(variant: Variant, size: Map) -> bool:
    """Whether a network calls a variant on a map."""
    return ('tail' if size.tail else 'norm') in variant.of.split()
