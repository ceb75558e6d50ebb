"""The tail of an SE block, and batch norm with ReLU: one function, three implementations.

The tail is what follows the last convolution of a block: norm, gate, addition, ReLU.
``reference`` is ordinary code. ``algebra`` is ordinary code too, arranged so that a compiler reads
the feature map twice instead of four times. ``fused`` does the same by hand: two autograd nodes
around an ordinary gate, with Triton kernels on a GPU and plain PyTorch elsewhere.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from . import plain
from .algebra import algebra_tail
from .fused import backend, fused_norm_relu, fused_tail
from .lean import recomputed
from .norms import accumulation_dtype


def se_tail(
    z: Tensor,
    shortcut: Tensor,
    norm: nn.Module,
    se: nn.Module | None = None,
    implementation: str = 'reference',
) -> Tensor:
    """``relu(se(norm(z)) + shortcut)``, (N, C, H, W).

    Args:
        z: Output of the block's last convolution, (N, C, H, W).
        shortcut: The block's shortcut, (N, C, H, W).
        norm: Normalisation of ``z``.
        se: Recalibration layer, None in a plain network.
        implementation: A key of ``IMPLEMENTATIONS``, see :func:`choose`.
    """
    if shortcut.dtype != z.dtype:
        implementation = 'reference'
    return IMPLEMENTATIONS[choose(implementation, z, norm, se)](z, shortcut, norm, se)


def norm_relu_conv(
    z: Tensor,
    norm: nn.Module,
    conv: nn.Module,
    implementation: str = 'reference',
    lean: bool = False,
) -> Tensor:
    """``conv(relu(norm(z)))``, (N, C, H, W) -> (N, C', H', W'), with the same implementations.

    A compiler makes the same of ``algebra`` and of ``reference``.

    Args:
        z: Output of a convolution, (N, C, H, W).
        norm: Normalisation of ``z``.
        conv: The next convolution.
        implementation: See :func:`se_tail`.
        lean: Where ``fused`` is chosen, do not keep ``relu(norm(z))`` for the gradient of ``conv``
            but compute it once more from ``z``.
    """
    # On a CPU PyTorch's batch norm and ReLU are faster than the passes of `plain`.
    pays = lean or backend(z) is not plain
    if not pays or choose(implementation, z, norm) != 'fused':
        return conv(F.relu(norm(z), inplace=True))
    y, again = fused_norm_relu(z, norm)
    if not lean:
        return conv(y)
    with recomputed(y, again):
        return conv(y)


def reference_tail(z: Tensor, shortcut: Tensor, norm: nn.Module, se: nn.Module | None) -> Tensor:
    """The tail in ordinary code, (N, C, H, W); arguments as in :func:`se_tail`."""
    residual = norm(z)
    if se is not None:
        residual = se(residual)
    return F.relu(residual + shortcut, inplace=True)


IMPLEMENTATIONS = dict(reference=reference_tail, algebra=algebra_tail, fused=fused_tail)
"""The implementations of :func:`se_tail`; all give the same result, to rounding."""


def choose(wanted: str, z: Tensor, norm: nn.Module, se: nn.Module | None = None) -> str:
    """The implementation for a map z (N, C, H, W): the wanted one where it fits and is faster."""
    training = torch.is_grad_enabled() and z.requires_grad
    # torch.jit has it without a mark that it is public.
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined]
    if wanted == 'reference' or tracing or not fits(z, norm, se):
        return 'reference'
    if torch.compiler.is_compiling():
        # Custom autograd nodes block fusion in a compiler. In inference the norm is folded anyway.
        return 'algebra' if training else 'reference'
    if z.device.type == 'cpu' and not training:
        return 'reference'
    return wanted


def fits(z: Tensor, norm: nn.Module, se: nn.Module | None = None) -> bool:
    """Whether the fast forms compute what the modules do, for a map z (N, C, H, W).

    The norm is a batch norm or an ``Identity``. The gate depends on the spatial mean of its map
    alone (``gates_average``). No hook waits for a map that the fast forms do not compute.
    Parameters have the precision in which sums are accumulated. A channel has more than one value.
    """
    parameters = [*norm.parameters(), *(() if se is None else se.parameters())]
    return (
        isinstance(norm, (_BatchNorm, nn.Identity))
        and (se is None or getattr(se, 'gates_average', False))
        and not any(has_hooks(module) for module in (norm, se) if module is not None)
        and all(p.dtype == accumulation_dtype(z.dtype) for p in parameters)
        and z.device.type in ('cpu', 'cuda')
        and z.numel() > z.shape[1]
    )


def has_hooks(module: nn.Module) -> bool:
    """Whether a module has hooks, which a fast form would not call."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )
