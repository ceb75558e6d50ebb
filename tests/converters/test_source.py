"""A file of weights is read once, whatever is asked of it."""

import pytest
import timm
import torch

from senet_mm.converters import convert, source
from senet_mm.models import ImageClassifier

RESNET18 = {'model.backbone.depth': 18, 'model.head.in_channels': 512}
META = dict(cfg="model = dict(backbone=dict(type='ResNet', depth=18))", CLASSES=['a'] * 1000)


def write(kind, path):
    """Weights of a ResNet-18."""
    if kind == 'mmpretrain':
        head = dict(type='LinearClsHead', num_classes=1000, in_channels=512)
        model = ImageClassifier(
            dict(type='mmpretrain.ResNet', depth=18), dict(type='GlobalAveragePooling'), head
        )
        torch.save(dict(state_dict=model.state_dict(), meta=META), path)
    else:
        torch.save(timm.create_model('resnet18').state_dict(), path)


@pytest.mark.parametrize('kind', ['mmpretrain', 'timm', 'torchvision'])
def test_a_file_is_read_once(kind, tmp_path, monkeypatch):
    write(kind, tmp_path / 'theirs.pth')
    loaded = []
    load = torch.load

    def count(file, *args, **kwargs):
        loaded.append(file)
        return load(file, *args, **kwargs)

    monkeypatch.setattr(torch, 'load', count)
    config = 'resnet50_8xb32_in1k'
    convert(kind, tmp_path / 'theirs.pth', tmp_path / 'ours.pth', config, options=RESNET18)
    assert len(loaded) == 1
    classes = load(tmp_path / 'ours.pth', weights_only=True)['meta']['dataset_meta']['classes']
    assert (set(classes) == {'a'}) == (kind == 'mmpretrain')


def test_nothing_is_read_until_it_is_asked_for(tmp_path):
    assert source.Source(tmp_path / 'nowhere.pth').path == tmp_path / 'nowhere.pth'
    with pytest.raises(FileNotFoundError, match=r'checkpoint \S+/nowhere.pth does not exist'):
        _ = source.Source(tmp_path / 'nowhere.pth').tensors
