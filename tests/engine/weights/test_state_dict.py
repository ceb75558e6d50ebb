"""Every way of wrapping a state dict that checkpoints have, and every way in that unwraps it."""

import pytest
import torch
from torch import nn
from torch.nn.parallel import DataParallel

from senet_mm.converters.tensor_files import read_tensors
from senet_mm.engine import load_strictly
from senet_mm.engine.weights.pretrained import PretrainedInit
from senet_mm.engine.weights.schemes import _backbone
from senet_mm.engine.weights.state_dict import KEYS, get_state_dict, under_prefix


class Network(nn.Module):
    """The least that has a backbone and a head."""

    def __init__(self):
        super().__init__()
        self.backbone, self.head = nn.Linear(2, 3), nn.Linear(3, 1)


NAMES = ['backbone.weight', 'backbone.bias', 'head.weight', 'head.bias']
# What a training run keeps beside the weights.
BESIDE = {'epoch': 3, 'optimizer': {'state': {}, 'param_groups': []}, 'arch': 'seresnet50'}
WRAPPED = {
    'bare': lambda state: state,
    **{key: lambda state, key=key: {**BESIDE, key: state} for key in KEYS},
    'mmengine': lambda s: {'meta': {'epoch': 1}, 'state_dict': s, 'ema_state_dict': {'steps': 1}},
    'timm with averages': lambda s: {**BESIDE, 'state_dict': s, 'state_dict_ema': twice(s)},
    'torchvision with averages': lambda s: {**BESIDE, 'model': s, 'model_ema': twice(s)},
    'a name where others have weights': lambda s: {'model': 'seresnet50', 'state_dict': s},
}
MODULES = {
    'plain': lambda network: network,
    'data parallel': DataParallel,
    'compiled': torch.compile,
    'compiled data parallel': lambda network: torch.compile(DataParallel(network)),
    'data parallel of compiled': lambda network: DataParallel(torch.compile(network)),
}


def twice(state):
    return {name: 2 * value for name, value in state.items()}


def by_converter(checkpoint, path):
    torch.save(checkpoint, path)
    return read_tensors(path)


def by_init_cfg(checkpoint, path):
    torch.save(checkpoint, path)
    network = Network()
    PretrainedInit(str(path))(network)
    return network.state_dict()


def by_load(checkpoint, path):
    network = Network()
    load_strictly(network, checkpoint, 'a.pth')
    return network.state_dict()


def by_backbone(checkpoint, path):
    """Of a zoo of classifiers, whose backbone alone is meant."""
    rest = {name: value for name, value in by_load(checkpoint, path).items() if 'head' in name}
    backbone = _backbone(checkpoint, 'a.pth')['state_dict']
    return {**{f'backbone.{name}': value for name, value in backbone.items()}, **rest}


WAYS = [lambda checkpoint, path: get_state_dict(checkpoint, 'a.pth'), by_load, by_init_cfg]
WAYS += [by_converter, by_backbone]


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('wrap', WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize('module', MODULES.values(), ids=MODULES)
def test_every_wrapping_by_every_way(module, wrap, way, tmp_path):
    network = Network()
    expected = {name: value.clone() for name, value in network.state_dict().items()}
    state = way(wrap(dict(module(network).state_dict())), tmp_path / 'a.pth')
    assert list(state) == NAMES
    assert all(torch.equal(value, expected[name]) for name, value in state.items())


@pytest.mark.parametrize(
    'content', [3, [torch.ones(1)], {}, {'state_dict': {}}, {'model': None}, {'params': {'x': 1}}]
)
def test_no_state_dict(content):
    with pytest.raises(ValueError, match=r'^checkpoint a.pth holds no tensors by name$'):
        get_state_dict(content, 'a.pth')


def test_values_that_are_no_tensors_are_left_to_the_caller():
    state = {'a': torch.ones(1), 'b': 3}
    assert get_state_dict({'state_dict': state}, 'a.pth') == state


def test_a_part_under_a_prefix():
    state = {'module.a': 1, 'module.b.module.c': 2, 'steps': 3}
    assert under_prefix(state, 'module.') == {'a': 1, 'b.module.c': 2}
