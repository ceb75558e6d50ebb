"""A server of the page that serves the page alone, and fetches nothing."""

import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any, NoReturn

import gradio as gr
from gradio import processing_utils
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from senet_mm.utils.errors import InputError

from .page import Page
from .parts import CSS

# Hosts that stand for all addresses of this machine, and one of these.
ANYWHERE = {'0.0.0.0': '127.0.0.1', '::': '::1'}
FONTS = ['system-ui', 'sans-serif']
# Seconds after which an uploaded file is removed, and between two looks for such files.
KEPT, CLEANED = 300, 60
# What the page asks for; gradio has more, such as a proxy, a log of answers, and a recorder.
API = '/gradio_api'
PATHS = (
    '/assets/', '/static/', '/svelte/', '/config', '/theme.css', '/favicon.ico', '/manifest.json',
    '/robots.txt', '/pwa_icon', f'{API}/info', f'{API}/call/', f'{API}/queue/', f'{API}/heartbeat/',
    f'{API}/startup-events', f'{API}/upload', f'{API}/cancel', f'{API}/reset', f'{API}/theme.css',
)  # fmt: skip
# Largest question, bytes; a picture is uploaded before.
QUESTION = 2**16


class PageGuard:
    """Lets requests through that the page makes, and no others.

    Args:
        app: The server.
        folder: Files in it are served.
    """

    def __init__(self, app: ASGIApp, folder: str) -> None:
        self.app, self.paths = app, (*PATHS, f'{API}/file={folder}/')

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        refusal = self._refuse(scope) if scope['type'] == 'http' else None
        await (refusal or self.app)(scope, receive, send)

    def _refuse(self, scope: Scope) -> PlainTextResponse | None:
        path = scope['path']
        if path != '/' and not path.startswith(self.paths):
            return PlainTextResponse('the page has no such part', 404)
        is_question = scope['method'] == 'POST' and not path.startswith(f'{API}/upload')
        length = dict(scope['headers']).get(b'content-length', b'')
        if is_question and not (length.isdigit() and int(length) <= QUESTION):
            return PlainTextResponse(f'allowed: at most {QUESTION} bytes', 413)
        return None


@contextlib.contextmanager
def served(page: Page, host: str, port: int | None, max_bytes: int) -> Iterator[str]:
    """Serve a page until the end; gives its address. What was uploaded is removed at the end.

    Args:
        page: The page.
        host: Address of this machine to listen at.
        port: None for a free one from 7860.
        max_bytes: Largest file that is taken.

    Raises:
        InputError: The port is taken, or the host is not of this machine.
    """
    port = find_port(host, port)
    name, own = (f'[{each}]' if ':' in each else each for each in (host, ANYWHERE.get(host, host)))
    with _temporary_folder() as folder, _fetching_nothing():
        blocks = page.build()
        try:
            blocks.launch(
                server_name=name, server_port=port, share=False, quiet=True, inbrowser=False,
                prevent_thread_lock=True, max_file_size=max_bytes, footer_links=[],
                allowed_paths=[os.path.abspath(example.path) for example in page.examples],
                theme=gr.themes.Default(font=FONTS, font_mono=['monospace']), css=CSS,
                enable_monitoring=False, ssr_mode=False,
                app_kwargs=dict(middleware=[Middleware(PageGuard, folder=str(folder))]),
            )  # fmt: skip
            with _cleaning(folder):
                yield f'http://{own}:{port}/'
        finally:
            blocks.close(verbose=False)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder for what gradio writes."""
    before = os.environ.get('GRADIO_TEMP_DIR')
    with tempfile.TemporaryDirectory(prefix='senet_mm-demo-') as folder:
        os.environ['GRADIO_TEMP_DIR'] = folder
        try:
            yield Path(folder)
        finally:
            if before is None:
                del os.environ['GRADIO_TEMP_DIR']
            else:
                os.environ['GRADIO_TEMP_DIR'] = before


@contextlib.contextmanager
def _fetching_nothing() -> Iterator[None]:
    """Refuse to download what a question names by an address, in place of an uploaded file."""

    async def refuse(url: str, cache_dir: str) -> NoReturn:
        raise gr.Error('an address is not fetched; allowed: an uploaded file')

    before = processing_utils.async_ssrf_protected_download
    processing_utils.async_ssrf_protected_download = refuse
    try:
        yield
    finally:
        processing_utils.async_ssrf_protected_download = before


@contextlib.contextmanager
def _cleaning(folder: Path) -> Iterator[None]:
    """Remove what is written into a folder from now on some time later."""
    kept, ended = set(folder.rglob('*')), Event()

    def clean() -> None:
        while not ended.wait(CLEANED):
            remove_old(folder, kept, KEPT)

    thread = Thread(target=clean, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def remove_old(folder: Path, kept: set[Path], age: float) -> None:
    """Remove files and empty folders in a folder that have not changed for so many seconds."""
    limit = time.time() - age
    # What is in a folder goes before it.
    for path in sorted(folder.rglob('*'), reverse=True):
        with contextlib.suppress(OSError):  # gone meanwhile, or not empty
            if path not in kept and path.lstat().st_ctime < limit:
                path.rmdir() if path.is_dir() else path.unlink()


def find_port(host: str, port: int | None) -> int:
    """A port that is free: the given one, or one of the hundred from 7860.

    Raises:
        InputError: There is none, or the host is no address of this machine.
    """
    ports = range(7860, 7960) if port is None else [port]
    family = _find_family(host, ports[0])
    for each in ports:
        try:
            with socket.create_server((host, each), family=family):
                return each
        except OSError as error:
            reason = error.strerror or str(error)
    what = f'--port {port}' if port is not None else 'ports 7860 to 7959'
    raise InputError(f'{what} of --host {host}: {reason}; allowed: a free port')


def _find_family(host: str, port: int) -> Any:
    """Of IPv4 or of IPv6."""
    try:
        if not host:
            raise OSError('it is empty')
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family) as probe:
            probe.bind((host, 0))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f'--host {host}: {reason}; allowed: an address of this machine, such as 127.0.0.1'
        ) from error
    return family
