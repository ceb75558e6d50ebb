"""Scores by class against scikit-learn, mmpretrain and a hand computation; tables and files."""

import csv
import io
import json

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.evaluation import ConfusionMatrix, SingleLabelMetric
from mmpretrain.structures import DataSample
from sklearn.metrics import balanced_accuracy_score

from senet_mm.evaluation import ClassReport
from senet_mm.evaluation.class_report import score_classes
from senet_mm.evaluation.class_tables import (
    FEW,
    confusion_to_csv,
    report_to_json,
    report_to_text,
)

NAMES = ('cat', 'tiny dog', 'Käfer, "bug"', 'bird')
# No bird; one cat is taken for a bird.
LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTIONS = np.array([0, 0, 1, 3, 1, 1, 1])


def test_by_hand():
    report = score_classes(LABELS, PREDICTIONS, NAMES)
    assert report.images == 7
    assert report.accuracy == pytest.approx(100 * 4 / 7)
    assert report.classes[0] == (
        'cat',
        4,
        2,
        *(pytest.approx(v) for v in (500 / 7, 100, 50, 200 / 3)),
    )
    assert report.classes[1] == (
        'tiny dog', 2, 4, *(pytest.approx(v) for v in (500 / 7, 50, 100, 200 / 3))
    )  # fmt: skip
    assert report.classes[2] == (NAMES[2], 1, 0, pytest.approx(600 / 7), 0, 0, 0)
    assert report.classes[3] == ('bird', 0, 1, pytest.approx(600 / 7), None, None, None)
    assert report.macro == pytest.approx(dict(precision=50, recall=50, f1=400 / 9))
    assert report.confusion.tolist() == [[2, 1, 0, 1], [0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]


def random_samples(number=200, classes=5):
    rng = np.random.default_rng(0)
    scores = torch.tensor(rng.dirichlet(np.ones(classes), number))
    labels = torch.tensor(rng.integers(classes, size=number))
    return labels, scores


def evaluate(labels, scores, metainfo=None):
    metric = ClassReport()
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = metainfo
    samples = [
        DataSample().set_gt_label(label).set_pred_score(score).set_pred_label(score.argmax())
        for label, score in zip(labels, scores, strict=True)
    ]
    evaluator.process(samples[:150])
    evaluator.process(samples[150:])
    return evaluator.evaluate(len(samples)), metric.report


def test_equals_mmpretrain_and_scikit_learn():
    labels, scores = random_samples()
    metrics, report = evaluate(labels, scores, dict(classes=tuple('abcde')))
    assert [each.name for each in report.classes] == list('abcde')
    precision, recall, f1, support = SingleLabelMetric.calculate(scores, labels, average=None)[0]
    assert [each.images for each in report.classes] == support.tolist()
    for name, values in (('precision', precision), ('recall', recall), ('f1', f1)):
        own = [getattr(each, name) for each in report.classes]
        assert own == pytest.approx(values.tolist(), rel=1e-5)
        assert metrics[f'macro/{name}'] == pytest.approx(values.mean().item(), rel=1e-5)
    theirs = 100 * balanced_accuracy_score(labels, scores.argmax(1))
    assert metrics['macro/recall'] == pytest.approx(theirs)
    assert (report.confusion == ConfusionMatrix.calculate(scores, labels).numpy()).all()


def test_names_that_are_not_those_of_the_network():
    for metainfo in (None, {}, dict(classes=('a', 'b'))):
        _, report = evaluate(*random_samples(), metainfo)
        assert [each.name for each in report.classes] == list('01234')


def test_text_of_few_classes():
    """docs/data.md shows such a table."""
    text = report_to_text(score_classes(LABELS, PREDICTIONS, NAMES)).splitlines()
    assert text == [
        '7 images, accuracy 57.14 %, macro means: precision 50.00 %, recall 50.00 %, f1 44.44 %',
        'class         images  predicted  accuracy (%)  precision (%)  recall (%)  F1 (%)',
        'cat                4          2         71.43         100.00       50.00   66.67',
        'tiny dog           2          4         71.43          50.00      100.00   66.67',
        'Käfer, "bug"       1          0         85.71           0.00        0.00    0.00',
        'bird               0          1         85.71              -           -       -',
        'confusion matrix: a row per class, a column per class that it is taken for',
        'class         cat  tiny dog  Käfer, "bug"  bird',
        'cat             2         1             0     1',
        'tiny dog        0         2             0     0',
        'Käfer, "bug"    0         1             0     0',
        'bird            0         0             0     0',
    ]


def test_text_of_many_classes():
    """The worst ones alone, and what they are taken for."""
    labels = np.repeat(np.arange(30), 4)
    predictions = labels.copy()
    predictions[:3], predictions[4:6], predictions[8] = 7, 9, 11
    names = [f'a class with a long name, number {i}' for i in range(30)]
    text = report_to_text(score_classes(labels, predictions, names))
    assert len(names) > FEW
    lines = text.splitlines()
    assert lines[1] == 'the 10 classes of lowest F1, of 30:'
    assert lines[3].startswith('a class with a lon... number 0       4          1')
    assert lines[-5] == 'most frequent confusions:'
    assert [line.split()[-1] for line in lines[-3:]] == ['3', '2', '1']
    right = report_to_text(score_classes(labels, labels, names))
    assert right.endswith('no image is taken for another class')


def test_json_and_csv_have_the_names():
    report = score_classes(LABELS, PREDICTIONS, NAMES)
    data = json.loads(report_to_json(report, epoch=3))
    assert (data['epoch'], data['images']) == (3, 7)
    assert [each['name'] for each in data['classes']] == list(NAMES)
    assert data['classes'][3]['recall'] is None
    rows = list(csv.reader(io.StringIO(confusion_to_csv(NAMES, report.confusion))))
    assert rows[0][1:] == list(NAMES)
    assert rows[1] == ['cat', '2', '1', '0', '1']
    assert [row[0] for row in rows[1:]] == list(NAMES)


def test_of_too_many_classes_no_matrix_is_made():
    names = list(map(str, range(21_841)))
    report = score_classes(np.array([5, 6, 6]), np.array([5, 6, 7]), names)
    assert report.confusion is None
    assert report.classes[6][:3] == ('6', 2, 1)
    assert 'confusion' not in report_to_text(report)
