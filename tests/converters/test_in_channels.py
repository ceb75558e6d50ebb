"""Conversion for images of other channels: the network that timm makes of the same weights."""

import pytest
import timm
import torch

from senet_mm.apis import get_model
from senet_mm.converters import convert as convert_file
from senet_mm.engine import load_from_local
from senet_mm.engine.weights.preprocessing import describe_preprocessing

from .parity import convert, image, randomise

CONFIG = "_base_ = 'seresnet18_8xb32_in1k.py'\nmodel = dict(se=dict(layer=dict(divisor=8)))\n"


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """timm's seresnet18 for three channels, and a config of ours for it."""
    folder = tmp_path_factory.mktemp('timm')
    (folder / 'mine.py').write_text(CONFIG)
    model = timm.create_model('seresnet18')
    randomise(model, image(64))
    torch.save(model.state_dict(), folder / 'weights.pth')
    return folder


@pytest.mark.parametrize('channels', [1, 4, 6])
def test_as_timm(source, tmp_path, capsys, channels):
    """The same logits; the checkpoint is complete."""
    file, config = tmp_path / 'ours.pth', str(source / 'mine.py')
    convert('timm', source / 'weights.pth', file, config, '--in-channels', str(channels))
    assert 'of the first convolution are ' in capsys.readouterr().out
    overlay = dict(file=str(source / 'weights.pth'), first_conv='conv1')
    theirs = timm.create_model(
        'seresnet18', pretrained=True, in_chans=channels, pretrained_cfg_overlay=overlay
    )
    ours = get_model(config, str(file), in_channels=channels)
    images = torch.randn(2, channels, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs.eval()(images), rtol=0, atol=1e-5)
    meta = load_from_local(str(file))['meta']
    described = describe_preprocessing(ours.cfg)
    assert meta['preprocessing'] == described
    assert described['input_size'] == [channels, 224, 224]
    assert described['channel_order'] == ('RGB' if channels == 4 else None)
    mean = {1: [114.495], 4: [123.675, 116.28, 103.53, 123.675], 6: [123.675, 116.28, 103.53] * 2}
    assert described['mean'] == mean[channels]


def test_stated_preprocessing_is_for_these_channels(source, tmp_path):
    file, config = tmp_path / 'ours.pth', str(source / 'mine.py')
    src, stated = source / 'weights.pth', dict(mean=[60], std=[30])
    done = convert_file('timm', src, file, config, preprocessing=stated, in_channels=1)
    assert done.preprocessing['mean'] == [60]
    stated = dict(mean=[1, 2, 3], std=[1, 1, 1])
    with pytest.raises(
        ValueError, match=r'--preprocessing: preprocessing has mean or std of 3 num'
    ):
        convert_file('timm', src, file, config, preprocessing=stated, force=True, in_channels=1)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--in-channels', '0'], 'in_channels=0; allowed: whole numbers from 1'),
        (
            ['--in-channels', '1', '--reverse'],
            '--in-channels adapts weights of three channels; all',
        ),
    ],
)
def test_what_is_refused(source, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        convert(
            'timm', source / 'weights.pth', tmp_path / 'x.pth', str(source / 'mine.py'), *options
        )
    assert not (tmp_path / 'x.pth').exists()


def test_a_config_of_other_channels(source, tmp_path):
    (tmp_path / 'grey.py').write_text(CONFIG + 'in_channels = 1\n')
    state = torch.load(source / 'weights.pth')
    state['conv1.weight'] = state['conv1.weight'].sum(1, keepdim=True)
    torch.save(state, tmp_path / 'grey.pth')
    files = tmp_path / 'grey.pth', tmp_path / 'ours.pth', str(tmp_path / 'grey.py')
    with pytest.raises(ValueError, match=r'in_channels=3: config .* is for images of 1 channel'):
        convert('timm', *files, '--in-channels', '3')
    convert('timm', *files)  # weights of one channel need no option
    assert load_from_local(str(files[1]))['meta']['preprocessing']['mean'] == [114.495]
