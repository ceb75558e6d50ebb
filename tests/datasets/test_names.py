"""Odd names of files, through every tool that reads or writes them."""

import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from senet_mm.analysis.pipeline_stages import _get_image, draw_grid
from senet_mm.datasets import LoadImage, PackTensors, ShardedImageNet
from senet_mm.datasets.collate import collate
from senet_mm.engine import Runner
from senet_mm.registry import MODELS
from senet_mm.utils.figures import save_figure
from senet_mm.utils.names import lines_of, parse_name, printable

from ..conftest import ROOT
from .files import DAMAGED, GOOD, PHOTO, save
from .test_damage import PIPELINE, make_cfg

ODD = [
    'plain.jpg',
    ' two  spaces .jpg',
    'line\nfeed.jpg',
    'carriage\rreturn.jpg',
    'both\r\n.jpg',
    'tab\t.jpg',
    'line\u2028separator.jpg',
    'next\x85line.jpg',
    'form\x0cfeed.jpg',
    '"quotes".jpg',
    '"a',
    '$x_1$ and \\alpha.jpg',
    'percent%20.jpg',
    '# {} [0] *.jpg',
    'ä ß 文字 😀.jpg',
    os.fsdecode(b'not \xff\xfe utf-8.jpg'),
    'a: b.jpg',
    '-o.jpg',
]


@pytest.mark.parametrize('name', ODD)
def test_a_name_survives_a_line(name):
    """On one line, in any encoding, beside others; a plain one stays as it is."""
    text = printable(name)
    assert text.splitlines() == [text]
    assert '\t' not in text
    text.encode('utf-8')
    assert parse_name(text) == name
    assert (text == name) == (name.isprintable() and name[0] != '"')


def test_a_name_that_was_written_without_quotes_is_read(tmp_path):
    """As shards and logs were, before names were quoted."""
    for name in ('x y.jpg', '"a', 'line\u2028separator.jpg', 'carriage\rreturn.jpg'):
        (tmp_path / 'index').write_bytes(f'0 1 {name}\n0 2 b\n'.encode())
        lines = lines_of(tmp_path / 'index')
        assert [parse_name(line.split(' ', 2)[2]) for line in lines] == [name, 'b']


def names_of(paths):
    return sorted(path.rpartition('/')[2] for path in paths)


def file_of(name):
    return f'{name.removesuffix(".jpg")}.jpg'


ALL, BROKEN = sorted(map(file_of, ODD)), sorted(map(file_of, ODD[::3]))
FOLDERS = [name.removesuffix('.jpg') for name in ODD[-4:-2]]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Two classes of odd names with images of odd names, every third of them damaged."""
    root = tmp_path_factory.mktemp('set')
    for i, name in enumerate(ODD):
        folder = root / 'train' / FOLDERS[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        data = GOOD['jpeg'] if i % 3 else DAMAGED['half a jpeg']
        (folder / file_of(name)).write_bytes(data)
    return root


def test_verify(root, run_tool, tmp_path):
    """All are named; a second run looks at the damaged ones alone."""
    command = ['tools/dataset_tools/verify.py', root / 'train', '--workers', 2]
    command += ['--out', tmp_path / 'list', '--log', tmp_path / 'log']
    for before in (0, len(ALL) - len(BROKEN)):
        run = run_tool(*command)
        assert run.returncode == 1, run.stderr
        assert f'{len(BROKEN)} of {len(ALL)} images are damaged' in run.stdout
        assert (f'{before} of {len(ALL)} images were verified before' in run.stdout) == (before > 0)
        paths = [line.rpartition(': ')[0] for line in lines_of(tmp_path / 'list')]
        assert names_of(map(parse_name, paths)) == BROKEN


def test_pack_and_read(root, run_tool, tmp_path):
    """Whole images with their names; damaged ones, and one too long for a JPEG, in the list."""
    small = save(Image.new('RGB', (8, 8)), 'JPEG')
    for i in range(1000):
        folder = tmp_path / f'set/train/{i:04}'
        folder.mkdir(parents=True)
        name = file_of(ODD[i]) if i < len(ODD) else 'x.jpg'
        data = DAMAGED['half a jpeg'] if name in BROKEN else GOOD['jpeg']
        (folder / name).write_bytes(data if i < len(ODD) else small)
    (tmp_path / 'set/train/0999/long.png').write_bytes(save(Image.new('L', (70_000, 1)), 'PNG'))
    out, options = tmp_path / 'shards', ('--splits', 'train', '--workers', 2)
    run = run_tool('tools/dataset_tools/pack.py', tmp_path / 'set', out, *options)
    assert run.returncode == 0, run.stderr
    bad = [line.rpartition(': ') for line in lines_of(out / 'train-damaged.txt')]
    assert names_of(parse_name(path) for path, _, _ in bad) == sorted([*BROKEN, 'long.png'])
    [reason] = [reason for path, _, reason in bad if path.endswith('long.png')]
    assert reason == '70000 x 1 pixels; a JPEG holds at most 65500 a side'

    dataset = ShardedImageNet(data_root=str(out), split='train', pipeline=[LoadImage()])
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    served = {info['gt_label']: info['img_path'].rpartition('/')[2] for info in infos}
    assert len(served) == len(infos) == 1000 - len(BROKEN)
    for label, name in enumerate(map(file_of, ODD)):
        assert served.get(label) == (None if name in BROKEN else name)
    assert sum(dataset[i]['img'].shape == PHOTO.shape for i in range(len(dataset))) == (
        len(ALL) - len(BROKEN)
    )


def test_train(root, tmp_path):
    """Each damaged image is named once, on one line of the log."""
    cfg = make_cfg(tmp_path, tmp_path / 'run')
    cfg.train_dataloader.dataset = dict(
        type='CustomDataset', data_root=str(root), data_prefix='train', pipeline=PIPELINE
    )
    cfg.train_dataloader.batch_size = 6
    cfg.model.head.num_classes = cfg.model.data_preprocessor.num_classes = 2
    Runner.from_cfg(cfg).train()
    assert (tmp_path / 'run/epoch_2.pth').is_file()
    [log] = (tmp_path / 'run').glob('*/*.log')
    lines = [line.partition(' - damaged image ')[2] for line in lines_of(log)]
    paths = [line.rpartition(': ')[0] for line in lines if line]
    assert names_of(map(parse_name, paths)) == BROKEN


def test_pictures_of_stages(tmp_path):
    """No name is taken for a formula, or ends the drawing."""
    image = np.zeros((4, 4, 3), np.uint8)
    infos = [dict(img=image, img_path=f'folder/{name}', gt_label=0) for name in ODD]
    module = MODELS.build(dict(type='BatchPreprocessor'))
    dataset = SimpleNamespace(
        get_data_info=infos.__getitem__,
        pipeline=SimpleNamespace(transforms=[PackTensors()]),
        collate=collate,
        metainfo=dict(classes=ODD),
    )
    rows = [_get_image(dataset, (i, (0, 0, i)), module, False) for i in range(len(infos))]
    save_figure(draw_grid(rows, ODD[0]), tmp_path / 'grid.png')
    assert (tmp_path / 'grid.png').stat().st_size > 1000


@pytest.mark.parametrize('name', ODD)
def test_output_folders(name, tmp_path):
    """What a tool prints of a folder of an odd name does not end it after its work is done."""
    out = tmp_path / name
    code = 'from senet_mm.cli import reported_errors\n'
    code += f'with reported_errors(): print({str(out)!r})'
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(str(tmp_path).encode())
