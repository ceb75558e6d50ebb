"""Runs that are killed, again and again, and must end as if they had not been.

python -m tests.engine.kills --kills 200
python -m tests.engine.kills --kills 100 --aimed
"""

import argparse
import collections
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import torch
from mmengine import Config

from senet_mm.engine import Runner
from senet_mm.engine.checkpoints.folder import POINTER

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
    'by iteration': {
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


def train(work_dir: Path, options: dict) -> None:
    """Train to the end, from where the run was ended."""
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({**BASE, **options})
    cfg.work_dir, cfg.resume = str(work_dir), 'auto'
    Runner.from_cfg(cfg).train()


def fork(work_dir: Path, options: dict, deadly: int | None = None) -> int:
    """Start a training in a process of its own, which ends at the given file operation."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        with open(f'{work_dir}.log', 'a') as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        if deadly is not None:
            kill_at(deadly, work_dir)
        train(work_dir, options)
        code = 0
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def kill_at(number: int, work_dir: Path) -> None:
    """Have this process killed before its n-th operation on a file of the run."""
    count = 0

    def step(path: object) -> None:
        nonlocal count
        if str(path).startswith(str(work_dir)):
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, args: tuple) -> None:
        if event in OPERATIONS and isinstance(args[0], (str, os.PathLike)):
            step(args[0])

    class Steps:
        """A file each of whose writes is an operation."""

        def __init__(self, file: object) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            step(work_dir)
            return self.file.write(data)

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    save = torch.save
    torch.save = lambda state, file: save(state, Steps(file))
    sys.addaudithook(audit)


def run_killed(work_dir: Path, options: dict, rng: random.Random, aimed: bool, kills: int) -> int:
    """Train with kills until the run is complete; returns how often it was killed."""
    done = 0
    while True:
        deadly = rng.randint(1, 120) if aimed and done < kills else None
        pid = fork(work_dir, options, deadly)
        if not aimed and done < kills:
            time.sleep(rng.uniform(0.3, 4))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            done += 1
            continue
        code = os.waitstatus_to_exitcode(status)
        if code:
            tail = Path(f'{work_dir}.log').read_text()[-3000:]
            raise AssertionError(f'{work_dir} ended with {code} after {done} kills:\n{tail}')
        return done


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
    expected, total, runs, wrong = {}, collections.Counter(), 0, []
    while sum(total.values()) < args.kills:
        kind = args.kinds[runs % len(args.kinds)]
        if kind not in expected:
            whole = place / f'whole-{len(expected)}'
            run_killed(whole, KINDS[kind], rng, False, 0)
            expected[kind] = story(whole)
        work_dir = place / f'killed-{runs}'
        total[kind] += run_killed(work_dir, KINDS[kind], rng, args.aimed, rng.randint(1, 6))
        lines = differences(expected[kind], story(work_dir))
        wrong += [f'{kind}: {line}' for line in lines]
        print(f'{kind}: {total[kind]} kills', *lines[:8], sep='\n  ', flush=True)
        shutil.rmtree(work_dir)
        runs += 1
    print(f'{sum(total.values())} kills in {runs} runs, {len(wrong)} differences')
    sys.exit(bool(wrong))


if __name__ == '__main__':
    main()
