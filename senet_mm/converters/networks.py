"""Networks of timm that are ours too: its architectures, and our configs for them."""

import copy
import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mmengine.config import Config

from senet_mm.config import get_config
from senet_mm.config.channels import apply_in_channels
from senet_mm.engine.weights.preprocessing import get_network
from senet_mm.engine.weights.same_network import compare_networks
from senet_mm.models.num_classes import set_num_classes


class Network(NamedTuple):
    """A network of ours.

    Attributes:
        config: Name of a config.
        options: Options of the config.
    """

    config: str
    options: dict[str, Any] = {}


# Hidden layers of SE have multiples of 8 channels in timm.
ROUNDED = {'model.se.layer.divisor': 8}
PLAIN = {'model.se': None}

# Architecture of timm -> network of ours, with 1,000 classes and images of 3 channels. The legacy
# SE-ResNet-18 and -34 of timm have one more ReLU, before the layer of SE.
TIMM_NETWORKS = {
    'resnet18': Network('seresnet18_8xb32_in1k', PLAIN),
    'resnet34': Network('seresnet34_8xb32_in1k', PLAIN),
    'resnet50': Network('resnet50_8xb32_in1k'),
    'resnet101': Network('resnet101_8xb32_in1k'),
    'resnet152': Network('seresnet152_8xb32_in1k', PLAIN),
    'resnext50_32x4d': Network('seresnext50-32x4d_8xb32_in1k', PLAIN),
    'resnext101_32x4d': Network('seresnext101-32x4d_8xb32_in1k', PLAIN),
    'seresnet18': Network('seresnet18_8xb32_in1k', ROUNDED),
    'seresnet34': Network('seresnet34_8xb32_in1k', ROUNDED),
    'seresnet50': Network('seresnet50_8xb32_in1k'),
    'seresnet101': Network('seresnet101_8xb32_in1k'),
    'seresnet152': Network('seresnet152_8xb32_in1k'),
    'seresnext50_32x4d': Network('seresnext50-32x4d_8xb32_in1k'),
    'seresnext101_32x4d': Network('seresnext101-32x4d_8xb32_in1k'),
    'senet154': Network('senet154_8xb32_in1k'),
    'legacy_seresnet50': Network('seresnet50-caffe_8xb32_in1k'),
    'legacy_seresnet101': Network('seresnet101-caffe_8xb32_in1k'),
    'legacy_seresnet152': Network('seresnet152-caffe_8xb32_in1k'),
    'legacy_seresnext50_32x4d': Network('seresnext50-32x4d-caffe_8xb32_in1k'),
    'legacy_seresnext101_32x4d': Network('seresnext101-32x4d-caffe_8xb32_in1k'),
    'legacy_senet154': Network('senet154-caffe_64xb32-100e_in1k'),
}
# Keys in which a network of ours may differ from that of the table.
FREE = {'model.head.num_classes', 'model.backbone.in_channels'}


@functools.cache
def _read_config(architecture: str) -> Config:
    """The config for an architecture, which nobody may change."""
    return get_config(*TIMM_NETWORKS[architecture])


def get_network_config(architecture: str, num_classes: int = 1000, in_channels: int = 3) -> Config:
    """Our config for an architecture of timm, one of ``TIMM_NETWORKS``."""
    cfg = copy.deepcopy(_read_config(architecture))
    set_num_classes(cfg.model, num_classes)
    if cfg.get('data_preprocessor'):
        cfg.data_preprocessor.num_classes = num_classes
    if in_channels != 3:
        cfg.in_channels = in_channels
        apply_in_channels(cfg)
    return cfg


def describe_options(config: str) -> str:
    """Options that make a config one of timm's networks: ``--cfg-options a=1 for seresnet18``."""
    return ', '.join(
        f'--cfg-options {key}={value} for {name}'
        for name, network in TIMM_NETWORKS.items()
        if network.config == config
        for key, value in network.options.items()
    )


def find_architecture(cfg: Mapping) -> str | None:
    """The architecture of timm that is the network of a config of ours; None if none is known."""
    return next((name for name in _find_near(cfg) if is_network(cfg, name)), None)


def _find_near(cfg: Mapping) -> Iterator[str]:
    """The architectures of timm with the depth of a config of ours."""
    depth = (get_network(cfg).get('backbone') or {}).get('depth')
    return (n for n in TIMM_NETWORKS if _read_config(n).model.backbone.depth == depth)


def describe_nearest(cfg: Mapping) -> str:
    """The one number by which a config of ours differs from a network of timm, or nothing."""
    for name in _find_near(cfg):
        for model in _spell(_read_config(name).model):
            found = [d for d in compare_networks(get_network(cfg), model) if d.key not in FREE]
            if len(found) == 1 and all(isinstance(v, int) for v in found[0][1:]):
                [(key, given, other)] = found
                return f"timm's {name} has {key}={other}, this one {given}"
    return ''


def is_network(cfg: Mapping, architecture: str) -> bool:
    """Whether the network of a config, whatever its classes and channels, is one of timm."""
    return any(
        {difference.key for difference in compare_networks(get_network(cfg), model)} <= FREE
        for model in _spell(_read_config(architecture).model)
    )


def _spell(model: Mapping) -> Iterator[Mapping]:
    """A network as our configs have it, and by the name that mmpretrain has for it with SE."""
    yield model
    backbone = model['backbone']
    if model.get('se') and backbone.keys() == {'type', 'depth'}:
        name = 'SENet' if backbone['depth'] == 154 else f'SE{backbone["type"]}'
        plain = {key: value for key, value in model.items() if key != 'se'}
        yield {**plain, 'backbone': {**backbone, 'type': name}}
