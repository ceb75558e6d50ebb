#!/usr/bin/env python
"""Measure distributed training on this machine, and model it on 8, 64 and 512 GPUs.

python tools/benchmarks/scaling.py --json scaling.json

Measured: a step without exchange of gradients, the all-reduce alone, and steps with the settings of
DDP. The model (helpers/scaling_model.py) takes bytes and order of the gradients from the network.
"""

import argparse
import json
import math
import os
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

from helpers.options import NETWORK, check, make_parser
from helpers.scaling_model import Cluster, Gradient, Settings, Work, model_step, without_overlap

from senet_mm.cli import reported_errors
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_writable
from senet_mm.utils.options import check_option

# Defaults of --small.
SMALL = dict(batch_size=2, size=32, rounds=2, bucket_mb=[0.1, 1000.0])
MODELLED_MB = (1, 5, 10, 50, 1000)
IMAGES = 256  # of the step that --step-ms times
MIB = 2**20
SETTINGS_ON = 2


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=4, batch_size=4, leave_out=['clock'])
    parser.add_argument(
        '--processes', type=int, nargs='+', default=[1, 2, 4], help='numbers of processes'
    )
    parser.add_argument(
        '--settings-on', type=int, help='processes on which all settings are compared: 2'
    )
    parser.add_argument(
        '--bucket-mb', type=float, nargs='+', default=[5.0, 1000.0], help='buckets of gradients, MB'
    )
    parser.add_argument('--small', action='store_true', help='a small network, two rounds')
    parser.add_argument('--gpus', type=int, nargs='+', default=[8, 64, 512], help='to model')
    parser.add_argument(
        '--step-ms', type=float, default=35.6, help=f'step of one GPU, {IMAGES} images (predicted)'
    )
    parser.add_argument('--images', type=int, nargs='+', default=[IMAGES, 32], help='of one GPU')
    parser.add_argument(
        '--cluster', nargs='+', default=[], metavar='KEY=VALUE',
        help=f'bandwidths and latencies: {", ".join(field.name for field in fields(Cluster))}',
    )  # fmt: skip
    parser.add_argument('--json', type=Path, help='write the measurements there as well')
    if parser.parse_args().small:
        parser.set_defaults(**SMALL)
    return parser.parse_args()


def check_args(args: argparse.Namespace) -> None:
    """Raise an InputError for a value that is not allowed or has no effect."""
    check(args)
    read_cluster(args.cluster)
    if args.json:
        check_writable(args.json)
    for option, numbers in (('bucket-mb', args.bucket_mb), ('step-ms', [args.step_ms])):
        if not all(0 < number < math.inf for number in numbers):
            text = ' '.join(map(str, numbers))
            raise InputError(f'--{option} {text}; allowed: numbers above 0')
    compared = args.settings_on or SETTINGS_ON
    if (args.settings_on or args.only) and compared not in args.processes:
        text = ' '.join(map(str, args.processes))
        raise InputError(
            f'--processes {text} without {compared}, on which settings are compared; allowed: '
            f'with it, or another --settings-on'
        )
    if args.small and args.network != NETWORK:
        raise InputError(f'--network {args.network} with --small; allowed: without --small')
    args.settings_on = compared


# Of values of a cluster, both ends included; the others are above 0.
ABOVE_ZERO = math.nextafter(0, 1), sys.float_info.max
RANGES = {
    'per_node': (1, 1_000_000), 'attained': (0.001, 1), 'latency': (0, 1e6), 'launch': (0, 1),
    'slowdown': (0, 1), 'jitter': (0, 10),
}  # fmt: skip


def read_cluster(given: list[str]) -> Cluster:
    """The cluster with some of its values given, as ``KEY=VALUE``.

    Raises:
        InputError: A key is not known or given twice, or a value is not allowed.
    """
    pairs = [text.partition('=')[::2] for text in given]
    values: dict[str, float] = {}
    for key, text in pairs:
        check_option('--cluster', key, [field.name for field in fields(Cluster)])
        if key in values:
            raise InputError(f'--cluster {key} is given twice; allowed: once')
        least, most = RANGES.get(key, ABOVE_ZERO)
        try:
            values[key] = int(text) if key == 'per_node' else float(text)
            is_allowed = least <= values[key] <= most
        except ValueError:
            is_allowed = False
        if not is_allowed:
            kind = 'a whole number' if key == 'per_node' else 'a number'
            limits = 'above 0' if (least, most) == ABOVE_ZERO else f'from {least:g} to {most:g}'
            raise InputError(f'--cluster {key}={text}; allowed: {kind} {limits}')
    return replace(Cluster(), **values)


if __name__ == '__main__':
    args = parse_args()
    with reported_errors():
        check_args(args)
    # torch would warn of find_unused_parameters, whose cost is measured, amid the output.
    os.environ.setdefault('TORCH_CPP_LOG_LEVEL', 'ERROR')

from helpers.common import print_table, start
from helpers.scaling_worker import ALONE, OURS, REDUCE, make_network, make_settings, run
from torch import nn

from senet_mm.utils.measure import Timing


def hidden_share(alone: Timing, reduce: Timing, whole: Timing) -> float:
    """Share of the all-reduce that does not make a step longer; 0 to 1 whatever the noise."""
    share = 1 - (whole.median - alone.median) / reduce.median
    return min(1.0, max(0.0, share))


def print_processes(results: dict[int, dict]) -> None:
    """Step, all-reduce and overlap by the number of processes."""
    size = sum(size for size, _ in next(iter(results.values()))['profile'])
    rows = []
    for processes, found in results.items():
        alone, reduce, whole = (Timing(*found['timings'][name]) for name in (ALONE, REDUCE, OURS))
        overlap = f'{hidden_share(alone, reduce, whole):.0%}' if processes > 1 else ''
        bandwidth = 2 * (processes - 1) / processes * size / reduce.median / 1e9
        rows.append([processes, alone, reduce, f'{bandwidth:.1f}', whole, overlap])
    print(f'\n{size / MIB:.1f} MiB of gradients; bandwidth as of nccl-tests (busbw)')
    header = ['processes', ALONE, REDUCE, 'GB/s', 'step', 'overlap']
    print_table(header, rows)


def print_settings(processes: int, found: dict) -> None:
    """Time of a step, memory and distance of the gradients by setting."""
    base = Timing(*found['timings'][next(iter(found['errors']))])
    rows = []
    for name, error in found['errors'].items():
        timing = Timing(*found['timings'][name])
        difference = f'{error:.1e}' if error else 'equal'
        doubled = f'{found["doubled"][name] / MIB:.1f}'
        rows.append([name, timing, base.median / timing.median, doubled, difference])
    print(f'\nSettings on {processes} processes; all but the first: with gradient_as_bucket_view')
    print_table(['settings', 'step', 'speed', 'MiB outside buckets', 'gradients'], rows)


def print_model(args: argparse.Namespace, profile: list[Gradient], channels: list[int]) -> None:
    """Steps on GPUs: their parts, and efficiency by settings and by the size of buckets."""
    cluster = read_cluster(args.cluster)
    values = ', '.join(f'{key}={value:g}' for key, value in asdict(cluster).items())
    size = sum(gradient.size for gradient in profile) / MIB
    network = 'the small network' if args.small else args.network
    print(f'\nModel: one GPU takes {args.step_ms} ms for {IMAGES} images; {values}')
    print(f'Gradients: {len(profile)} tensors, {size:.1f} MiB, of {network}')
    works = {n: Work(args.step_ms / 1e3 * n / IMAGES, n, profile) for n in args.images}
    cases = [(work, gpus) for work in works.values() for gpus in args.gpus]
    rows = []
    for work, gpus in cases:
        step = model_step(work, gpus, cluster, Settings())
        parts = step.time, step.reducing, step.exposed, step.copying, step.waiting
        times = [f'{1e3 * seconds:.2f}' for seconds in parts]
        speed = f'{gpus * work.images / step.time:,.0f}'
        rows.append([work.images, gpus, *times, f'{step.overlap:.0%}', speed])
    header = ['images per GPU', 'GPUs', 'step ms', 'all-reduces', 'exposed', 'copies']
    print_table([*header, 'waiting', 'overlap', 'images/s'], rows)

    def efficiency(work: Work, gpus: int, settings: Settings) -> str:
        return f'{work.seconds / model_step(work, gpus, cluster, settings).time:.1%}'

    names = [f'{work.images} on {gpus}' for work, gpus in cases]
    forms = {
        'mmengine': Settings(view=False),
        OURS: Settings(),
        'batched_grad_copy': Settings(batched=True),
        'compression 16 bits': Settings(compressed=True),
        **{f'buckets of {size} MiB': Settings(bucket=size * MIB) for size in MODELLED_MB},
    }
    rows = [
        [name, *[efficiency(work, gpus, settings) for work, gpus in cases]]
        for name, settings in forms.items()
    ]
    for name, changed in {
        'SyncBN': lambda work: replace(work, synced_channels=channels),
        'without overlap': without_overlap,
    }.items():
        rows.append([name, *[efficiency(changed(work), n, Settings()) for work, n in cases]])
    print('\nEfficiency, by images per GPU and GPUs')
    print_table(['settings', *names], rows)


def main(args: argparse.Namespace) -> None:
    start(args)
    names = list(make_settings(args.bucket_mb))
    for name in args.only or ():
        check_option('--only', name, names)
    results = {}
    for processes in args.processes:
        compared = args.only or names if processes == args.settings_on else []
        results[processes] = run(processes, args, list(dict.fromkeys([*names[:2], *compared])))
    print_processes(results)
    if args.settings_on in results:
        print_settings(args.settings_on, results[args.settings_on])
    profile = [Gradient(*gradient) for gradient in results[args.processes[0]]['profile']]
    channels = [
        m.num_features for m in make_network(args).modules() if isinstance(m, nn.BatchNorm2d)
    ]
    print_model(args, profile, channels)
    if args.json:
        args.json.write_text(json.dumps(results, indent=1))


if __name__ == '__main__':
    with reported_errors():
        main(args)
