"""Weights from a URL, from a server on this machine."""

import hashlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch import nn

from senet_mm.engine.weights import download
from senet_mm.engine.weights.download import fetch, split_url

from .test_checkpoint import save_hostile


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and keeps a list of what was asked for."""

    def log_message(self, *args):
        self.server.asked.append(self.path)


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of ``tmp_path/www``; the cache of torch.hub is in ``tmp_path/hub``."""
    (tmp_path / 'www').mkdir()
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    handler = partial(Handler, directory=tmp_path / 'www')
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        server.asked = []
        server.url = f'http://127.0.0.1:{server.server_port}'
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def published(server, tmp_path):
    """Weights on the server, named by their hash; the hash."""
    file = tmp_path / 'www/weights.pth'
    torch.save(nn.Linear(2, 3).state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.rename(tmp_path / f'www/linear_20260101-{digest[:8]}.pth')
    return f'linear_20260101-{digest[:8]}.pth', digest


def test_fetched_once_and_read(server, published, tmp_path, logged):
    name, _ = published
    url = f'{server.url}/{name}'
    model = nn.Linear(2, 3)
    for _ in range(2):
        load_checkpoint(model, url, logger='silent')
    expected = torch.load(tmp_path / 'www' / name, weights_only=True)
    assert torch.equal(model.weight, expected['weight'])
    assert server.asked == [f'/{name}']
    cached = tmp_path / 'hub/checkpoints' / name
    assert fetch(url) == cached
    assert logged.messages == [f'fetching {url} into {cached}']


@pytest.mark.parametrize('digits', [8, 64])
def test_hash_in_the_fragment(server, published, tmp_path, digits):
    name, digest = published
    (tmp_path / 'www' / name).rename(tmp_path / 'www/model.pth')
    url = f'{server.url}/model.pth?download=1#sha256={digest[:digits].upper()}'
    assert fetch(url).name == f'model-{digest[:8]}.pth'
    assert CheckpointLoader.load_checkpoint(url, logger='silent').keys() == {'weight', 'bias'}
    assert server.asked == ['/model.pth?download=1']


@pytest.mark.parametrize('damage', [lambda b: b[:-10], lambda b: b[:-1] + b'!'])
def test_damaged_cache_is_fetched_anew(server, published, damage):
    name, digest = published
    file = fetch(f'{server.url}/{name}')
    file.write_bytes(damage(file.read_bytes()))
    assert hashlib.sha256(fetch(f'{server.url}/{name}').read_bytes()).hexdigest() == digest
    assert len(server.asked) == 2


def test_another_hash_is_refused_and_removed(server, published, tmp_path):
    name, _ = published
    (tmp_path / 'www' / name).rename(tmp_path / 'www/linear-01234567.pth')
    url = f'{server.url}/linear-01234567.pth'
    with pytest.raises(ValueError, match=f'{url} is refused and removed: .*"01234567"') as raised:
        fetch(url)
    assert '\n' not in str(raised.value)
    assert not list((tmp_path / 'hub/checkpoints').glob('*.pth*.partial'))
    assert not list((tmp_path / 'hub/checkpoints').glob('*.pth'))


@pytest.mark.parametrize(
    'url',
    ['/model.pth', '/model-caffe.pth', '/model.pth#sha256=123', '/model-01234567.pth#md5=01234567'],
)
def test_no_hash_is_refused_before_anything_is_fetched(server, url):
    with pytest.raises(ValueError, match=r'has no hash; allowed: http\S+#sha256=HEX, or a file'):
        CheckpointLoader.load_checkpoint(server.url + url, logger='silent')
    assert server.asked == []


def test_a_server_that_falls_silent(monkeypatch, tmp_path):
    """It takes the connection, and never says anything."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    monkeypatch.setattr(download, 'TIMEOUT', 0.1)
    with socket.create_server(('127.0.0.1', 0)) as silent:
        url = f'http://127.0.0.1:{silent.getsockname()[1]}/linear-01234567.pth'
        with pytest.raises(ConnectionError, match=r'cannot be fetched \(.*timed out'):
            fetch(url)
    assert socket.getdefaulttimeout() is None


def test_missing_on_the_server(server):
    with pytest.raises(ConnectionError, match=r'cannot be fetched \(HTTP Error 404: '):
        fetch(f'{server.url}/none-01234567.pth')


def test_offline_says_what_to_fetch(server, tmp_path):
    server.shutdown()
    server.server_close()
    url = f'{server.url}/linear-01234567.pth'
    with pytest.raises(ConnectionError, match='cannot be fetched') as raised:
        fetch(url)
    message = str(raised.value)
    assert message.startswith(f'{url} cannot be fetched (')
    assert message.endswith(
        'fetch it where there is a network and give the path of the file, '
        f'or put it at {tmp_path}/hub/checkpoints/linear-01234567.pth'
    )
    assert '\n' not in message


def test_offline_with_the_file_put_into_the_cache(server, published, tmp_path):
    name, _ = published
    cache = tmp_path / 'hub/checkpoints'
    cache.mkdir(parents=True)
    (tmp_path / 'www' / name).rename(cache / name)
    server.shutdown()
    server.server_close()
    assert fetch(f'{server.url}/{name}') == cache / name


def test_hostile_file_with_a_good_hash_is_not_run(server, tmp_path):
    file, proof = save_hostile(tmp_path, torch.save)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    file.rename(tmp_path / 'www/hostile.pth')
    with pytest.raises(ValueError, match='is refused: it refers to'):
        load_checkpoint(nn.Linear(2, 3), f'{server.url}/hostile.pth#sha256={digest}')
    assert not proof.exists()


def test_processes_wait_for_the_first(server, published):
    name, _ = published
    with ThreadPoolExecutor(4) as pool:
        files = set(pool.map(fetch, [f'{server.url}/{name}'] * 4))
    assert len(files) == 1
    assert server.asked == [f'/{name}']


def test_names_of_other_zoos():
    """torch.hub's and OpenMMLab's file names have the hash in the same place."""
    for url, digest in [
        ('https://download.pytorch.org/models/resnet50-0676ba61.pth', '0676ba61'),
        ('https://x.org/se-resnet50_batch256_imagenet_20200804-ae206104.pth', 'ae206104'),
    ]:
        assert split_url(url) == (url, url.rpartition('/')[2], digest)
