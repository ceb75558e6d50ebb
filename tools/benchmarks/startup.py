#!/usr/bin/env python
"""Time imports, --help and starts of training, and measure peak memory, beside mmpretrain and timm.

python tools/benchmarks/startup.py

Every figure is of a process of its own; the rows of a table take turns. `s` is wall time, `CPU s`
user and system time of the process, `peak MiB` its largest resident memory. A start ends with the
log line of the first iteration. Prints medians.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from senet_mm.cli import reported_errors
from senet_mm.utils.options import check_option
from senet_mm.utils.tables import markdown_table
from senet_mm.utils.usage import ToolParser, check_leasts

ROOT = Path(__file__).parents[2]
PEERS = str(Path(__file__).with_name('startup_peers.py'))
IMPORTS = (
    'senet_mm', 'senet_mm.ops', 'senet_mm.models', 'senet_mm.engine', 'torch', 'mmengine.runner',
    'mmpretrain.models', 'timm',
)  # fmt: skip
FIRST = 'Epoch(train)', 'first iteration'
# The recipe with the optimizer of the peers, in float32.
FLOAT32 = """
_base_ = {!r}
optim_wrapper = dict(
    _delete_=True, optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4)
)
"""


class Case(NamedTuple):
    """What is measured.

    Attributes:
        section: Table.
        name: Row.
        command: Arguments of Python.
        until: The process is ended at the first line of its output that has one of these.
    """

    section: str
    name: str
    command: Sequence[str]
    until: Sequence[str] = ()


class Figures(NamedTuple):
    """Wall and processor time in seconds, largest resident memory in MiB."""

    wall: float
    cpu: float
    peak: float


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--sections', nargs='+', default=[*SECTIONS], help=', '.join(SECTIONS))
    parser.add_argument('--rounds', type=int, default=5, help='processes of each row')
    parser.add_argument('--batch-size', type=int, default=8, help='of the training for its memory')
    parser.add_argument('--iterations', type=int, default=3, help='of that training')
    return parser.parse_args()


def run(case: Case) -> Figures:
    """Run a process to its end, or to the line that ends the measurement.

    Raises:
        RuntimeError: It failed.
    """
    begun = time.perf_counter()
    with tempfile.TemporaryFile('w+') as errors:
        process = subprocess.Popen(
            [sys.executable, *case.command],
            stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT, start_new_session=True,
        )  # fmt: skip
        assert process.stdout
        reached = False
        for line in process.stdout:
            if any(mark in line for mark in case.until):
                reached = True
                break
        wall = time.perf_counter() - begun
        if reached:
            process.kill()
        else:
            process.stdout.read()
        # Of this process alone, in contrast to resource.getrusage.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.stdout.close()
        if not reached and (process.returncode or case.until):
            errors.seek(0)
            raise RuntimeError(f'{case.name}: exit code {process.returncode}\n{errors.read()}')
    wall = wall if reached else time.perf_counter() - begun
    return Figures(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def import_cases(args: argparse.Namespace, folder: Path) -> list[Case]:
    return [Case('imports', f'import {name}', ['-c', f'import {name}']) for name in IMPORTS]


def help_cases(args: argparse.Namespace, folder: Path) -> list[Case]:
    tools = [path for path in (ROOT / 'tools').rglob('*.py') if '\nif __name__' in path.read_text()]
    names = sorted(str(path.relative_to(ROOT)) for path in tools)
    return [Case('help', name, [name, '--help']) for name in names]


def train(config: str, folder: Path, *options: str, synthetic: bool = True) -> list[str]:
    """The command of a training that logs each iteration."""
    return [
        'tools/train.py', config, *(['--synthetic'] if synthetic else []),
        '--work-dir', str(folder / Path(config).stem),
        '--cfg-options', 'default_hooks.logger.interval=1', *options,
    ]  # fmt: skip


def start_cases(args: argparse.Namespace, folder: Path) -> list[Case]:
    one = ['--batch-size', '1', '--iterations', '1']
    names = ('seresnet8_1xb64_digits', 'seresnet50_8xb32_in1k')
    small = 'train_dataloader.batch_size=1'
    return [
        Case('start', 'digits', train(names[0], folder, synthetic=False), FIRST),
        Case('start', 'SE-ResNet-50, batch 1', train(names[1], folder, small), FIRST),
        Case('start', 'SE-ResNet-50, batch 1: mmpretrain', [PEERS, 'mmpretrain', *one], FIRST),
        Case('start', 'SE-ResNet-50, batch 1: timm', [PEERS, 'timm', *one], FIRST),
    ]


def training_cases(args: argparse.Namespace, folder: Path) -> list[Case]:
    """Trainings in float32 on random images; without a checkpoint, which timm's loop has not."""
    same = ['--batch-size', str(args.batch_size), '--iterations', str(args.iterations)]
    ours = [
        f'train_dataloader.batch_size={args.batch_size}', 'train_cfg.max_epochs=1',
        f'train_dataloader.num_batch_per_epoch={args.iterations}', 'channels_last=False',
        'default_hooks.checkpoint=None',
    ]  # fmt: skip
    config = folder / 'float32.py'
    config.write_text(FLOAT32.format(str(ROOT / 'configs/seresnet/seresnet50_8xb32_in1k.py')))
    name = f'SE-ResNet-50, float32, batch {args.batch_size}'
    command = train(str(config), folder, *ours)
    return [
        Case('training', name, command),
        Case(
            'training', f'{name}, memory is returned', [*command, 'env_cfg.keep_freed_memory=False']
        ),
        Case('training', f'{name}: mmpretrain', [PEERS, 'mmpretrain', *same]),
        Case('training', f'{name}: timm', [PEERS, 'timm', *same]),
    ]


def conversion_cases(args: argparse.Namespace, folder: Path) -> list[Case]:
    """SE-ResNet-50 of mmpretrain, 108 MiB."""
    source = folder / 'source.pth'
    subprocess.run([sys.executable, PEERS, 'checkpoint', '--out', source], cwd=ROOT, check=True)
    copy = f'import torch; torch.save(torch.load({str(source)!r}), {str(folder / "copy.pth")!r})'
    convert = ['tools/model_converters/convert.py', 'mmpretrain', str(source)]
    target = [str(folder / 'ours.pth'), '--force', '--model', 'seresnet50_8xb32_in1k']
    return [
        Case('conversion', 'convert.py mmpretrain', [*convert, *target]),
        Case('conversion', 'torch.load, torch.save', ['-c', copy]),
    ]


SECTIONS: dict[str, Callable[[argparse.Namespace, Path], list[Case]]] = {
    'imports': import_cases,
    'help': help_cases,
    'start': start_cases,
    'training': training_cases,
    'conversion': conversion_cases,
}


def main(args: argparse.Namespace) -> None:
    check_leasts(args, dict(rounds=1, batch_size=1, iterations=1))
    args.sections = list(dict.fromkeys(args.sections))
    for section in args.sections:
        check_option('--sections', section, SECTIONS)
    with tempfile.TemporaryDirectory() as folder:
        for section in args.sections:
            cases = SECTIONS[section](args, Path(folder))
            figures = [[run(case) for case in cases] for _ in range(args.rounds)]
            rows = []
            for case, measured in zip(cases, zip(*figures, strict=True), strict=True):
                wall, cpu, peak = map(statistics.median, zip(*measured, strict=True))
                rows.append([case.name, f'{wall:.2f}', f'{cpu:.2f}', f'{peak:.0f}'])
            print(markdown_table([section, 's', 'CPU s', 'peak MiB'], rows), flush=True)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        main(args)
