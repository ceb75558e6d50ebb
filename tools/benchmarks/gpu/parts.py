"""The parts of a stage: each is measured alone and written to the stage's file at once.

After a CUDA error a process can use the GPU no more. A stage that is started again on the same file
goes on behind the part in which the earlier process ended.
"""

import argparse
import gc
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from senet_mm.cli import reported_errors
from senet_mm.utils.files import atomic_file
from senet_mm.utils.measure import Timing
from senet_mm.utils.options import check_option

# Name of a part -> function that measures it and returns its figures, with what is wrong with them
# as `error`.
Rows = Mapping[str, Callable[[], dict]]


class NotHereError(Exception):
    """A part cannot be measured on this machine, such as one that needs another package."""


# Begins the error of a part whose CUDA graph failed.
CAPTURE = 'CUDA graph'


class Parts:
    """The results of a stage, in a file.

    Args:
        path: The file, JSON; results that it has already are kept.
        planned: Names of all parts.
    """

    def __init__(self, path: Path, planned: list[str]) -> None:
        self.path, self.planned = path, planned
        self.results = json.loads(path.read_text())['parts'] if path.exists() else {}
        for result in self.results.values():
            if result['status'] == 'started':
                where = f'{CAPTURE}: ' if result.pop('captures', False) else ''
                result.update(status='failed', error=f'{where}the process ended')
        self._write()
        Parts.current = self

    current: 'Parts | None' = None

    def _write(self) -> None:
        with atomic_file(self.path) as file:
            file.write(json.dumps(dict(planned=self.planned, parts=self.results)).encode())

    def run(self, name: str, measure: Callable[[], dict]) -> None:
        """Measure a part, unless the file has it; an error of it is written down as its result."""
        if name in self.results:
            return
        self.results[name] = dict(status='started')
        self._write()
        print(f'-- {name}', flush=True)
        start = time.perf_counter()
        try:
            result = measure()
            result['status'] = 'failed' if result.get('error') else 'ok'
        except NotHereError as reason:
            result = dict(status='absent', error=str(reason))
        except Exception as error:
            traceback.print_exc()
            line = f'{type(error).__name__}: {error}'.strip().splitlines()[0]
            result = dict(status='failed', error=line[:300])
        self.results[name] = {**result, 'seconds': round(time.perf_counter() - start, 1)}
        self._write()


def note_before_graph(figures: dict) -> bool:
    """Write down what a part has measured before its graph is captured, which may end the process.

    Returns:
        Whether to capture: no graph of the stage has failed. What a failed capture left behind may
        end the process.
    """
    parts = Parts.current
    if parts is None:
        return True
    errors = [str(part.get('error', '')) for part in parts.results.values()]
    if any(error.startswith(CAPTURE) for error in errors):
        return False
    *_, last = parts.results.values()
    last.update(figures, captures=True)
    parts._write()
    return True


def release() -> None:
    """Free what a part left on the GPU; raises after an error from which CUDA cannot recover."""
    if 'torch._dynamo' in sys.modules:
        torch._dynamo.reset()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.empty_cache()


def device() -> str:
    """Where a stage measures."""
    return 'cuda' if torch.cuda.is_available() else 'cpu'


def speed(timing: Timing, images: int, calls: int = 1) -> dict:
    """Milliseconds of a call with quartiles, and images per second.

    Args:
        timing: Seconds of all calls together.
        images: Images of a call.
        calls: Calls that were timed together.
    """
    median, low, high = (1e3 * seconds / calls for seconds in timing)
    return dict(ms=median, low=low, high=high, rate=1e3 * images / median)


def run_stage(args: argparse.Namespace, make_rows: Callable[[bool], Rows]) -> None:
    """Measure the rows of a stage one after the other.

    Args:
        args: The stage's command line.
        make_rows: Makes the rows; its argument is whether they are the small form.
    """
    torch.set_num_threads(1 if args.small else torch.get_num_threads())
    rows = make_rows(args.small)
    with reported_errors():
        for name in args.only or ():
            check_option('--only', name, rows)
    rows = {name: rows[name] for name in args.only or rows}
    parts = Parts(args.out, list(rows))
    for name, measure in rows.items():
        parts.run(name, measure)
        release()
