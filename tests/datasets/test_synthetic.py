"""Synthetic batches stand in the place of a config's training data."""

import pytest
import torch

from senet_mm.apis import get_config
from senet_mm.config.synthetic import use_synthetic
from senet_mm.engine import Runner

CONFIG = 'seresnet8_1xb64_digits'


@pytest.mark.parametrize(('given', 'length'), [(None, 100), (3, 3)])
def test_a_loader_serves_one_batch_of_the_configs_shape(given, length):
    cfg = get_config(CONFIG)
    if given:
        cfg.train_dataloader.num_batch_per_epoch = given
    use_synthetic(cfg)
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    first, second = (batch for batch, _ in zip(loader, range(2), strict=False))
    assert len(loader) == length
    assert first['inputs'].shape == (64, *cfg.input_shape)
    assert first['inputs'].dtype == torch.uint8
    assert torch.equal(first['inputs'], second['inputs'])
    assert set(first['gt_label']) <= set(range(10))
    assert tuple(map(str, range(10))) == loader.dataset.CLASSES


def test_a_wrong_length_is_refused():
    cfg = get_config(CONFIG)
    cfg.train_dataloader.num_batch_per_epoch = 0
    with pytest.raises(ValueError, match='num_batch_per_epoch=0: allowed'):
        use_synthetic(cfg)


@pytest.mark.parametrize(
    ('key', 'given', 'kept'),
    [
        ('class_weight', 'balanced', None),
        ('loss', dict(type='CrossEntropyLoss', class_weight=dict(effective=0.9)), None),
        ('class_weight', [1] * 10, [1] * 10),
    ],
)
def test_weights_that_follow_from_labels_are_left_out(key, given, kept):
    cfg = get_config(CONFIG, {f'model.head.{key}': given})
    use_synthetic(cfg)
    head = cfg.model.head
    assert (head.loss if key == 'loss' else head).class_weight == kept
