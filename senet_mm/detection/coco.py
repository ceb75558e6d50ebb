"""COCO-format data for torchvision's detectors."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms.functional import to_tensor

from senet_mm.datasets.classes import match
from senet_mm.datasets.images.colours import swap_red_and_blue
from senet_mm.datasets.images.decoding import decode
from senet_mm.datasets.images.reading import read_file
from senet_mm.registry import DATASETS, FUNCTIONS
from senet_mm.utils.errors import InputError

from .annotations import read_coco
from .image_sizes import compare_size


class DetectionTarget(TypedDict):
    """The objects of an image, as torchvision's detectors want them in training.

    Attributes:
        boxes: x1, y1, x2, y2 in pixels, (N, 4).
        labels: Classes from 1, (N,).
        image_id: Number of the image in the annotation file.
        masks: 0 and 1, (N, H, W).
        image: The image in the annotation file, in ``test_mode``.
        annotations: All annotations of the image in COCO's format, crowds included, the category
            by its label; in ``test_mode``.
    """

    boxes: Tensor
    labels: Tensor
    image_id: int
    masks: NotRequired[Tensor]
    image: NotRequired[dict]
    annotations: NotRequired[list[dict]]


@DATASETS.register_module()
class CocoData(Dataset):
    """Images with boxes from ``ROOT/annotations/instances_SPLIT.json``.

    A sample is an image (3, H, W) in the range 0 to 1 and a :class:`DetectionTarget`. Crowds are
    left out.

    Args:
        root: Folder of the data set.
        split: Name of the part; its images are in ``ROOT/SPLIT``.
        mirror: Mirror images at random.
        masks: Whether the samples have masks.
        test_mode: Whether the samples have the truth as the metric wants it.
        metainfo: With ``classes``, the names in the order of the labels; by default those of the
            file, or of the training set, which the runner sets.

    Raises:
        FileNotFoundError: The annotations or images do not exist.
        ValueError: The annotations are wrong, or have a class that is not in ``metainfo``.
    """

    def __init__(
        self,
        root: str | Path,
        split: str,
        mirror: bool = False,
        masks: bool = False,
        test_mode: bool = False,
        metainfo: Mapping | None = None,
    ) -> None:
        root = Path(root)
        self.ann_file = str(root / f'annotations/instances_{split}.json')
        self.folder = root / split
        self.coco = read_coco(Path(self.ann_file), self.folder, masks)
        self.mirror = mirror
        self.masks = masks
        self.test_mode = test_mode
        self.ids = sorted(self.coco.imgs)
        self._names = {number: self.coco.cats[number]['name'] for number in sorted(self.coco.cats)}
        # Its classes are exchanged where labels follow another data set.
        self._metainfo: dict = dict(classes=tuple(self._names.values())) | dict(metainfo or {})
        assert self.labels

    @property
    def metainfo(self) -> dict:
        return self._metainfo

    @property
    def classes(self) -> list[str]:
        """Names of the classes; label 1 is the first."""
        return list(self._metainfo['classes'])

    @property
    def labels(self) -> dict[int, int]:
        """Number of a category -> label; the numbers have gaps, and a file's own order."""
        names = list(self._names.values())
        places = match(names, self.classes, self.ann_file, 'the training data')
        return {number: i + 1 for number, i in zip(self._names, places, strict=True)}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Tensor, DetectionTarget]:
        info = self.coco.imgs[self.ids[index]]
        image = self.read_image(info)
        objects = self.coco.loadAnns(self.coco.getAnnIds(info['id'], iscrowd=False))
        boxes = torch.tensor([item['bbox'] for item in objects], dtype=torch.float).reshape(-1, 4)
        numbers = self.labels
        labels = [numbers[item['category_id']] for item in objects]
        target = DetectionTarget(
            boxes=torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1),
            labels=torch.tensor(labels, dtype=torch.int64),
            image_id=info['id'],
        )
        if self.masks:
            masks = [torch.from_numpy(self.coco.annToMask(item)) for item in objects]
            empty = torch.zeros(0, *image.shape[1:], dtype=torch.uint8)
            target['masks'] = torch.stack(masks) if masks else empty
        if self.test_mode:
            target['image'] = info
            target['annotations'] = [
                {**item, 'category_id': numbers[item['category_id']]}
                for item in self.coco.imgToAnns[info['id']]
            ]
        if self.mirror and torch.rand(()) < 0.5:
            image, target = mirror(image, target)
        return image, target

    def read_image(self, info: dict) -> Tensor:
        """The image (3, H, W), RGB in the range 0 to 1.

        Raises:
            InputError: The file is damaged, or its size differs from the annotations.
        """
        path = self.get_path(info['id'])
        try:
            image = to_tensor(swap_red_and_blue(decode(read_file(path))))
        except ValueError as error:
            raise InputError(f'{path}: {error}') from error
        compare_size(path, info, *image.shape[:0:-1])
        return image

    def get_data_info(self, index: int) -> dict:
        """``img_path``, by which messages name an image."""
        return dict(img_path=str(self.get_path(self.ids[index])))

    def get_path(self, number: int) -> Path:
        """Where the image with a number in the annotation file is."""
        return self.folder / self.coco.imgs[number]['file_name']

    def check_images(self) -> None:
        """Read every image once, to find damaged ones before the training.

        Raises:
            ValueError: See :meth:`read_image`.
        """
        for number in self.ids:
            self.read_image(self.coco.imgs[number])


def mirror(image: Tensor, target: DetectionTarget) -> tuple[Tensor, DetectionTarget]:
    """The mirror image of a sample: image (3, H, W), boxes (N, 4), masks (N, H, W)."""
    x1, y1, x2, y2 = target['boxes'].unbind(1)
    width = image.shape[-1]
    mirrored = target.copy()
    mirrored['boxes'] = torch.stack([width - x2, y1, width - x1, y2], dim=1)
    if 'masks' in target:
        mirrored['masks'] = target['masks'].flip(-1)
    return image.flip(-1), mirrored


@FUNCTIONS.register_module()
def collate_samples(samples: Sequence[tuple[Tensor, DetectionTarget]]) -> dict[str, list]:
    """``inputs``, images (3, H, W), and ``data_samples`` as lists: images may differ in size."""
    images, targets = zip(*samples, strict=True)
    return dict(inputs=list(images), data_samples=list(targets))
