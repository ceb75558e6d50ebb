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


@pytest.mark.parametrize('dataset', [CIFAR10, CIFAR100])
def test_a_folder_that_cannot_be_written_is_told_with_the_remedy(dataset, tmp_path):
    root = tmp_path / 'file'
    root.touch()
    message = rf'is not in {root}/data/ and cannot be downloaded \(Not a directory\); unpack http'
    with pytest.raises(FileNotFoundError, match=message):
        dataset(data_root=str(root / 'data'))


def test_a_file_that_is_there_and_cannot_be_read_is_told_itself(tmp_path, monkeypatch):
    file = tmp_path / 'data_batch_1'
    file.touch()

    def denied(*_, **__):
        raise PermissionError(13, 'Permission denied', str(file))

    monkeypatch.setattr(CIFAR10, '_check_integrity', denied)
    with pytest.raises(PermissionError, match='data_batch_1'):
        CIFAR10(data_root=str(tmp_path))


def test_classes():
    assert len(CIFAR10.METAINFO['classes']) == 10
    assert len(CIFAR100.METAINFO['classes']) == 100
