"""ImageNet from files."""

from mmengine import fileio
from mmpretrain.datasets import ImageNet as _ImageNet

from senet_mm.registry import DATASETS

from .classes import list_names, match
from .custom import NamedClasses
from .listing import ListedImages, find_folders


@DATASETS.register_module()
class ImageNet(ListedImages, NamedClasses, _ImageNet):
    """mmpretrain's ImageNet that tells a wrong folder from a right one before training starts.

    Layout: ``data_root/{train,val}/CLASS/*.JPEG``; or, where ``data_root/meta/{train,val}.txt``
    exists, from its lines ``PATH LABEL``. Class folders have the names of the classes, or others
    (WordNet ids), which are then numbered in their order. In ``val`` folders may be missing or
    empty.

    Raises:
        FileNotFoundError: The image folder does not exist.
        ValueError: The class folders do not fit the classes, class folders of ``train`` are
            missing or empty, or a line of the annotation file is wrong.
    """

    def __init__(
        self, data_root: str = '', split: str = '', *args: object, **kwargs: object
    ) -> None:
        self.split = split
        # In training damaged images are replaced, anywhere else they are errors.
        kwargs.setdefault('test_mode', split in ('val', 'test'))
        super().__init__(data_root, split, *args, **kwargs)

    def _number(self, folders: list[str]) -> dict[str, int]:
        training = fileio.join_path(self.data_root, 'train')
        if self.split == 'val' and len(folders) < len(self.CLASSES) and fileio.isdir(training):
            trained, _ = find_folders(training)
            match(folders, trained, self.img_prefix, f'the class folders of {training}')
            folders = trained
        labels = super()._number(folders)
        if not self.test_mode and len(folders) != len(self.CLASSES):
            missing = [name for name in self.CLASSES if name not in labels]
            raise ValueError(
                f'{self.img_prefix} has no folder for {len(missing)} of {len(self.CLASSES)} '
                f'classes ({list_names(missing)}); classes of your own are given by '
                'metainfo=dict(classes=[...]), or are those of the folders with CustomDataset'
            )
        return labels

    def _report_empty(self, empty: list[str]) -> None:
        if self.test_mode:
            super()._report_empty(empty)
            return
        raise ValueError(
            f'{len(empty)} class folders of {self.img_prefix} have no image '
            f'({", ".join(empty[:3])}); allowed: {", ".join(sorted(self.extensions))}'
        )
