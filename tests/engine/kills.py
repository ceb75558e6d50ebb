"""Runs that are killed, again and again, and must end as if they had not been.

python -m tests.engine.kills --kills 200
python -m tests.engine.kills --kills 100 --aimed
"""

import argparse
import collections
import itertools
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from mmcv.transforms import BaseTransform
from mmengine import Config

from senet_mm.datasets.damage import DamagedImageError
from senet_mm.engine import Runner
from senet_mm.engine.checkpoints.folder import POINTER
from senet_mm.engine.run_record import list_packages
from senet_mm.registry import TRANSFORMS

from ..conftest import ROOT

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
    'one kept': {'default_hooks.checkpoint.max_keep_ckpts': 1},
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
    r'time|eta|seconds|memory|/data_time|experiment_name|last_ckpt|best_ckpt|scalars_so_far|cfg'
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
        operations: Operations on files of the run: opening, writing, renaming, removing.
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


def train(work_dir: Path, options: dict, deadly: int | float | None) -> None:
    """Train to the end, from where the run was ended.

    Args:
        work_dir: The work directory; a file beside it gets the :class:`Trace`.
        options: Options of the config.
        deadly: The operation, or the second, at which the process is killed.
    """
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({**BASE, **options})
    cfg.work_dir, cfg.resume = str(work_dir), 'auto'
    runner = Runner.from_cfg(cfg)
    counter = Counter(work_dir, deadly if isinstance(deadly, int) else None)
    if isinstance(deadly, float):
        signal.setitimer(signal.ITIMER_REAL, deadly)
        signal.signal(signal.SIGALRM, lambda *args: os.kill(os.getpid(), signal.SIGKILL))
    start = time.perf_counter()
    runner.train()
    trace = Trace(counter.count, time.perf_counter() - start)
    Path(f'{work_dir}.json').write_text(json.dumps(trace))


def fork(work_dir: Path, options: dict, deadly: int | float | None = None) -> int:
    """Start :func:`train` in a process of its own; returns its number."""
    list_packages()  # once for all starts
    # A run's folder of logs is named by the second; a real start takes several.
    time.sleep(1 - time.time() % 1)
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with open(f'{work_dir}.log', 'a') as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        train(work_dir, options, deadly)
        code = 0
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def run_killed(work_dir: Path, options: dict, deadly: Sequence[int | float]) -> int:
    """Train with kills until the run is complete; returns how many came before its end.

    Args:
        work_dir: The work directory.
        options: Options of the config.
        deadly: For each start the operation (an integer) or the second (a float) of the kill.
    """
    for done in itertools.count():
        pid = fork(work_dir, options, deadly[done] if done < len(deadly) else None)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code == 0:
            return done
        if code != -signal.SIGKILL:
            tail = Path(f'{work_dir}.log').read_text()[-3000:]
            raise AssertionError(f'{work_dir} ended with {code} after {done} kills:\n{tail}')
    raise AssertionError


def run_whole(work_dir: Path, options: dict) -> tuple[dict, Trace]:
    """The story and the trace of a run that nobody kills."""
    run_killed(work_dir, options, [])
    return story(work_dir), Trace(*json.loads(Path(f'{work_dir}.json').read_text()))


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
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    place = Path(tempfile.mkdtemp(prefix='kills-'))
    wholes = {kind: run_whole(place / str(i), KINDS[kind]) for i, kind in enumerate(args.kinds)}
    total, runs, wrong = 0, 0, 0
    while total < args.kills:
        kind = args.kinds[runs % len(args.kinds)]
        expected, trace = wholes[kind]
        work_dir = place / f'killed-{runs}'
        deadly = draw(rng, trace, args.aimed, rng.randint(1, 6))
        done = run_killed(work_dir, KINDS[kind], deadly)
        lines = differences(expected, story(work_dir))
        total, runs, wrong = total + done, runs + 1, wrong + bool(lines)
        print(f'{kind}: killed at {deadly[:done]}', *lines[:8], sep='\n  ', flush=True)
        shutil.rmtree(work_dir)
    print(f'{total} kills in {runs} runs, {wrong} of which ended otherwise than without kills')
    sys.exit(wrong > 0)


if __name__ == '__main__':
    main()
