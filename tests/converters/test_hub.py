"""Folders in the layout of timm's hub that others wrote."""

import json

import pytest
import timm
import torch

from senet_mm.apis import get_model
from senet_mm.converters.networks import get_network_config
from senet_mm.detection import torchvision_backbone
from senet_mm.engine import load_from_anywhere
from senet_mm.engine.weights.origin import load_origin
from senet_mm.registry import MODELS
from senet_mm.utils.errors import UserError

from ..engine.weights.test_checkpoint import save_hostile
from .parity import convert, image, randomise

CLASSES = ['Kühe & Kälber', 'red tulip', 'b|c']


@pytest.fixture(scope='module')
def theirs(tmp_path_factory):
    """A network of timm with three classes, and the folder that timm writes of it."""
    folder = tmp_path_factory.mktemp('theirs') / 'a folder'
    network = randomise(timm.create_model('seresnet18', num_classes=3), image(64))
    timm.models.save_for_hf(
        network,
        folder,
        safe_serialization=True,
        model_config=dict(label_names=CLASSES),
        data_config=dict(crop_pct=0.95, mean=(0.5, 0.5, 0.5)),
    )
    return network, folder


def test_a_folder_of_timm(theirs, logged):
    network, folder = theirs
    model = get_model(folder)
    with torch.no_grad():
        assert torch.equal(model(image(64)), network(image(64)))
    assert model.dataset_meta['classes'] == tuple(CLASSES)
    assert model.origin.preprocessing['resize'] == 235
    assert model.data_preprocessor.mean.flatten().tolist() == [127.5] * 3
    assert f"{folder}: seresnet18_8xb32_in1k, from today's timm, class order sorted" in (
        logged.messages
    )
    assert any(
        line.startswith('images: input_size=[3, 224, 224], mean') for line in logged.messages
    )


def test_its_lines_come_once(theirs, logged):
    """A run reads it for its record before it loads it; only then is the log in its place."""
    _, folder = theirs
    load_origin(str(folder))
    assert not any('class order' in line for line in logged.messages)
    load_from_anywhere(str(folder))
    assert sum('class order' in line for line in logged.messages) == 1


def test_a_pickle_in_the_place_of_safetensors(theirs, tmp_path):
    """The other file that timm writes; timm takes safetensors first."""
    network, folder = theirs
    (tmp_path / 'config.json').write_text((folder / 'config.json').read_text())
    torch.save(network.state_dict(), tmp_path / 'pytorch_model.bin')
    state = load_from_anywhere(str(tmp_path))['state_dict']
    for name, value in load_from_anywhere(str(folder))['state_dict'].items():
        assert torch.equal(state[name], value)
    (tmp_path / 'model.safetensors').write_bytes(b'x')
    with pytest.raises(UserError, match=r'model.safetensors is damaged'):
        load_from_anywhere(str(tmp_path))


def test_the_same_as_through_the_converter(theirs, tmp_path):
    """``convert.py`` takes images and classes from the config.json beside the file, too."""
    _, folder = theirs
    [weights] = (file for file in folder.iterdir() if file.name != 'config.json')
    (tmp_path / 'net.py').write_text(get_network_config('seresnet18', 3).pretty_text)
    convert('timm', weights, tmp_path / 'net.pth', str(tmp_path / 'net.py'))
    known = load_from_anywhere(str(tmp_path / 'net.pth'))
    found = load_from_anywhere(str(folder))
    for name in ('preprocessing', 'dataset_meta', 'license', 'source'):
        assert found['meta'][name] == known['meta'][name], name
    state = known['state_dict']
    assert list(found['state_dict']) == list(state)
    assert all(torch.equal(value, state[name]) for name, value in found['state_dict'].items())


def test_it_initialises_a_backbone(theirs, tmp_path):
    network, folder = theirs
    init_cfg = dict(type='Pretrained', checkpoint=str(folder))
    backbone = MODELS.build(dict(type='ResNet', depth=18, init_cfg=init_cfg))
    with pytest.raises(ValueError, match=r'does not fit the model of the config: .* unexpected'):
        backbone.init_weights()  # it has no SE
    (tmp_path / 'net.py').write_text(get_network_config('seresnet18').pretty_text)
    pyramid = torchvision_backbone(str(tmp_path / 'net.py'), folder, frozen_stages=0)
    weight = pyramid.body.layer1[0].se.fc1.weight
    assert torch.equal(weight, network.layer1[0].se.fc1.weight)
    assert pyramid.normalization['image_mean'] == [0.5, 0.5, 0.5]


def bad(theirs, tmp_path, **changes):
    """A folder of timm with other entries in its config."""
    _, folder = theirs
    for file in folder.iterdir():
        (tmp_path / file.name).symlink_to(file)
    config = json.loads((folder / 'config.json').read_text()) | changes
    (tmp_path / 'config.json').unlink()
    (tmp_path / 'config.json').write_text(json.dumps(config))
    return tmp_path


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(architecture='seresnet34'), r'does not fit config seresnet34_\S* .* 112 missing \('),
        (dict(architecture='seresnet50t'), "architecture='seresnet50t' is not known; allowed: res"),
        (dict(num_classes=4), r'label_names has 3 names; allowed: 4, as num_classes$'),
        (dict(num_classes=4, label_names=None), r'2 of another shape \(fc.bias \(3,\) for \(4,\)'),
        (dict(global_pool='max'), r"global_pool='max'; allowed: avg$"),
        (dict(model_args=dict(stem_width=32)), r'model_args has stem_width; allowed: drop_path_r'),
    ],
)
def test_configs_that_are_not_those_of_the_weights(theirs, tmp_path, changes, message):
    with pytest.raises(UserError, match=message) as raised:
        get_model('seresnet18_8xb32_in1k', bad(theirs, tmp_path, **changes))
    assert str(tmp_path) in str(raised.value)


def test_folders_that_are_none(tmp_path):
    with pytest.raises(UserError, match=r'is a folder without config.json; allowed: a file, or'):
        get_model('seresnet18_8xb32_in1k', tmp_path)
    (tmp_path / 'config.json').write_text('{"architecture": "seresnet18"}')
    with pytest.raises(UserError, match=f'^{tmp_path} has no weights; allowed: model.safetensors'):
        get_model('seresnet18_8xb32_in1k', tmp_path)


def test_a_hostile_pickle_is_refused(tmp_path):
    file, proof = save_hostile(tmp_path, torch.save)
    file.rename(tmp_path / 'pytorch_model.bin')
    (tmp_path / 'config.json').write_text('{"architecture": "seresnet18"}')
    with pytest.raises(UserError, match=r'pytorch_model.bin is refused: .*; allowed: tensors and'):
        get_model('seresnet18_8xb32_in1k', tmp_path)
    assert not proof.exists()


def test_the_name_of_a_config_is_no_folder(tmp_path, monkeypatch):
    """A folder of that name is meant where a part of its path is given."""
    name = 'seresnet8_1xb64_digits'
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    assert get_model(name).origin is None
    for folder in (f'./{name}', tmp_path / name):
        with pytest.raises(UserError, match=r'is a folder without config.json'):
            get_model(folder)
