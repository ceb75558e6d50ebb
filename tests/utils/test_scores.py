"""Units and ranges of scores."""

import math

import pytest

from senet_mm.utils.scores import find_scale, is_loss, with_unit


@pytest.mark.parametrize(
    ('name', 'text'),
    [
        ('accuracy/top1', '50.00 %'),
        ('macro/recall', '50.00 %'),
        ('single-label/f1-score', '50.00 %'),
        ('multi-label/mAP', '50.00 %'),
        ('coco/bbox_AP', '50.00 %'),
        ('coco/bbox_mAP', '50.0000'),
        ('loss/cross_entropy', '50.0000'),
        ('mine', '50.0000'),
    ],
)
def test_units(name, text):
    assert find_scale(name).write(50) == text
    assert with_unit(name) == (f'{name} (%)' if '%' in text else name)


def test_ranges():
    assert find_scale('accuracy/top1')[2:] == (0, 100)
    assert find_scale('coco/segm_AP50')[2:] == (0, 100)
    assert find_scale('coco/segm_mAP_50')[2:] == (0, 1)
    assert find_scale('loss/cross_entropy')[2:] == (0, math.inf)
    assert find_scale('mine')[2:] == (-math.inf, math.inf)


def test_losses():
    assert is_loss('loss/cross_entropy')
    assert is_loss('top1_Error')
    assert not is_loss('accuracy/top1')
