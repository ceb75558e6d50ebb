"""The stochastic sum of two residual branches (Gastaldi, arXiv:1705.07485)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from senet_mm.utils.autograd import Context
from senet_mm.utils.options import check_option

FORWARD_MODES = ('shake', 'even')
BACKWARD_MODES = ('shake', 'even', 'keep')


class _Mix(torch.autograd.Function):
    """``alpha * a + (1 - alpha) * b``, whose gradient has ``beta`` in the place of ``alpha``."""

    @staticmethod
    def forward(ctx: Context, a: Tensor, b: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        ctx.save_for_backward(beta)
        return alpha * a + (1 - alpha) * b

    @staticmethod
    def backward(ctx: Context, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (beta,) = ctx.saved_tensors
        return beta * grad, (1 - beta) * grad, None, None


def coefficients(mode: str, like: Tensor) -> Tensor:
    """One number per image, (N, 1, 1, 1): uniform in [0, 1) for ``shake``, 0.5 for ``even``."""
    shape = (len(like), 1, 1, 1)
    return like.new_empty(shape).uniform_() if mode == 'shake' else like.new_full(shape, 0.5)


class ShakeSum(nn.Module):
    """Sum of two branches of the same input: ``alpha * a(x) + (1 - alpha) * b(x)``.

    In training alpha is drawn for each image ("Image" in section 2.2 of the paper), and the
    backward pass uses another number, beta. In evaluation both are 0.5.

    Args:
        branches: The two branches, a and b.
        forward_mode: Alpha: ``shake`` is uniform in [0, 1), ``even`` is 0.5.
        backward_mode: Beta: ``shake`` and ``even`` as above, ``keep`` is alpha.

    Raises:
        ValueError: A mode is not known.
    """

    def __init__(
        self,
        branches: Sequence[nn.Module],
        forward_mode: str = 'shake',
        backward_mode: str = 'shake',
    ) -> None:
        super().__init__()
        check_option('forward_mode', forward_mode, FORWARD_MODES)
        check_option('backward_mode', backward_mode, BACKWARD_MODES)
        self.branches = nn.ModuleList(branches)
        self.forward_mode = forward_mode
        self.backward_mode = backward_mode

    def forward(self, x: Tensor) -> Tensor:
        """The weighted sum of the branches' outputs for x (N, C, H, W)."""
        a, b = (branch(x) for branch in self.branches)
        if not self.training:
            return 0.5 * (a + b)
        alpha = coefficients(self.forward_mode, a)
        keep = self.backward_mode == 'keep'
        return _Mix.apply(a, b, alpha, alpha if keep else coefficients(self.backward_mode, a))

    def extra_repr(self) -> str:
        return f'forward_mode={self.forward_mode!r}, backward_mode={self.backward_mode!r}'
