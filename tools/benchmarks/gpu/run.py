#!/usr/bin/env python
"""Run the plan: each stage in a process of its own; writes OUT/gpu.json and OUT/gpu.md.

bash tools/benchmarks/gpu.sh OUT [--small] [--wheels DIR] [--stages NAME ...]

The exit status is 0 if all was measured and right, 1 if not, 2 for wrong arguments or no GPU.
"""

import argparse
import atexit
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
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from losses import compare_losses
from packaging.version import Version
from page import render
from plan import HERE, PLAN, Stage

ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT))

from senet_mm.cli import reported_errors
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import atomic_file, check_regular_file
from senet_mm.utils.options import check_option
from senet_mm.utils.processes import USAGE, taken_signals
from senet_mm.utils.usage import ToolParser


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('out', nargs='?', type=Path, help='folder of the results')
    parser.add_argument('--small', action='store_true', help='the same plan without a GPU')
    parser.add_argument('--stages', nargs='+', metavar='NAME', help='stages to run; all by default')
    parser.add_argument('--anew', action='store_true', help='forget the results that OUT has')
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
# Compiled code of all runs: a second one on a machine is faster.
CACHE = Path(tempfile.gettempdir()) / f'senet_mm-gpu-{os.getuid()}'
PROBE = """
import torch
torch.zeros(1, device='cuda').item()
print(torch.cuda.get_device_name())
"""


class WrongUseError(InputError):
    """A mistake on the command line."""

    exit_code = USAGE


def name_gpu() -> str:
    """The GPU that PyTorch uses, asked in a process of its own; an error without one."""
    done = subprocess.run([sys.executable, '-c', PROBE], capture_output=True, text=True)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ['the process ended']
        raise WrongUseError(f'no GPU that PyTorch can use ({reason[0]}); allowed: --small')
    return done.stdout.strip().splitlines()[-1]


def commit() -> str:
    """The commit of the sources; ``-`` without git."""
    command = ['git', '-c', 'safe.directory=*', '-C', str(ROOT), 'rev-parse', 'HEAD']
    with contextlib.suppress(OSError):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or '-'
    return '-'


def read_results(file: Path) -> dict:
    """The results of a run.

    Raises:
        WrongUseError: There are none in the file.
    """
    try:
        check_regular_file(file)
        results = json.loads(file.read_bytes())
        render(results)
    except (OSError, InputError) as error:
        raise WrongUseError(str(error)) from error
    except Exception as error:  # of the page, of any type
        raise WrongUseError(f'{file} is damaged; allowed: a gpu.json of this benchmark') from error
    return results


def make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUseError(f'OUT {out}: {error.strerror}; allowed: a folder') from error


class Run:
    """The plan under way, and its results.

    Args:
        out: Folder of the results.
        small: Whether it is the small form.
        anew: Forget the results that the folder has; else those of other stages are kept.
    """

    def __init__(self, out: Path, small: bool, anew: bool = False) -> None:
        make_folder(out)
        self.out, self.small = out, small
        self.name = datetime.now(UTC).strftime('%Y-%m-%d %H:%M:%S')
        self.results = dict(
            small=small, command=' '.join(sys.argv), commit=commit(), run=self.name, stages={}
        )
        if not anew:
            self.keep(out / 'gpu.json')
        self.work = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, self.work, ignore_errors=True)
        self.log = (out / 'gpu.log').open('a')

    def keep(self, file: Path) -> None:
        """Take over the stages of an earlier run.

        Raises:
            WrongUseError: It had another form or commit.
        """
        if not file.exists():
            return
        earlier = read_results(file)
        if any(earlier.get(key) != self.results[key] for key in ('small', 'commit')):
            raise WrongUseError(
                f'{file} is of another form or commit; allowed: another folder, or --anew'
            )
        self.results['stages'] = earlier['stages']

    def stage(self, stage: Stage, until: float) -> None:
        """Run a stage until a time, again where a process ended in one of its parts."""
        file = self.work / f'{stage.name}.json'
        command = [str(HERE / stage.script), '--out', str(file)]
        command += ['--small'] * self.small + (['--only', *stage.rows] if stage.rows else [])
        start, measured = time.monotonic(), 0
        result = dict(
            title=stage.title,
            seconds_allowed=round(until - start),
            command=' '.join(command),
            run=self.name,
        )
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
        content['parts'] |= settle(content, status, stage.optional)
        try:
            self.bring(stage)
        except Exception as error:
            status, tail = 1, [f'{stage.brings[0]} is damaged: {error}']
        stages = self.results['stages'] | {stage.name: result | content}
        compare_losses(stages, stage.name)
        fine = (status == 0 or (status is None and stage.optional)) and all(
            p['status'] in ('ok', 'absent') for p in content['parts'].values()
        )
        result |= content
        result['status'] = 'ok' if fine else 'out of time' if status is None else 'failed'
        result['seconds'] = round(time.monotonic() - start, 1)
        result['tail'] = [] if fine else tail
        stages[stage.name] = result
        self.results['stages'] = {s.name: stages[s.name] for s in PLAN if s.name in stages} | stages
        self.write()
        print(f'{stage.name}: {result["status"]}, {result["seconds"]:.0f} s', flush=True)

    def bring(self, stage: Stage) -> None:
        """Keep the file that a stage measured; with a GPU the stages behind it use it."""
        if stage.brings is None or not (self.work / stage.brings[0]).exists():
            return
        from senet_mm.ops.tiles import measured

        name, place = stage.brings
        measured(self.work / name)  # raises if it is damaged
        content = (self.work / name).read_bytes()
        for target in [self.out / name, *([] if self.small else [ROOT / place])]:
            with atomic_file(target) as file:
                file.write(content)

    def execute(self, command: list[str], seconds: float) -> tuple[int | None, list[str]]:
        """Exit status of a command, None if its time was over, and its last lines."""
        path = self.work / 'output'
        with path.open('w') as output:
            process = subprocess.Popen(
                [sys.executable, str(HERE / 'bound.py'), str(os.getpid()), *command],
                cwd=ROOT, env=environment(self.small), stdin=subprocess.DEVNULL,
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
        with atomic_file(self.out / 'gpu.json') as file:
            file.write(json.dumps(self.results, indent=1).encode())
        try:
            page = render(self.results)
        except Exception:  # the next stages matter more; --render makes it once it is mended
            page = f'```\n{traceback.format_exc()}```\n'
        with atomic_file(self.out / 'gpu.md') as file:
            file.write(page.encode())


def kill_group(process: subprocess.Popen) -> None:
    """End a process and those that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment(small: bool) -> dict[str, str]:
    """Of a stage: the sources are on the path; kernels are interpreted where there is no GPU."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
    own = dict(PYTHONPATH=path, PYTHONUNBUFFERED='1')
    for key, name in (('TORCHINDUCTOR_CACHE_DIR', 'inductor'), ('TRITON_CACHE_DIR', 'triton')):
        own[key] = os.environ.get(key, str(CACHE / name))
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


def settle(content: dict, status: int | None, optional: bool = False) -> dict[str, dict]:
    """Results of the parts that have none because the stage ended; figures noted before stay."""
    why = 'out of time' if status is None else 'the process ended'
    # What an optional stage had no time for is no failure.
    kind = 'absent' if optional and status is None else 'failed'
    started = {n: part for n, part in content['parts'].items() if part['status'] == 'started'}
    missing = [name for name in content['planned'] if name not in content['parts']]
    return {
        **{n: dict(part, status=kind, error=f'{why} in it') for n, part in started.items()},
        **{name: dict(status=kind, error=f'{why} before it') for name in missing},
    }


def exit_on_signals() -> None:
    """Let signals end the driver as an exit does, with the stage under way."""
    for number in taken_signals():
        signal.signal(number, lambda number, _: sys.exit(128 + number))


def main(args: argparse.Namespace) -> int:
    if args.render:
        print(render(read_results(args.render)), end='')
        return 0
    exit_on_signals()
    gpu = '' if args.small else name_gpu()
    plan = [stage for stage in PLAN if not args.stages or stage.name in args.stages]
    run = Run(args.out, args.small, args.anew)
    run.results['device'] = gpu
    until = time.monotonic()
    for stage in plan:
        until += stage.seconds * (SLOWER if args.small else 1)
        run.stage(stage, until)
    print(f'written: {args.out / "gpu.json"}, {args.out / "gpu.md"}')
    return int(any(run.results['stages'][stage.name]['status'] != 'ok' for stage in plan))


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        sys.exit(main(args))
