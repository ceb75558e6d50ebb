"""Runs functions in a process with little memory, and sees what they say, take and leave."""

import contextlib
import io
import json
import os
import resource
import shutil
import time
from pathlib import Path
from typing import NamedTuple

from ..forked import SERVER

# Seconds for a file, and bytes that a file may take beyond what the process has.
TIME, MEMORY = 60, 1 << 31
PEAK = 200 << 20


class Outcome(NamedTuple):
    """What became of a file: line and class of its error, if there is one; peak memory in bytes."""

    line: str = ''
    kind: str = ''
    answers: bool = True
    peak: int = 0
    ran: bool = False


def _status(key):
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith(f'{key}:'):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def _try(way, file, folder):
    from senet_mm.utils.errors import describe, is_answer

    Path('/proc/self/clear_refs').write_text('5')  # the peak is from now on
    before, line, kind, answers = _status('VmRSS'), '', '', True
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            way(file, folder)
    except BaseException as error:
        line, kind, answers = describe(error), type(error).__name__, is_answer(error)
    ran = Path(f'{file}.proof').exists()
    return Outcome(line, kind, answers, max(_status('VmHWM') - before, 0), ran)


def _run(module, way, files, folder, report):
    """In the process: try each file, and write an outcome a line."""
    import importlib

    function = importlib.import_module(module).ALL_WAYS[way]
    limit = _status('VmSize') + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    os.environ['OMP_NUM_THREADS'] = '1'
    with open(report, 'w', buffering=1) as lines:
        for name, file in files.items():
            own = Path(folder, 'own')
            own.mkdir()
            lines.write(json.dumps([name, *_try(function, Path(file), own)]) + '\n')
            shutil.rmtree(own)


def run_confined(module, way, files, folder):
    """The outcome of each file by name; what hangs or is killed has none, nor have those behind.

    Args:
        module: Name of a module with ``ALL_WAYS``, functions of a file and a folder by name.
        way: Which one.
        files: Paths by name.
        folder: A new folder.
    """
    folder.mkdir()
    report = folder / 'outcomes'
    given = {name: str(file) for name, file in files.items()}
    process = SERVER.Process(target=_run, args=(module, way, given, str(folder), str(report)))
    process.start()
    seen, since = 0, time.monotonic()
    while process.is_alive():
        process.join(0.2)
        size = report.stat().st_size if report.exists() else 0
        if size > seen:
            seen, since = size, time.monotonic()
        elif time.monotonic() - since > TIME:
            process.kill()
            process.join()
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    return {name: Outcome(*values) for name, *values in rows}
