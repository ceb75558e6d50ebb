"""moto's S3 server on this machine: it counts what is asked for, and can fail in several ways."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Quiet(WSGIRequestHandler):
    def log(self, *args: object) -> None:
        """No line per request."""


class Server:
    """A server in a thread.

    Attributes:
        requests: How often each path was read (GET).
        sent: Bytes of these answers.
        fault: Called with the path of each GET; one of ``FAULTS`` or None.
    """

    def __init__(self) -> None:
        self.app = DomainDispatcherApplication(create_backend_app)
        self.requests: Counter = Counter()
        self.sent: Counter = Counter()
        self.fault: Callable[[str], str | None] = lambda path: None
        self.stopped = threading.Event()
        self.server = make_server('127.0.0.1', 0, self, threaded=True, request_handler=Quiet)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.server.server_port}'

    def stop(self) -> None:
        """Close the port; requests that hang end."""
        self.stopped.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def __call__(self, environ: dict, start_response: Callable) -> Iterator[bytes]:
        path, name = environ['PATH_INFO'], None
        if environ['REQUEST_METHOD'] == 'GET':
            self.requests[path] += 1
            name = self.fault(path)
        body = b''.join(self.app(environ, start_response))
        for piece in FAULTS[name](self, body):
            if environ['REQUEST_METHOD'] == 'GET':
                self.sent[path] += len(piece)
            yield piece


def _whole(server: Server, body: bytes) -> Iterator[bytes]:
    yield body


def _cut(server: Server, body: bytes) -> Iterator[bytes]:
    """Half of the answer, then the connection ends."""
    yield body[: len(body) // 2]
    raise ConnectionAbortedError


def _hang(server: Server, body: bytes) -> Iterator[bytes]:
    """Half of the answer, then nothing."""
    yield body[: len(body) // 2]
    server.stopped.wait()


def _slow(server: Server, body: bytes) -> Iterator[bytes]:
    """A kilobyte in a fifth of a second."""
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]
        if server.stopped.wait(0.2):
            return


def _late(server: Server, body: bytes) -> Iterator[bytes]:
    time.sleep(0.3)
    yield body


FAULTS = {None: _whole, 'cut': _cut, 'hang': _hang, 'slow': _slow, 'late': _late}
