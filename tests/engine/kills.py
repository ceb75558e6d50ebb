"""Runs that are killed, again and again, and must end as if they had not been.

python -m tests.engine.kills --kills 200
python -m tests.engine.kills --kills 100 --aimed
python -m tests.engine.kills --kills 50 --processes 2
python -m tests.engine.kills --kills 50 --signal TERM
"""

import argparse
import collections
import contextlib
import gc
import itertools
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import torch
from mmcv.transforms import BaseTransform
from mmengine import Config
from mmengine.utils import import_modules_from_strings

from senet_mm.datasets.damage import DamagedImageError
from senet_mm.engine import Runner
from senet_mm.engine.checkpoints import find_last
from senet_mm.engine.checkpoints.folder import POINTER
from senet_mm.engine.watch import Interrupted
from senet_mm.registry import TRANSFORMS
from senet_mm.utils.errors import hides_interruption

from ..forked import ROOT, SERVER

CONFIG = ROOT / 'configs/digits/seresnet8_1xb64_digits.py'
BASE = {
    'randomness.seed': 0,
    'train_cfg.max_epochs': 3,
    'train_dataloader.batch_size': 16,
    'train_dataloader.num_batch_per_epoch': 7,
    'val_dataloader.dataset.indices': 100,
    'log_level': 'WARNING',
    'custom_hooks': [dict(type='ResultHook')],
}
# What is trained: the options that a kind of run adds.
KINDS = {
    'plain': {},
    'balanced, one kept': {
        'train_dataloader.sampler.type': 'BalancedSampler',
        'model.head.class_weight': 'effective',
        'val_evaluator': [dict(type='Accuracy'), dict(type='ClassReport')],
        'default_hooks.checkpoint.max_keep_ckpts': 1,
    },
    'by iteration, mixup': {
        'model.train_cfg': dict(augments=[dict(type='Mixup', alpha=0.8)]),
        'default_hooks.checkpoint.by_epoch': False,
        'default_hooks.checkpoint.interval': 5,
        'default_hooks.checkpoint.max_keep_ckpts': 1,
    },
    'averaged, dropout, early stopping': {
        'custom_hooks': [
            dict(type='ResultHook'),
            dict(type='EMAHook'),
            dict(type='EarlyStoppingHook', monitor='accuracy/top1', patience=1, min_delta=30),
        ],
        'model.backbone.drop_path_rate': 0.3,
        'default_hooks.checkpoint.minutes': 1e-4,
    },
    'mixup, workers, accumulated': {
        'model.train_cfg': dict(augments=[dict(type='Mixup', alpha=0.8)]),
        'train_dataloader.num_workers': 2,
        'optim_wrapper.accumulative_counts': 2,
        'default_hooks.checkpoint.minutes': 1e-4,
    },
    'damaged images, plateau, two stoppers, averages of mmpretrain': {
        'custom_hooks': [
            dict(type='ResultHook'),
            dict(type='mmpretrain.EMAHook', evaluate_on_origin=True),
            dict(type='mmpretrain.PreciseBNHook', num_samples=32, priority='ABOVE_NORMAL'),
            dict(type='EarlyStoppingHook', monitor='accuracy/top1', patience=1),
            dict(type='EarlyStoppingHook', monitor='accuracy/top5', patience=9, min_delta=30),
        ],
        'param_scheduler': [
            dict(type='ReduceOnPlateauLR', monitor='accuracy/top1', rule='less', patience=0)
        ],
        'train_dataloader.num_workers': 2,
        'train_dataloader.dataset.pipeline': [dict(type='BreakSome'), dict(type='PackInputs')],
        'default_hooks.checkpoint.minutes': 1e-4,
    },
    'by iterations alone': {
        'train_cfg': dict(by_epoch=False, max_iters=20, val_interval=6, _delete_=True),
        'train_dataloader.num_batch_per_epoch': None,
        'train_dataloader.sampler': dict(type='InfiniteSampler', shuffle=True),
        'default_hooks.checkpoint.by_epoch': False,
        'default_hooks.checkpoint.interval': 5,
        'default_hooks.logger.log_metric_by_epoch': False,
    },
}
# Of times, of places, and of the number of starts.
PASSING = re.compile(
    r'time|eta|seconds|memory|images_per_s|/data_time|experiment_name|last_ckpt|best_ckpt'
    r'|scalars_so_far|cfg'
)
OPERATIONS = ('open', 'os.rename', 'os.remove', 'os.mkdir', 'shutil.rmtree', 'os.truncate')


@TRANSFORMS.register_module()
class BreakSome(BaseTransform):
    """Every fiftieth image is damaged."""

    def transform(self, results: dict) -> dict:
        if results['sample_idx'] % 50 == 0:
            raise DamagedImageError(f'{results["img_path"]}: damaged')
        return results


class Trace(NamedTuple):
    """What a training that nobody kills takes, without its start.

    Attributes:
        operations: Operations on files of the run: opening, writing, renaming, removing; 0 if
            there are several processes.
        seconds: Time.
    """

    operations: int
    seconds: float


class Counter:
    """Counts this process's operations on the files of a run; it may be killed before one of them.

    Args:
        work_dir: The work directory.
        deadly: Number of the operation before which the process is killed.
    """

    def __init__(self, work_dir: Path, deadly: int | None = None) -> None:
        self.work_dir, self.deadly, self.count = str(work_dir), deadly, 0
        save = torch.save
        torch.save = lambda state, file: save(state, Counted(file, self))
        sys.addaudithook(self.audit)

    def audit(self, event: str, args: tuple) -> None:
        if event in OPERATIONS and str(args[0]).startswith(self.work_dir):
            self.step()

    def step(self) -> None:
        self.count += 1
        if self.count == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)


class Counted:
    """A file each of whose writes is an operation."""

    def __init__(self, file: object, counter: Counter) -> None:
        self.file, self.counter = file, counter

    def write(self, data: bytes) -> int:
        self.counter.step()
        return self.file.write(data)

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


def configure(work_dir: Path, options: dict) -> Config:
    """The config of a run; what it imports is imported."""
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({**BASE, **options})
    import_modules_from_strings(cfg.get('custom_imports', {}).get('imports', []))
    cfg.work_dir, cfg.resume = str(work_dir), 'auto'
    return cfg


def train(work_dir: Path, options: dict, deadly: int | None) -> None:
    """Train to the end, from where the run was ended; the process ends here.

    Args:
        work_dir: The work directory; a file beside it gets the number of operations.
        options: Options of the config.
        deadly: The operation before which the process is killed.
    """
    multiprocessing.set_start_method(None, force=True)  # it inherited the server's
    gc.freeze()  # mmengine collects garbage for every data set, among all that is imported
    print_to_log(work_dir)
    code = 1
    try:
        runner = Runner.from_cfg(configure(work_dir, options))
        counter = Counter(work_dir, deadly)
        try:
            runner.train()
        except Interrupted:
            check_saved(work_dir, runner)
            raise
        Path(f'{work_dir}.json').write_text(str(counter.count))
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        if hides_interruption(error):
            code = 130
        else:
            sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def check_saved(work_dir: Path, runner: Runner) -> None:
    """Assert that all iterations of a run are in its last checkpoint."""
    last = find_last(work_dir)
    saved = torch.load(last, weights_only=False)['meta']['iter'] if last else 0
    # A run that is interrupted before it has resumed is at iteration 0.
    assert saved >= runner.iter, f'{last} has {saved} of {runner.iter} iterations'


def write_config(work_dir: Path, options: dict) -> Path:
    """Write the config of a run beside it; the run keeps a copy under the same name."""
    cfg = configure(work_dir, options)
    imports = cfg.get('custom_imports', {}).get('imports', [])
    cfg.custom_imports = dict(imports=[*imports, 'tests.engine.kills'])
    cfg.dump(path := work_dir.with_name('launched.py'))
    return path


def launch(work_dir: Path, options: dict, processes: int) -> None:
    """Become the launcher of a run on several processes, without restarts."""
    print_to_log(work_dir)
    config = write_config(work_dir, options)
    python = Path(sys.executable).parent
    env = {**os.environ, 'MAX_RESTARTS': '0', 'PYTHONPATH': str(ROOT)}
    env['PATH'] = f'{python}{os.pathsep}{env["PATH"]}'
    script = str(ROOT / 'tools/dist_train.sh')
    os.execve(script, [script, str(config), str(processes), '--resume'], env)


def print_to_log(work_dir: Path) -> None:
    """Let this process print to a file beside the work directory."""
    log = os.open(f'{work_dir}.log', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)


def start(
    work_dir: Path, options: dict, deadly: int | None = None, processes: int = 1
) -> ForkServerProcess:
    """Start :func:`train`, or the launcher of several processes; returns when there is a log."""
    # A run's folder of logs is named by the second; a real start takes several.
    time.sleep(1 - time.time() % 1)
    count = len(list(work_dir.glob('*/*.log')))
    target, last = (train, deadly) if processes == 1 else (launch, processes)
    process = SERVER.Process(target=target, args=(work_dir, options, last))
    process.start()
    wait_for(lambda: len(list(work_dir.glob('*/*.log'))) > count, process, work_dir)
    return process


def wait_for(condition: Callable[[], bool], process: ForkServerProcess, work_dir: Path) -> None:
    """Wait until a condition holds; raises an AssertionError if the process failed before."""
    while not condition():
        if process.exitcode is not None:
            if process.exitcode <= 0:  # complete, or killed
                return
            raise AssertionError(describe(work_dir, process))
        time.sleep(0.01)


def describe(work_dir: Path, process: ForkServerProcess) -> str:
    """How a process ended, and what it printed last."""
    tail = Path(f'{work_dir}.log').read_text()[-3000:]
    return f'{work_dir} ended with {process.exitcode}:\n{tail}'


def hit(process: ForkServerProcess, at: float, signum: int) -> None:
    """Send a signal to the process, one of its ranks, or all of these, after some seconds.

    Args:
        process: The process or the launcher.
        at: Seconds from now; the choice follows from it.
        signum: The signal.
    """
    process.join(at)
    if process.exitcode is not None:
        return
    group = [process.pid, *ranks_of(process.pid)]
    for pid in random.Random(at).choice([group, *([pid] for pid in group)]):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)
    process.join()
    while any(map(is_alive, group)):  # ranks end with their launcher, some time after it
        time.sleep(0.01)


def ranks_of(pid: int) -> list[int]:
    """The processes that a launcher has started; none if it is no launcher."""
    children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    return [int(child) for child in children if b'--launcher' in command_of(child).split(b'\0')]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for has no command line."""
    return bool(command_of(pid))


def command_of(pid: int | str) -> bytes:
    """The command line of a process; nothing if it has ended."""
    try:
        return Path(f'/proc/{pid}/cmdline').read_bytes()
    except OSError:
        return b''


def run_killed(
    work_dir: Path,
    options: dict,
    deadly: Sequence[int | float],
    processes: int = 1,
    signum: int = signal.SIGKILL,
) -> list[int]:
    """Train with kills until the run is complete.

    Args:
        work_dir: The work directory.
        options: Options of the config.
        deadly: For each start the operation (an integer) or the second (a float) of the kill.
        processes: Number of processes; those of a launcher are killed by seconds only.
        signum: The signal that is sent at a second; an operation ends by SIGKILL.

    Returns:
        The exit codes of the starts before the last one.
    """
    codes = []
    for at in itertools.chain(deadly, itertools.repeat(None)):
        process = start(work_dir, options, at if isinstance(at, int) else None, processes)
        if isinstance(at, float):
            hit(process, at, signum)
        process.join()
        if process.exitcode == 0:
            return codes
        # A launcher ends by the signal of its ranks as a shell does.
        assert process.exitcode in (-signum, 128 + signum), describe(work_dir, process)
        codes.append(process.exitcode)
    raise AssertionError


def run_whole(work_dir: Path, options: dict, processes: int = 1) -> tuple[dict, Trace]:
    """The story and the trace of a run that nobody kills."""
    process = start(work_dir, options, processes=processes)
    begin = time.perf_counter()
    process.join()
    seconds = time.perf_counter() - begin
    assert process.exitcode == 0, describe(work_dir, process)
    operations = int(Path(f'{work_dir}.json').read_text()) if processes == 1 else 0
    return story(work_dir), Trace(operations, seconds)


def draw(rng: random.Random, trace: Trace, aimed: bool, kills: int) -> list[int | float]:
    """Operations, or seconds, at which to kill; a resumed run has less left, and may end before."""
    if aimed:
        return [rng.randint(1, trace.operations) for _ in range(kills)]
    return [rng.uniform(0.01, trace.seconds) for _ in range(kills)]


def story(work_dir: Path) -> dict:
    """All that a run has left, without what passes: what two equal runs have in common."""
    files = {}
    starts = sorted(path.name for path in work_dir.iterdir() if re.fullmatch(r'\d+_\d+', path.name))
    for path in sorted(path for path in work_dir.iterdir() if path.is_file()):
        if path.suffix == '.pth':
            files[path.name] = plain(torch.load(path, weights_only=False))
        elif path.suffix == '.json':
            files[path.name] = plain(json.loads(path.read_text()))
        else:
            files[path.name] = path.read_bytes() if path.name == POINTER else None
    scalars = work_dir / starts[-1] / 'vis_data/scalars.json'
    lines = [json.loads(line) for line in scalars.read_text().splitlines()]
    return {**files, 'scalars': plain(lines)}


def plain(value: object) -> object:
    """A value that can be compared; what passes is left out."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if not PASSING.search(str(k))}
    if isinstance(value, (list, tuple, collections.deque)):
        return [plain(item) for item in value]
    if type(value).__name__ == 'HistoryBuffer':
        return [plain(array.tolist()) for array in value.data]
    return value if isinstance(value, (int, float, str, bytes, type(None))) else repr(value)


def differences(first: object, second: object, where: str = '') -> list[str]:
    """Where two stories differ."""
    if isinstance(first, dict) and isinstance(second, dict):
        names = first.keys() | second.keys()
        return [
            line
            for name in sorted(names, key=str)
            for line in differences(first.get(name, '-'), second.get(name, '-'), f'{where}/{name}')
        ]
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        return [
            line
            for i, pair in enumerate(zip(first, second, strict=True))
            for line in differences(*pair, f'{where}/{i}')
        ]
    return [] if first == second else [f'{where}: {str(first)[:80]} != {str(second)[:80]}']


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--kills', type=int, default=20, help='kills in all, over all kinds of run')
    parser.add_argument('--aimed', action='store_true', help='kill at operations on files')
    parser.add_argument('--kinds', nargs='+', choices=list(KINDS), default=list(KINDS))
    parser.add_argument('--processes', type=int, default=1, help='kill a rank, launcher or all')
    parser.add_argument('--signal', choices=['KILL', 'TERM', 'INT', 'USR1'], default='KILL')
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    signum, kinds = signal.Signals[f'SIG{args.signal}'], args.kinds
    if args.aimed and (args.processes > 1 or signum != signal.SIGKILL):
        parser.error('--aimed kills one process, by SIGKILL')
    if args.processes > 1:  # those with accumulated gradients are equal to rounding only
        kinds = [kind for kind in kinds if 'optim_wrapper.accumulative_counts' not in KINDS[kind]]
    rng = random.Random(args.seed)
    place = Path(tempfile.mkdtemp(prefix='kills-'))
    wholes = {
        kind: run_whole(place / str(i), KINDS[kind], args.processes) for i, kind in enumerate(kinds)
    }
    total, runs, wrong = collections.Counter(), 0, 0
    while total.total() < args.kills:
        kind = kinds[runs % len(kinds)]
        expected, trace = wholes[kind]
        work_dir = place / f'killed-{runs}'
        deadly = draw(rng, trace, args.aimed, rng.randint(1, 6))
        codes = run_killed(work_dir, KINDS[kind], deadly, args.processes, signum)
        lines = differences(expected, story(work_dir))
        total, runs, wrong = total + collections.Counter(codes), runs + 1, wrong + bool(lines)
        hits = [*zip(deadly, codes, strict=False)]
        print(f'{kind}: killed at, exit code: {hits}', *lines[:8], sep='\n  ', flush=True)
        shutil.rmtree(work_dir)
    print(
        f'{total.total()} kills (exit codes {dict(total)}) in {runs} runs, {wrong} of which ended '
        'otherwise than without kills'
    )
    sys.exit(wrong > 0)


if __name__ == '__main__':
    main()
