#!/usr/bin/env python
"""Networks in 8-bit integers: speed, size, quantisers, logits, in turns with mmpretrain's fp32.

python tools/benchmarks/int8.py --out int8.json

Each network runs in a process of its own and is written to the file when it is done, so that a
second call goes on where the first one ended. Weights are random, statistics of batch norms those
of the images; logits are compared, not accuracies. Networks that are trained are compared by
tools/deploy.py --int8.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from senet_mm.cli import reported_errors
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_writable
from senet_mm.utils.options import check_option
from senet_mm.utils.usage import ToolParser, check_leasts

# Ours, mmpretrain's (ours in eager mode where it has none), channels of the output.
NETWORKS = {
    'SE-ResNet-18': (dict(type='ResNet', depth=18), None, 512),
    'SE-ResNet-50': (dict(type='ResNet', depth=50), dict(type='SEResNet', depth=50), 2048),
    'SE-ResNet-101': (dict(type='ResNet', depth=101), dict(type='SEResNet', depth=101), 2048),
    'SE-ResNeXt-50': (dict(type='ResNeXt', depth=50), dict(type='SEResNeXt', depth=50), 2048),
    'SENet-154': (dict(type='ResNeXt', depth=154), None, 2048),
}
# Of quartiles, batch norms and a batch of 16.
LEASTS = dict(rounds=2, rounds_16=2, calibration_images=2, images=16, size=2)
# Of crops of at least half of it from the photographs, 427 pixels high.
LARGEST = 853
HEADER = ['network', 'variant', 'batch 1', 'ratio', 'batch 16', 'ratio', 'MB', 'quantisers',
          'logits: RMS / spread', 'same top-1']  # fmt: skip


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--out', type=Path, default=Path('int8.json'), help='file of the rows')
    parser.add_argument(
        '--networks', nargs='+', default=[*NETWORKS], metavar='NETWORK', help='what is measured'
    )
    parser.add_argument('--rounds', type=int, default=7, help='timed calls with one image')
    parser.add_argument('--rounds-16', type=int, default=3, help='timed calls with 16 images')
    parser.add_argument('--calibration-images', type=int, default=16, help='images to calibrate')
    parser.add_argument('--images', type=int, default=48, help='images whose logits are compared')
    parser.add_argument('--size', type=int, default=224, help='side of the images')
    parser.add_argument('--one', help=argparse.SUPPRESS)
    return parser.parse_args()


def check(args: argparse.Namespace) -> None:
    """Raise an InputError for a value that is not allowed."""
    check_leasts(args, LEASTS)
    if args.size > LARGEST:
        raise InputError(
            f'--size {args.size}; allowed: 2 to {LARGEST}, as the photographs are small'
        )
    for name in args.networks:
        check_option('--networks', name, NETWORKS)
    check_writable(args.out)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        check(args)

import torch
from helpers.common import SE, classifier, print_table
from mmengine.registry import init_default_scope
from torch import Tensor, nn

from senet_mm.deploy.int8 import ENGINES
from senet_mm.deploy.int8.candidates import run_in_parts
from senet_mm.deploy.runtimes import start_openvino
from senet_mm.utils.device import name_processor
from senet_mm.utils.measure import interleave


def photographs(number: int, size: int) -> Tensor:
    """Random crops of the photographs of scikit-learn, normalised: (N, 3, size, size)."""
    from sklearn.datasets import load_sample_images

    generator = torch.Generator().manual_seed(0)
    images = [torch.tensor(i).permute(2, 0, 1).float() for i in load_sample_images().images]
    crops = []
    for i in range(number):
        _, height, width = images[i % 2].shape
        side = int(torch.randint(size // 2, min(height, width), (), generator=generator))
        top = int(torch.randint(height - side + 1, (), generator=generator))
        left = int(torch.randint(width - side + 1, (), generator=generator))
        crop = images[i % 2][None, :, top : top + side, left : left + side]
        crops.append(nn.functional.interpolate(crop, size=(size, size), mode='bilinear'))
    mean, std = (torch.tensor(v)[:, None, None] for v in ((124, 116, 104), (58.4, 57.1, 57.4)))
    return (torch.cat(crops) - mean) / std


def make(backbone: dict, channels: int, se: dict | None, images: Tensor) -> nn.Module:
    """A network with random weights and the statistics of some images; biases are not zero."""
    model = classifier(backbone, se, channels)
    model.init_weights()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean over the batches
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
        elif isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.2)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.05)
    with torch.no_grad():
        model.train()(images)
    return model.eval()


def measure(name: str, args: argparse.Namespace) -> list[dict]:
    """The rows of a network."""
    ours, peer, channels = NETWORKS[name]
    torch.set_num_threads(1)
    init_default_scope('senet_mm')
    torch.manual_seed(0)
    images = photographs(args.calibration_images + args.images, args.size)
    calibration, test = images[: args.calibration_images], images[args.calibration_images :]
    model = make(ours, channels, SE, calibration[:8])
    if peer is None:
        eager, said = model, 'eager fp32, ours (mmpretrain has none)'
    else:
        peer = dict(peer, type=f'mmpretrain.{peer["type"]}')
        eager, said = classifier(peer, None, channels).eval(), 'mmpretrain eager fp32'
    runs: dict[str, Callable] = {said: torch.no_grad()(eager)}
    with torch.no_grad():
        expected = run_in_parts(model, test)
    rows = {said: dict(size=sum(t.nbytes for t in eager.state_dict().values()))}
    for variant, run, written, quantisers in variants(model, calibration):
        logits = run_in_parts(run, test)
        runs[variant] = run
        rows[variant] = dict(
            size=written,
            quantisers=quantisers,
            difference=((logits - expected).square().mean().sqrt() / expected.std()).item(),
            same=f'{(logits.argmax(1) == expected.argmax(1)).sum().item()} of {len(test)}',
        )
    for batch, rounds in ((1, args.rounds), (16, args.rounds_16)):
        x = test[:batch].contiguous()
        timings = interleave({k: partial(r, x) for k, r in runs.items()}, rounds, warmup=1)
        for variant, timing in timings.items():
            rows[variant][f'batch {batch}'] = str(timing)
            rows[variant][f'ratio {batch}'] = timings[said].median / timing.median
    return [dict(network=name, variant=variant, **row) for variant, row in rows.items()]


def variants(
    model: nn.Module, calibration: Tensor
) -> Iterator[tuple[str, Callable[[Tensor], Tensor], int, int]]:
    """Name, function, bytes of the files and number of quantisers of each deployed form."""
    with tempfile.TemporaryDirectory() as made, torch.no_grad():
        folder = Path(made)
        exported = {to: engine.export(model, calibration[:2]) for to, engine in ENGINES.items()}

        def get_size(to: str, network: object) -> int:
            for path in folder.iterdir():
                path.unlink()
            ENGINES[to].write(network, folder / f'a{ENGINES[to].suffix}')
            return sum(path.stat().st_size for path in folder.iterdir())

        run, precision = start_openvino(exported['openvino'])
        size = get_size('openvino', exported['openvino'])
        yield f'OpenVINO {precision}', run, size, 0
        for to, engine in ENGINES.items():
            # The correction of biases changes neither speed nor size.
            method = next(iter(engine.methods.values()))
            network = method(exported[to], calibration)
            run, _ = engine.start(network)
            yield (
                f'{"NNCF" if to == "openvino" else engine.name} int8', run,
                get_size(to, network), engine.count_quantisers(network),
            )  # fmt: skip


def to_cells(row: dict) -> list:
    """A row of the table."""
    cells = [row['network'], row['variant']]
    for batch in (1, 16):
        cells += [row[f'batch {batch}'], row[f'ratio {batch}']]
    difference = row.get('difference')
    return [
        *cells, f'{row["size"] / 1e6:.0f}', row.get('quantisers', ''),
        '' if difference is None else f'{difference:.3f}', row.get('same', ''),
    ]  # fmt: skip


def describe(args: argparse.Namespace) -> dict:
    """What the rows of a file have in common."""
    options = {name: getattr(args, name) for name in LEASTS}
    return options | dict(processor=name_processor(), torch=torch.__version__)


def read_rows(args: argparse.Namespace) -> list[dict]:
    """The rows that were measured before.

    Raises:
        InputError: The file is damaged, or its rows are of other options or another machine.
    """
    if not args.out.exists():
        return []
    try:
        stored = json.loads(args.out.read_text())
        of, rows = dict(stored['of']), list(stored['rows'])
    except (KeyError, TypeError, ValueError):
        raise InputError(f'--out {args.out} is no file of this benchmark; allowed: one') from None
    if other := {name: value for name, value in describe(args).items() if of.get(name) != value}:
        name, value = next(iter(other.items()))
        raise InputError(
            f'--out {args.out} has rows of {name}={of.get(name)!r}, not {value!r}; allowed: the '
            'same, or another file'
        )
    return rows


def main(args: argparse.Namespace) -> None:
    done = read_rows(args)
    if args.one:
        rows = done + measure(args.one, args)
        args.out.write_text(json.dumps(dict(of=describe(args), rows=rows), indent=1))
        return
    print(f'{name_processor()}, 1 thread, torch {torch.__version__}, {args.size} x {args.size}')
    for name in args.networks:
        if not any(row['network'] == name for row in done):
            # Of a killed process the others are left.
            subprocess.run([sys.executable, *sys.argv, '--one', name], check=False)
            done = read_rows(args)
    print_table(HEADER, [to_cells(row) for row in done if row['network'] in args.networks])
    if failed := set(args.networks) - {row['network'] for row in done}:
        sys.exit(f'failed: {", ".join(sorted(failed))}')


if __name__ == '__main__':
    with reported_errors():
        main(args)
