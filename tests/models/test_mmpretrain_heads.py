"""Heads of mmpretrain train on batches of either packing; images of several classes as well."""

import numpy as np
import pytest
import torch

from senet_mm.apis import list_models
from senet_mm.config.names import get_config
from senet_mm.datasets.collate import collate
from senet_mm.engine.classifier import assemble
from senet_mm.models.num_classes import set_num_classes
from senet_mm.registry import MODELS, TRANSFORMS

HEADS = {
    'LinearClsHead': dict(num_classes=10, in_channels=64),
    'LinearClsHead, topk': dict(num_classes=10, in_channels=64, cal_acc=True, topk=(1, 5)),
    'mmpretrain.LinearClsHead': dict(num_classes=10, in_channels=64),
    'StackedLinearClsHead': dict(num_classes=10, in_channels=64, mid_channels=[8]),
    'ArcFaceClsHead': dict(num_classes=10, in_channels=64),
    'MultiLabelLinearClsHead': dict(num_classes=10, in_channels=64),
    'CSRAClsHead': dict(num_classes=10, in_channels=64, num_heads=1, lam=0.1),
}
MULTI = ('MultiLabelLinearClsHead', 'CSRAClsHead')


def build(head, **kwargs):
    torch.manual_seed(0)
    cfg = get_config('resnet8_1xb64_digits').model
    cfg.head = dict(type=head.partition(',')[0], **HEADS[head])
    if head == 'CSRAClsHead':  # it pools by itself
        cfg.neck = None
    preprocessor = dict(type='BatchPreprocessor', num_classes=10, mean=[78.0], std=[96.0])
    return MODELS.build({**cfg, 'data_preprocessor': preprocessor, **kwargs})


def make_batch(pack, labels):
    images = np.random.RandomState(0).randint(0, 256, (len(labels), 8, 8, 1), np.uint8)
    pack = TRANSFORMS.build(dict(type=pack))
    return collate(
        [
            pack(dict(img=img, gt_label=label, img_path=''))
            for img, label in zip(images, labels, strict=True)
        ]
    )


def loss_of(model, batch):
    data = model.data_preprocessor(batch, training=True)
    torch.manual_seed(0)
    return model(**data, mode='loss')['loss']


@pytest.mark.parametrize('head', HEADS)
def test_both_packings_have_one_loss(head):
    labels = [[1, 3], [5], [2, 4, 6]] if head in MULTI else [1, 5, 2]
    first, second = (
        loss_of(build(head), make_batch(pack, labels)) for pack in ('PackInputs', 'PackTensors')
    )
    first.backward()
    torch.testing.assert_close(first, second, rtol=1e-5, atol=0)  # the memory's layout differs


@pytest.mark.parametrize('head', ['LinearClsHead', 'StackedLinearClsHead', 'CSRAClsHead'])
def test_mixed_images_train(head):
    labels = [[1, 3], [5], [2, 4, 6]] if head in MULTI else [1, 5, 2]
    model = build(head, train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2)]))
    loss_of(model, make_batch('PackTensors', labels)).backward()


def test_accuracy_of_mixed_images_is_refused():
    model = build('LinearClsHead, topk', train_cfg=dict(augments=[dict(type='Mixup', alpha=0.2)]))
    with pytest.raises(ValueError, match=r'LinearClsHead\(cal_acc=True\) with images of several'):
        loss_of(model, make_batch('PackTensors', [1, 5, 2]))


@pytest.mark.parametrize('labels', [[1, 5], [[1, 3], [5]]])
def test_evaluation_keeps_the_labels(labels):
    data = build('MultiLabelLinearClsHead').data_preprocessor(make_batch('PackTensors', labels))
    assert [sample.gt_label.tolist() for sample in data['data_samples']] == [
        np.atleast_1d(label).tolist() for label in labels
    ]


def test_an_image_without_label():
    with pytest.raises(ValueError, match='digits/3 has no gt_label; training needs one'):
        TRANSFORMS.build(dict(type='PackTensors'))(
            dict(img=np.zeros((8, 8, 1), np.uint8), img_path='digits/3')
        )


@pytest.mark.parametrize('family', ['*vgg16*', '*inception-v3*', 'seresnet50_*', '*mobilenetv1*'])
def test_configs_take_a_number_of_classes(family):
    """Those whose head has none have it in the backbone."""
    for name in list_models(family):
        model = assemble(get_config(name), num_classes=7)
        found = [part.num_classes for part in (model.head, model.backbone) if 'num_classes' in part]
        assert set(found) == {7}, name


def test_vgg_of_seven_classes():
    model = MODELS.build(assemble(get_config('vgg16_8xb128-100e_in1k'), num_classes=7))
    assert model.backbone.classifier[-1].out_features == 7


def test_no_part_has_classes():
    model = dict(head=dict(type='ClsHead'), backbone=dict(type='ResNet'))
    with pytest.raises(ValueError, match=r'num_classes=7: neither model.head \(ClsHead\) nor'):
        set_num_classes(model, 7)
