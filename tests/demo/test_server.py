"""The server of the page: what it serves, that it fetches nothing, what it leaves, its address."""

import os
import signal
import socket
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from senet_mm.utils.errors import InputError

from ..conftest import load_tool

gradio_client = pytest.importorskip('gradio_client')
pytest.importorskip('pytorch_grad_cam')
safehttpx = pytest.importorskip('safehttpx')

from senet_mm.demo import find_port, served  # noqa: E402 it needs gradio
from senet_mm.demo.server import remove_old  # noqa: E402

LIMIT = 1_000_000


@pytest.fixture
def other_host(monkeypatch):
    """The address of a server that the page must not ask, and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    async def validate(hostname):
        return '127.0.0.1'

    # gradio asks no private address, as this one is.
    monkeypatch.setattr(safehttpx, 'async_validate_url', validate)
    server = HTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f'http://127.0.0.1:{server.server_port}', asked
    server.shutdown()
    thread.join()
    server.server_close()


def ask(address, *data):
    """The server's answer to a question, as text."""
    question = httpx.post(f'{address}gradio_api/call/ask', json=dict(data=data))
    event = question.json()['event_id']
    return httpx.get(f'{address}gradio_api/call/ask/{event}', timeout=60).text


def file_at(place):
    return dict(path=place, url=place, meta=dict(_type='gradio.FileData'))


def test_nothing_that_a_client_names_is_fetched(page, other_host):
    url, asked = other_host
    with served(page, '127.0.0.1', None, LIMIT) as address:
        assert 'error' in ask(address, file_at(f'{url}/file.png'), 'as trained')
        assert 'error' in ask(address, None, file_at(f'{url}/stage.png'))
        for path in ('file=', 'file/', 'proxy='):
            answer = httpx.get(f'{address}gradio_api/{path}{url}/{path}.png')
            assert answer.status_code == 404, path
    assert asked == []


@pytest.mark.parametrize(
    'path', ['monitoring', 'gradio_api/runs', 'gradio_api/deep_link', 'gradio_api/openapi.json']
)
def test_parts_of_gradio_that_the_page_does_not_need(page, path):
    with served(page, '127.0.0.1', None, LIMIT) as address:
        assert httpx.get(f'{address}{path}').status_code == 404
        assert httpx.post(f'{address}gradio_api/process_recording').status_code == 404
        long = httpx.post(f'{address}gradio_api/call/ask', content=b' ' * 100_000)
        assert long.status_code == 413


def test_originals_of_the_examples_are_not_served(page, pictures):
    with served(page, '127.0.0.1', None, LIMIT) as address:
        for path in (pictures[0], pictures[5], Path('README.md').absolute()):
            answer = httpx.get(f'{address}gradio_api/file={path}')
            assert answer.status_code == 404, path
        folder = Path(os.environ['GRADIO_TEMP_DIR'])
        shown = sorted(folder.rglob('*.png'))
        assert len(shown) == len(page.examples)
        for path in shown:
            assert httpx.get(f'{address}gradio_api/file={path}').status_code == 200
        outside = f'{folder}/../{pictures[0].relative_to(folder.parent)}'
        assert httpx.get(f'{address}gradio_api/file={outside}').status_code in (403, 404)


def test_what_is_uploaded_is_removed_at_the_end(page, pictures):
    with served(page, '127.0.0.1', None, LIMIT) as address:
        client = gradio_client.Client(address, verbose=False)
        client.predict(gradio_client.handle_file(str(pictures[7])), 'SE_3', api_name='/ask')
        folder = Path(os.environ['GRADIO_TEMP_DIR'])
        assert folder.parent == Path(tempfile.gettempdir())
        assert list(folder.rglob('07.png'))
        before = set(folder.rglob('*'))
        remove_old(folder, set(), 1000)
        assert set(folder.rglob('*')) == before
        kept = {path for path in before if path.name == 'image.png'}
        remove_old(folder, kept, -1)
        left = set(folder.rglob('*'))
        assert {path for path in left if path.is_file()} == kept
        assert all(any(path in file.parents for file in kept) for path in left - kept)
    assert not folder.exists()
    assert 'GRADIO_TEMP_DIR' not in os.environ


@pytest.mark.parametrize('host', ['127.0.0.1', '::1'])
def test_a_port_that_is_taken(page, host):
    try:
        taken = socket.create_server((host, 0), family=socket.AF_INET6 if ':' in host else 2)
    except OSError:
        pytest.skip(f'no {host} on this machine')
    with taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(InputError, match=rf'--port {port} of --host {host}: .*in use'),
            served(page, host, port, LIMIT),
        ):
            raise AssertionError
    with served(page, host, port, LIMIT) as address:
        assert httpx.get(address).status_code == 200
    everywhere = '::' if ':' in host else '0.0.0.0'
    with served(page, everywhere, port, LIMIT) as also:
        assert also == address
        assert httpx.get(also).status_code == 200


@pytest.mark.parametrize('host', ['', 'nosuchhost.invalid', '192.0.2.1'])
def test_hosts_of_other_machines(host):
    with pytest.raises(InputError, match=r'--host .*: .*; allowed: an address of this machine'):
        find_port(host, None)


@pytest.fixture
def demo(monkeypatch):
    """The tool, run with arguments."""
    tool = load_tool('tools/demo.py')
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', ['demo.py', *map(str, arguments)])
        tool.main(tool.parse_args())

    run.tool = tool
    yield run
    for number, handler in handlers.items():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, handler)


@pytest.mark.parametrize(
    'options',
    [
        ('--max-upload', '0'),
        ('--port', '70000'),
        ('--cfg-options', 'a=1'),
        ('--examples', 'nowhere'),
        ('--examples', 'docs/images/demo.png'),
    ],
)
def test_mistakes_on_the_command_line(demo, checkpoint, options):
    with pytest.raises(ValueError, match=options[0]):
        demo(checkpoint, *options)


def test_a_taken_port_is_told_before_the_network_is_read(demo):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f'--port {port} of'):
            demo('missing.pth', '--port', port)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_end_it_in_good_order(demo, capsys, number):
    """Again is once: all is removed then."""
    signal.signal(number, signal.default_int_handler)  # the tests may be run by nohup
    signals = demo.tool.take_signals()
    timer = threading.Timer(0.2, os.kill, (os.getpid(), number))
    timer.start()
    demo.tool.wait(signals)
    assert 'the demo ends' in capsys.readouterr().out
    os.kill(os.getpid(), number)
