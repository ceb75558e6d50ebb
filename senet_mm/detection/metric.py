"""AP by pycocotools, as a metric of mmengine."""

import contextlib
import io
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from pycocotools.mask import encode
from torch import Tensor

from senet_mm.registry import METRICS


@METRICS.register_module()
class CocoAP(BaseMetric):
    """AP over IoU 0.5 to 0.95 and AP50, in %, of boxes and, where there are any, of masks.

    The truth comes with the samples: ``image`` and ``annotations`` of a data set in ``test_mode``.
    Categories are numbered as the labels.
    """

    default_prefix = 'coco'

    def process(self, data_batch: object, data_samples: Sequence[Mapping]) -> None:
        """Keep detections and truth of each image in COCO's format."""
        for sample in data_samples:
            target = sample['target']
            found = to_coco(sample, target['image']['id'])
            self.results.append((target['image'], target['annotations'], found))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """``bbox_AP``, ``bbox_AP50``, and the same of ``segm``."""
        images, annotations, found = zip(*results, strict=True)
        classes = self.dataset_meta['classes']
        truth = COCO()
        truth.dataset = dict(
            images=list(images),
            annotations=[item for items in annotations for item in items],
            categories=[dict(id=i + 1, name=name) for i, name in enumerate(classes)],
        )
        with contextlib.redirect_stdout(io.StringIO()):
            truth.createIndex()
        metrics: dict[str, float] = {}
        for kind in found[0]:
            detections = [item for one in found for item in one[kind]]
            stats = _average_precision(truth, detections, kind)
            metrics |= {f'{kind}_AP': stats[0], f'{kind}_AP50': stats[1]}
        return metrics


def to_coco(prediction: Mapping, image_id: int) -> dict[str, list[dict]]:
    """One image's detections in COCO's result format, by kind: ``bbox`` and perhaps ``segm``.

    Args:
        prediction: ``boxes`` (N, 4), x1, y1, x2, y2 in pixels; ``labels`` and ``scores`` (N,);
            perhaps ``masks`` (N, 1, H, W), probabilities.
        image_id: Number of the image.
    """
    boxes: Tensor = prediction['boxes'].cpu()
    corners = torch.cat([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], dim=1).tolist()
    labels, scores = prediction['labels'].tolist(), prediction['scores'].tolist()
    common = [
        dict(image_id=image_id, category_id=label, score=score)
        for label, score in zip(labels, scores, strict=True)
    ]
    results = dict(bbox=[{**a, 'bbox': box} for a, box in zip(common, corners, strict=True)])
    if 'masks' in prediction:
        masks = (prediction['masks'][:, 0] > 0.5).byte().cpu().numpy()
        results['segm'] = [
            {**a, 'segmentation': encode(np.asfortranarray(mask))}
            for a, mask in zip(common, masks, strict=True)
        ]
    return results


def _average_precision(truth: COCO, results: list[dict], kind: str) -> tuple[float, float]:
    """AP and AP50 in %; 0 where nothing was found, or nothing is to be found."""
    if not results or not truth.anns:
        return 0.0, 0.0
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, truth.loadRes(results), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ap, ap50 = (max(0.0, 100 * float(value)) for value in evaluation.stats[:2])
    return ap, ap50
