"""mmpretrain's data sets of class folders with our listing."""

from mmpretrain.datasets import CustomDataset as _CustomDataset
from mmpretrain.datasets import ImageNet21k as _ImageNet21k

from senet_mm.registry import DATASETS

from .listing import ListedImages, find_folders, get_samples


class ClassFolders:
    """A class per folder, numbered in the order of their names."""

    def _find_samples(self) -> list:
        if not self.with_label:
            return super()._find_samples()
        folders, self.folder_to_idx = find_folders(self.img_prefix)
        if self.CLASSES is None:
            self._metainfo['classes'] = tuple(folders)
        elif len(self.CLASSES) != len(folders):
            raise ValueError(
                f'{self.img_prefix} has {len(folders)} class folders; '
                f'allowed: {len(self.CLASSES)}, the number of classes of the dataset'
            )
        samples, empty = get_samples(self.img_prefix, self.folder_to_idx, self.is_valid_file)
        if empty:
            raise ValueError(
                f'{len(empty)} class folders of {self.img_prefix} have no image '
                f'({", ".join(sorted(empty)[:3])}); allowed: {", ".join(sorted(self.extensions))}'
            )
        return samples


@DATASETS.register_module()
class CustomDataset(ListedImages, ClassFolders, _CustomDataset):
    """mmpretrain's ``CustomDataset`` of all images that the decoder reads."""


@DATASETS.register_module()
class ImageNet21k(ListedImages, ClassFolders, _ImageNet21k):
    """mmpretrain's ``ImageNet21k`` of all images that the decoder reads."""
