"""mmcv's operators without its compiled extension are torchvision's, to the bit."""

import sys

import mmcv.ops
import pytest
import torch
import torch.nn.functional as F
import torchvision.ops

from senet_mm.detection import mmcv_ops


def random_boxes(count=200, size=100):
    corners = size * torch.rand(count, 2)
    return torch.cat([corners, corners + 40 * torch.rand(count, 2)], dim=1), torch.rand(count)


@pytest.mark.parametrize('threshold', [0.3, 0.7])
def test_nms(threshold):
    boxes, scores = random_boxes()
    kept = torchvision.ops.nms(boxes, scores, threshold)
    found, indices = mmcv.ops.nms(boxes, scores, threshold)
    assert torch.equal(indices, kept)
    assert torch.equal(found, torch.cat([boxes, scores[:, None]], dim=1)[kept])
    _, first = mmcv.ops.nms(boxes, scores, threshold, score_threshold=0.5, max_num=7)
    assert torch.equal(first, kept[scores[kept] > 0.5][:7])


def test_nms_of_last_pixels():
    """With ``offset=1`` a box from 0 to 9 is ten pixels wide."""
    boxes = torch.tensor([[0, 0, 9, 9], [0, 0, 9, 4.0]])
    for threshold, kept in ((0.49, 1), (0.5, 2)):
        assert len(mmcv.ops.nms(boxes, torch.tensor([0.9, 0.8]), threshold, offset=1)[1]) == kept


def test_batched_nms():
    boxes, scores = random_boxes()
    classes = torch.randint(5, (200,))
    kept = torchvision.ops.batched_nms(boxes, scores, classes, 0.5)
    found, indices = mmcv.ops.batched_nms(
        boxes, scores, classes, dict(type='nms', iou_threshold=0.5)
    )
    assert torch.equal(indices, kept)
    assert torch.equal(found[:, :4], boxes[kept])
    nothing = mmcv.ops.batched_nms(boxes[:0], scores[:0], classes[:0], None)
    assert len(nothing[1]) == 0


@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('sampling_ratio', [0, 2])
def test_roi_align(aligned, sampling_ratio):
    boxes, _ = random_boxes(20, 60)
    rois = torch.cat([torch.randint(2, (20, 1)), boxes], dim=1)
    results = []
    for align in (
        mmcv.ops.RoIAlign(7, 0.25, sampling_ratio, aligned=aligned),
        torchvision.ops.RoIAlign(7, 0.25, sampling_ratio, aligned=aligned),
    ):
        torch.manual_seed(0)
        image = torch.randn(2, 8, 25, 30, requires_grad=True)
        pooled = align(image, rois)
        (pooled * torch.randn(pooled.shape)).sum().backward()
        results.append((pooled, image.grad))
    assert all(map(torch.equal, *results))


def test_roi_align_in_half_precision():
    boxes, _ = random_boxes(5, 60)
    rois = F.pad(boxes, (1, 0))
    image = torch.randn(1, 4, 25, 25)
    pooled = mmcv.ops.roi_align(image.bfloat16(), rois, 7, 0.25)
    assert pooled.dtype == torch.bfloat16
    torch.testing.assert_close(
        pooled.float(), mmcv.ops.roi_align(image, rois, 7, 0.25), rtol=0.02, atol=0.02
    )


@pytest.mark.parametrize('weighted', [False, True])
def test_focal_loss(weighted):
    logits, target = torch.randn(50, 4), torch.randint(5, (50,))
    weight = torch.rand(4) if weighted else None
    one_hot = F.one_hot(target, 5)[:, :4].float()
    by_sample = torch.ones(50) if weight is None else F.pad(weight, (0, 1), value=1)[target]
    results = []
    for function in (
        lambda x: mmcv.ops.sigmoid_focal_loss(x, target, 2.0, 0.25, weight, 'none'),
        lambda x: torchvision.ops.sigmoid_focal_loss(x, one_hot) * by_sample[:, None],
    ):
        x = logits.clone().requires_grad_()
        loss = function(x)
        loss.sum().backward()
        results.append((loss, x.grad))
    assert all(map(torch.equal, *results))


def test_others_say_what_they_need():
    with pytest.raises(
        NotImplementedError, match="softnms needs mmcv's compiled operators, see do"
    ):
        mmcv.ops.soft_nms(*random_boxes(3))
    image, rois = torch.randn(1, 1, 8, 8), torch.tensor([[0, 0, 0, 4, 4.0]])
    with pytest.raises(ValueError, match="pool_mode='max' needs mmcv's compiled operators"):
        mmcv.ops.roi_align(image, rois, 2, 1.0, 0, 'max')


def test_steps_aside(monkeypatch, logged):
    compiled = object()
    monkeypatch.setitem(sys.modules, mmcv_ops.NAME, compiled)
    mmcv_ops.serve()
    assert sys.modules[mmcv_ops.NAME] is compiled
    assert logged.messages == []


def test_says_so_once(monkeypatch, logged):
    monkeypatch.delitem(sys.modules, mmcv_ops.NAME)
    monkeypatch.delitem(sys.modules, 'mmdet.models', raising=False)
    mmcv_ops.serve()
    mmcv_ops.serve()
    assert len(logged.messages) == 1
    assert 'no compiled operators' in logged.messages[0]


def test_must_come_before_mmdet(monkeypatch):
    monkeypatch.delitem(sys.modules, mmcv_ops.NAME)
    monkeypatch.setitem(sys.modules, 'mmdet.models', object())
    with pytest.raises(ImportError, match=r'came after mmdet\.models'):
        mmcv_ops.serve()
