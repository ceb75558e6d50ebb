"""Every scheme of mmengine's loader leads to data with a hash, or to an error."""

import hashlib

import pytest
import torch
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch import nn

from senet_mm.engine import load_from_anywhere
from senet_mm.engine.weights import schemes
from senet_mm.engine.weights.download import split_url

from .test_checkpoint import save_hostile
from .test_download import server  # noqa: F401, a fixture


def test_no_loader_of_mmengine_is_left():
    assert set(CheckpointLoader._schemes.values()) == {load_from_anywhere}


def names(content):
    """A name with every prefix that mmengine knows, patterns included."""
    prefixes = {prefix.replace(r'(\S+\:)?', '') for prefix in CheckpointLoader._schemes}
    return [f'{prefix}{content}' for prefix in sorted(prefixes) if '://' in prefix]


@pytest.fixture
def zoos(monkeypatch):
    """Replaces the tables of all zoos."""

    def replace(table):
        for name in schemes.ZOOS:
            monkeypatch.setitem(schemes.ZOOS, name, lambda: table)

    return replace


def test_hostile_files_of_every_scheme_are_not_run(server, tmp_path, zoos):  # noqa: F811
    """With and without a hash: nothing of mmengine's is reached."""
    file, proof = save_hostile(tmp_path, torch.save)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.rename(tmp_path / f'www/net-{digest[:8]}.pth')
    zoos({'net': f'{server.url}/net-{digest[:8]}.pth', 'bare': f'{server.url}/net.pth'})
    address = server.url.removeprefix('http://')
    for name in ('net', 'bare', f'{address}/net-{digest[:8]}.pth', f'{address}/net.pth'):
        for filename in [
            *names(name),
            f'open-mmlab:s3://{name}',
            f'file://{name}',
            f'ftp://{name}',
        ]:
            with pytest.raises((ValueError, ConnectionError)) as raised:
                load_checkpoint(nn.Linear(1, 1), filename)
            assert '\n' not in str(raised.value)
    assert server.asked == [f'/net-{digest[:8]}.pth']
    assert not proof.exists()


@pytest.mark.parametrize('zoo', schemes.ZOOS)
def test_a_name_is_an_address_with_a_hash(server, tmp_path, zoos, zoo):  # noqa: F811
    file = tmp_path / 'www/net.pth'
    torch.save({'backbone.weight': torch.ones(1), 'head.weight': torch.ones(2)}, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.rename(tmp_path / f'www/net-{digest[:8]}.pth')
    zoos({'net': f'{server.url}/net-{digest[:8]}.pth', 'bare': f'{server.url}/net.pth'})
    content = load_from_anywhere(f'{zoo}://net')
    content = content.get('state_dict', content)
    assert list(content) == (['weight'] if zoo == 'mmcls' else ['backbone.weight', 'head.weight'])
    with pytest.raises(ValueError, match=r'net.pth has no hash; allowed: '):
        load_from_anywhere(f'{zoo}://bare')
    with pytest.raises(ValueError, match=f'{zoo}://none: {zoo}:// has no none$'):
        load_from_anywhere(f'{zoo}://none')


@pytest.mark.parametrize(
    'filename', ['s3://a/b.pth', 'petrel://b', 'pavi://b', 'a:s3://b', 'x-y://b']
)
def test_other_schemes_are_refused(filename):
    scheme = filename.partition('://')[0]
    message = (
        rf'{filename} is refused: {scheme}:// is not read; allowed: a path, http.*torchvision://'
    )
    with pytest.raises(ValueError, match=message):
        load_from_anywhere(filename)


@pytest.mark.parametrize('zoo', schemes.ZOOS)
def test_the_tables_of_mmengine(zoo):
    """The names of ResNets, which detectors' configs give, are addresses with a hash."""
    addresses = {name: url for name, url in schemes.ZOOS[zoo]().items() if 'resnet50' in name}
    assert addresses
    for name, url in addresses.items():
        assert url is None or split_url(url)[2] in url, name
