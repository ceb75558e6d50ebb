#!/usr/bin/env python
"""Ask a trained network about pictures in a browser.

python tools/demo.py work_dirs/seresnet8_1xb64_digits/best_*.pth
python tools/demo.py work_dirs/seresnet18_1xb32_folder/best_*.pth --examples data/pictures

Shows the best classes, where the network looked, its gates beside the average of the class, and
what changes if the gates of a stage are 1. The averages are of the validation set of the
checkpoint's config, or else of the pictures in --examples. Pictures to choose from are those in
--examples, or else of the validation set. Nothing leaves the machine; what was uploaded is removed.
Needs the extra: pip install -e '.[demo]'
"""

import argparse
import contextlib
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import add_config_for_checkpoint, config_for_checkpoint, reported_errors
from senet_mm.utils.usage import ToolParser, add_quiet

if TYPE_CHECKING:
    from senet_mm.apis.explainer import Explainer

MIB = 2**20
# Pictures on the page to choose from, and those of which the gates are averaged at most.
SHOWN, LEARNT = 20, 1000


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('checkpoint', help='weights of tools/train.py, tools/model_converters/')
    parser.add_argument(
        '--examples', metavar='DIR',
        help='folder of pictures to choose from (default: some of the validation set)',
    )  # fmt: skip
    add_config_for_checkpoint(parser)
    parser.add_argument('--device', help='cpu, cuda, ... (default: a GPU if there is one)')
    parser.add_argument('--host', default='127.0.0.1', help='address to listen at')
    parser.add_argument('--port', type=int, help='port (default: a free one from 7860)')
    parser.add_argument('--max-upload', type=float, default=20, help='largest file, MiB')
    parser.add_argument('--traceback', action='store_true', help='show the traceback of any error')
    add_quiet(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was uploaded is removed
    from senet_mm.utils.options import is_number

    if not is_number(args.max_upload, 1 / MIB):
        raise ValueError(f'--max-upload {args.max_upload}; allowed: numbers above 0')
    if args.port is not None and not 0 < args.port < 65536:
        raise ValueError(f'--port {args.port}; allowed: 1 to 65535')

    from senet_mm.apis.explainer import Explainer
    from senet_mm.datasets.image_paths import find_images
    from senet_mm.utils.errors import InputError

    try:
        from senet_mm.demo import Page, served
    except ImportError as error:
        if error.name and error.name.partition('.')[0] == 'gradio':
            raise InputError(
                "the demo needs gradio; install it: pip install 'senet_mm[demo]'"
            ) from error
        raise
    examples = find_images([args.examples]) if args.examples else []
    config = config_for_checkpoint(args)
    explainer = Explainer(args.checkpoint, config, args.device)
    if explainer.stages:
        print(learn(explainer, examples))
    limit = int(args.max_upload * MIB)
    with tempfile.TemporaryDirectory(prefix='senet_mm-examples-') as folder:
        shown = choose(examples, SHOWN) or find_examples(explainer, Path(folder))
        page = Page(explainer, *describe(explainer, Path(args.checkpoint)), shown)
        with served(page, args.host, args.port, limit) as address:
            print(f'the demo is at {address} until Ctrl-C', flush=True)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()


def describe(explainer: 'Explainer', checkpoint: Path) -> tuple[str, str]:
    """Title and subtitle of the page: the network, its parameters and classes, the file."""
    from senet_mm.utils.complexity import count_params

    model = explainer.model
    title = (model.origin and model.origin.recipe) or checkpoint.stem
    return title, (
        f'{type(model.backbone).__name__}, {count_params(model):,} parameters, '
        f'{len(explainer.names):,} classes, weights of {checkpoint.name}'
    )


def find_examples(explainer: 'Explainer', folder: Path) -> list[str]:
    """Pictures of the validation set to choose from; none if it cannot be read."""
    from senet_mm.demo.data import find_shown
    from senet_mm.utils.errors import UserError

    try:
        return find_shown(explainer.predictor, SHOWN, folder)
    except (UserError, OSError):  # the line about the average gates says why
        return []


def choose(items: list[str], number: int) -> list[str]:
    """Some of a list, evenly from all of it."""
    from senet_mm.deploy.images import spread_evenly

    return [items[i] for i in spread_evenly(len(items), number)]


def learn(explainer: 'Explainer', examples: list[str]) -> str:
    """Average the gates over the validation set, or else the examples; returns a line about it."""
    from senet_mm.demo.data import load_examples, load_validation
    from senet_mm.utils.errors import UserError
    from senet_mm.utils.progress import track

    predictor, source = explainer.predictor, 'images of the validation set'
    try:
        count = explainer.learn(
            track(load_validation(predictor, LEARNT), 'average gates', unit='batches')
        )
    except (UserError, OSError) as error:
        if not examples:
            return f'no average gates, since the validation set cannot be read ({error})'
        source = 'examples'
        batches = load_examples(predictor, choose(examples, LEARNT))
        count = explainer.learn(track(batches, 'average gates', unit='batches'))
        if not count:
            return 'no average gates: none of the examples can be used'
    return f'average gates of {count:,} {source}'


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
