"""A batch without per-image objects gives what mmpretrain's path gives with them."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine import Config
from mmpretrain.structures import DataSample

from senet_mm.datasets.images.augmentation import Augmentation, Numbers, augment
from senet_mm.models import BatchPreprocessor, ImageClassifier, LinearClsHead
from senet_mm.registry import MODELS

from ..conftest import ROOT
from ..datasets.files import ROTATED_MAX

KWARGS = dict(num_classes=5, mean=[123, 117, 104], std=[58, 57, 56])
IMAGES = torch.randint(0, 256, (6, 40, 48, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
LABELS = np.array([0, 4, 2, 2, 1, 3])


def make_batch(**kwargs):
    return dict(inputs=IMAGES, gt_label=LABELS, seed=np.arange(6), **kwargs)


def make_samples():
    return [DataSample().set_gt_label(int(label)) for label in LABELS]


@pytest.mark.parametrize('to_rgb', [True, False])
def test_normalises_as_mmpretrain_does(to_rgb):
    out = BatchPreprocessor(**KWARGS, to_rgb=to_rgb)(make_batch(), training=True)
    reference = MODELS.build(dict(type='mmpretrain.ClsDataPreprocessor', **KWARGS, to_rgb=to_rgb))
    expected = reference(dict(inputs=IMAGES), training=True)['inputs']
    torch.testing.assert_close(out['inputs'], expected)
    assert out['inputs'].is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(out['data_samples'], torch.from_numpy(LABELS))


def test_augments_in_the_order_of_the_image_and_then_normalises():
    recipe = Augmentation(10, 20, 'pixel', (1, 2, 3))
    rng = np.random.default_rng(0)
    noise = rng.integers(2**31, size=(6, 2))
    numbers = Numbers(rng.uniform(-10, 10, 6), rng.random(6) < 0.5, noise)
    batch = make_batch(augment=(recipe, numbers))
    out = BatchPreprocessor(**KWARGS, to_rgb=True)(batch, training=True)
    each = zip(IMAGES.permute(0, 2, 3, 1).numpy(), *numbers, strict=True)
    images = [augment(img, Numbers(*one), recipe) for img, *one in each]
    rgb = np.stack(images)[..., ::-1].astype(np.float32)
    expected = (rgb - KWARGS['mean']) / KWARGS['std']
    difference = out['inputs'].permute(0, 2, 3, 1).numpy() - expected
    assert np.abs(difference).max() <= ROTATED_MAX / 56 + 1e-4


def test_other_batches_go_the_way_of_mmpretrain():
    data = dict(inputs=list(IMAGES), data_samples=make_samples())
    out = BatchPreprocessor(**KWARGS)(data)
    assert out['data_samples'] is data['data_samples']
    assert out['inputs'].shape == IMAGES.shape


def test_evaluation_gets_data_samples():
    out = BatchPreprocessor(**KWARGS)(make_batch())
    assert [sample.gt_label.item() for sample in out['data_samples']] == LABELS.tolist()


@pytest.mark.parametrize('type', ['Mixup', 'CutMix'])
def test_mixing_follows_from_the_seeds_of_the_samples(type):
    preprocessor = BatchPreprocessor(
        **KWARGS, batch_augments=dict(augments=[dict(type=type, alpha=1.0)])
    )
    before = torch.get_rng_state()
    first, second = (preprocessor(make_batch(), training=True) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    other = preprocessor({**make_batch(), 'seed': np.arange(1, 7)}, training=True)
    scores = first['data_samples']
    assert scores.shape == (6, 5)
    torch.testing.assert_close(scores.sum(1), torch.ones(6))
    assert ((scores > 0).sum(1) == 2).any()
    assert torch.equal(first['inputs'], second['inputs'])
    assert torch.equal(scores, second['data_samples'])
    assert not torch.equal(scores, other['data_samples'])
    plain = BatchPreprocessor(**KWARGS)(make_batch(), training=True)['inputs']
    assert not torch.equal(first['inputs'], plain)
    evaluated = preprocessor(make_batch())
    assert torch.equal(evaluated['inputs'], plain)


@pytest.mark.parametrize('label_smooth', [0, 0.1])
def test_loss_of_a_tensor_is_that_of_data_samples(label_smooth):
    head = LinearClsHead(5, 8, label_smooth=label_smooth, topk=(1, 2), cal_acc=True)
    feats = (torch.randn(6, 8),)
    of_tensor = head.loss(feats, torch.from_numpy(LABELS))
    of_samples = head.loss(feats, make_samples())
    assert of_tensor.keys() == of_samples.keys() == {'loss', 'accuracy_top-1', 'accuracy_top-2'}
    for key, value in of_samples.items():
        torch.testing.assert_close(of_tensor[key], value)


def test_loss_of_mixed_scores():
    head, feats = LinearClsHead(5, 8), (torch.randn(6, 8),)
    scores = torch.rand(6, 5).softmax(1)
    expected = F.cross_entropy(head(feats), scores)
    torch.testing.assert_close(head.loss(feats, scores)['loss'], expected)


def test_a_training_step_with_mixup_by_train_cfg():
    """As in a config: ``train_cfg`` reaches the preprocessor, the loss takes its scores."""
    cfg = Config.fromfile(ROOT / 'configs/digits/smallcnn_1xb64_digits.py').model
    cfg.backbone.in_channels = 3
    model = MODELS.build(
        dict(
            cfg,
            data_preprocessor=dict(type='BatchPreprocessor', **{**KWARGS, 'num_classes': 10}),
            train_cfg=dict(augments=[dict(type='Mixup', alpha=0.8)]),
        )
    )
    assert isinstance(model, ImageClassifier)
    data = model.data_preprocessor(make_batch(), training=True)
    loss = model(**data, mode='loss')['loss']
    loss.backward()
    expected = F.cross_entropy(model(data['inputs']), data['data_samples'])
    torch.testing.assert_close(loss, expected)
