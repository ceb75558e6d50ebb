"""Packing, shards and verifying: by their tools, as a user does."""

import io
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from senet_mm.datasets import DamagedImageError, ImageNet, LoadImage, ShardedImageNet
from senet_mm.datasets.images.decoding import decode
from senet_mm.datasets.images.jpeg import is_baseline, transcode

from .files import DAMAGED, GOOD, PHOTO

COPIED = ('jpeg', 'grey', 'turned by EXIF', 'bytes behind the end')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """train/ and val/ with one file of each kind, good and damaged; labels from 0 to 9."""
    root = tmp_path_factory.mktemp('set')
    (root / 'meta').mkdir()
    for split in ('train', 'val'):
        lines = []
        for i, (name, data) in enumerate({**GOOD, **DAMAGED}.items()):
            path = root / split / f'class {i % 3}' / f'{name.replace(" ", "_")}.JPEG'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            lines.append(f'class {i % 3}/{path.name} {i % 10}\n')
        (root / f'meta/{split}.txt').write_text(''.join(lines))
    return root


@pytest.fixture(scope='module')
def run(run_tool):
    return lambda tool, *args: run_tool(f'tools/dataset_tools/{tool}', *args, '--workers', 2)


@pytest.fixture(scope='module', params=[None, 60], ids=['as they are', 'resized'])
def packed(request, folder, tmp_path_factory, run):
    """The set packed; the folder of the shards and the short side."""
    out = tmp_path_factory.mktemp('packed') / 'shards'
    options = ['--short-side', request.param] if request.param else []
    done = run('pack.py', folder, out, '--shard-size', 0, *options)
    assert done.returncode == 0, done.stderr
    words = f'{len(GOOD)} images in {len(GOOD)} shards; {len(DAMAGED)} damaged left out'
    assert f'train: {words}' in done.stdout
    assert f'val: {words}' in done.stdout
    return out, request.param


def by_name(dataset):
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    return {info['img_path'].rpartition('/')[2].removesuffix('.JPEG'): info for info in infos}


def test_shards_hold_the_same_images(packed, folder):
    out, short_side = packed
    dataset = ShardedImageNet(data_root=str(out), split='train', pipeline=[LoadImage()])
    files = by_name(ImageNet(data_root=str(folder), split='train'))
    served = {sample['img_path']: sample for sample in (dataset[i] for i in range(len(dataset)))}
    assert len(served) == len(GOOD)
    for path, sample in served.items():
        shard, _, name = path.partition(':')
        assert shard.startswith(f'{out}/train-')
        info = files[name.rpartition('/')[2].removesuffix('.JPEG')]
        assert sample['gt_label'] == info['gt_label']
        expected = decode(Path(info['img_path']).read_bytes())
        if short_side:
            assert sample['img'].shape == (60, 80, 3)
            expected = np.asarray(
                Image.fromarray(expected).resize((80, 60), Image.Resampling.BILINEAR)
            )
        assert np.abs(sample['img'].astype(float) - expected).mean() < 5


def test_shards_are_plain_tars_of_webdatasets_kind(packed):
    """Members of a sample lie side by side under one key: KEY.jpg, KEY.cls; all baseline."""
    out, short_side = packed
    originals = {name: GOOD[name] for name in COPIED}
    keys, copies = [], 0
    for path in sorted(out.glob('train-*.tar')):
        with tarfile.open(path) as tar:
            names = tar.getnames()
            assert [name.partition('.')[2] for name in names] == ['jpg', 'cls']
            jpeg, label = (tar.extractfile(name).read() for name in names)
            keys.append(names[0].partition('.')[0])
            assert names[1].partition('.')[0] == keys[-1]
            assert 0 <= int(label) < 10
            assert is_baseline(jpeg)
            copies += jpeg in originals.values()
            with Image.open(io.BytesIO(jpeg)) as image:
                assert image.format == 'JPEG'
    assert len(set(keys)) == len(GOOD)
    assert copies == (0 if short_side else len(COPIED))


def test_damaged_images_are_listed(packed, folder):
    lines = (packed[0] / 'val-damaged.txt').read_text().splitlines()
    assert len(lines) == len(DAMAGED)
    assert all(line.startswith(f'{folder}/val/class ') and ': ' in line for line in lines)


@pytest.mark.parametrize('name', GOOD)
def test_transcoding(name, tmp_path):
    """What is no baseline JPEG becomes one, of the same picture."""
    path = tmp_path / 'image'
    path.write_bytes(GOOD[name])
    data = transcode(path, quality=95)
    assert (data == GOOD[name]) == (name in COPIED)
    assert np.abs(decode(data).astype(float) - decode(GOOD[name])).mean() < 3.5
    assert min(decode(transcode(path, short_side=50)).shape[:2]) == 50
    larger = transcode(path, short_side=500)
    assert decode(larger).shape == PHOTO.shape


def test_wrong_shards(packed, tmp_path):
    out, _ = packed
    with pytest.raises(FileNotFoundError, match=r'train\.txt does not exist; set data_root'):
        ShardedImageNet(data_root=str(tmp_path), split='train')
    index = (out / 'train.txt').read_text()
    shard = index.split()[0]
    (tmp_path / 'train.txt').write_text(index.splitlines()[0])
    (tmp_path / shard).write_bytes((out / shard).read_bytes()[:700])
    with pytest.raises(ValueError, match='has 700 bytes; its index says at least'):
        ShardedImageNet(data_root=str(tmp_path), split='train')


@pytest.mark.parametrize(
    ('shard', 'place', 'message'),
    [
        ('../secret.tar', '0 9', r'secret.tar leads out of .*; allowed: files in it$'),
        ('/etc/passwd', '0 9', r'^/etc/passwd leads out of '),
        ('link.tar', '0 9', r'link.tar leads out of '),
        ('fifo.tar', '0 9', r'fifo.tar is a fifo; allowed: a regular file$'),
        ('.', '0 9', r'is a folder; allowed: a regular file$'),
        ('none.tar', '0 9', r'none.tar does not exist$'),
        ('good.tar', '-9 9', r"train.txt:2: 'good.tar -9 9 0 a.JPEG' is no line of an index; "),
        ('good.tar', '9 -9', r"train.txt:2: 'good.tar 9 -9 0 a.JPEG' is no line of an index; "),
        ('good.tar', '0 2000', r'good.tar has 1000 bytes; its index says at least 2000$'),
    ],
)
def test_an_index_that_leads_elsewhere(tmp_path, shard, place, message):
    """As a stranger may have packed it: before anything is read."""
    root = tmp_path / 'set'
    root.mkdir()
    for file in (tmp_path / 'secret.tar', root / 'good.tar'):
        file.write_bytes(bytes(1000))
    (root / 'link.tar').symlink_to('../secret.tar')
    os.mkfifo(root / 'fifo.tar')
    (root / 'train.txt').write_text(f'good.tar 0 9 0 a.JPEG\n{shard} {place} 0 a.JPEG\n')
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        ShardedImageNet(data_root=str(root), split='train')


def test_a_sparse_image_is_not_read(tmp_path):
    """A file and a part of a shard of a terabyte, which take no room on a disk."""
    file = tmp_path / 'a.jpg'
    file.write_bytes(b'')
    os.truncate(file, 1 << 40)
    for image in (
        dict(img_path=str(file)),
        dict(img_path='a', shard=str(file), offset=0, size=1 << 40),
    ):
        with pytest.raises(DamagedImageError, match=f'{1 << 40} bytes; allowed: at most'):
            LoadImage().transform(image)


LINE = 'good.tar 0 9 0 a.JPEG'
# What stands in an index, and what the error says behind the file.
INDEXES = {
    'empty': (b'', r' has no line; pack\.py writes SHARD OFFSET SIZE LABEL NAME$'),
    'blank': (b'\n\n', r' has no line'),
    'three fields': (f'{LINE}\ngood.tar 0 9'.encode(), r":2: 'good.tar 0 9' is no line of an"),
    'text': (b'good.tar abc 9 0 a.JPEG', r":1: 'good.tar abc .* is no line of an index; "),
    'underscore': (b'good.tar 1_0 9 0 a.JPEG', r':1: .* is no line'),
    'plus': (b'good.tar +1 9 0 a.JPEG', r':1: .* is no line'),
    'other digits': ('good.tar \u0663 9 0 a.JPEG'.encode(), r':1: .* is no line'),
    'endless': (b'good.tar ' + b'9' * 5000 + b' 9 0 a.JPEG', r':1: .* is no line'),
    'no shard': (b' 0 9 0 a.JPEG', r':1: .* is no line'),
    'zero byte': (f'{LINE}\ngo\0od.tar 0 9 0 a.JPEG'.encode(), ':2: a zero byte; allowed: text'),
    'other bytes': (f'{LINE}\n'.encode() + b'\xe4 0 9 0 a', ':2: byte 0xe4 is no UTF-8; '),
}


@pytest.fixture
def small(tmp_path):
    """A folder with a shard and an index of two lines."""
    (tmp_path / 'good.tar').write_bytes(bytes(1000))
    (tmp_path / 'train.txt').write_text(f'{LINE}\n{LINE}\n')
    return tmp_path


@pytest.mark.parametrize('name', INDEXES)
def test_a_wrong_index_is_refused_with_its_place(name, small):
    data, message = INDEXES[name]
    (small / 'train.txt').write_bytes(data)
    with pytest.raises(ValueError, match=rf'^{small}/train\.txt{message}') as error:
        ShardedImageNet(data_root=str(small), split='train')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
@pytest.mark.parametrize('end', ['\n', '\r\n', '\n\n'])
def test_an_index_of_another_editor(encoding, end, small):
    (small / 'train.txt').write_bytes(f'{LINE}{end}good.tar 10 7 3 b c.JPEG{end}'.encode(encoding))
    dataset = ShardedImageNet(data_root=str(small), split='train')
    info = dataset.get_data_info(1)
    assert len(dataset) == 2
    assert (info['offset'], info['size'], info['gt_label']) == (10, 7, 3)
    assert info['img_path'] == f'{small}/good.tar:b c.JPEG'


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'["a",\nb]', r':2: no JSON \(Expecting value\); pack\.py writes a list of names$'),
        (b'', r':1: no JSON'),
        (b'"\xff"', r' is no JSON'),
        (b'[' * 100_000, r' is no JSON'),
        (b'{"a": 1}', r' is no list of names'),
        (b'[1, 2]', r' is no list of names'),
        (b'[]', r' has no name; allowed: a list of names that differ$'),
        (b'["a", "b", "a"]', r" names 'a' more than once; allowed: a list of names that differ$"),
        (b'["\\u00e4", "a\\u0308"]', r" names '.*' more than once; "),
    ],
)
def test_wrong_lists_of_classes(data, message, small):
    (small / 'train-classes.json').write_bytes(data)
    with pytest.raises(ValueError, match=rf'^{small}/train-classes\.json{message}'):
        ShardedImageNet(data_root=str(small), split='train')


def test_verify_reads_shards(packed, tmp_path, run):
    """Of two shards, one cut off and one overwritten, the images are listed by shard and name."""
    out = tmp_path / 'set/in1k'
    shutil.copytree(packed[0], out)
    lines = [line.split(' ', 4) for line in (out / 'val.txt').read_text().splitlines()]
    os.truncate(out / lines[0][0], 700)
    (out / lines[1][0]).write_bytes(bytes((out / lines[1][0]).stat().st_size))
    options = ['--out', tmp_path / 'list.txt', '--log', tmp_path / 'log.txt']
    done = run('verify.py', tmp_path / 'set', *options)
    assert f'2 of {2 * len(GOOD)} images are damaged' in done.stdout, done.stderr
    assert 'left out' not in done.stdout
    damaged = sorted((tmp_path / 'list.txt').read_text().splitlines())
    begins = sorted(f'in1k/{line[0]}:{line[4]}: ' for line in lines[:2])
    assert all(line.startswith(begin) for line, begin in zip(damaged, begins, strict=True))
    assert sum(line.endswith(': the shard is cut off') for line in damaged) == 1
    again = run('verify.py', tmp_path / 'set', *options)
    assert f'{2 * len(GOOD) - 2} of {2 * len(GOOD)} images were verified before' in again.stdout


def test_shard_that_was_cut_off_later(packed, tmp_path):
    out, _ = packed
    index = (out / 'train.txt').read_text()
    shard = index.split()[0]
    (tmp_path / 'train.txt').write_text(index.splitlines()[0])
    (tmp_path / shard).write_bytes((out / shard).read_bytes())
    dataset = ShardedImageNet(data_root=str(tmp_path), split='train', pipeline=[LoadImage()])
    assert len(dataset) == 1
    with open(tmp_path / shard, 'r+b') as file:
        file.truncate(700)
    with pytest.raises(DamagedImageError, match=f'{shard}:.*: the shard is cut off'):
        dataset[0]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--quality', 0], '--quality=0 is not known; allowed: 1 to 100'),
        (['--short-side', 0], '--short-side 0: allowed: from 1'),
        (
            ['--short-side', 9, '--unchanged'],
            '--unchanged copies files, which --short-side resizes; allowed: one of them',
        ),
    ],
)
def test_wrong_options_of_pack(folder, tmp_path, options, message, run):
    done = run('pack.py', folder, tmp_path / 'out', *options)
    assert done.returncode == 1
    assert message in done.stderr


def test_files_are_packed_as_they_are(tmp_path, run):
    """With 16 bits and alpha; a line says where they would be lost."""
    deep = np.arange(0, 65536, 256, np.uint16).reshape(16, 16)
    images = {'deep': deep, 'alpha': np.full((16, 16, 4), 99, np.uint8), 'plain': deep >> 8}
    for split in ('train', 'val'):
        (tmp_path / 'set' / split / 'a').mkdir(parents=True)
        for name, image in images.items():
            image = image if name == 'deep' else image.astype(np.uint8)
            Image.fromarray(image).save(tmp_path / 'set' / split / 'a' / f'{name}.PNG')
    lossy = run('pack.py', tmp_path / 'set', tmp_path / 'lossy')
    assert 'val: 2 images of 16 bits or with alpha have 8 bits and no alpha in a J' in lossy.stdout
    done = run('pack.py', tmp_path / 'set', tmp_path / 'out', '--unchanged')
    assert 'alpha' not in done.stdout
    load = [LoadImage('unchanged', bits=16)]
    dataset = ShardedImageNet(data_root=str(tmp_path / 'out'), split='train', pipeline=load)
    served = {sample['img_path'].rpartition('/')[2]: sample['img'] for sample in dataset}
    assert np.abs(served['deep.PNG'][..., 0] - deep / 257).max() < 2e-5
    assert served['alpha.PNG'].shape == (16, 16, 4)
    with tarfile.open(tmp_path / 'out/train-00000.tar') as tar:
        assert {name[-4:] for name in tar.getnames()} == {'.png', '.cls'}


def test_verify_lists_what_is_damaged_and_goes_on(folder, tmp_path, run):
    options = ['--out', tmp_path / 'list.txt', '--log', tmp_path / 'log.txt']
    total, bad = 2 * len({**GOOD, **DAMAGED}), 2 * len(DAMAGED)
    done = run('verify.py', folder, *options)
    assert done.returncode == 1, done.stderr
    assert f'{bad} of {total} images are damaged, listed in {tmp_path}/list.txt' in done.stdout
    lines = (tmp_path / 'list.txt').read_text().splitlines()
    names = {line.partition('.JPEG: ')[0].rpartition('/')[2].replace('_', ' ') for line in lines}
    assert names == set(DAMAGED)
    assert len(lines) == bad

    # A run that was cut off in the middle of a line, of an image that is damaged.
    log = (tmp_path / 'log.txt').read_text().splitlines(keepends=True)
    kept = [line for line in log if line.endswith('\t\n')][:9]
    cut = next(line for line in log if not line.endswith('\t\n')).partition('\t')[0]
    (tmp_path / 'log.txt').write_text(''.join(kept) + f'{cut}\t')
    (tmp_path / 'list.txt').unlink()
    again = run('verify.py', folder, *options)
    assert f'9 of {total} images were verified before' in again.stdout
    assert (tmp_path / 'list.txt').read_text().splitlines() == lines
    assert again.returncode == 1


def test_verify_of_a_good_set(tmp_path, run):
    (tmp_path / 'a.JPEG').write_bytes(GOOD['jpeg'])
    done = run('verify.py', tmp_path, '--out', tmp_path / 'list.txt', '--log', tmp_path / 'log.txt')
    assert done.returncode == 0
    assert (tmp_path / 'list.txt').read_text() == ''


@pytest.mark.parametrize(('name', 'message'), [('none', 'does not exist'), ('', 'has no image')])
def test_verify_without_images(tmp_path, name, message, run):
    done = run('verify.py', tmp_path / name)
    assert done.returncode == 1
    assert message in done.stderr
