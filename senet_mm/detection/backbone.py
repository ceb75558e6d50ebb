"""Backbones of the project for the detectors of torchvision."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool

from senet_mm.utils.errors import answering

if TYPE_CHECKING:
    from mmengine.config import Config, ConfigDict


class FPNBackbone(nn.Module):
    """A backbone with a feature pyramid (Lin et al., arXiv:1612.03144), for torchvision.

    ``FasterRCNN(backbone, num_classes=91, **backbone.normalization)``, and the same for
    ``RetinaNet`` and ``MaskRCNN``.

    Args:
        body: Maps images (N, 3, H, W) to a tuple of maps (N, C, H, W), the finest first.
        in_channels: Channels of these maps.
        out_channels: Channels of every map of the pyramid.
        extra_blocks: Adds coarser maps to the pyramid; by default one, by subsampling.
        mean, std: Normalisation of the body, for images from 0 to 1, in RGB order.
        bgr: The body takes BGR.
        norm_eval: Keep the body's batch norms on their running statistics in training; frozen ones
            always are.

    Attributes:
        normalization: ``image_mean`` and ``image_std`` for the detector.
    """

    def __init__(
        self,
        body: nn.Module,
        in_channels: Sequence[int],
        out_channels: int = 256,
        extra_blocks: ExtraFPNBlock | None = None,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        bgr: bool = False,
        norm_eval: bool = False,
    ) -> None:
        super().__init__()
        self.body = body
        self.fpn = FeaturePyramidNetwork(
            list(in_channels), out_channels, extra_blocks or LastLevelMaxPool()
        )
        self.out_channels = out_channels
        self.normalization = dict(image_mean=list(mean), image_std=list(std))
        self.bgr = bgr
        self.norm_eval = norm_eval

    def train(self, mode: bool = True) -> 'FPNBackbone':
        """Set the mode; see ``norm_eval``."""
        super().train(mode)
        for module in self.body.modules():
            if isinstance(module, _BatchNorm) and (self.norm_eval or _is_frozen(module)):
                module.eval()
        return self

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """The pyramid of normalised RGB images (N, 3, H, W), the finest map first."""
        maps = self.body(x.flip(1) if self.bgr else x)
        return self.fpn({str(i): level for i, level in enumerate(maps)})


def _is_frozen(module: nn.Module) -> bool:
    """Whether a module has parameters, and none is trained."""
    parameters = list(module.parameters(recurse=False))
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


@answering
def torchvision_backbone(
    name: str,
    checkpoint: str | os.PathLike | None = None,
    out_indices: Sequence[int] | None = None,
    frozen_stages: int = 1,
    norm_eval: bool = True,
    out_channels: int = 256,
    extra_blocks: ExtraFPNBlock | None = None,
) -> FPNBackbone:
    """The backbone of a config with a feature pyramid, for torchvision's detectors.

    Args:
        name: Name of a config of the project (see :func:`senet_mm.list_models`), or path of one;
            docs/detection.md lists the backbones that fit.
        checkpoint: Checkpoint of the classifier or of the backbone alone; it also gives the
            normalisation of images. Without it the weights are initialised: pass
            ``frozen_stages=-1, norm_eval=False`` then.
        out_indices: Stages of the backbone that go into the pyramid, from 0; by default the last
            of every stride, of the coarsest four strides.
        frozen_stages: -1 freezes nothing, 0 the stem, k the stem and k stages.
        norm_eval: Keep the batch norms on their running statistics in training.
        out_channels: Channels of the pyramid.
        extra_blocks: Coarser maps, see :class:`FPNBackbone`.

    Raises:
        FileNotFoundError: There is no such config or checkpoint.
        ValueError: The checkpoint does not fit, or was made for another network; the backbone has
            no such stages, or none at all.
    """
    # Late: these imports take seconds, and load mmdet where it is installed.
    from senet_mm.config import get_config
    from senet_mm.engine.classifier import assemble
    from senet_mm.engine.weights.preprocessing import describe_preprocessing
    from senet_mm.utils.meta import run_on_meta
    from senet_mm.utils.options import check_option

    from .stages import SIDE, check_stages, choose_stages, find_strides

    if not (isinstance(out_channels, int) and out_channels > 0):
        raise ValueError(f'out_channels={out_channels!r}; allowed: from 1')
    config = get_config(name)
    if checkpoint is not None:
        _take_over(config, str(checkpoint))
    cfg = assemble(config)
    strides = find_strides(cfg.backbone, name)
    chosen = choose_stages(strides) if out_indices is None else out_indices
    cfg.backbone.out_indices = check_stages(chosen, strides)
    check_option('frozen_stages', frozen_stages, range(-1, len(strides) + 1))
    cfg.backbone.frozen_stages = frozen_stages
    cfg.backbone.pop('norm_eval', None)  # FPNBackbone does it, for any backbone
    if checkpoint is not None:
        cfg.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(checkpoint))
    body = _build_body(cfg)
    if frozen_stages >= 0 and isinstance(stem := getattr(body, 'stem', None), nn.Module):
        stem.requires_grad_(False)  # mmpretrain's DenseNet freezes its stages alone
    channels = [level.shape[1] for level in run_on_meta(body, (3, SIDE, SIDE))]
    images = describe_preprocessing(config)
    bgr = images['channel_order'] == 'BGR'
    mean, std = ([v / 255 for v in images[key]][:: -1 if bgr else 1] for key in ('mean', 'std'))
    return FPNBackbone(body, channels, out_channels, extra_blocks, mean, std, bgr, norm_eval)


def _take_over(config: 'Config', checkpoint: str) -> None:
    """Take the normalisation of images from a checkpoint over into a config."""
    from mmengine.logging import print_log

    from senet_mm.engine.sizing import fit_to_checkpoint
    from senet_mm.engine.weights.adopt import adopt_normalisation
    from senet_mm.engine.weights.origin import check_network, load_origin

    origin = load_origin(checkpoint)
    fit_to_checkpoint(config, origin)
    check_network(config, origin, new_head=True)
    for line in adopt_normalisation(config, origin):
        print_log(line, logger='current')


def _build_body(cfg: 'ConfigDict') -> nn.Module:
    """The initialised backbone of a classifier, without the classifier that it may have itself.

    Args:
        cfg: The ``model`` of a config.
    """
    from mmengine.registry import DefaultScope

    from senet_mm.registry import MODELS

    from .stages import without_classifier

    with DefaultScope.overwrite_default_scope('senet_mm'):
        network = MODELS.build(cfg)
        network.init_weights()
        bare = without_classifier(cfg.backbone)
        if bare == cfg.backbone:
            return network.backbone
        # A checkpoint fits the whole network alone.
        whole = network.backbone.state_dict()
        body = MODELS.build(dict(cfg, backbone=bare)).backbone
    body.load_state_dict({name: whole[name] for name in body.state_dict()})
    return body
