"""A network for inference: norms folded into convolutions, gates computed before the last one."""

import copy
from typing import TypeGuard, cast

import torch
from mmcv.cnn.utils import fuse_conv_bn
from torch import Tensor, nn

from senet_mm.models.backbones import BasicBlock, Bottleneck
from senet_mm.models.layers import RecalibrationLayer
from senet_mm.ops import conv_norm_pairs, has_hooks


class EarlySqueeze(nn.Module):
    """A block without norms whose gate is computed before its last convolution, a 1x1.

    The mean of a 1x1 convolution is the convolution of the mean: ``mean(W y + b) = W mean(y) + b``.
    So the squeeze reads the narrow map before the convolution, and gate, addition and ReLU follow
    the convolution in one operation.

    Args:
        block: The block, norms folded; see :meth:`fits`.
    """

    def __init__(self, block: BasicBlock | Bottleneck) -> None:
        super().__init__()
        *convs, self.last = [conv for conv, _ in conv_norm_pairs(block)]
        self.branch = nn.Sequential(*(nn.Sequential(conv, nn.ReLU(inplace=True)) for conv in convs))
        self.se = cast(RecalibrationLayer, block.se)  # it has `gates_average`
        self.downsample = block.downsample

    @staticmethod
    def fits(module: nn.Module) -> TypeGuard[BasicBlock | Bottleneck]:
        """Whether a module is a block that this class can replace."""
        if not isinstance(module, (BasicBlock, Bottleneck)):
            return False
        if not getattr(module.se, 'gates_average', False):
            return False
        pairs = conv_norm_pairs(module)
        conv = pairs[-1][0]
        folded = all(isinstance(norm, nn.Identity) for _, norm in pairs)
        pointwise = conv.kernel_size == conv.stride == (1, 1) and conv.padding == (0, 0)
        watched = any(has_hooks(part) for part in (module, module.se, conv))
        return folded and pointwise and not watched

    def forward(self, x: Tensor) -> Tensor:
        """``relu(last(y) * gate + shortcut)``, (N, C, H, W) -> (N, C', H', W')."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.branch(x)
        squeezed = self.last(x.mean((2, 3), keepdim=True))
        gate = self.se.scale(squeezed.to(self.se_dtype)).to(x.dtype)
        return torch.addcmul(shortcut, self.last(x), gate).relu_()

    @property
    def se_dtype(self) -> torch.dtype:
        """Precision of the gate."""
        return next(self.se.parameters()).dtype


class Logits(nn.Module):
    """A classifier from preprocessed images (N, C, H, W) to logits (N, classes), both float32.

    Args:
        model: The classifier.
        dtype: Precision of the network; gates with an early squeeze stay in float32.
        channels_last: Whether its maps are channels last in memory.
    """

    def __init__(
        self, model: nn.Module, dtype: torch.dtype = torch.float32, channels_last: bool = False
    ) -> None:
        super().__init__()
        layout = torch.channels_last if channels_last else torch.contiguous_format
        self.model = model.to(dtype).to(memory_format=layout)
        for module in self.model.modules():
            if isinstance(module, EarlySqueeze):
                module.se.float()
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x.to(self.dtype)).float()


def fold(
    model: nn.Module,
    dtype: torch.dtype = torch.float32,
    channels_last: bool = False,
    early: bool = True,
) -> Logits:
    """A copy of a classifier for inference.

    Args:
        model: The classifier; it is not changed.
        dtype: Precision of the copy.
        channels_last: Whether its maps are channels last in memory.
        early: Squeeze before the last convolution of a block where that is 1x1.
    """
    model = fuse_conv_bn(copy.deepcopy(model).eval()).requires_grad_(False)
    for parent in list(model.modules()) if early else ():
        for name, child in parent.named_children():
            if EarlySqueeze.fits(child):
                setattr(parent, name, EarlySqueeze(child))
    return Logits(model, dtype, channels_last).eval()


def can_squeeze_early(model: nn.Module) -> bool:
    """Whether a classifier has blocks whose gates can be computed early."""
    return any(isinstance(module, EarlySqueeze) for module in fold(model).modules())
