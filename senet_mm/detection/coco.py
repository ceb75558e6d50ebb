"""COCO-format data for torchvision's detectors, and AP by pycocotools."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pycocotools.mask import encode
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.transforms.functional import to_tensor

from senet_mm.datasets.classes import match
from senet_mm.datasets.images.colours import swap_red_and_blue
from senet_mm.datasets.images.decoding import decode
from senet_mm.datasets.images.reading import read_file
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
    """

    boxes: Tensor
    labels: Tensor
    image_id: int
    masks: NotRequired[Tensor]


class CocoData(Dataset):
    """Images with boxes from ``ROOT/annotations/instances_SPLIT.json``.

    A sample is an image (3, H, W) in the range 0 to 1 and a :class:`DetectionTarget`. Crowds are
    left out.

    Args:
        root: Folder of the data set.
        split: Name of the part; its images are in ``ROOT/SPLIT``.
        mirror: Mirror images at random.
        masks: Whether the samples have masks.
        classes: Names of the classes in the order of the labels, those of the training set; by
            default the file's.

    Raises:
        FileNotFoundError: The annotations or images do not exist.
        ValueError: The annotations are wrong, or have a class that is not in ``classes``.
    """

    def __init__(
        self,
        root: Path,
        split: str,
        mirror: bool = False,
        masks: bool = False,
        classes: Sequence[str] | None = None,
    ) -> None:
        annotations = root / f'annotations/instances_{split}.json'
        self.folder = root / split
        self.coco = read_coco(annotations, self.folder, masks)
        self.mirror = mirror
        self.masks = masks
        self.ids = sorted(self.coco.imgs)
        names = {number: self.coco.cats[number]['name'] for number in sorted(self.coco.cats)}
        self.classes = list(names.values() if classes is None else classes)
        places = match(list(names.values()), self.classes, str(annotations), 'the training data')
        # COCO's numbers of the categories have gaps, and a file's own order; labels have not.
        self.labels = {number: i + 1 for number, i in zip(names, places, strict=True)}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Tensor, DetectionTarget]:
        info = self.coco.imgs[self.ids[index]]
        image = self.read_image(info)
        objects = self.coco.loadAnns(self.coco.getAnnIds(info['id'], iscrowd=False))
        boxes = torch.tensor([item['bbox'] for item in objects], dtype=torch.float).reshape(-1, 4)
        labels = [self.labels[item['category_id']] for item in objects]
        target = DetectionTarget(
            boxes=torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1),
            labels=torch.tensor(labels, dtype=torch.int64),
            image_id=info['id'],
        )
        if self.masks:
            masks = [torch.from_numpy(self.coco.annToMask(item)) for item in objects]
            empty = torch.zeros(0, *image.shape[1:], dtype=torch.uint8)
            target['masks'] = torch.stack(masks) if masks else empty
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


def collate_samples(samples: list[tuple]) -> tuple[tuple, tuple]:
    """Images and targets as sequences: images may differ in size."""
    images, targets = zip(*samples, strict=True)
    return images, targets


@torch.no_grad()
def evaluate(detector: nn.Module, data: CocoData) -> dict[str, float]:
    """AP over IoU 0.5 to 0.95 and AP50, in %, of boxes and, where there are any, of masks.

    Args:
        detector: Maps a list of images to a list of dicts, as torchvision's detectors.
        data: The data, not mirrored.
    """
    detector.eval()
    device = next(detector.parameters()).device
    numbers = {label: number for number, label in data.labels.items()}
    found: dict[str, list[dict]] = dict(bbox=[])
    for i in range(len(data)):
        image, target = data[i]
        [prediction] = detector([image.to(device)])
        for kind, results in to_coco(prediction, target['image_id'], numbers).items():
            found.setdefault(kind, []).extend(results)
    metrics: dict[str, float] = {}
    for kind, results in found.items():
        stats = _average_precision(data.coco, results, kind)
        metrics |= {f'{kind}_AP': stats[0], f'{kind}_AP50': stats[1]}
    return metrics


def to_coco(prediction: dict[str, Tensor], image_id: int, numbers: dict[int, int]) -> dict:
    """One image's detections in COCO's result format, by kind: ``bbox`` and perhaps ``segm``.

    Args:
        prediction: ``boxes`` (N, 4), x1, y1, x2, y2 in pixels; ``labels`` and ``scores`` (N,);
            perhaps ``masks`` (N, 1, H, W), probabilities.
        image_id: Number of the image.
        numbers: Label -> number of its category; detections of other classes are left out.
    """
    kept = [i for i, label in enumerate(prediction['labels'].tolist()) if label in numbers]
    prediction = {key: value[kept] for key, value in prediction.items() if torch.is_tensor(value)}
    boxes, scores = prediction['boxes'].cpu(), prediction['scores'].tolist()
    corners = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
    common = [
        dict(image_id=image_id, category_id=numbers[label], score=score)
        for label, score in zip(prediction['labels'].tolist(), scores, strict=True)
    ]
    results = dict(bbox=[{**a, 'bbox': box} for a, box in zip(common, corners, strict=True)])
    if 'masks' in prediction:
        masks = (prediction['masks'][:, 0] > 0.5).byte().cpu().numpy()
        results['segm'] = [
            {**a, 'segmentation': encode(np.asfortranarray(mask))}
            for a, mask in zip(common, masks, strict=True)
        ]
    return results


def _average_precision(coco: COCO, results: list[dict], kind: str) -> tuple[float, float]:
    """AP and AP50 in %; 0 where nothing was found."""
    if not results:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(coco, coco.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return 100 * float(evaluation.stats[0]), 100 * float(evaluation.stats[1])
