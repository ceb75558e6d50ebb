"""The autograd nodes of the fused tail against float64: outputs, gradients, running statistics.

The yardstick is PyTorch at the same precision. An error may be twice that of ordinary code or of
the nodes with PyTorch's passes, whichever is larger, plus two roundings of a map, plus a float32
rounding for each of the eight operations in a row from the squeeze to the gradient of its layer.
"""

import copy
import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from senet_mm.ops import fused, plain

from .cases import DTYPES, VARIANTS, Case, make_case
from .shapes import Map

FACTOR = 2
ROUNDING = 8 * torch.finfo(torch.float32).eps


class Gate(nn.Module):
    """Squeeze and excitation with a ratio of 4; PyTorch alone."""

    gates_average = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, max(1, channels // 4))
        self.fc2 = nn.Linear(max(1, channels // 4), channels)

    def scale(self, x: Tensor) -> Tensor:
        """The gate (N, C, 1, 1) of a map (N, C, H, W)."""
        gate = self.fc2(F.relu(self.fc1(x.mean((2, 3)))))
        return gate.sigmoid()[..., None, None]


class Node(NamedTuple):
    """A fused form and the ordinary code for it; of z, r, norm, gate."""

    fused: Callable[..., Tensor]
    ordinary: Callable[..., Tensor]


def _gated(z: Tensor, r: Tensor, norm: nn.Module, gate: Gate) -> Tensor:
    y = norm(z)
    return F.relu(y * gate.scale(y.to(gate.fc1.weight.dtype)).to(y.dtype) + r)


NODES = {
    'tail': Node(lambda z, r, norm, gate: fused.fused_tail(z, r, norm, gate), _gated),
    'tail without gate': Node(
        lambda z, r, norm, gate: fused.fused_tail(z, r, norm, None),
        lambda z, r, norm, gate: F.relu(norm(z) + r),
    ),
    'norm and ReLU': Node(
        lambda z, r, norm, gate: fused.fused_norm_relu(z, norm)[0],
        lambda z, r, norm, gate: F.relu(norm(z)),
    ),
}


def _make(size: Map, batch: int, device: str) -> tuple[Tensor, Tensor, nn.Module, nn.Module]:
    """A map, a shortcut, a norm and a gate, with random parameters and statistics, in float32."""
    c, h, w = size[:3]
    z, r = torch.randn(2, batch, c, h, w, device=device)
    norm, gate = nn.BatchNorm2d(c).to(device), Gate(c).to(device)
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        nn.init.normal_(tensor)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    return z + 3, r, norm, gate


def _run(
    form: Callable[..., Tensor], z: Tensor, r: Tensor, norm: nn.Module, gate: nn.Module
) -> dict[str, Tensor]:
    """Results of a step: output, gradients, running statistics."""
    norm, gate = copy.deepcopy(norm), copy.deepcopy(gate)
    z, r = z.detach().requires_grad_(), r.detach().requires_grad_()
    out = form(z, r, norm, gate)
    weights = torch.linspace(-1, 1, out.numel(), device=out.device).view(out.shape)
    out.backward(weights.to(out.dtype).to(torch.promote_types(out.dtype, z.dtype)))
    named = dict(z=z, r=r, **dict(norm.named_parameters()), **dict(gate.named_parameters()))
    gradients = {f'gradient of {k}': v.grad for k, v in named.items() if v.grad is not None}
    buffers = {k: v for k, v in norm.named_buffers() if v.is_floating_point()}
    return {'output': out.detach(), **gradients, **buffers}


def _strided(x: Tensor) -> Tensor:
    """The same values as every second channel of a larger map: no layout of the kernels'."""
    wide = x.repeat_interleave(2, 1)
    return wide[:, ::2]


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    'channels_last': lambda x: x.contiguous(memory_format=torch.channels_last),
    'contiguous': lambda x: x.contiguous(),
    'strided': _strided,
}


def errors(
    node: Node, size: Map, batch: int, dtype: torch.dtype, layout: str, training: bool, device: str
) -> Iterator[tuple[str, float]]:
    """Names of the results and their errors, as parts of what is allowed."""
    z, r, norm, gate = _make(size, batch, device)
    norm.train(training)
    z, r = (LAYOUTS[layout](x.to(dtype)) for x in (z, r))
    exact = [copy.deepcopy(m).double() for m in (norm, gate)]
    truth = _run(node.ordinary, z.double(), r.double(), *exact)
    ours = _run(node.fused, z, r, norm, gate)
    usual = [_run(node.ordinary, z, r, norm, gate)]
    with mock.patch.object(fused, 'backend', return_value=plain):
        usual.append(_run(node.fused, z, r, norm, gate))
    for name, value in truth.items():
        allowed = FACTOR * max(_distance(results[name], value) for results in usual)
        rounding = 2 * torch.finfo(dtype).eps + ROUNDING
        yield name, _distance(ours[name], value) / (allowed + rounding)


def _distance(value: Tensor, truth: Tensor) -> float:
    """Norm of a difference, relative to that of the truth; NaN counts as infinite."""
    distance = ((value.double() - truth).norm() / truth.norm().clamp_min(1e-30)).item()
    return distance if distance == distance else float('inf')


def settings(small: bool) -> list[tuple[torch.dtype, str, bool]]:
    """Precision, layout, and whether the norm is in training: all, or each once."""
    if small:
        return list(zip(DTYPES, LAYOUTS, (True, True, False), strict=True))
    return list(itertools.product(DTYPES, LAYOUTS, (True, False)))


def check_nodes(sizes: list[Map], batch: int, device: str, small: bool) -> list[dict]:
    """A row for each node and setting: the largest error as a part of what is allowed."""
    rows = []
    for name, node in NODES.items():
        for dtype, layout, training in settings(small):
            found = [
                (error, f'{result} of {tuple(size[:3])}')
                for size in sizes
                for result, error in errors(node, size, batch, dtype, layout, training, device)
            ]
            part, at = max(found)
            where = dict(name=name, dtype=str(dtype)[6:], layout=layout, training=training)
            rows.append(dict(where, part=part, at=at))
    return rows


def check_refusals(device: str) -> list[str]:
    """Passes that take maps in a layout that they cannot read; each must refuse it."""
    case = make_case(Map(8, 4, 4, True), 2, torch.float32, False, device)
    fields = dict(zip(Case._fields[:4], map(_strided, case[:4]), strict=True))
    accepted = []
    for name, variant in VARIANTS.items():
        for field in set(variant.arguments) & set(fields):
            try:
                variant(case._replace(**{field: fields[field]}))
            except AssertionError:
                continue
            accepted.append(f'{name}: {field}')
    return accepted
