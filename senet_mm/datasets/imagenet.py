"""ImageNet from files."""

from mmengine import fileio
from mmpretrain.datasets import ImageNet as _ImageNet

from senet_mm.registry import DATASETS

from .custom import ClassFolders
from .labels import check_labels
from .listing import ListedImages


@DATASETS.register_module()
class ImageNet(ListedImages, ClassFolders, _ImageNet):
    """mmpretrain's ImageNet that tells a wrong folder from a right one before training starts.

    Layout: ``data_root/{train,val}/CLASS/*.JPEG``, labels from the sorted names of the class
    folders; or, where ``data_root/meta/{train,val}.txt`` exists, from its lines ``PATH LABEL``.

    Raises:
        FileNotFoundError: The image folder does not exist.
        ValueError: The number of class folders is wrong, class folders are empty, or a label of the
            annotation file is out of range.
    """

    def __init__(self, *args, split: str = '', **kwargs) -> None:
        self.split = split
        # In training damaged images are replaced, anywhere else they are errors.
        kwargs.setdefault('test_mode', split in ('val', 'test'))
        super().__init__(*args, split=split, **kwargs)

    def load_data_list(self) -> list[dict]:
        """One dict per image: ``img_path`` and ``gt_label``."""
        if not fileio.isdir(self.img_prefix):
            raise FileNotFoundError(
                f'image folder {self.img_prefix} does not exist; set data_root '
                f'(now {self.data_root!r}) to the folder that holds train/ and val/'
            )
        data_list = super().load_data_list()
        if self.with_label and self.ann_file:
            check_labels(data_list, len(self.CLASSES), self.ann_file)
        return data_list
