#!/usr/bin/env python
"""Convert weights of other projects into checkpoints of ours, and back.

python tools/model_converters/convert.py caffe SE-ResNet-50.caffemodel seresnet50.pth \
    --model seresnet50-caffe_8xb32_in1k
"""

import argparse

from senet_mm.cli import OptionsAction, add_cfg_options, reported_errors
from senet_mm.utils.usage import ToolParser, add_screen_options


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument(
        'kind',
        choices=['caffe', 'timm', 'mmpretrain', 'torchvision', 'moskomule'],
        help='the other project; caffe and timm have two kinds of networks, which the file tells '
        'apart',
    )
    parser.add_argument('src', help='.caffemodel, .pth or .safetensors; ours with --reverse')
    parser.add_argument('dst', help='checkpoint to write; theirs with --reverse')
    parser.add_argument(
        '--model', required=True, metavar='CONFIG_NAME', help='config of the network: name or path'
    )
    parser.add_argument(
        '--class-order',
        choices=['sorted', 'source'],
        default='sorted',
        help='sorted: reorder the classes of the Caffe networks by WordNet id, as all others have '
        'them (with --reverse: back); source: keep their order',
    )
    parser.add_argument(
        '--preprocessing',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='preprocessing of images, if it differs from that of the file, of a config.json of '
        'timm beside it, or of the project: resize=232 crop=224 interpolation=bicubic '
        'mean="[0,0,0]"',
    )
    parser.add_argument(
        '--in-channels',
        type=int,
        help='channels of the images, for weights of three: the kernels of the first convolution '
        'are summed (1) or repeated and scaled, as by timm',
    )
    add_cfg_options(parser)
    add_screen_options(parser)
    parser.add_argument(
        '--prototxt',
        metavar='FILE',
        help='definition of a network of Caffe with other names: its layers, SE modules among '
        'them, are found by their form',
    )
    parser.add_argument('--reverse', action='store_true', help='from ours to theirs')
    parser.add_argument('--force', action='store_true', help='overwrite DST')
    return parser.parse_args(args)


def check_reverse(args: argparse.Namespace) -> None:
    """Refuse options that act on the weights of others."""
    if args.preprocessing:
        raise ValueError('--preprocessing is recorded in a checkpoint; allowed: without --reverse')
    if args.in_channels is not None:
        raise ValueError(
            '--in-channels adapts weights of three channels; allowed: without --reverse'
        )
    if args.prototxt is not None:
        raise ValueError('--prototxt describes weights of Caffe; allowed: without --reverse')


def main(args: argparse.Namespace) -> None:
    from senet_mm.converters import convert, convert_back
    from senet_mm.utils.progress import ProgressBar

    files = (args.kind, args.src, args.dst, args.model, args.class_order, args.force)
    with ProgressBar('converting', rated=False):
        if args.reverse:
            check_reverse(args)
            done = convert_back(*files, options=args.cfg_options)
        else:
            done = convert(
                *files, args.preprocessing, args.in_channels, args.cfg_options, args.prototxt
            )
    way = 'to' if args.reverse else 'from'
    print(f'{args.dst}: {done.describe(args.model, way, args.class_order)}')
    for line in done.modules:
        print(line)
    if done.adapted:
        print(f'{args.src} {done.adapted}')
    if done.initialised:
        print(
            f'{len(done.initialised)} tensors that {done.form.title} does not have (SE) keep the '
            'initialisation of the config'
        )


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
