"""Explanations: against the classifier, against a network with hooks of its own, from threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from mmengine.model import BaseModule
from PIL import Image
from torch import nn

from senet_mm.analysis.cam import compute_cam
from senet_mm.analysis.gates import opened_gates, stages_of, watched_gates
from senet_mm.apis import Classifier, get_model
from senet_mm.apis.explainer import Explainer, tell_apart
from senet_mm.config.names import get_config
from senet_mm.demo.data import load_examples, load_validation
from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError, NonFiniteError

pytest.importorskip('pytorch_grad_cam')


def test_scores_are_those_of_the_classifier(explainer, checkpoint, pictures):
    """docs/demo.md has the same."""
    for path, expected in zip(pictures, Classifier(checkpoint)(pictures), strict=True):
        explained = explainer(str(path))
        np.testing.assert_allclose(explained.scores, expected['pred_scores'], rtol=1e-5)
        assert explained.label == expected['pred_label']
        assert explainer.top(explained.scores)[0][0] == expected['pred_class']
        assert (explained.picture[..., 0] == np.asarray(Image.open(path))).all()
        assert explained.cam.shape == (8, 8)


def test_gates_are_those_of_the_layers(explainer, pictures):
    """One block by hand: its gate of the input that it gets."""
    explained = explainer(str(pictures[0]))
    layer, seen = explainer.model.backbone.layer2[0].se, []
    hook = layer.register_forward_hook(lambda layer, args, out: seen.append(out / args[0]))
    explainer(str(pictures[0]))
    hook.remove()
    gate = seen[0].nan_to_num().amax((0, 2, 3))
    is_known = gate != 0  # the others have maps of zeros
    assert is_known.sum() > 10
    torch.testing.assert_close(explained.gates['SE_3_1'][is_known], gate[is_known].detach())
    assert list(explained.gates) == ['SE_2_1', 'SE_3_1', 'SE_4_1']


def test_opened_gates_are_those_of_a_network_without_layers(explainer, pictures):
    """All stages opened: the scores of the plain network with the same weights."""
    inputs = torch.randn(2, 1, 8, 8)
    plain = get_model('resnet8_1xb64_digits')
    state = explainer.model.state_dict()
    plain.load_state_dict({name: value for name, value in state.items() if '.se.' not in name})
    names = [name for stage in explainer.stages.values() for name in stage]
    with torch.no_grad():
        expected = plain.eval()(inputs, mode='tensor')
        trained = explainer.model(inputs, mode='tensor')
        with opened_gates(explainer.model, names):
            opened = explainer.model(inputs, mode='tensor')
        assert torch.equal(explainer.model(inputs, mode='tensor'), trained)
    torch.testing.assert_close(opened, expected)
    assert not torch.allclose(opened, trained)
    one = explainer.open_stage(str(pictures[0]), 'SE_3')
    assert not torch.allclose(one, explainer(str(pictures[0])).scores)


def test_averages_are_by_the_predicted_class(explainer, pictures):
    explained = [explainer(str(path)) for path in pictures]
    assert explainer.average(explained[0].label) == ({}, 0)
    paths = list(map(str, pictures))
    assert explainer.learn(load_examples(explainer.predictor, [*paths, 'missing.png'])) == 12
    for label in {each.label for each in explained}:
        same = [each.gates for each in explained if each.label == label]
        means, count = explainer.average(label)
        assert count == len(same)
        for name, mean in means.items():
            torch.testing.assert_close(mean, torch.stack([each[name] for each in same]).mean(0))


def test_an_error_leaves_the_averages_as_they_were(explainer, pictures):
    batches = list(load_examples(explainer.predictor, list(map(str, pictures))))
    explainer.learn(batches)
    label = explainer(str(pictures[0])).label
    before = explainer.average(label)[1]

    def broken():
        yield from batches
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 raised here
        explainer.learn(broken())
    assert explainer.average(label)[1] == before


def test_scores_that_are_not_finite(explainer, pictures):
    torch.nn.init.constant_(explainer.model.head.fc.bias, torch.nan)
    with pytest.raises(InputError, match='not finite'):
        explainer(str(pictures[0]))


def test_equal_names_get_their_numbers():
    assert tell_apart(['crane', 'cat', 'crane']) == ['crane (0)', 'cat', 'crane (2)']
    assert len({*tell_apart(['a', 'a', 'a (0)'])}) == 3


def test_averages_of_the_validation_set(explainer):
    assert explainer.learn(load_validation(explainer.predictor, 100)) == 128  # two batches
    counts = [explainer.average(label)[1] for label in range(10)]
    assert sum(counts) == 128


def test_threads_do_not_mix_up(explainer, pictures):
    paths = list(map(str, pictures))
    expected = {path: explainer(path) for path in paths}
    with ThreadPoolExecutor(4) as pool:
        jobs = [(path, pool.submit(explainer, path)) for path in paths * 4]
        opened = [pool.submit(explainer.open_stage, path, 'SE_3') for path in paths * 4]
    for path, job in jobs:
        assert torch.equal(job.result().scores, expected[path].scores)
        assert (job.result().cam == expected[path].cam).all()
        assert torch.equal(job.result().gates['SE_3_1'], expected[path].gates['SE_3_1'])
    for path, job in zip(paths * 4, opened, strict=True):
        assert torch.equal(job.result(), explainer.open_stage(path, 'SE_3'))


def test_a_plain_network_has_no_gates(tmp_path, pictures):
    model = get_model('resnet8_1xb64_digits')
    torch.save(model.state_dict(), tmp_path / 'a.pth')
    explained = Explainer(tmp_path / 'a.pth', 'resnet8_1xb64_digits', 'cpu')
    assert explained.stages == {}
    assert explained(str(pictures[0])).gates == {}


@MODELS.register_module()
class Scorer(BaseModule):
    """Gives scores, as the backbones of VGG and Inception-v3 do, after a last map of one pixel."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.classifier = nn.Linear(16, 10)

    def forward(self, images):
        return (self.classifier(self.features(images).flatten(1)),)


def test_a_network_whose_head_has_no_weights(tmp_path, pictures):
    cfg = get_config('resnet8_1xb64_digits')
    cfg.model.backbone, cfg.model.head = dict(type='Scorer'), dict(type='mmpretrain.ClsHead')
    cfg.model.pop('neck')
    torch.manual_seed(0)
    torch.save(get_model(cfg).state_dict(), tmp_path / 'a.pth')
    explainer = Explainer(tmp_path / 'a.pth', cfg, 'cpu')
    assert explainer.names == tuple(map(str, range(10)))
    explained = explainer(str(pictures[0]))
    assert explained.scores.shape == (10,)
    assert explained.cam.any()
    images = torch.randn(1, 1, 8, 8)
    last = compute_cam(explainer.model, images, [3])
    np.testing.assert_array_equal(
        last, compute_cam(explainer.model, images, [3], 'backbone.features.1')
    )
    assert not np.array_equal(
        last, compute_cam(explainer.model, images, [3], 'backbone.features.0')
    )


def test_weights_that_are_not_finite(checkpoint, tmp_path):
    loaded = torch.load(checkpoint, weights_only=True)
    loaded['state_dict']['head.fc.bias'][3] = torch.nan
    torch.save(loaded, tmp_path / 'nan.pth')
    with pytest.raises(NonFiniteError, match=r'nan.pth .* in 1 of \d+ tensors \(head.fc.bias\)'):
        Explainer(tmp_path / 'nan.pth')


def test_mistakes(explainer, pictures, tmp_path):
    (tmp_path / 'a.jpg').write_bytes(b'\xff\xd8\xff')
    with pytest.raises(InputError, match='cut off'):
        explainer(str(tmp_path / 'a.jpg'))
    with pytest.raises(InputError, match=r"stage='SE_9' is not known; allowed: SE_2, SE_3, SE_4"):
        explainer.open_stage(str(pictures[0]), 'SE_9')


def test_blocks_by_stage():
    names = ['SE_2_1', 'SE_2_2', 'SE_3_1', 'features.3']
    names += [
        'layers.0.0.se',
        'layers.0.10.se',
        'layers.10.0.se',
        'a.inception_4a.se',
        'layer1.2.0',
    ]
    assert stages_of(names) == {
        'SE_2': ['SE_2_1', 'SE_2_2'],
        'SE_3': ['SE_3_1'],
        'features.3': ['features.3'],
        'layers.0': ['layers.0.0.se', 'layers.0.10.se'],
        'layers.10': ['layers.10.0.se'],
        'a.inception_4': ['a.inception_4a.se'],
        'layer1': ['layer1.2.0'],
    }


def test_gates_of_a_batch(explainer):
    with watched_gates(explainer.model) as gates, torch.no_grad():
        explainer.model(torch.randn(3, 1, 8, 8), mode='tensor')
    assert {name: tuple(gate.shape) for name, gate in gates.items()} == {
        'SE_2_1': (3, 16),
        'SE_3_1': (3, 32),
        'SE_4_1': (3, 64),
    }
