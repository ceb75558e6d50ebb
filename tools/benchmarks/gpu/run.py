#!/usr/bin/env python
"""Run the plan: each stage in a process of its own; writes OUT/gpu.json and OUT/gpu.md.

bash tools/benchmarks/gpu.sh OUT [--small] [--wheels DIR] [--stages NAME ...]

The exit status is 0 if all was measured and right, 1 if not, 2 for wrong arguments.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from importlib.metadata import version
from pathlib import Path

from packaging.version import Version
from page import render
from plan import HERE, PLAN, Stage

ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))

from senet_mm.utils.options import check_option
from senet_mm.utils.usage import ToolParser


def parse_args() -> argparse.Namespace:
    parser = ToolParser(description=__doc__.splitlines()[0])
    parser.add_argument('out', nargs='?', type=Path, help='folder of the results')
    parser.add_argument('--small', action='store_true', help='the same plan without a GPU')
    parser.add_argument('--stages', nargs='+', metavar='NAME', help='stages to run; all by default')
    parser.add_argument('--render', type=Path, metavar='FILE', help='make the page of a gpu.json')
    args = parser.parse_args()
    if (args.out is None) == (args.render is None):
        parser.error('allowed: either OUT or --render FILE')
    try:
        for name in args.stages or ():
            check_option('--stages', name, [stage.name for stage in PLAN])
    except ValueError as error:
        parser.error(str(error))
    return args


# One core with other work on it, in the small form.
SLOWER = 5


class Run:
    """The plan under way, and its results.

    Args:
        out: Folder of the results.
        small: Whether it is the small form.
    """

    def __init__(self, out: Path, small: bool) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out, self.small = out, small
        self.work = Path(tempfile.mkdtemp())
        self.log = (out / 'gpu.log').open('a')
        self.results = dict(small=small, command=' '.join(sys.argv), stages={})

    def stage(self, stage: Stage, until: float) -> None:
        """Run a stage until a time, again where a process ended in one of its parts."""
        file = self.work / f'{stage.name}.json'
        command = [sys.executable, str(HERE / stage.script), '--out', str(file)]
        command += ['--small'] * self.small + (['--only', *stage.rows] if stage.rows else [])
        result = dict(title=stage.title, seconds_allowed=stage.seconds, command=' '.join(command))
        start, measured = time.monotonic(), 0
        if (HERE / stage.script).exists():
            while True:
                status, tail = self.execute(command, until - time.monotonic())
                content = read(file)
                before, measured = measured, len(content['parts'])
                # After a CUDA error a process is of no more use, but the other parts are.
                if status in (0, None) or measured == before:
                    break
        else:
            status, tail, content = 1, [f'{stage.script} is not there'], read(file)
        content['parts'] |= settle(content, status)
        fine = status == 0 and all(
            p['status'] in ('ok', 'absent') for p in content['parts'].values()
        )
        result |= content
        result['status'] = 'ok' if fine else 'out of time' if status is None else 'failed'
        result['seconds'] = round(time.monotonic() - start, 1)
        result['tail'] = [] if fine else tail
        self.bring(stage)
        self.results['stages'][stage.name] = result
        self.write()
        print(f'{stage.name}: {result["status"]}, {result["seconds"]:.0f} s', flush=True)

    def bring(self, stage: Stage) -> None:
        """Keep the file that a stage measured; with a GPU the stages behind it use it."""
        if stage.brings is None or not (self.work / stage.brings[0]).exists():
            return
        name, place = stage.brings
        shutil.copy(self.work / name, self.out / name)
        if not self.small:
            shutil.copy(self.work / name, ROOT / place)

    def execute(self, command: list[str], seconds: float) -> tuple[int | None, list[str]]:
        """Exit status of a command, None if its time was over, and its last lines."""
        path = self.work / 'output'
        with path.open('w') as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment(self.small), stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
            try:
                status = process.wait(max(seconds, 0))
            except subprocess.TimeoutExpired:
                status = None
            finally:  # with all that it started
                kill_group(process)
        text = path.read_text(errors='replace')
        self.log.write(f'\n$ {" ".join(command)}\n{text}')
        self.log.flush()
        return status, text.splitlines()[-15:]

    def write(self) -> None:
        """Both files, after every stage."""
        (self.out / 'gpu.json').write_text(json.dumps(self.results, indent=1))
        try:
            page = render(self.results)
        except Exception:  # the next stages matter more; --render makes it once it is mended
            page = f'```\n{traceback.format_exc()}```\n'
        (self.out / 'gpu.md').write_text(page)


def kill_group(process: subprocess.Popen) -> None:
    """End a process and those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment(small: bool) -> dict[str, str]:
    """Of a stage: the sources are on the path; kernels are interpreted where there is no GPU."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    own = dict(PYTHONPATH=path, PYTHONUNBUFFERED='1')
    if small:
        own |= dict(OMP_NUM_THREADS='1', TRITON_INTERPRET=str(int(interprets())))
    return {**os.environ, **own}


def interprets() -> bool:
    """Whether Triton's interpreter works: that of 3.6 fails beside NumPy 2.4."""
    return Version(version('triton')) >= Version('3.7') or Version(version('numpy')) < Version(
        '2.4'
    )


def read(file: Path) -> dict:
    """What a stage wrote."""
    return json.loads(file.read_text()) if file.exists() else dict(planned=[], parts={})


def settle(content: dict, status: int | None) -> dict[str, dict]:
    """Results of the parts that have none because the stage ended."""
    why = 'out of time' if status is None else 'the process ended'
    started = [name for name, part in content['parts'].items() if part['status'] == 'started']
    missing = [name for name in content['planned'] if name not in content['parts']]
    return {
        **{name: dict(status='failed', error=f'{why} in it') for name in started},
        **{name: dict(status='failed', error=f'{why} before it') for name in missing},
    }


def main(args: argparse.Namespace) -> int:
    if args.render:
        print(render(json.loads(args.render.read_text())), end='')
        return 0
    plan = [stage for stage in PLAN if not args.stages or stage.name in args.stages]
    run = Run(args.out, args.small)
    until = time.monotonic()
    for stage in plan:
        until += stage.seconds * (SLOWER if args.small else 1)
        run.stage(stage, until)
    print(f'written: {args.out / "gpu.json"}, {args.out / "gpu.md"}')
    return int(any(stage['status'] != 'ok' for stage in run.results['stages'].values()))


if __name__ == '__main__':
    sys.exit(main(parse_args()))
