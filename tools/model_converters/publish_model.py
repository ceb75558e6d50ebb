#!/usr/bin/env python
"""Make a file for publication from a checkpoint: weights and short metadata, named by its hash.

python tools/model_converters/publish_model.py \
    work_dirs/seresnet8_1xb64_digits/epoch_30.pth weights --name seresnet8_1xb64_digits

Writes NAME_DATE-HASH8.pth and a JSON file with the same metadata. With --hub FOLDER it writes a
folder in the layout of timm's hub: config.json, model.safetensors and README.md, the model card.
The weights are those used for testing (the averaged ones if the training had an EMA) and must fit
the config. Optimizer, logs and paths of this machine are left out. The same checkpoint, config and
versions give the same bytes and so the same hash.
"""

import argparse
import hashlib
import io
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.cli import add_cfg_options, reported_errors
from senet_mm.utils.usage import ToolParser, add_screen_options

if TYPE_CHECKING:
    from torch import nn

# What is kept of the meta of a checkpoint, besides the record.
KEPT = ('epoch', 'iter', 'metrics')


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('src', help='checkpoint')
    parser.add_argument('out_dir', type=Path, nargs='?', help='folder to write to')
    parser.add_argument(
        '--hub',
        type=Path,
        metavar='FOLDER',
        help="new folder in the layout of timm's hub, for timm.create_model('local-dir:FOLDER') "
        "where timm has the network, and for get_model('FOLDER')",
    )
    parser.add_argument(
        '--name',
        help='config: name or path; the file is named after it; by default the config that is in '
        'the checkpoint, and its name',
    )
    parser.add_argument('--date', help='YYYYMMDD for the file name, by default today')
    parser.add_argument(
        '--metrics', type=Path, help='JSON of the scores: tools/test.py --out --out-item metrics'
    )
    add_cfg_options(parser)
    add_screen_options(parser)
    return parser.parse_args(args)


def check_date(date: str | None) -> str:
    """A date as YYYYMMDD, by default today."""
    if date is None:
        return datetime.now().strftime('%Y%m%d')
    try:
        return datetime.strptime(date, '%Y%m%d').strftime('%Y%m%d')
    except ValueError as error:
        raise ValueError(f'--date {date}: allowed: YYYYMMDD') from error


def make_meta(meta: dict, name: str, model: 'nn.Module') -> dict:
    """The metadata to publish as plain data: the record of the model, and what is in ``KEPT``."""
    import torch

    from senet_mm import __version__
    from senet_mm.engine.weights.record import record_of, to_meta, without_folders
    from senet_mm.utils.complexity import get_complexity

    new = {
        'name': name,
        **to_meta(record_of(model)),
        'senet_mm_version': __version__,
        'torch_version': torch.__version__,
        'complexity': get_complexity(model, model.cfg.input_shape).to_dict(),
        **{key: meta[key] for key in KEPT if key in meta},
    }
    return json.loads(json.dumps(without_folders(new)))


def make_content(model: 'nn.Module', meta: dict) -> bytes:
    """The bytes of the file.

    Raises:
        ValueError: A weight is not finite.
    """
    import torch

    from senet_mm.engine.weights.checkpoint import find_not_finite

    state_dict = {name: value.clone() for name, value in model.state_dict().items()}
    if broken := find_not_finite(state_dict):
        raise ValueError(f'not finite in {len(broken)} tensors: {", ".join(broken[:3])}')
    file = io.BytesIO()
    torch.save({'meta': meta, 'state_dict': state_dict}, file)
    return file.getvalue()


def write_pair(out_dir: Path, stem: str, content: bytes, meta: dict) -> Path:
    """Write the weights and the JSON file; existing files are not changed."""
    from senet_mm.utils.files import atomic_file

    digest = hashlib.sha256(content).hexdigest()
    file = out_dir / f'{stem}-{digest[:8]}.pth'
    table = {
        'file': file.name,
        'size': len(content),
        'sha256': digest,
        'params': meta['complexity']['params'],
        'macs': meta['complexity']['macs'],
        **meta,
    }
    text = json.dumps(table, indent=2) + '\n'
    for path in (file, file.with_suffix('.json')):
        if path.exists():
            raise FileExistsError(f'{path} exists; allowed: another folder or --date')
    out_dir.mkdir(parents=True, exist_ok=True)
    for path, data in ((file, content), (file.with_suffix('.json'), text.encode())):
        with atomic_file(path) as opened:
            opened.write(data)
    return file


def share(folder: Path, src: Path, model: 'nn.Module', meta: dict, known: dict) -> None:
    """Write the folder for a hub, and say what timm cannot do.

    Args:
        folder: The new folder.
        src: The checkpoint.
        model: Its classifier.
        meta: What is published.
        known: The meta of the checkpoint.
    """
    from senet_mm.converters.model_card import Results, make_card
    from senet_mm.converters.share import make_shared, write_shared
    from senet_mm.engine.run_reading import find_run, get_scores

    shared = make_shared(model, meta)
    train_cfg = model.cfg.get('train_cfg') or {}
    by_epoch = train_cfg.get('by_epoch', 'Epoch' in str(train_cfg.get('type')))
    run = find_run(src, known, by_epoch)
    if stated := known.get('metrics'):
        scores, loader = stated, 'test_dataloader'
    else:
        scores, loader = get_scores(run, known, by_epoch), 'val_dataloader'
    results = Results(scores, model.cfg.get(loader) or {})
    seed = {'seed': known['seed']} if 'seed' in known else {}
    card = make_card(shared, {**meta, **seed}, results, run, folder.name)
    write_shared(folder, shared, card)
    for line in shared.lines:
        print(line)


def load(args: argparse.Namespace) -> 'tuple[nn.Module, str]':
    """The classifier, by its config or by the one in the checkpoint, and the config's name."""
    from senet_mm.apis import find_config, get_config, get_model

    if args.name:
        model = get_model(get_config(args.name, args.cfg_options), args.src)
        return model, Path(find_config(args.name)).stem
    if args.cfg_options:
        raise ValueError('--cfg-options changes a config; allowed: with --name')
    model = get_model(checkpoint=args.src)
    recipe = model.origin.recipe
    if recipe and Path(recipe).name != recipe:
        raise ValueError(
            f'checkpoint {args.src} has recipe={recipe!r}, which names no file; allowed: --name'
        )
    return model, recipe or Path(args.src).stem


def main(args: argparse.Namespace) -> None:
    if (args.out_dir is None) == (args.hub is None):
        given = 'no folder' if args.hub is None else f'{args.out_dir} and --hub {args.hub}'
        raise ValueError(f'{given} to write to; allowed: a folder, or --hub FOLDER')
    date = check_date(args.date)

    from mmengine.runner import CheckpointLoader

    from senet_mm.utils.files import check_regular_file
    from senet_mm.utils.names import printable

    model, name = load(args)
    checkpoint = CheckpointLoader.load_checkpoint(args.src, 'cpu', logger='silent')
    meta = dict(checkpoint.get('meta') or {})
    if args.metrics:
        check_regular_file(args.metrics, '--metrics')
        try:
            meta['metrics'] = json.loads(args.metrics.read_text())
        except ValueError as error:
            raise ValueError(f'--metrics {args.metrics} is no JSON: {error}') from error
    known, meta = meta, make_meta(meta, name, model)
    if args.hub:
        share(args.hub, Path(args.src), model, meta, known)
        print(args.hub)
        return
    file = write_pair(args.out_dir, f'{name}_{date}', make_content(model, meta), meta)
    print(printable(file))


if __name__ == '__main__':
    args = parse_args()
    with reported_errors(args.traceback):
        main(args)
