"""Tools with random options: each runs, or ends with one line that names what is wrong.

python -m tests.config.fuzz --count 300 --seed 0
"""

import argparse
import collections
import contextlib
import os
import random
import runpy
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch

from senet_mm.apis import get_config
from senet_mm.config import places
from senet_mm.engine import Runner

from ..conftest import ROOT
from .mutations import draw

FAST = ['train_dataloader.num_batch_per_epoch=1', 'train_cfg.max_epochs=1']
DIGITS = 'seresnet8_1xb64_digits'
# An ImageNet recipe on six small pictures.
FOLDER = """
_base_ = 'seresnet18_8xb32_in1k'
data_root = {root!r}
input_shape = (3, 32, 32)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='RandomResizedCrop', scale=32),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(type='PackInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeEdge', scale=36, edge='short'),
    dict(type='CenterCrop', crop_size=32),
    dict(type='PackInputs'),
]
classes = dict(classes=['a', 'b'])
data_preprocessor = dict(num_classes=2)
model = dict(head=dict(num_classes=2, topk=(1,)))
train_dataloader = dict(
    batch_size=2, num_workers=0,
    dataset=dict(data_root=data_root, metainfo=classes, pipeline=train_pipeline),
)
val_dataloader = dict(
    batch_size=2, num_workers=0,
    dataset=dict(data_root=data_root, metainfo=classes, pipeline=test_pipeline),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type='Accuracy', topk=(1,))]
test_evaluator = val_evaluator
"""
# Config -> tools, with the arguments between config and options.
TOOLS = {
    'digits': {
        'train.py': [],
        'test.py': ['{checkpoint}'],
        'deploy.py': ['{checkpoint}', '--images', '4', '--batch-size', '2', '--rounds', '2'],
        'analysis_tools/excitation.py': ['{checkpoint}'],
        'analysis_tools/get_flops.py': [],
        'visualization/browse_dataset.py': [],
        'ablate.py': ['--seeds', '1', '--dry-run'],
        'model_converters/publish_model.py': ['published', '--name', '{config}'],
    },
    'folder': {'train.py': [], 'test.py': ['{checkpoint}']},
    'cifar': {'train.py': ['--synthetic'], 'analysis_tools/get_flops.py': []},
}
WEIGHTS = {'train.py': 8, 'test.py': 4}
LIMIT = 60  # seconds


class Case(NamedTuple):
    """A tool that is given options."""

    config: str
    tool: str
    kind: str
    options: list[str]


class Outcome(NamedTuple):
    """What became of a case: ``ran``, ``line``, or what it should not be."""

    what: str
    text: str


class Place:
    """Configs, data and checkpoints in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for split in ('train', 'val'):
            for name in ('a', 'b'):
                (folder / 'images' / split / name).mkdir(parents=True, exist_ok=True)
                for i in range(3):
                    image = np.random.RandomState(i).randint(0, 256, (40, 40, 3), np.uint8)
                    cv2.imwrite(str(folder / 'images' / split / name / f'{i}.png'), image)
        own = folder / 'folder.py'
        own.write_text(FOLDER.format(root=str(folder / 'images')))
        self.configs = {'digits': DIGITS, 'folder': str(own), 'cifar': 'seresnet20_8xb16_cifar10'}
        self.values = {name: get_config(path).to_dict() for name, path in self.configs.items()}

    def train(self) -> None:
        """A checkpoint of each config that needs one."""
        for name in ('digits', 'folder'):
            case = Case(name, 'train.py', 'first', FAST)
            outcome = self.run(case, whole=True)
            assert outcome.what == 'ran', outcome.text
            shutil.copy(self.folder / 'work/epoch_1.pth', self.folder / f'{name}.pth')

    def command(self, case: Case) -> list[str]:
        config = self.configs[case.config]
        names = dict(checkpoint=self.folder / f'{case.config}.pth', config=config)
        extra = [part.format(**names) for part in TOOLS[case.config][case.tool]]
        first = str(names['checkpoint']) if 'publish' in case.tool else config
        work = [] if 'publish' in case.tool else ['--work-dir', str(self.folder / 'work')]
        return [f'tools/{case.tool}', first, *extra, *work, '--cfg-options', *case.options]

    def run(self, case: Case, whole: bool = False, limit: float = LIMIT) -> Outcome:
        """Run the tool in a fork; a training ends after its first iteration unless it is whole."""
        shutil.rmtree(self.folder / 'work', ignore_errors=True)
        command = self.command(case)
        streams = [self.folder / 'stdout', self.folder / 'stderr']
        pid = os.fork()
        if not pid:
            _become(command, streams, self.folder, whole)
        code = _wait(pid, limit)
        return judge(case, code, *(path.read_text(errors='replace') for path in streams))


def _become(command: list[str], streams: list[Path], folder: Path, whole: bool) -> None:
    """Run the command in this process, which ends."""
    code = 1
    try:
        os.setpgid(0, 0)
        for number, path in enumerate(streams, 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        # pytest has put files of its own there.
        sys.stdout = os.fdopen(1, 'w', closefd=False)
        sys.stderr = os.fdopen(2, 'w', closefd=False)
        os.chdir(folder)
        places.READ.set({})  # a new process has read no config
        sys.argv[:] = command
        if not whole:
            Runner.after_iteration = lambda self: (sys.stdout.flush(), os._exit(0))
        runpy.run_path(str(ROOT / command[0]), run_name='__main__')
        code = 0
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            sys.stderr.write(f'{code}\n')
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code or 0)


def _wait(pid: int, limit: float) -> int | None:
    """The exit code of a process; None if it had to be ended."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)  # workers
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def judge(case: Case, code: int | None, out: str, err: str) -> Outcome:
    """What became of a tool: ``ran``, ``line``, or one of several failures."""
    lines = [line for line in err.splitlines() if line.strip()]
    last = lines[-1] if lines else ''
    if code is None:
        return Outcome('hang', err[-300:])
    if code == 0:
        return Outcome('ran', out[-300:])
    if 'Traceback (most recent call last)' in err + out:
        return Outcome('traceback', err[-1500:])
    if code not in (1, 2) or 'error: ' not in last:
        return Outcome('death', f'exit code {code}: {err[-300:]}')
    return Outcome('line' if is_named(case, last) else 'unnamed', last)


def is_named(case: Case, line: str) -> bool:
    """Whether a line names one of the options, or a part of the config which an option changes."""
    keys = [option.partition('=')[0].strip() for option in case.options]
    return '--cfg-options' in line or any(key and key[:200] in line for key in keys)


def draw_case(rng: random.Random, place: Place) -> Case:
    """A config, a tool and options."""
    config = rng.choices(list(TOOLS), [6, 2, 1])[0]
    tools = list(TOOLS[config])
    tool = rng.choices(tools, [WEIGHTS.get(tool, 1) for tool in tools])[0]
    return Case(config, tool, *draw(rng, place.values[config]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--count', type=int, default=100, help='number of mutations')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--show', nargs='+', default=[], help='outcomes to print whole')
    parser.add_argument('--only', type=int, nargs='+', help='numbers of the mutations to run')
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix='fuzz-'))
    place = Place(folder)
    place.train()
    rng, counts = random.Random(args.seed), collections.Counter()
    for number in range(args.count):
        case = draw_case(rng, place)
        if args.only and number not in args.only:
            continue
        outcome = place.run(case)
        counts[outcome.what] += 1
        options = ' '.join(option[:100] for option in case.options)
        text = outcome.text if outcome.what in args.show else outcome.text.splitlines()[-1:]
        print(number, outcome.what, *case[:3], repr(options), text, sep=' | ', flush=True)
    shutil.rmtree(folder)
    print(dict(counts))
    sys.exit(bool(set(counts) - {'ran', 'line'}))


if __name__ == '__main__':
    main()
