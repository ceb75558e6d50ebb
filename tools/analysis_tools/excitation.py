#!/usr/bin/env python
"""Record the gates of a checkpoint on the test set of a config and draw them.

Writes the paper's figures 6 and 7 (arXiv:1709.01507, section 7.2) as gates.png and spread.png, all
numbers as excitation.csv, and the saturated and dead channels as report.md.

python tools/analysis_tools/excitation.py configs/digits/seresnet8_1xb64_digits.py \
    work_dirs/seresnet8_1xb64_digits/epoch_30.pth --classes 0 1 7 8
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import TRAINING, load_config, make_parser, reported_errors

if TYPE_CHECKING:
    from senet_mm.analysis import BlockReport, Excitation

DEFINITIONS = """
Gates of all images of the test set. `mean` is over images and channels; `std` over the images,
`std between classes` over the classes' means, both then averaged over the channels. A channel is
saturated where its gate is above {high} (high) or below {low} (low) for {share:.0%} of the images,
and dead where it is neither and its standard deviation over the images is below {dead_std}.
"""


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='CLASS',
        help='names or indices of the classes to record and draw; by default all are recorded, and '
        'the four with the most images drawn',
    )
    parser.add_argument(
        '--channels', type=int, default=50, help='channels of a block to draw (default: 50)'
    )
    parser.add_argument(
        '--order',
        choices=['mean', 'index'],
        default='mean',
        help='of the channels in the figures: by the mean gate of all images, or by index, as in '
        'the paper (default: mean)',
    )
    parser.add_argument(
        '--blocks',
        nargs='+',
        metavar='BLOCK',
        help='blocks to draw (SE_5_1); by default the last of each stage, all of the last stage',
    )
    parser.add_argument(
        '--thresholds',
        type=float,
        nargs=2,
        default=[0.01, 0.99],
        metavar=('LOW', 'HIGH'),
        help='gates outside this range are saturated (default: 0.01 0.99)',
    )
    parser.add_argument(
        '--out', metavar='DIR', help='folder to write to (default: WORK_DIR/excitation)'
    )
    return parser.parse_args()


def to_report(reports: 'list[BlockReport]', **limits: float) -> str:
    """The table, its definitions, and the channels in which something is wrong."""
    from senet_mm.analysis import gates_to_markdown

    lines = [
        f'- {report.block}, {what}: {", ".join(map(str, channels))}\n'
        for report in reports
        for what, channels in report.findings.items()
        if channels
    ]
    text = gates_to_markdown(reports) + DEFINITIONS.format(**limits)
    return f'{text}\nChannels:\n\n{"".join(lines)}' if lines else text


def draw(excitation: 'Excitation', blocks: list[str], args: argparse.Namespace, out: Path) -> None:
    """Draw both figures: the chosen classes in their order, by default the largest four."""
    from senet_mm.analysis.excitation_figures import draw_gates, draw_spread
    from senet_mm.utils.figures import save_figure

    counts = excitation.counts
    if args.classes:
        labels = [label for label, count in counts.items() if count]
    else:
        labels = sorted(excitation.largest(4))
    images = int(excitation.moments(blocks[0], None).count)
    title = f'{Path(args.config).stem}, {images} test images'
    for name, figure in (('gates', draw_gates), ('spread', draw_spread)):
        drawn = figure(excitation, labels, blocks, args.channels, args.order, title)
        save_figure(drawn, out / f'{name}.png')


def main(args: argparse.Namespace) -> None:
    if args.channels < 1:
        raise ValueError(f'--channels {args.channels}: allowed: 1 or more')
    if args.thresholds[0] > args.thresholds[1]:
        low, high = args.thresholds
        raise ValueError(f'--thresholds {low} {high}: allowed: the lower one, then the upper one')
    cfg = load_config(args, unused=TRAINING)

    from senet_mm.analysis import (
        ExcitationHook,
        examine,
        find_gates,
        gates_to_markdown,
        paper_blocks,
    )
    from senet_mm.engine import Runner
    from senet_mm.utils.options import check_option

    runner = Runner.from_checkpoint(cfg, args.checkpoint)
    names = list(find_gates(runner.model))
    for block in args.blocks or []:
        check_option('block', block, names)
    out = Path(args.out or Path(cfg.work_dir, 'excitation'))
    hook = ExcitationHook(args.classes, str(out), tuple(args.thresholds))
    runner.register_hook(hook)
    runner.test()
    if runner.rank == 0:
        reports = examine(hook.excitation, hook.dead_std, hook.saturated_share)
        low, high = args.thresholds
        limits = dict(low=low, high=high, share=hook.saturated_share, dead_std=hook.dead_std)
        (out / 'report.md').write_text(to_report(reports, **limits))
        draw(hook.excitation, args.blocks or paper_blocks(names), args, out)
        print(gates_to_markdown(reports), end='')


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
