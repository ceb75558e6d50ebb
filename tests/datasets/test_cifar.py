from urllib.error import URLError

import pytest
from mmpretrain.datasets import cifar

from senet_mm.datasets import CIFAR10, CIFAR100


@pytest.mark.parametrize('dataset', [CIFAR10, CIFAR100])
def test_without_network_the_error_says_what_to_do(dataset, tmp_path, monkeypatch):
    def offline(*_, **__):
        raise URLError('no network')

    monkeypatch.setattr(cifar, 'download_and_extract_archive', offline)
    with pytest.raises(FileNotFoundError) as error:
        dataset(data_root=str(tmp_path))
    number = dataset.__name__.removeprefix('CIFAR')
    assert str(error.value) == (
        f'CIFAR{number} is not in {tmp_path}/ and cannot be downloaded (no network); '
        f'unpack https://www.cs.toronto.edu/~kriz/cifar-{number}-python.tar.gz there'
    )


def test_classes():
    assert len(CIFAR10.METAINFO['classes']) == 10
    assert len(CIFAR100.METAINFO['classes']) == 100
