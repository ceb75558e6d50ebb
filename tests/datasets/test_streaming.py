"""Shards in a bucket of a real S3 server: fetched once, or an end with a reason."""

import io
import logging
import multiprocessing
import os
import pickle
import sys
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from senet_mm.datasets import LoadImage, ShardedImageNet, StreamedImageNet, bucket, bucket_cache
from senet_mm.datasets.bucket import Bucket, BucketError

from ..conftest import load_tool
from .files import GOOD
from .s3_server import Server
from .test_damage import PIPELINE, load, loader_cfg, make_set

IMAGES = 24


@pytest.fixture(scope='module')
def packed(tmp_path_factory):
    """24 images of 10 classes in a few shards."""
    root = tmp_path_factory.mktemp('set')
    make_set(root, IMAGES, 0)
    tool = load_tool('tools/dataset_tools/pack.py')
    # Processes could not import what runpy has loaded.
    tool.main.__globals__['Pool'] = ThreadPool
    args = dict(
        src=root,
        out=root / 'shards',
        splits=['train'],
        short_side=None,
        quality=90,
        unchanged=False,
    )
    options = dict(shard_size=4 * len(GOOD['jpeg']) / 2**20, workers=1, seed=0, classes=None)
    tool.main(tool.argparse.Namespace(**args, **options))
    return root / 'shards'


@pytest.fixture
def store(packed, monkeypatch):
    """The server with the shards in ``s3://bucket/in1k``; counts begin at 0."""
    for name in ('ACCESS_KEY_ID', 'SECRET_ACCESS_KEY', 'DEFAULT_REGION'):
        monkeypatch.setenv(f'AWS_{name}', 'us-east-1')
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    server = Server()
    monkeypatch.setenv('AWS_ENDPOINT_URL', server.url)
    bucket._client.cache_clear()
    client = Bucket('s3://bucket').client
    client.create_bucket(Bucket='bucket')
    for file in packed.iterdir():
        client.upload_file(str(file), 'bucket', f'in1k/{file.name}')
    server.client = client
    server.requests.clear()
    server.sent.clear()
    yield server
    server.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Pauses and limits of a real network are too long for a test."""
    monkeypatch.setattr(bucket, 'PIECE', 1000)


def make(cache, **kwargs):
    options = dict(timeout=0.5, metainfo=dict(classes=list('0123456789')), pipeline=[LoadImage()])
    options['serialize_data'] = False  # which takes half a second
    return StreamedImageNet('s3://bucket/in1k', cache_dir=str(cache), **{**options, **kwargs})


def of_shards(counter):
    return {path: n for path, n in counter.items() if path.endswith('.tar')}


def left_over(cache):
    """Files of the cache that are not whole."""
    return [file.name for file in cache.rglob('*') if file.suffix in ('.part', '.tmp')]


@pytest.mark.parametrize('workers', [0, 2])
def test_each_shard_is_fetched_once(workers, store, packed, tmp_path):
    """Images and labels are those of the local shards, in an order of its own; two epochs."""
    shards = {f'/bucket/in1k/{file.name}': file.stat().st_size for file in packed.glob('*.tar')}
    assert len(shards) > 3
    common = dict(metainfo=dict(classes=list('0123456789')), pipeline=PIPELINE)
    cfg = dict(loader_cfg(tmp_path), num_workers=workers)
    cfg['dataset'] = dict(type='ShardedImageNet', data_root=str(packed), split='train', **common)
    local = load(cfg)
    cfg['dataset'] = dict(
        type='StreamedImageNet', data_root='s3://bucket/in1k', cache_dir=str(tmp_path), **common
    )
    for _ in range(2):  # the second run, or epoch, asks for no shard
        inputs, labels, damaged = load(cfg)
        assert torch.equal(inputs, local[0])
        assert np.array_equal(labels, local[1])
        assert damaged == []
        assert of_shards(store.requests) == dict.fromkeys(shards, 1)
        assert of_shards(store.sent) == shards
    assert left_over(tmp_path) == []


def test_nothing_is_fetched_before_it_is_wanted(store, tmp_path):
    dataset = make(tmp_path)
    assert len(dataset) == len(dataset.get_gt_labels()) == IMAGES
    assert of_shards(store.requests) == {}
    # Tools read an image from its info alone.
    assert LoadImage()(dataset.get_data_info(0))['img'].shape == (120, 160, 3)
    assert list(of_shards(store.requests).values()) == [1]


def read_all(dataset, order, results, barrier):
    barrier.wait()  # no process is begun while another one talks to the server
    for i in order:
        results.put((i, dataset[i]['img'].sum()))


def test_processes_of_a_machine_share_the_cache(store, packed, tmp_path):
    """Four at once, as two ranks of two workers: still one request a shard."""
    store.fault = lambda path: 'late'  # so that all want the shard before it is there
    context = multiprocessing.get_context('fork')
    results, barrier = context.Queue(), context.Barrier(4)
    datasets = [make(tmp_path) for _ in range(2)]
    order = list(range(IMAGES))
    processes = [
        context.Process(target=read_all, args=(datasets[i % 2], order, results, barrier))
        for i in range(4)
    ]
    for process in processes:
        process.start()
    seen = [results.get(timeout=60) for _ in range(4 * IMAGES)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    options = dict(metainfo=dict(classes=list('0123456789')), pipeline=[LoadImage()])
    local = ShardedImageNet(str(packed), 'train', **options)
    assert set(seen) == {(i, local[i]['img'].sum()) for i in order}
    assert set(of_shards(store.requests).values()) == {1}


def once(fault):
    """A fault of the first request of each shard."""
    met = set()

    def choose(path):
        if not path.endswith('.tar') or path in met:
            return None
        met.add(path)
        return fault

    return choose


@pytest.mark.parametrize('fault', ['cut', 'hang', 'slow'])
def test_a_fault_that_passes(fault, store, packed, tmp_path, logged):
    """The rest is asked for, with a line; what came is not asked for again."""
    dataset = make(tmp_path)
    store.fault = once(fault)
    local = ShardedImageNet(
        str(packed), 'train', metainfo=dict(classes=list('0123456789')), pipeline=[LoadImage()]
    )
    assert np.array_equal(dataset[0]['img'], local[0]['img'])
    assert list(of_shards(store.requests).values()) == [2]
    assert 'in1k/train-00' in logged.text
    assert '; again in 0.5 s' in logged.text
    if fault == 'cut':
        size = next(packed.glob('*00.tar')).stat().st_size
        assert sum(of_shards(store.sent).values()) < 1.1 * size
    assert left_over(tmp_path) == []


@pytest.mark.parametrize('fault', ['cut', 'hang', 'slow', 'gone', 'no bucket', 'no shard'])
def test_a_fault_that_stays(fault, store, tmp_path, logged, monkeypatch):
    """It ends within seconds, in a line; nothing half is left, and it works when it is mended."""
    monkeypatch.setattr(bucket, 'ATTEMPTS', 3)
    dataset = make(tmp_path, timeout=0.2)
    if fault == 'gone':
        store.stop()
    elif fault.startswith('no '):
        client = store.client
        for item in client.list_objects_v2(Bucket='bucket')['Contents']:
            client.delete_object(Bucket='bucket', Key=item['Key'])
        if fault == 'no bucket':
            client.delete_bucket(Bucket='bucket')
    else:
        # Of each answer a little comes, so that the end is by the number of attempts.
        store.fault = lambda path: fault if path.endswith('.tar') else None
    start = time.monotonic()
    with pytest.raises(BucketError) as error:
        dataset[0]
    assert time.monotonic() - start < 30
    message = str(error.value)
    assert message.startswith('s3://bucket/in1k/train-00')
    assert 'cannot be fetched: ' in message or 'the listing says' in message
    assert '\n' not in message
    assert 'Traceback' not in str(pickle.loads(pickle.dumps(error.value)))
    expected = dict(zip(('no bucket', 'no shard'), ('NoSuchBucket', 'NoSuchKey'), strict=True))
    if fault in expected:
        assert expected[fault] in message
        assert 'again in' not in logged.text
    else:
        assert logged.text.count('again in') == 2
    assert left_over(tmp_path) == []
    assert not list(tmp_path.rglob('*.tar'))


def test_in_a_worker_the_line_stays_one(store, tmp_path):
    cfg = dict(loader_cfg(tmp_path), num_workers=1)
    cfg['dataset'] = dict(
        type='StreamedImageNet', data_root='s3://bucket/in1k', cache_dir=str(tmp_path / 'cache'),
        timeout=0.2, metainfo=dict(classes=list('0123456789')), pipeline=PIPELINE,
    )  # fmt: skip
    store.fault = lambda path: 'cut' if path.endswith('.tar') else None
    with patch.object(bucket, 'ATTEMPTS', 1), pytest.raises(BucketError) as error:
        load(cfg)
    assert str(error.value).startswith('s3://bucket/in1k/train-00')


def test_what_is_said_at_the_start(store, packed, tmp_path):
    with pytest.raises(BucketError, match=r's3://bucket/in1k has no val\.txt; allowed: the addr'):
        make(tmp_path, split='val')
    with pytest.raises(BucketError, match=r's3://nowhere cannot be fetched: .*NoSuchBucket'):
        StreamedImageNet('s3://nowhere', cache_dir=str(tmp_path))
    store.client.delete_object(Bucket='bucket', Key='in1k/train-00001.tar')
    with pytest.raises(BucketError, match=r'in1k has no train-00001\.tar, which its index names'):
        make(tmp_path)
    store.client.put_object(Bucket='bucket', Key='in1k/train-00001.tar', Body=b'short')
    with pytest.raises(ValueError, match=r'train-00001\.tar has 5 bytes; its index says at least'):
        make(tmp_path)


@pytest.mark.parametrize('shard', ['../secret.tar', '/etc/passwd'])
def test_an_index_that_leads_out_of_the_bucket(shard, store, packed, tmp_path):
    index = (packed / 'train.txt').read_text().replace('train-00001.tar', shard)
    store.client.put_object(Bucket='bucket', Key='in1k/train.txt', Body=index.encode())
    with pytest.raises((BucketError, ValueError), match='leads out of'):
        make(tmp_path)


def test_another_pack_is_not_mistaken_for_the_cached_one(store, packed, tmp_path):
    make(tmp_path)[0]
    index = (packed / 'train.txt').read_text()
    store.client.put_object(Bucket='bucket', Key='in1k/train.txt', Body=index[:-1].encode())
    make(tmp_path)[0]
    assert list(of_shards(store.requests).values()) == [2]


def test_a_full_cache_is_only_read(store, tmp_path, monkeypatch):
    """Another user may have filled it."""
    first = make(tmp_path)
    labels = [first[i]['gt_label'] for i in range(IMAGES)]

    def denied(path):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(bucket_cache, 'atomic_file', denied)
    monkeypatch.setattr(bucket, 'FileLock', denied)
    again = make(tmp_path)
    assert [again[i]['gt_label'] for i in range(IMAGES)] == labels
    other = tmp_path / 'other'
    with pytest.raises(BucketError, match=rf'^{other}/.* \(Permission denied\); .* cache_dir'):
        make(other)


def test_a_disk_without_room(store, tmp_path, monkeypatch):
    usage = type('Usage', (), dict(free=1000))
    monkeypatch.setattr('shutil.disk_usage', lambda path: usage)
    with pytest.raises(ValueError, match=r'cache_dir=.* has 1e-06 GB free; the shards .* need'):
        make(tmp_path)


@pytest.mark.parametrize('address', ['bucket', 's3://', '/data/in1k', 'https://host/in1k', None, 3])
def test_wrong_addresses(address):
    with pytest.raises(ValueError, match='allowed: s3://BUCKET/PREFIX'):
        StreamedImageNet(address)


@pytest.mark.parametrize(
    'timeout', [0, -1, 1e-9, 1e12, float('nan'), float('inf'), '30', None, True]
)
def test_wrong_timeouts(timeout):
    with pytest.raises(ValueError, match=r'^timeout=.*; allowed: seconds, 0\.01 to 86400$'):
        StreamedImageNet('s3://bucket/in1k', timeout=timeout)


def test_wrong_cache_dir(store, tmp_path):
    with pytest.raises(ValueError, match=r'^cache_dir=3; allowed: a folder$'):
        StreamedImageNet('s3://bucket/in1k', cache_dir=3)
    file = tmp_path / 'file'
    file.touch()
    with pytest.raises(BucketError, match=rf'^{file}/.* cannot be written \(Not a directory\)'):
        make(file)


@pytest.mark.parametrize('size', [0, 2000, 10**6])
def test_a_cached_shard_of_the_wrong_size_is_fetched_anew(size, store, packed, tmp_path):
    """Before the start and in the middle, when the shard is open."""
    dataset = make(tmp_path)
    expected = [dataset[i]['img'] for i in range(IMAGES)]
    store.requests.clear()
    shards = sorted(tmp_path.rglob('*.tar'))
    for again in (lambda: make(tmp_path), lambda: dataset):
        os.truncate(shards[1], size)
        served = again()
        assert all(np.array_equal(served[i]['img'], expected[i]) for i in range(IMAGES))
        assert of_shards(store.requests) == {f'/bucket/in1k/{shards[1].name}': 1}
        assert shards[1].read_bytes() == (packed / shards[1].name).read_bytes()
        store.requests.clear()


def test_the_room_for_shards_of_the_wrong_size_counts(store, tmp_path, monkeypatch):
    dataset = make(tmp_path)
    shards = {dataset[i]['shard'] for i in range(IMAGES)}
    monkeypatch.setattr('shutil.disk_usage', lambda path: type('Usage', (), dict(free=1000)))
    make(tmp_path)  # all are there
    os.truncate(shards.pop(), 2000)
    with pytest.raises(ValueError, match='the shards that are not there yet need'):
        make(tmp_path)


@pytest.mark.parametrize('kind', ['folder', 'fifo'])
def test_something_else_in_the_place_of_a_shard(kind, store, tmp_path):
    shard = Path(make(tmp_path).data_root, 'train-00001.tar')
    shard.mkdir() if kind == 'folder' else os.mkfifo(shard)
    with pytest.raises(ValueError, match=rf'^shard {shard} is a {kind}; allowed: a regular file$'):
        make(tmp_path)


@pytest.mark.parametrize(
    'address', ['s3://bucket/in1k/', 's3://bucket//in1k', 's3://bucket/in1k//']
)
def test_slashes_do_not_keep_a_pack_twice(address, store, tmp_path):
    first = make(tmp_path)
    again = StreamedImageNet(
        address, cache_dir=str(tmp_path), metainfo=dict(classes=list('0123456789'))
    )
    assert again.data_root == first.data_root


class FullDisk(io.BytesIO):
    """A file on a disk without room."""

    name = '/cache/.train-00001.tar.part'

    def write(self, data):
        raise OSError(28, 'No space left on device')


def test_no_room_while_a_shard_comes(store, packed):
    """One request; the message names the file in the cache."""
    size = (packed / 'train-00001.tar').stat().st_size
    with pytest.raises(
        BucketError, match=rf'^{FullDisk.name} cannot be written \(No space left on'
    ):
        Bucket('s3://bucket/in1k')._download('train-00001.tar', size, FullDisk())
    assert sum(of_shards(store.requests).values()) == 1


def test_a_folder_in_the_place_of_a_part(store, tmp_path):
    dataset = make(tmp_path)
    for name in dataset.sizes:
        Path(dataset.data_root, f'.{name}.part').mkdir()
    with pytest.raises(BucketError, match=rf'^{dataset.data_root}/.* cannot be written \(Is a dir'):
        dataset[0]


def test_without_boto3(tmp_path):
    bucket._client.cache_clear()
    with (
        patch.dict(sys.modules, boto3=None),
        pytest.raises(ImportError, match=r"needs boto3: pip install 'senet_mm\[streaming\]'"),
    ):
        StreamedImageNet('s3://nowhere', cache_dir=str(tmp_path))


def test_no_noise_of_boto3(store, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    make(tmp_path)[0]
    assert caplog.text == ''
