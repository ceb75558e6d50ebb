"""COCO-format data for torchvision's detectors, and AP by pycocotools."""

import contextlib
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pycocotools.mask import encode
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.transforms.functional import to_tensor


class CocoData(Dataset):
    """Images with boxes and masks from ``ROOT/annotations/instances_SPLIT.json``.

    A sample is an image (3, H, W) in the range 0 to 1 and a dict with ``boxes`` (N, 4) as x1, y1,
    x2, y2, ``labels`` (N,) from 1, ``masks`` (N, H, W) and ``image_id``. Crowds are left out.

    Args:
        root: Folder of the data set.
        split: Name of the part; its images are in ``ROOT/SPLIT``.
        mirror: Mirror images at random.

    Raises:
        FileNotFoundError: There are no annotations.
    """

    def __init__(self, root: Path, split: str, mirror: bool = False) -> None:
        annotations = root / f'annotations/instances_{split}.json'
        if not annotations.is_file():
            raise FileNotFoundError(f'annotations {annotations} do not exist')
        with contextlib.redirect_stdout(io.StringIO()):
            self.coco = COCO(annotations)
        self.folder = root / split
        self.mirror = mirror
        self.ids = sorted(self.coco.imgs)
        self.categories = sorted(self.coco.cats)

    @property
    def classes(self) -> list[str]:
        """Names of the classes; the label of the first is 1."""
        return [self.coco.cats[category]['name'] for category in self.categories]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Tensor, dict[str, Tensor]]:
        info = self.coco.imgs[self.ids[index]]
        image = to_tensor(Image.open(self.folder / info['file_name']).convert('RGB'))
        objects = self.coco.loadAnns(self.coco.getAnnIds(info['id'], iscrowd=False))
        boxes = torch.tensor([item['bbox'] for item in objects]).reshape(-1, 4)
        masks = [torch.from_numpy(self.coco.annToMask(item)) for item in objects]
        target = dict(
            boxes=torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], dim=1),
            labels=torch.tensor(
                [self.categories.index(item['category_id']) + 1 for item in objects],
                dtype=torch.int64,
            ),
            masks=torch.stack(masks) if masks else torch.zeros(0, *image.shape[1:]),
            image_id=info['id'],
        )
        if self.mirror and torch.rand(()) < 0.5:
            image, target = mirror(image, target)
        return image, target


def mirror(image: Tensor, target: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The mirror image of a sample."""
    x1, y1, x2, y2 = target['boxes'].unbind(1)
    width = image.shape[-1]
    boxes = torch.stack([width - x2, y1, width - x1, y2], dim=1)
    return image.flip(-1), {**target, 'boxes': boxes, 'masks': target['masks'].flip(-1)}


def collate(samples: list[tuple]) -> tuple[tuple, tuple]:
    """Images and targets as sequences: images may differ in size."""
    return tuple(zip(*samples, strict=True))


@torch.no_grad()
def evaluate(detector: nn.Module, data: CocoData) -> dict[str, float]:
    """AP over IoU 0.5 to 0.95 and AP50, in %, of boxes and, where there are any, of masks.

    Args:
        detector: Maps a list of images to a list of dicts, as torchvision's detectors.
        data: The data, not mirrored.
    """
    detector.eval()
    device = next(detector.parameters()).device
    found: dict[str, list[dict]] = dict(bbox=[])
    for image, target in data:
        [prediction] = detector([image.to(device)])
        for kind, results in to_coco(prediction, target['image_id'], data.categories).items():
            found.setdefault(kind, []).extend(results)
    metrics = {}
    for kind, results in found.items():
        stats = _average_precision(data.coco, results, kind)
        metrics |= {f'{kind}_AP': stats[0], f'{kind}_AP50': stats[1]}
    return metrics


def to_coco(prediction: dict[str, Tensor], image_id: int, categories: list[int]) -> dict:
    """One image's detections in COCO's result format, by kind: ``bbox`` and perhaps ``segm``."""
    boxes, scores = prediction['boxes'].cpu(), prediction['scores'].tolist()
    corners = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
    common = [
        dict(image_id=image_id, category_id=categories[label - 1], score=score)
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
