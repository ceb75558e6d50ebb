"""Depths of parameters, by which learning rates fall: stem, stages in their order, head."""

import pytest
import torch

from senet_mm.apis import get_config
from senet_mm.engine.classifier import build_classifier
from senet_mm.engine.network_names import LAYER_DECAY, check_names


@pytest.mark.parametrize(
    'name',
    [
        'seresnet18_1xb32_folder',
        'seresnet50_1xb32_folder',
        'seresnext50-32x4d_1xb32_folder',
        'semobilenetv1_1xb32_folder',
        'senet154_8xb32_in1k',
        'se-bn-inception_8xb128-100e_in1k',
        'se-inception-v4_8xb128-100e_in1k',
        'sepreresnet164_1xb128_cifar10',
        'sewrn16-8_1xb128_cifar10',
        'sesmallcnn_1xb64_digits',
    ],
)
def test_depths_rise_from_the_stem_to_the_head(name):
    with torch.device('meta'):
        model = build_classifier(get_config(name), num_classes=10)
    depths = [model.get_layer_depth(name) for name, _ in model.named_parameters()]
    found = [depth for depth, _ in depths]
    assert found == sorted(found)
    assert {count for _, count in depths} == {max(found) + 1}
    assert set(found) == set(range(max(found) + 1))


def test_a_network_without_depths():
    cfg = get_config('sevgg16_8xb128-100e_in1k')
    with torch.device('meta'):
        model = build_classifier(cfg)
    with pytest.raises(ValueError, match=f'constructor={LAYER_DECAY!r}: VGG tells no depths'):
        check_names(dict(constructor=LAYER_DECAY), cfg.model, model)
