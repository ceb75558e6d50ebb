"""Streaming through litdata from a folder that plays the remote storage."""

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
