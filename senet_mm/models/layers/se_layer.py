"""The Squeeze-and-Excitation layer (Hu et al., arXiv:1709.01507, section 3)."""

from mmpretrain.models.utils import make_divisible
from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import is_number

from .base import RecalibrationLayer


@MODELS.register_module()
class AvgSqueeze(nn.AdaptiveAvgPool2d):
    """Global average pooling, (N, C, H, W) -> (N, C, 1, 1): the paper's choice (eq. 2)."""

    def __init__(self) -> None:
        super().__init__(1)


@MODELS.register_module()
class MaxSqueeze(nn.AdaptiveMaxPool2d):
    """Global max pooling, (N, C, H, W) -> (N, C, 1, 1) (table 11)."""

    def __init__(self) -> None:
        super().__init__(1)


@MODELS.register_module()
class NoSqueeze(nn.Identity):
    """No pooling: the excitation acts at every position, the gate is (N, C, H, W) (table 16)."""


@MODELS.register_module()
class SELayer(RecalibrationLayer):
    """Squeeze-and-Excitation: ``x * gate(fc2(act(fc1(squeeze(x)))))``.

    Both fully connected layers are 1x1 convolutions, as in the released networks. The hidden width
    is exactly ``channels // ratio`` unless ``divisor`` asks for rounding (mmpretrain and
    MobileNetV3 round to a multiple of 8).

    Args:
        channels: Number of input (and output) channels, C.
        ratio: Reduction ratio r of the hidden layer.
        bias: Whether the two fully connected layers have a bias. The released networks have it, the
            ablations of the paper (section 6) do not.
        squeeze_cfg: The squeeze: ``AvgSqueeze``, ``MaxSqueeze``, ``NoSqueeze`` or another module.
        act_cfg: The activation between the two layers.
        gate_cfg: The activation that makes the gate.
        divisor: Round the hidden width to a multiple of it.
        init_cfg: Initialisation of the layer.

    Raises:
        ValueError: The ratio leaves no hidden channel.
    """

    def __init__(
        self,
        channels: int,
        ratio: int = 16,
        bias: bool = True,
        squeeze_cfg: dict = dict(type='AvgSqueeze'),
        act_cfg: dict = dict(type='ReLU'),
        gate_cfg: dict = dict(type='Sigmoid'),
        divisor: int = 1,
        init_cfg: dict | None = dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
    ) -> None:
        super().__init__(init_cfg)
        if not is_number(ratio, 1) or ratio > channels:
            raise InputError(
                f'ratio={ratio!r} leaves no hidden channel of {channels}; allowed: 1 to {channels}'
            )
        hidden = make_divisible(channels // ratio, divisor)
        self.squeeze = MODELS.build(squeeze_cfg)
        self.fc1 = nn.Conv2d(channels, hidden, 1, bias=bias)
        self.act = MODELS.build(act_cfg)
        self.fc2 = nn.Conv2d(hidden, channels, 1, bias=bias)
        self.gate = MODELS.build(gate_cfg)

    @property
    def gates_average(self) -> bool:
        """Whether the squeeze is the paper's, which leaves an averaged map as it is."""
        return isinstance(self.squeeze, AvgSqueeze)

    def scale(self, x: Tensor) -> Tensor:
        """The gate of (N, C, H, W): (N, C, 1, 1), or (N, C, H, W) without squeeze."""
        return self.gate(self.fc2(self.act(self.fc1(self.squeeze(x)))))
