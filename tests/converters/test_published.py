"""Weights by the names under which timm and mmpretrain publish them, from a local server."""

import dataclasses
import hashlib
import sys
from types import SimpleNamespace

import pytest
import timm
import torch
from mmpretrain.apis.model import ModelHub

from senet_mm.apis import get_model
from senet_mm.converters import published
from senet_mm.converters.networks import TIMM_NETWORKS, get_network_config
from senet_mm.converters.published import MMPRETRAIN_NETWORKS, PROJECTS
from senet_mm.engine.weights import schemes
from senet_mm.engine.weights.download import split_url
from senet_mm.utils.errors import UserError

from ..engine.weights.test_download import server  # noqa: F401, a fixture


def test_the_schemes_are_those_of_the_converters():
    assert set(schemes.PROJECTS) == PROJECTS.keys()
    assert not set(schemes.PROJECTS) & schemes.ZOOS.keys()


def test_every_address_has_a_hash():
    """Of each network of ours that mmpretrain or timm publishes."""
    for name in MMPRETRAIN_NETWORKS:
        assert split_url(ModelHub.get(name).weights)[2]
    names = [name for name in timm.list_pretrained() if name.partition('.')[0] in TIMM_NETWORKS]
    names = [name for name in names if timm.get_pretrained_cfg(name).url]
    assert len(names) > 20
    for name in names:
        found = published.find_in_timm(name)
        assert split_url(found.url)[2]
        assert found.preprocessing['crop'] >= 160


@pytest.fixture
def addresses(server, tmp_path, monkeypatch):  # noqa: F811
    """Both projects publish a ResNet-18, whose files are on the server; its network."""
    network = timm.create_model('resnet18').eval()
    ours = {
        f'head.{name}' if name.startswith('fc.') else f'backbone.{name}': value
        for name, value in network.state_dict().items()
    }
    urls = {}
    for project, state in {'timm': network.state_dict(), 'mmpretrain': ours}.items():
        torch.save(dict(state_dict=state), tmp_path / 'www/net.pth')
        digest = hashlib.sha256((tmp_path / 'www/net.pth').read_bytes()).hexdigest()
        (tmp_path / 'www/net.pth').rename(tmp_path / f'www/{project}-{digest[:8]}.pth')
        urls[project] = f'{server.url}/{project}-{digest[:8]}.pth'
    cfg = timm.get_pretrained_cfg('resnet18.a1_in1k')
    cfg = dataclasses.replace(cfg, url=urls['timm'], license='mit')
    monkeypatch.setattr('timm.models.get_pretrained_cfg', lambda name: cfg)
    found = SimpleNamespace(weights=urls['mmpretrain'])
    monkeypatch.setattr(ModelHub, 'get', lambda name: found)
    return network


@pytest.mark.parametrize(
    ('name', 'resize', 'license'),
    [('timm://resnet18.a1_in1k', 235, 'mit'), ('mmpretrain://resnet18_8xb32_in1k', 256, None)],
)
def test_they_are_fetched_and_converted(addresses, server, logged, name, resize, license):  # noqa: F811
    get_model(get_network_config('resnet18'), name)
    model = get_model(name)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(x), addresses(x))
    assert model.origin.preprocessing['resize'] == resize
    assert model.origin.license == license
    assert len(model.dataset_meta['classes']) == 1000
    assert len(server.asked) == 1
    [line] = {line for line in logged.messages if line.startswith(f'{name}: ')}
    assert line.endswith(', class order sorted')


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('timm://seresnet50.none', 'timm://seresnet50.none: timm has no such weights'),
        ('timm://seresnet18', 'timm://seresnet18: timm has no address with a hash for it; allow'),
        ('timm://vit_tiny.x', "timm://vit_tiny.x: architecture='vit_tiny' is not known; allowed"),
        ('timm://legacy_seresnet18.in1k', "architecture='legacy_seresnet18' is not known; allow"),
        ('mmpretrain://net', "mmpretrain://net: name='net' is not known; allowed: resnet18_8xb3"),
    ],
)
def test_names_that_nobody_publishes(name, message):
    with pytest.raises(UserError, match=message):
        get_model('seresnet50_8xb32_in1k', name)


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, 'timm.models', None)
    with pytest.raises(UserError, match=r'timm://resnet18.a1_in1k needs timm, which is not insta'):
        get_model('seresnet50_8xb32_in1k', 'timm://resnet18.a1_in1k')
