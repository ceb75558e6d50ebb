"""Crops of 21 photographs that come with the dependencies: real images without a download."""

from pathlib import Path

import numpy as np
from mmpretrain.datasets import BaseDataset

from senet_mm.registry import DATASETS
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import atomic_file
from senet_mm.utils.options import check_option

# 18 of scikit-image, two of scikit-learn, one of matplotlib.
SCENES = (
    'astronaut', 'brick', 'camera', 'cell', 'chelsea', 'clock', 'coffee', 'coins', 'grass',
    'gravel', 'hubble_deep_field', 'immunohistochemistry', 'moon', 'motorcycle', 'page', 'retina',
    'rocket', 'text', 'china', 'flower', 'grace_hopper',
)  # fmt: skip
SIDE = 24


@DATASETS.register_module()
class Scenes(BaseDataset):
    """Crops of photographs, uint8 images (24, 24, 1), 21 classes.

    ``tools/dataset_tools/make_scenes.py`` writes them.

    Args:
        data_root: Folder with ``train.npz`` and ``test.npz``.
        split: ``test``, crops of every fifth tile of the photographs, or ``train``, of the others.
        **kwargs: Arguments of mmpretrain's ``BaseDataset``: ``pipeline``, ``indices``, ...

    Raises:
        FileNotFoundError: The files are not there.
        ValueError: A file is damaged.
    """

    METAINFO = {'classes': SCENES}

    def __init__(self, data_root: str, split: str, **kwargs: object) -> None:
        check_option('split', split, ('train', 'test'))
        self.split = split
        super().__init__(ann_file='', data_root=data_root, **kwargs)

    def load_data_list(self) -> list[dict]:
        """One dict per image: ``img``, ``gt_label`` and ``img_path``."""
        images, labels = read_scenes(Path(self.data_root), self.split)
        return [
            dict(img=image[..., None], gt_label=int(label), img_path=f'{self.split}/{i}')
            for i, (image, label) in enumerate(zip(images, labels, strict=True))
        ]


def write_scenes(folder: Path, split: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Write the images (N, 24, 24) and labels (N,), uint8, of a split."""
    with atomic_file(folder / f'{split}.npz') as file:
        np.savez_compressed(file, images=images, labels=labels)


def read_scenes(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The images (N, 24, 24) and labels (N,), uint8, of a split.

    Raises:
        FileNotFoundError: The file is not there.
        ValueError: The file is damaged.
    """
    file = folder / f'{split}.npz'
    if not file.exists():
        raise FileNotFoundError(
            f'{file} does not exist; '
            f'allowed: a folder made by python tools/dataset_tools/make_scenes.py {folder}'
        )
    try:
        with np.load(file, allow_pickle=False) as arrays:
            images, labels = arrays['images'], arrays['labels']
    except Exception as error:  # zipfile, zlib and NumPy have many kinds
        raise InputError(f'{file} cannot be read: {error}') from error
    whole = images.shape == (len(labels), SIDE, SIDE) and images.dtype == labels.dtype == np.uint8
    if not whole or labels.max(initial=0) >= len(SCENES):
        raise InputError(
            f'{file} holds images {images.dtype} {images.shape} and labels {labels.dtype} '
            f'{labels.shape} up to {labels.max(initial=0)}; allowed: uint8 (N, {SIDE}, {SIDE}) and '
            f'uint8 (N,) below {len(SCENES)}'
        )
    return images, labels
