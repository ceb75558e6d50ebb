"""What the plain backbones share: a stem, stages ``layer1`` to ``layerN``, and what follows."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import TypedDict

from torch import Tensor, nn

from senet_mm.registry import MODELS
from senet_mm.utils.options import check_config

from .base import HE_FAN_IN, StagedBackbone, build_norm


class StageOptions(TypedDict, total=False):
    """Arguments that choose the stages to return and to train."""

    out_indices: tuple[int, ...]
    frozen_stages: int
    norm_eval: bool


class BackboneOptions(StageOptions, total=False):
    """Arguments of :class:`LayeredBackbone` that its subclasses hand on."""

    init_cfg: dict | Sequence[dict] | None
    input_norm: dict | None


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    norm_cfg: dict,
    stride: int = 1,
    padding: int | tuple[int, int] | None = None,
    groups: int = 1,
    act_cfg: dict = dict(type='ReLU', inplace=True),
) -> nn.Sequential:
    """A convolution without bias, its norm and its activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the kernel, or (height, width); odd.
        norm_cfg: Normalisation layer.
        stride: Stride of the convolution.
        padding: Zeros on each side, or (rows, columns); None is half of the kernel, which keeps the
            size at stride 1.
        groups: Groups of the convolution.
        act_cfg: Activation.
    """
    height, width = kernel_size if isinstance(kernel_size, tuple) else (kernel_size,) * 2
    if padding is None:
        padding = (height // 2, width // 2)
    conv = nn.Conv2d(
        in_channels, out_channels, (height, width), stride, padding, groups=groups, bias=False
    )
    norm = build_norm(norm_cfg, out_channels)
    check_config('act_cfg', act_cfg)
    act = MODELS.build(act_cfg)
    return nn.Sequential(OrderedDict(conv=conv, bn=norm, act=act))


class LayeredBackbone(StagedBackbone):
    """A stem, stages ``layer1`` to ``layerN``, and what follows the last of them.

    Args:
        stem: What comes before the first stage.
        layers: The blocks of every stage.
        final: What follows the last block and belongs to the last stage, such as the last norm of a
            pre-activation network; ``tail`` in the state dict.
        out_indices: Stages whose output is returned, from 0.
        frozen_stages: -1 freezes nothing, 0 the stem, k the stem and k stages.
        norm_eval: Keep the batch norms on their running statistics in training.
        init_cfg: Initialisation; the default is He's with fan-in.
        input_norm: Normalisation layer of the images, before the stem. ``dict(type='GN',
            num_groups=1, affine=False)`` standardises each image by itself.

    Raises:
        ValueError: A stage does not exist.
    """

    def __init__(
        self,
        stem: nn.Module,
        layers: Sequence[Sequence[nn.Module]],
        final: nn.Module | None = None,
        out_indices: tuple[int, ...] = (-1,),
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict | Sequence[dict] | None = HE_FAN_IN,
        input_norm: dict | None = None,
    ) -> None:
        super().__init__(len(layers), out_indices, frozen_stages, norm_eval, init_cfg)
        self.input_norm = None
        if input_norm is not None:
            first = next(layer for layer in stem.modules() if isinstance(layer, nn.Conv2d))
            self.input_norm = build_norm(input_norm, first.in_channels)
        self.stem = stem
        self.num_stages = len(layers)
        for i, blocks in enumerate(layers):
            self.add_module(f'layer{i + 1}', nn.Sequential(*blocks))
        self.tail = final
        self._freeze_stages()

    @property
    def stem_modules(self) -> list[nn.Module]:
        """The stem, with the norm of the images."""
        return [self.stem] if self.input_norm is None else [self.input_norm, self.stem]

    @property
    def stages(self) -> Sequence[Sequence[nn.Module]]:
        """The stages, ``layer1`` first; the last one has the final modules, too."""
        stages = [[getattr(self, f'layer{i + 1}')] for i in range(self.num_stages)]
        if self.tail is not None:
            stages[-1].append(self.tail)
        return stages

    def forward_stem(self, x: Tensor) -> Tensor:
        """The input of ``layer1`` for an image (N, C, H, W)."""
        return self.stem(x if self.input_norm is None else self.input_norm(x))
