"""Weights of classes: formula, gradient, what is refused, what a resumed run has."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.logging import MessageHub
from sklearn.utils.class_weight import compute_class_weight
from torch.nn import functional as F

from senet_mm.engine import Runner
from senet_mm.engine.checkpoints.check import check_remembered
from senet_mm.engine.class_weight import compute_class_weights, set_class_weights
from senet_mm.models.heads import ClsHead, LinearClsHead
from senet_mm.utils.errors import InputError

from .test_runner import digits

COUNTS = np.array([40, 8, 3])


def test_balanced_is_scikit_learns():
    labels = np.repeat(np.arange(3), COUNTS)
    expected = compute_class_weight('balanced', classes=np.arange(3), y=labels)
    assert compute_class_weights('balanced', COUNTS) == pytest.approx(expected, rel=1e-12)


def test_effective_numbers():
    """By hand, beta 0.9: 1 and 2 images have effective numbers 1 and 1.9; mean weight 1."""
    weights = compute_class_weights({'effective': 0.9}, np.array([1, 2]))
    assert weights[0] / weights[1] == pytest.approx(1.9)
    assert weights[0] + 2 * weights[1] == pytest.approx(3)


@pytest.mark.parametrize(
    ('given', 'like'), [({'effective': 0}, [1, 1, 1]), ('effective', None), ('balanced', None)]
)
def test_a_training_image_has_weight_1_on_average(given, like):
    weights = compute_class_weights(given, COUNTS)
    assert weights @ COUNTS == pytest.approx(COUNTS.sum())
    assert like is None or weights == pytest.approx(like)
    # Beta of near 1 is the inverse frequency.
    near = compute_class_weights({'effective': 1 - 1e-9}, COUNTS)
    assert near == pytest.approx(compute_class_weights('balanced', COUNTS), rel=1e-5)


@pytest.mark.parametrize('given', ['balanced', 'effective'])
def test_a_class_without_images_has_weight_0(given):
    weights = compute_class_weights(given, np.array([40, 0, 8, 3]))
    assert weights[1] == 0
    assert weights[:1] + weights[2:] == pytest.approx(compute_class_weights(given, COUNTS))


def gradient_by_hand(scores, targets, weights):
    """Of the mean over N images of sum_c -w_c y_c log p_c with respect to the scores, (N, C)."""
    total = (targets * weights).sum(1, keepdims=True)
    exponents = np.exp(scores - scores.max(1, keepdims=True))
    p = exponents / exponents.sum(1, keepdims=True)
    return (total * p - targets * weights) / len(scores)


LABELS = torch.tensor([0, 0, 2, 1, 0, 2])
SOFT = torch.tensor(np.random.default_rng(0).dirichlet(np.ones(3), 6))
# Head -> targets, and as the loss is to see them; mmpretrain smooths in float32.
HEADS = {
    'hard': ({}, LABELS, F.one_hot(LABELS, 3).double()),
    'smoothed': (dict(label_smooth=0.1), LABELS, F.one_hot(LABELS, 3) * 0.9 + 0.1 / 3),
    'mixed': ({}, SOFT, SOFT),
    'mixed, soft loss': (dict(loss=dict(type='CrossEntropyLoss', use_soft=True)), SOFT, SOFT),
    'mixed, smoothed': (dict(label_smooth=0.1), SOFT, SOFT.float() * 0.9 + 0.1 / 3),
}


def gradient(head, scores, targets):
    scores = scores.clone().requires_grad_()
    head._get_loss(scores, targets)['loss'].backward()
    return scores.grad


@pytest.mark.parametrize('kind', HEADS)
def test_gradient(kind):
    """Float64, against numpy; the mean is over images, so that halves of a batch add up to it."""
    kwargs, given, targets = HEADS[kind]
    weights = compute_class_weights('balanced', COUNTS)
    head = LinearClsHead(3, 4, class_weight=weights, **kwargs)
    scores = torch.randn(6, 3, dtype=torch.float64)
    found = gradient(head, scores, given)
    expected = gradient_by_hand(scores.numpy(), targets.numpy(), np.array(weights))
    assert found.numpy() == pytest.approx(expected, rel=1e-12, abs=1e-15)
    chunks = zip(scores.chunk(2), given.chunk(2), strict=True)
    halves = [gradient(head, *each) / 2 for each in chunks]
    assert torch.allclose(torch.cat(halves), found, rtol=1e-12)
    plain = gradient(LinearClsHead(3, 4, **kwargs), scores, given)
    assert not torch.allclose(plain, found, rtol=0.1)


def test_both_heads_take_it_once():
    assert ClsHead(class_weight=[1, 2]).loss_module.class_weight == [1, 2]
    loss = dict(type='CrossEntropyLoss', class_weight=[1, 2])
    with pytest.raises(InputError, match=r'are both given; allowed: class_weight in one of them'):
        LinearClsHead(2, 4, loss=loss, class_weight=[1, 2])


def fake_runner(head, resume=False):
    return SimpleNamespace(
        bare_model=head,
        message_hub=MessageHub('weights'),
        logger=logging.getLogger('weights'),
        _resume=resume,
    )


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('balancd', r"^class_weight='balancd'; allowed: 'balanced', 'effective', dict"),
        ({'beta': 0.9}, r"^class_weight={'beta': 0.9}; allowed: 'balanced', 'eff"),
        ({'effective': 1}, r"^class_weight={'effective': 1}; allowed: .* BETA from 0, below 1"),
        ([1, 2], r'^class_weight has 2 weights, the network 3 classes; allowed: a number per cl'),
        ([1, -2, 3], r'^class_weight=\[1, -2, 3\]; allowed: .*, none below 0 and not all 0$'),
        ([0, 0, 0], r'^class_weight=\[0, 0, 0\]; allowed: .*, none below 0 and not all 0$'),
        ([1, 'a', 3], r"^class_weight=\[1, 'a', 3\]; allowed: .* a list of a number per class"),
        ([1, float('nan'), 3], r'^class_weight=\[1, nan, 3\]; allowed: '),
        ([], r'^class_weight=\[\]; allowed: '),
        (True, r"^class_weight=True; allowed: 'balanced'"),
        (0.5, r"^class_weight=0.5; allowed: 'balanced'"),
    ],
)
def test_refused(given, message):
    head = LinearClsHead(3, 4, class_weight=given)
    with pytest.raises(InputError, match=message):
        set_class_weights(fake_runner(head), COUNTS, 3)


@pytest.mark.parametrize('given', ['balanced', 'effective', {'effective': 0.9}])
def test_a_data_set_without_labels_is_refused(given):
    head = LinearClsHead(3, 4, class_weight=given, label_smooth=0.1)
    with pytest.raises(InputError, match=r'the training set does not tell one label per image; al'):
        set_class_weights(fake_runner(head), None, 3)


def test_weights_alone_ask_for_no_labels():
    head = LinearClsHead(3, 4, class_weight=(1, 2.5, 0))
    ((words, weights),) = set_class_weights(fake_runner(head), None, 3)
    assert (words, weights.tolist()) == ('given', [1, 2.5, 0])
    assert head.loss_module.class_weight == [1, 2.5, 0]


def train(work_dir, epochs, images, given):
    options = {
        'train_cfg.max_epochs': epochs,
        'train_dataloader.dataset.indices': images,
        'model.head.class_weight': given,
        'resume': 'auto',
        'default_hooks.checkpoint.save_best': None,
    }
    cfg = digits(work_dir, **options)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner


@pytest.mark.slow
def test_a_resumed_run_has_the_weights_that_it_began_with(tmp_path):
    """Also where images came in between; a changed config is followed, and a line says so."""
    train(tmp_path, 1, 130, 'balanced')
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['message_hub']
    began = saved['runtime_info']['class_weights']['head.loss_module']
    assert began['given'] == 'balanced'
    assert len(set(began['weights'])) > 1

    runner = train(tmp_path, 2, 260, 'balanced')
    assert runner.bare_model.head.loss_module.class_weight == began['weights']
    assert 'has other counts than when the run began, whose weights it keeps' in read_logs(tmp_path)

    runner = train(tmp_path, 3, 260, 'effective')
    assert runner.bare_model.head.loss_module.class_weight != began['weights']
    line = "resumed with another config: class_weight 'balanced' -> 'effective'"
    assert line in read_logs(tmp_path)


def read_logs(work_dir):
    return ''.join(path.read_text() for path in work_dir.glob('*/*.log'))


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('class_weights', [1, 2]),
        ('class_weights', {'head.loss_module': {'given': 'balanced'}}),
        ('class_weights', {'head.loss_module': {'given': 'balanced', 'weights': 'a'}}),
        ('class_report', 3),
    ],
)
def test_what_a_stranger_wrote_into_a_checkpoint_is_refused(key, value):
    hub = dict(log_scalars={}, runtime_info={key: value}, resumed_keys={key: True})
    with pytest.raises(ValueError, match=rf'^has message_hub.runtime_info.{key}='):
        check_remembered(hub, '.pth')
    used = {'head.loss_module': {'given': {'effective': 0.9}, 'weights': [1.0, 2.0]}}
    hub['runtime_info'] = {'class_weights': used, 'class_report': 'lines'}
    check_remembered(hub, '.pth')
