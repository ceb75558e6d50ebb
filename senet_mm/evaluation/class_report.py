"""Scores by class, and which class is taken for which."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from senet_mm.registry import METRICS

# A matrix of more classes is not made: at 21,841 it would take 3.8 GB.
MOST_CLASSES = 2_000


class ClassScores(NamedTuple):
    """The scores of a class, in per cent; None where the class has no image.

    Attributes:
        name: Name of the class.
        images: Its images.
        predicted: Images that were taken for it.
        accuracy: Part of all images that were rightly taken for it or for another: one against all.
        precision: Part of the images taken for it that are of it; 0 if there are none.
        recall: Part of its images that were taken for it; often called accuracy by class.
        f1: Harmonic mean of both.
    """

    name: str
    images: int
    predicted: int
    accuracy: float
    precision: float | None
    recall: float | None
    f1: float | None


class Report(NamedTuple):
    """What is known of an evaluation by class.

    Attributes:
        images: Number of images.
        accuracy: Part that was classified rightly, in per cent.
        macro: Means of precision, recall and F1 over the classes that have images, in per cent.
        classes: The scores of every class.
        confusion: Images (C, C) by class, and by the class that they were taken for; None for more
            than ``MOST_CLASSES``.
    """

    images: int
    accuracy: float
    macro: dict[str, float]
    classes: list[ClassScores]
    confusion: np.ndarray | None


@METRICS.register_module()
class ClassReport(BaseMetric):
    """Precision, recall and F1 by class, their macro means, and the confusion matrix.

    The means are scores: ``macro/recall``, ``macro/precision``, ``macro/f1``. The hook that every
    runner has writes the rest beside the log, see :class:`.ClassReportHook`.

    Attributes:
        report: Of the last evaluation; None before one, and in processes other than the first.
    """

    default_prefix = 'macro'
    report: Report | None = None
    _number = 0

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Store label and prediction of every image of a batch."""
        pairs = [
            torch.stack([sample['gt_label'].reshape(()), sample['pred_label'].reshape(())])
            for sample in data_samples
        ]
        self.results.extend(torch.stack(pairs).tolist())
        self._number = len(data_samples[0]['pred_score'])

    def compute_metrics(self, results: list[list[int]]) -> dict[str, float]:
        """The macro means over the data set."""
        names = (self.dataset_meta or {}).get('classes') or ()
        numbers = range(self._number)
        labels, predictions = np.array(results).T
        self.report = score_classes(
            labels, predictions, list(map(str, names if len(names) == self._number else numbers))
        )
        return self.report.macro


def score_classes(labels: np.ndarray, predictions: np.ndarray, names: Sequence[str]) -> Report:
    """Score predictions (N,) of labels (N,), numbers of the named classes."""
    # Late: it takes most of a second, which a run without this metric does not need.
    from sklearn.metrics import (
        accuracy_score,
        confusion_matrix,
        multilabel_confusion_matrix,
        precision_recall_fscore_support,
    )

    numbers = np.arange(len(names))
    scores = precision_recall_fscore_support(labels, predictions, labels=numbers, zero_division=0)
    images = scores[-1]
    percents = 100 * np.array(scores[:-1])
    one_against_all = multilabel_confusion_matrix(labels, predictions, labels=numbers)
    right = one_against_all[:, 0, 0] + one_against_all[:, 1, 1]
    predicted = one_against_all[:, :, 1].sum(axis=1)
    classes = []
    for i, name in enumerate(names):
        counts = int(images[i]), int(predicted[i])
        by_class = percents[:, i].tolist() if images[i] else [None] * 3
        classes.append(ClassScores(name, *counts, 100 * float(right[i]) / len(labels), *by_class))
    means = percents[:, images > 0].mean(axis=1).tolist()
    is_small = len(names) <= MOST_CLASSES
    return Report(
        len(labels),
        100 * float(accuracy_score(labels, predictions)),
        dict(zip(('precision', 'recall', 'f1'), means, strict=True)),
        classes,
        confusion_matrix(labels, predictions, labels=numbers) if is_small else None,
    )
