"""The network of ours that weights are for, and whether its geometry is that of theirs."""

import copy
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from mmengine.config import Config
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from senet_mm.config import get_config, list_models
from senet_mm.config.channels import COLOURS, apply_in_channels
from senet_mm.engine.classifier import build_classifier
from senet_mm.engine.weights.preprocessing import count_channels
from senet_mm.engine.weights.stem import adapt_kernels, describe_adapted
from senet_mm.models.backbones import BNInception, Bottleneck, ResNet
from senet_mm.models.in_channels import find_stem
from senet_mm.utils.names import counted

from .format import DEFAULT_EPS, Format, Geometry
from .formats import FORMATS

if TYPE_CHECKING:
    from senet_mm.models import ImageClassifier


class Target:
    """The classifier of a config.

    Args:
        config: Name or path of the config.
        cfg: The config, where it is not as the file has it.
        options: Options of the config in the file, by dotted key.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: An option has no effect.
    """

    def __init__(
        self, config: str, cfg: Config | None = None, options: Mapping | None = None
    ) -> None:
        self.config = config
        self.cfg = get_config(config, dict(options or {})) if cfg is None else cfg

    def check_backbone(self, others: str = '') -> None:
        """Raise a ValueError for a backbone whose tensors nobody else's names are known for.

        Args:
            others: What is allowed for other backbones.
        """
        kind = type(self.model.backbone)
        if not issubclass(kind, tuple(b for form in FORMATS for b in form.backbones)):
            raise ValueError(
                f'config {self.config} has the backbone {kind.__name__}; '
                'allowed: ResNet, ResNeXt, BNInception and their forms with SE'
                + (f'; {others}' if others else '')
            )

    @cached_property
    def model(self) -> 'ImageClassifier':
        """The network on the meta device, where it costs neither time nor memory."""
        with torch.device('meta'):
            return self._build()

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The state dict of :attr:`model`: names, shapes and types."""
        return self.model.state_dict()

    def initialise(self) -> dict[str, Tensor]:
        """The state dict with the initialisation of the config, the same at every call."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = self._build()
            model.init_weights()
        return model.state_dict()

    def adapt_stem(self, state: dict[str, Tensor], channels: int) -> tuple[dict[str, Tensor], str]:
        """A state dict of this network for images of other channels than three, and what was done.

        The config is changed, too.

        Args:
            state: Its state dict.
            channels: Channels of the images.

        Raises:
            ValueError: The network is not for three channels.
        """
        names = [f'{name}.weight' for name in find_stem(self.model)]
        given = {state[name].shape[1] for name in names}
        if given != {COLOURS}:
            raise ValueError(
                f'in_channels={channels}: config {self.config} is for images of '
                f'{counted(count_channels(self.cfg), "channel")}; allowed: one for {COLOURS}'
            )
        self.cfg.in_channels = channels
        apply_in_channels(self.cfg)
        kernels = {name: adapt_kernels(state[name], channels) for name in names}
        return {**state, **kernels}, describe_adapted(names, channels)

    def _build(self) -> 'ImageClassifier':
        cfg = copy.deepcopy(self.cfg)
        cfg.model.pop('train_cfg', None)  # how to train is no part of the network
        return build_classifier(cfg)

    @property
    def geometry(self) -> Geometry:
        """What the network does."""
        backbone = self.model.backbone
        found = {norm.eps for norm in backbone.modules() if isinstance(norm, _BatchNorm)}
        eps = found.pop() if len(found) == 1 else None
        if isinstance(backbone, BNInception):
            return Geometry('ceil', None, eps)
        ceil_mode = getattr(backbone.maxpool, 'ceil_mode', None)
        pool = None if ceil_mode is None else 'ceil' if ceil_mode else 'pad1'
        block = backbone.layer2[0]
        if not isinstance(block, Bottleneck):
            return Geometry(pool, None, eps)
        return Geometry(pool, 'pytorch' if max(block.conv1.stride) == 1 else 'caffe', eps)

    def geometry_in(self, form: Format) -> Geometry:
        """What a network of these shapes does in another project."""
        pool = None if form.small and self.geometry.pool is None else form.pool
        if self.geometry.style is None:
            return Geometry(pool, None, form.eps)
        grouped = self.model.backbone.layer2[0].conv2.groups > 1
        return Geometry(pool, form.grouped_style if grouped else form.style, form.eps)

    def does(self, geometry: Geometry) -> bool:
        """Whether pooling, stride placement and norms match."""
        own = self.geometry
        return own._replace(style=geometry.style and own.style) == geometry

    def check_pairing(self, form: Format) -> None:
        """Raise a ValueError unless weights of another project give their results here, too."""
        backbone = self.model.backbone
        if not isinstance(backbone, form.backbones):
            having = (other.kind for other in FORMATS if isinstance(backbone, other.backbones))
            raise ValueError(
                f'config {self.config} has the backbone {type(backbone).__name__}, which is none '
                f'of {form.title}; allowed: {", ".join(dict.fromkeys(having))}'
            )
        if not form.basic_blocks and isinstance(backbone, ResNet) and self.geometry.style is None:
            raise ValueError(
                f'config {self.config} has blocks of two convolutions; {form.title} have others, '
                'with the same names and shapes; allowed: a config with bottlenecks'
            )
        needs = self.geometry_in(form)
        if self.does(needs):
            return
        name = self._same_network(needs)
        raise ValueError(
            f'config {self.config} has {_describe(self.geometry)}, but the weights of {form.title} '
            f'are for {_describe(needs)}: the shapes are the same, the results would not be; '
            f'allowed: a config with {_describe(needs)}' + (f', such as {name}' if name else '')
        )

    def _same_network(self, geometry: Geometry) -> str | None:
        """The shortest name of a config with our tensors and this geometry."""
        shapes = {name: tensor.shape for name, tensor in self.tensors.items()}
        backbone = self.cfg.model.backbone
        for name in sorted(list_models(), key=len):
            cfg = get_config(name)
            other = cfg.model.backbone
            if (other.type, other.get('depth')) != (backbone.type, backbone.get('depth')):
                continue
            if cfg.model.head.get('num_classes') == 'auto':  # it follows from a data set
                continue
            target = Target(name, cfg)
            same = {name: tensor.shape for name, tensor in target.tensors.items()} == shapes
            if same and target.does(geometry):
                return name
        return None


def _describe(geometry: Geometry) -> str:
    """A geometry in the words of a config."""
    style = f" and style='{geometry.style}'" if geometry.style else ''
    eps = f' and norm_cfg.eps={geometry.eps}' if geometry.eps != DEFAULT_EPS else ''
    return f'stem.pool={geometry.pool!r}{style}{eps}'
