"""Speed from outside: fast blocks replace plain ones after a trial has shown that both agree.

A block keeps its children, names, hooks and state dict; only its ``forward`` changes.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TypeGuard

from torch import Tensor, nn

from senet_mm.models.backbones import BasicBlock, Bottleneck, ResidualBlock
from senet_mm.utils.options import check_option

from .fused import HAS_TRITON
from .tail import IMPLEMENTATIONS, has_hooks, norm_relu_conv, se_tail
from .trial import Verdict, give_up, record_inputs, try_blocks

# (device, bits of a value) -> the form to try. Others keep ordinary code; so float32 on a CPU stays
# equal to other libraries to the bit.
CANDIDATES = {('cpu', 16): 'fused'}
if HAS_TRITON:
    CANDIDATES |= {('cuda', 16): 'fused', ('cuda', 32): 'fused'}


def candidate(x: Tensor) -> str | None:
    """The form to try in a run, by the device and precision of a map x (N, C, H, W)."""
    return CANDIDATES.get((x.device.type, x.element_size() * 8))


def conv_norm_pairs(block: ResidualBlock) -> list[tuple[nn.Module, nn.Module]]:
    """The convolutions of the residual branch, each with the norm behind it."""
    numbers = range(1, 4 if isinstance(block, Bottleneck) else 3)
    return [(getattr(block, f'conv{i}'), getattr(block, f'bn{i}')) for i in numbers]


def is_usual(block: ResidualBlock) -> bool:
    """Whether a block has a plain ReLU, no stochastic depth, and no hooks on either.

    The fast forms do not call these modules.
    """
    kinds = type(block.relu), type(block.drop_path)
    watched = has_hooks(block.relu) or has_hooks(block.drop_path)
    return kinds == (nn.ReLU, nn.Identity) and not watched


class FusedForward(ResidualBlock):
    """A residual block that computes with the functions of :mod:`senet_mm.ops.tail`."""

    implementation: str
    lean: bool

    def forward(self, x: Tensor) -> Tensor:
        """The block, (N, C, H, W) -> (N, C', H/s, W/s)."""
        if not is_usual(self):
            return super().forward(x)
        (conv, norm), *rest = conv_norm_pairs(self)
        z = conv(x)
        for conv, next_norm in rest:
            z = norm_relu_conv(z, norm, conv, self.implementation, self.lean)
            norm = next_norm
        shortcut = x if self.downsample is None else self.downsample(x)
        # An empty place is skipped, unless a hook watches it.
        se = self.se if self.has_se or has_hooks(self.se) else None
        return se_tail(z, shortcut, norm, se, self.implementation)


class FusedBasicBlock(FusedForward, BasicBlock):
    """A :class:`BasicBlock` with the forward of :class:`FusedForward`."""


class FusedBottleneck(FusedForward, Bottleneck):
    """A :class:`Bottleneck` with the forward of :class:`FusedForward`."""


FUSED: dict[type[ResidualBlock], type[FusedForward]] = {
    BasicBlock: FusedBasicBlock,
    Bottleneck: FusedBottleneck,
}
# From either class to the plain one. A user's subclass, and the class that torch makes of a
# parametrised block, are in neither table: they stay as they are.
PLAIN: dict[type[nn.Module], type[ResidualBlock]] = {
    **{fused: plain for plain, fused in FUSED.items()},
    **{plain: plain for plain in FUSED},
}


def is_exchangeable(module: nn.Module) -> TypeGuard[ResidualBlock]:
    """Whether a module is a block that has a fast form, or is one."""
    return type(module) in PLAIN


def exchange(blocks: Sequence[nn.Module], implementation: str, lean: bool = False) -> None:
    """Turn plain blocks into fast ones, or fast ones into plain ones (``reference``)."""
    for block in blocks:
        plain = PLAIN[type(block)]
        # Another class for the same object, as torch does for parametrised modules: references to
        # the block, its children and its hooks stay valid.
        block.__class__ = plain if implementation == 'reference' else FUSED[plain]
        vars(block).update(implementation=implementation, lean=lean)


def fuse_tails(
    model: nn.Module,
    inputs: Tensor | None = None,
    implementation: str = 'auto',
    lean: bool = False,
    precision: Callable[[], AbstractContextManager] = nullcontext,
) -> Verdict:
    """Let the residual blocks of a network compute by a fast form, in place.

    With ``inputs`` there is a trial first: plain and fast blocks compute the same maps, in both
    memory layouts and in the precision of the run, with gradients where the model is in training.
    The plain blocks stay if the fast form fails, differs beyond rounding or, under ``auto``, is
    slower. Ranks of a distributed run decide together.

    Args:
        model: The network, or a model with a ``backbone``, on its device and in its mode.
        inputs: A batch as the network gets it, (N, C, H, W); None takes a form without a trial.
        implementation: ``auto`` (what :data:`CANDIDATES` names for the device), ``fused``,
            ``algebra``, or ``reference``, which is the plain block.
        lean: Compute rectified maps once more in the backward pass instead of keeping them.
        precision: Makes the context in which the network runs, such as ``torch.autocast``.

    Returns:
        What was chosen and why, as a line for the log, which has a refusal already as a warning.

    Raises:
        ValueError: The implementation is unknown, or ``auto`` has no batch.
    """
    check_option('implementation', implementation, ('auto', *IMPLEMENTATIONS))
    backbone = getattr(model, 'backbone', model)
    blocks = [module for module in backbone.modules() if is_exchangeable(module)]
    exchange(blocks, 'reference')
    blocks = [block for block in blocks if is_usual(block)]
    if implementation == 'auto' and inputs is None:
        raise ValueError("implementation='auto' needs inputs; allowed without: fused, algebra")
    if not blocks:
        return Verdict('reference', 'the network has no blocks that could be faster')
    if implementation == 'reference' or inputs is None:
        exchange(blocks, implementation, lean)
        return Verdict(implementation, 'as asked for')
    try:
        seen = record_inputs(backbone, blocks, inputs, precision)
    except Exception as error:  # the run itself will fail on it, with its own message
        return give_up(f'no trial on a batch {tuple(inputs.shape)}: {error}')
    some = next(iter(seen.values()))
    wanted = candidate(some) if implementation == 'auto' else implementation
    if wanted is None:
        return Verdict('reference', f'nothing faster is known for {some.dtype} on this device')
    if implementation == 'auto' and some.device.type == 'cpu':
        blocks = [block for block in blocks if block.has_se]
        if not blocks:
            return Verdict('reference', 'without a gate nothing is saved on a CPU')
    verdict = try_blocks(
        {block: seen[block] for block in blocks},
        lambda block: exchange([block], wanted, lean),
        wanted,
        precision,
        must_be_faster=implementation == 'auto' and not lean,
    )
    exchange(blocks, verdict.implementation, lean)
    return verdict
