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
import os
import signal
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import add_config_for_checkpoint, config_for_checkpoint, reported_errors
from senet_mm.study.places import Places, add_data_root, check_folders
from senet_mm.utils.usage import ToolParser, add_screen_options

if TYPE_CHECKING:
    from senet_mm.apis.explainer import Explainer
    from senet_mm.demo.data import Example

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
    add_data_root(parser)
    parser.add_argument('--device', help='cpu, cuda, ... (default: a GPU if there is one)')
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to listen at; 0.0.0.0 or :: for all of this machine',
    )
    parser.add_argument('--port', type=int, help='port (default: a free one from 7860)')
    parser.add_argument('--max-upload', type=float, default=20, help='largest file, MiB')
    add_screen_options(parser)
    return parser.parse_args()


def main(args: argparse.Namespace) -> None:
    from senet_mm.utils.options import is_number

    signals = take_signals()
    if not is_number(args.max_upload, 1 / MIB):
        raise ValueError(f'--max-upload {args.max_upload}; allowed: numbers above 0')
    if args.port is not None and not 0 < args.port < 65536:
        raise ValueError(f'--port {args.port}; allowed: 1 to 65535')

    from senet_mm.apis.explainer import Explainer
    from senet_mm.utils.errors import InputError

    try:
        from senet_mm.demo import ANYWHERE, AS_TRAINED, Page, find_port, served
    except ImportError as error:
        if error.name and error.name.partition('.')[0] == 'gradio':
            raise InputError(
                "the demo needs gradio; install it: pip install 'senet_mm[demo]'"
            ) from error
        raise
    check_folders(args.data_root)
    find_port(args.host, args.port)
    paths = find_pictures(args.examples) if args.examples else []
    config = config_for_checkpoint(args)
    explainer = Explainer(args.checkpoint, config, args.device)
    # The checkpoint's own config may be a stranger's.
    beside = Path(args.checkpoint).parent
    places = None if config else Places([beside, Path.cwd()], args.data_root)
    if explainer.stages:
        print(learn(explainer, paths, places))
    limit = int(args.max_upload * MIB)
    with tempfile.TemporaryDirectory(prefix='senet_mm-examples-') as folder:
        shown = find_examples(explainer, paths, Path(folder), places)
        page = Page(explainer, *describe(explainer, Path(args.checkpoint)), shown)
        for example in shown[:1]:  # the first answer takes longer
            page.ask(example.path, AS_TRAINED)
        with served(page, args.host, args.port, limit) as address:
            print(f'the demo is at {address} until Ctrl-C', flush=True)
            if args.host in ANYWHERE:
                port = address.rpartition(':')[2]
                print(f'on other machines: http://{socket.gethostname()}:{port}', flush=True)
            wait(signals)


def take_signals() -> list[signal.Signals]:
    """Let signals that would end the tool at once raise KeyboardInterrupt: uploads are removed."""
    from senet_mm.utils.processes import taken_signals

    signals = taken_signals()
    for number in signals:
        signal.signal(number, signal.default_int_handler)
    return signals


def wait(signals: list[signal.Signals]) -> None:
    """Wait for a signal; from then on they are ignored, since all ends in good order."""
    try:
        signal.pause()
    except KeyboardInterrupt:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        with contextlib.suppress(OSError):  # the terminal is closed
            print('the demo ends, and removes what was uploaded', flush=True)


def find_pictures(folder: str) -> list[str]:
    """Pictures of the folder of the examples."""
    from senet_mm.datasets.image_paths import find_images
    from senet_mm.demo.data import stay_within
    from senet_mm.utils.errors import InputError

    if not Path(folder).is_dir():
        raise InputError(f'--examples {folder} is no folder; allowed: a folder of pictures')
    found = find_images([folder])
    paths = stay_within(Path(folder), found)
    if len(paths) < len(found):
        print(f'{len(found) - len(paths)} links that lead out of --examples {folder} are left out')
    return paths


def describe(explainer: 'Explainer', checkpoint: Path) -> tuple[str, str]:
    """Title and subtitle of the page: the network, its parameters and classes, the file."""
    from senet_mm.utils.complexity import count_params

    model = explainer.model
    title = (model.origin and model.origin.recipe) or checkpoint.stem
    return title, (
        f'{type(model.backbone).__name__}, {count_params(model):,} parameters, '
        f'{len(explainer.names):,} classes, weights of {checkpoint.name}'
    )


def find_examples(
    explainer: 'Explainer', paths: list[str], folder: Path, places: Places | None
) -> 'list[Example]':
    """Some of the pictures to choose from, or else of the validation set; none if it is not read.

    Args:
        explainer: The network.
        paths: The pictures in --examples.
        folder: For pictures that have no file.
        places: Where the validation set may be.
    """
    from senet_mm.demo.data import find_shown, open_examples
    from senet_mm.utils.errors import UserError

    if paths:
        examples, lines = open_examples(explainer.predictor, choose(paths, SHOWN))
        for line in lines:
            print(line)
        return examples
    try:
        return find_shown(explainer.predictor, SHOWN, folder, places)
    except (UserError, OSError):  # the line about the average gates says why
        return []


def choose(items: list[str], number: int) -> list[str]:
    """Some of a list, evenly from all of it."""
    from senet_mm.deploy.images import spread_evenly

    return [items[i] for i in spread_evenly(len(items), number)]


def learn(explainer: 'Explainer', examples: list[str], places: Places | None) -> str:
    """Average the gates over the validation set, or else the examples; returns a line about it."""
    from senet_mm.demo.data import load_examples, load_validation
    from senet_mm.study.validation_set import find_dataset
    from senet_mm.utils.errors import UserError
    from senet_mm.utils.progress import track

    predictor = explainer.predictor
    try:
        source = f'images of the {find_dataset(predictor.cfg, places).name}'
        batches = load_validation(predictor, LEARNT, places)
        count = explainer.learn(track(batches, 'average gates', unit='batches'))
    except (UserError, OSError) as error:
        if not examples:
            return f'no average gates: {error}'
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
    # Python's end would tear apart a thread that still computes an answer: SIGABRT.
    os._exit(0)
