#!/usr/bin/env python
"""Train one epoch on the digits on the GPU, alone and under torchrun, and compare with the CPU.

python tools/benchmarks/gpu/digits.py --out digits.json [--small]

All runs start from the same weights and see the same images. Rounding grows from step to step, so
the distance from the CPU is compared with that of two runs on the CPU whose sums have another
order: in both memory layouts.
"""

import os

# This process is the CPU; it must not see a GPU. Its children do.
ENVIRONMENT = {**os.environ, 'MAX_RESTARTS': '0', 'TRITON_INTERPRET': '0', 'PORT': '29517'}
os.environ['CUDA_VISIBLE_DEVICES'] = ''

import atexit
import json
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from stage_options import parse_stage_args

if __name__ == '__main__':
    args = parse_stage_args(__doc__)

import torch
from parts import Rows, run_stage

from senet_mm.apis import get_config, get_model
from senet_mm.engine import Runner

ROOT = Path(__file__).parents[3]
BOUND = Path(__file__).with_name('bound.py')
CONFIG = 'seresnet8_1xb64_digits'
COMMON = {
    'train_cfg.max_epochs': 1, 'randomness.seed': 0, 'default_hooks.logger.interval': 1,
    'env_cfg.tf32': False, 'fuse_tails.implementation': 'reference',
}  # fmt: skip
# Runs on the GPU: the tool, options.
TRAIN, TORCHRUN = ('tools/train.py',), ('tools/dist.py', 'train', '1')
RUNS = {
    'plain blocks': (TRAIN, {}),
    'fused blocks': (TRAIN, {'fuse_tails.implementation': 'fused'}),
    'torchrun, SyncBN, compiled': (
        TORCHRUN,
        {'fuse_tails.implementation': 'auto', 'compile': True, 'sync_bn': 'torch'},
    ),
}
# Patterns of lines that the log of a run must have: a refused form is a warning there.
SAID = {
    'plain blocks': (),
    'fused blocks': ('blocks: fused',),
    'torchrun, SyncBN, compiled': (
        'blocks: algebra', r'compile: [1-9]\d* regions', r'sync_bn: [1-9]\d* norms',
    ),
}  # fmt: skip
# Distance from the CPU by that between two runs on the CPU, or by 1e-6: there are more ways to sum,
# and to multiply, than those two. TF32 would give 1e-4.
ALLOWED = 20


def start_weights(folder: Path) -> str:
    """The checkpoint from which all runs start: weights drawn on a GPU are others."""
    torch.manual_seed(0)
    model = get_model(CONFIG)
    model.init_weights()
    torch.save(dict(state_dict=model.state_dict(), meta={}), folder / 'start.pth')
    return str(folder / 'start.pth')


def train_here(folder: Path, **options: object) -> Path:
    """Train on the CPU, in this process."""
    cfg = get_config(CONFIG, {**COMMON, 'load_from': str(folder.parent / 'start.pth'), **options})
    cfg.work_dir = str(folder)
    Runner.from_cfg(cfg).train()
    return folder


def train_there(name: str, folder: Path, small: bool) -> Path:
    """Train on the GPU, by the tools; on the CPU, which has no SyncBN, in the small form."""
    tool, options = RUNS[name]
    options = {**COMMON, 'load_from': folder.parent / 'start.pth', **options}
    if small:
        options.pop('sync_bn', None)
    command = [
        sys.executable,
        BOUND,
        os.getpid(),
        *tool,
        CONFIG,
        '--work-dir',
        folder,
        '--cfg-options',
    ]
    command += [f'{key}={value}' for key, value in options.items()]
    done = subprocess.run(
        list(map(str, command)), cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True
    )
    print(done.stdout, done.stderr, flush=True)
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or done.stdout.strip()).splitlines()[-1])
    check_log(name, done.stdout + done.stderr, small)
    return folder


def check_log(name: str, log: str, small: bool) -> None:
    """Raise an error unless the log says that a run had all that its name says."""
    # The CPU neither compiles, nor has it SyncBN.
    wanted = () if small and 'torchrun' in name else SAID[name]
    for pattern in wanted:
        if not re.search(pattern, log):
            raise RuntimeError(f'the log does not say "{pattern}"')


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The state dict after the epoch."""
    return torch.load(folder / 'epoch_1.pth', weights_only=False, map_location='cpu')['state_dict']


def scalars(folder: Path) -> list[dict]:
    """What was logged, line by line."""
    [file] = folder.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Norm of the difference of all weights, relative."""
    pairs = [(a[key].double(), b[key].double()) for key in a if a[key].is_floating_point()]
    apart = sum((x - y).square().sum() for x, y in pairs)
    return (apart / sum(x.square().sum() for x, _ in pairs)).sqrt().item()


def accuracy(folder: Path) -> float:
    """Accuracy of the checkpoint on the CPU, in percent."""
    cfg = get_config(CONFIG, {'load_from': str(folder / 'epoch_1.pth'), 'randomness.seed': 0})
    cfg.work_dir = str(folder.parent / f'test-{folder.name}')
    return Runner.from_cfg(cfg).test()['accuracy/top1']


class Comparison:
    """The runs of all rows, begun at once: each of them leaves the GPU idle most of the time."""

    def __init__(self, small: bool) -> None:
        self.folder = Path(tempfile.mkdtemp())
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        start_weights(self.folder)
        pool = ThreadPoolExecutor(1 if small else len(RUNS))
        self.runs: dict[str, Future] = {
            name: pool.submit(train_there, name, self.folder / f'run{i}', small)
            for i, name in enumerate(RUNS)
        }
        self.cpu = train_here(self.folder / 'cpu')
        other = train_here(self.folder / 'cpu-layout', channels_last=True)
        self.usual = distance(weights(self.cpu), weights(other))

    def compare(self, name: str) -> dict:
        """Distance of a run from the CPU, its first loss and accuracy."""
        folder = self.runs[name].result()
        mine, theirs = weights(folder), weights(self.cpu)
        if mine.keys() != theirs.keys():
            raise ValueError(f'keys differ: {sorted(mine.keys() ^ theirs.keys())[:3]}')
        losses = [
            [line['loss'] for line in scalars(one) if 'loss' in line] for one in (folder, self.cpu)
        ]
        first = abs(losses[0][0] / losses[1][0] - 1)
        result = dict(
            first_loss_differs=first,
            distance=distance(theirs, mine),
            between_cpu_runs=self.usual,
            top1=accuracy(folder),
            top1_cpu=accuracy(self.cpu),
        )
        if not (first < 1e-5 and result['distance'] <= ALLOWED * max(self.usual, 1e-6)):
            result['error'] = 'further from the CPU than rounding explains'
        return result


def rows(small: bool) -> Rows:
    comparison = Comparison(small)
    return {name: partial(comparison.compare, name) for name in RUNS}


if __name__ == '__main__':
    run_stage(args, rows)
