from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from mmpretrain.engine import ClassNumCheckHook
from mmpretrain.structures import DataSample

from senet_mm.models import LinearClsHead


def samples(labels=None, scores=None):
    if scores is not None:
        return [DataSample().set_gt_score(score) for score in scores]
    return [DataSample().set_gt_label(int(label)) for label in labels]


def test_label_smoothing_is_torchs():
    head = LinearClsHead(5, 8, label_smooth=0.1)
    feats, labels = (torch.randn(6, 8),), torch.randint(5, (6,))
    expected = F.cross_entropy(head(feats), labels, label_smoothing=0.1)
    torch.testing.assert_close(head.loss(feats, samples(labels))['loss'], expected)


def test_label_smoothing_of_mixed_labels():
    head = LinearClsHead(5, 8, label_smooth=0.1)
    feats, scores = (torch.randn(6, 8),), torch.rand(6, 5).softmax(1)
    expected = F.cross_entropy(head(feats), scores, label_smoothing=0.1)
    torch.testing.assert_close(head.loss(feats, samples(scores=scores))['loss'], expected)


@pytest.mark.parametrize(
    'options',
    [dict(label_smooth=0.1), dict(loss=dict(type='LabelSmoothLoss', label_smooth_val=0.1)), {}],
)
def test_classes_of_the_loss_are_compared_with_those_of_the_data(options):
    """Before the first batch, from which the loss would take them."""
    runner = SimpleNamespace(model=LinearClsHead(5, 8, **options), logger=None)
    ClassNumCheckHook()._check_head(runner, SimpleNamespace(CLASSES=tuple('abcde')))
    with pytest.raises(AssertionError, match='does not match'):
        ClassNumCheckHook()._check_head(runner, SimpleNamespace(CLASSES=tuple('abcd')))


def test_dropout_acts_in_training_alone():
    head = LinearClsHead(5, 1000, dropout=0.2)
    feats = (torch.ones(1, 1000),)
    dropped = head.train().pre_logits(feats)
    assert dropped.unique().tolist() == [0, 1.25]
    assert 0.15 < (dropped == 0).float().mean() < 0.25
    assert torch.equal(head.eval().pre_logits(feats), feats[0])


def test_loss_and_smoothing_exclude_each_other():
    with pytest.raises(ValueError, match=r'loss=.* and label_smooth=0.1 are both given; allowed'):
        LinearClsHead(5, 8, label_smooth=0.1, loss=dict(type='CrossEntropyLoss'))
