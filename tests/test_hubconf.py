"""``torch.hub.load`` on this repository, without a network connection."""

import re
import socket
from configparser import ConfigParser
from importlib.metadata import packages_distributions

import pytest
import torch

from senet_mm.apis import get_model, list_models

from .conftest import ROOT


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError('a connection')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    monkeypatch.setattr(socket, 'getaddrinfo', refuse)


def load(name, **kwargs):
    return torch.hub.load(str(ROOT), name, source='local', **kwargs)


def hubconf():
    return torch.hub._import_module('hubconf', str(ROOT / 'hubconf.py'))


def test_every_network_is_an_entry():
    names = {name.partition('_')[0].replace('-', '_') for name in list_models()}
    module = hubconf()
    public = {n for n in dir(module) if not n.startswith('_') and callable(getattr(module, n))}
    assert public == names
    assert {'seresnet50', 'senet154', 'seresnet50_caffe', 'seresnext50_32x4d'} <= public


@pytest.mark.parametrize(
    ('entry', 'config'),
    [
        ('seresnet50', 'seresnet50_8xb32_in1k'),
        ('seresnet50_caffe', 'seresnet50-caffe_8xb32_in1k'),
        ('senet154', 'senet154_8xb32_in1k'),
        ('seresnet110', 'seresnet110_1xb128_cifar10'),
    ],
)
def test_an_entry_says_which_config_it_is(entry, config):
    assert f'``{config}``' in getattr(hubconf(), entry).__doc__


def test_random_weights():
    model = load('seresnet50', num_classes=7)
    assert not model.training
    assert model.head.fc.weight.shape == (7, 2048)


def test_a_checkpoint(tmp_path):
    model = get_model('seresnet8_1xb64_digits')
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'net.pth')
    loaded = load('seresnet8', pretrained=str(tmp_path / 'net.pth'))
    image = torch.randn(2, 1, 8, 8)
    with torch.no_grad():
        assert torch.equal(loaded(image), model(image))


@pytest.mark.parametrize('pretrained', [True, 'missing.pth'])
def test_what_is_no_checkpoint(pretrained):
    message = r'ships no weights; allowed: the path of' if pretrained is True else 'missing.pth'
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        load('seresnet8', pretrained=pretrained)


def test_dependencies_are_those_of_the_package():
    config = ConfigParser()
    config.read(ROOT / 'setup.cfg')
    lines = config['options']['install_requires'].splitlines()
    required = {re.split(r'[<>=]', line)[0] for line in lines if line.strip() and line[0] != '#'}
    by_import = packages_distributions()
    named = {by_import[name][0].lower() for name in hubconf().dependencies}
    assert named == {name.lower() for name in required}
