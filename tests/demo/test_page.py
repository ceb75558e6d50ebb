"""The page without a browser: many clients at once, files that cannot be used, what is left."""

import os
import socket
import struct
import sys
import tempfile
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest

from senet_mm.datasets.images.jpeg import encode_jpeg
from senet_mm.utils.errors import InputError

from ..conftest import load_tool

gradio_client = pytest.importorskip('gradio_client')
pytest.importorskip('pytorch_grad_cam')

from senet_mm.demo import Page, served  # noqa: E402 it needs gradio

BENCHMARK = 'tools/benchmarks/demo.py'


def bomb():
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""
    parts = b'IHDR' + struct.pack('>IIBBBBB', 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [parts, b'IDAT' + zlib.compress(b'\0' * 1000), b'IEND']
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(chunk) - 4) + chunk + struct.pack('>I', zlib.crc32(chunk))
        for chunk in chunks
    )


# Name of a file, its bytes, and what the page says.
UNUSABLE = {
    'cut.jpg': (encode_jpeg(np.zeros((64, 64, 3), np.uint8), 90)[:-9], 'the file is cut off'),
    'vector.svg': (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 'not an image'),
    'bomb.png': (bomb(), '60000 x 60000 pixels; allowed: at most'),
    '<i>.png': (b'text', '<b>&lt;i&gt;.png cannot be used:</b>'),
}


@pytest.fixture
def page(explainer, pictures):
    return Page(explainer, 'the <b>digits</b>', 'a <i>network</i>', list(map(str, pictures[:3])))


def test_many_clients_get_their_own_answers(explainer, page, pictures):
    with served(page, '127.0.0.1', None, 1_000_000) as address:
        paths = list(map(str, pictures))
        answers = load_tool(BENCHMARK).ask(explainer, address, paths, requests=24, clients=8)
    assert answers.wrong == []
    assert len(answers.seconds) == 24


def test_what_is_uploaded_is_removed_at_the_end(page, pictures):
    with served(page, '127.0.0.1', None, 1_000_000) as address:
        client = gradio_client.Client(address, verbose=False)
        client.predict(gradio_client.handle_file(str(pictures[0])), 'SE_3', api_name='/ask')
        [folder] = Path(tempfile.gettempdir()).glob('senet_mm-demo-*')
        assert folder == Path(os.environ['GRADIO_TEMP_DIR'])
        assert list(folder.rglob('00.png'))
    assert not folder.exists()
    assert 'GRADIO_TEMP_DIR' not in os.environ


def test_only_the_examples_are_served(page, pictures):
    other = pictures[0].with_name('passwords.csv')
    other.write_text('secret')
    with served(page, '127.0.0.1', None, 1_000_000) as address:
        for path, status in ((pictures[0], 200), (other, 403), (pictures[5], 403)):
            answer = httpx.get(f'{address}gradio_api/file={path}')
            assert answer.status_code == status, path
    other.unlink()


@pytest.mark.parametrize('name', UNUSABLE)
def test_a_file_that_cannot_be_used_gets_a_message(page, tmp_path, name):
    data, said = UNUSABLE[name]
    path = tmp_path / name
    path.write_bytes(data)
    message, *rest = page.ask(str(path), 'as trained')
    assert said in message
    assert str(tmp_path) not in message
    assert rest == [None] * 4
    assert page.open(str(path), 'SE_3') is None


def test_nothing_is_asked_without_a_file(page):
    assert page.ask(None, 'SE_3') == ('', None, None, None, None)
    assert page.open(None, 'SE_3') is None


def test_the_answer(page, explainer, pictures):
    path = str(pictures[0])
    message, look, gates, top, opened = page.ask(path, 'SE_3')
    assert 'No pictures of this class are known' in message
    assert look.shape == (320, 680, 3)
    assert gates.shape[1] == 800
    scores = explainer(path).scores
    assert top == dict(explainer.top(scores))
    assert opened == dict(explainer.top(explainer.open_stage(path, 'SE_3')))
    assert page.ask(path, 'as trained')[4] is None


def test_a_port_that_is_taken(page):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(InputError, match=rf'--port {port} of --host 127\.0\.0\.1: .*in use'),
            served(page, '127.0.0.1', port, 1_000_000),
        ):
            raise AssertionError


@pytest.mark.parametrize(
    'options',
    [
        ('--max-upload', '0'),
        ('--port', '70000'),
        ('--cfg-options', 'a=1'),
        ('--examples', 'nowhere'),
    ],
)
def test_mistakes_on_the_command_line(monkeypatch, checkpoint, options):
    tool = load_tool('tools/demo.py')
    monkeypatch.setattr(sys, 'argv', ['demo.py', str(checkpoint), *options])
    with pytest.raises((ValueError, FileNotFoundError), match=f'{options[0]}|nowhere'):
        tool.main(tool.parse_args())
