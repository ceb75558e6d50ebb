"""Efficient channel attention (Wang et al., arXiv:1910.03151)."""

import math

from torch import Tensor, nn

from senet_mm.registry import MODELS

from .base import RecalibrationLayer


def adaptive_kernel_size(channels: int, gamma: float = 2, beta: float = 1) -> int:
    """The kernel size for a number of channels: ``|(log2(C) + beta) / gamma|``, made odd (eq. 12).

    As in the authors' code the value is cut to an integer, then raised to the next odd one.
    """
    return int(abs((math.log2(channels) + beta) / gamma)) | 1


@MODELS.register_module()
class ECALayer(RecalibrationLayer):
    """ECA: ``x * sigmoid(conv1d(avg(x)))``, a convolution along the channels with one kernel.

    Args:
        channels: Number of input (and output) channels, C.
        kernel_size: Channels that one gate sees, odd; None computes it from ``channels``.
        gamma: Divisor of the computed kernel size.
        beta: Offset of the computed kernel size.
        init_cfg: Initialisation; None is torch's of ``Conv1d``, as in the authors' code.

    Raises:
        ValueError: The kernel size is not a positive odd number.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int | None = None,
        gamma: float = 2,
        beta: float = 1,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if kernel_size is None:
            kernel_size = adaptive_kernel_size(channels, gamma, beta)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f'kernel_size={kernel_size} is not known; allowed: 1, 3, 5, ...')
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)
        self.gate = nn.Sigmoid()

    @property
    def gates_average(self) -> bool:
        """Always: the convolution sees averages."""
        return True

    def scale(self, x: Tensor) -> Tensor:
        """The gate of (N, C, H, W): (N, C, 1, 1)."""
        squeezed = x.mean((2, 3)).unsqueeze(1)  # the channels are the length
        return self.gate(self.conv(squeezed)).transpose(1, 2).unsqueeze(-1)
