"""Streaming through litdata from a folder that plays the remote storage."""

import contextlib
import sys
from unittest.mock import patch

import numpy as np
import pytest
import torch

from senet_mm.datasets import StreamedImageNet
from senet_mm.datasets.streaming import open_stream
from senet_mm.registry import DATASETS

from .files import GOOD
from .test_damage import PIPELINE, load, loader_cfg, make_set


def test_streams_the_images_of_the_files(tmp_path, run_tool):
    """Every image with its label, in an order of its own; the same with workers and without."""
    make_set(tmp_path / 'set', 30, 0)
    for i in range(30):  # bytes behind the end tell them apart
        with (tmp_path / f'set/train/{i}.JPEG').open('ab') as file:
            file.write(bytes(i))
    for tool, src, out in (('pack', 'set', 'shards'), ('to_litdata', 'shards', 'remote')):
        options = ('--splits', 'train', '--workers', 2)
        run = run_tool(f'tools/dataset_tools/{tool}.py', tmp_path / src, tmp_path / out, *options)
        assert run.returncode == 0, run.stderr
    assert 'train: 30 images in ' in run.stdout

    cfg = loader_cfg(tmp_path)
    cfg['dataset'] = dict(
        type='StreamedImageNet',
        input_dir=f'local:{tmp_path}/remote/train',
        cache_dir=str(tmp_path / 'cache'),
        metainfo=dict(classes='0123456789'),
        pipeline=PIPELINE,
    )
    inputs, labels, damaged = load(cfg)
    assert len(inputs) == 30
    assert np.bincount(labels).tolist() == [3] * 10
    assert damaged == []
    dataset = DATASETS.build(cfg['dataset'])
    seen = {}
    for i in range(len(dataset)):
        info = dataset.get_data_info(i)
        seen[len(info['img_bytes']) - len(GOOD['jpeg'])] = info['gt_label']
    assert seen == {i: i % 10 for i in range(30)}
    again = load(dict(cfg, num_workers=0))
    assert torch.equal(again[0], inputs)
    assert np.array_equal(again[1], labels)


def test_without_litdata():
    open_stream.cache_clear()
    with (
        patch.dict(sys.modules, litdata=None),
        pytest.raises(ImportError, match=r"needs litdata: pip install 'senet_mm\[streaming\]'"),
    ):
        StreamedImageNet('nowhere')


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, proof):
        self.proof = proof

    def __reduce__(self):
        return open, (self.proof, 'w')


@pytest.mark.parametrize('kind', ['pickle', 'graph:pickle'])
def test_a_stream_of_pickles_is_not_run(tmp_path, kind):
    """litdata unpickles items where the index of a stream says so."""
    from litdata import StreamingDataset
    from litdata.streaming.writer import BinaryWriter

    folder, proof = str(tmp_path / 'remote'), tmp_path / 'proof'
    writer = BinaryWriter(folder, chunk_size=1)
    writer[0] = dict(label=1, jpeg=Hostile(str(proof)))
    writer.done()
    writer.merge()
    index = tmp_path / 'remote/index.json'
    text = index.read_text()
    assert '"pickle"' in text
    index.write_text(text.replace('"pickle"', f'"{kind}"'))
    with pytest.raises(ValueError, match=f'the stream has items of the kind {kind}, which may'):
        StreamedImageNet(folder, metainfo=dict(classes='01'))[0]
    assert not proof.exists()
    with contextlib.suppress(Exception):
        StreamingDataset(folder)[0]
    assert proof.exists()
