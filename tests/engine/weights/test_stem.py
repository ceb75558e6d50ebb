"""Weights for three channels in networks for other channels: the rule, and each way of loading."""

import copy

import pytest
import torch
from timm.models import adapt_input_conv

from senet_mm.apis import get_config, get_model
from senet_mm.engine import Runner, load_from_local
from senet_mm.engine.weights.adopt import adopt_normalisation
from senet_mm.engine.weights.origin import read_origin
from senet_mm.engine.weights.preprocessing import check_preprocessing
from senet_mm.engine.weights.stem import adapt_kernels, adapt_preprocessing

from ..test_runner import digits

NAME = 'seresnet8_1xb64_digits'
RGB = dict(mean=[120.0, 110.0, 100.0], std=[60.0, 50.0, 40.0], channel_order='RGB')
WANTED = dict(RGB, resize=None, crop=None, input_size=[3, 8, 8])


@pytest.fixture(scope='module')
def config(tmp_path_factory):
    """The digits' network for images of three channels."""
    file = tmp_path_factory.mktemp('config') / 'colour.py'
    numbers = f'mean={RGB["mean"]}, std={RGB["std"]}'
    file.write_text(f"_base_ = '{NAME}.py'\nin_channels = 3\ndata_preprocessor = dict({numbers})\n")
    return str(file)


@pytest.fixture(scope='module')
def source(config):
    torch.manual_seed(0)
    return get_model(config)


@pytest.fixture(scope='module')
def weights(tmp_path_factory, source, config):
    file = tmp_path_factory.mktemp('weights') / 'weights.pth'
    meta = dict(cfg=get_config(config).pretty_text, preprocessing=WANTED)
    torch.save(dict(state_dict=source.state_dict(), meta=meta), file)
    return str(file)


@pytest.mark.parametrize('channels', range(1, 9))
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_the_rule_is_timms(channels, dtype):
    weight = torch.randn(6, 3, 5, 5).to(dtype)
    adapted = adapt_kernels(weight, channels)
    assert adapted.dtype == dtype
    assert torch.equal(adapted, adapt_input_conv(channels, weight))


def logits_of(network, images):
    with torch.no_grad():
        return network(network.data_preprocessor(dict(inputs=images))['inputs'])


def alike(network, mean, std):
    """A copy that normalises all channels alike."""
    network = copy.deepcopy(network)
    network.data_preprocessor.mean, network.data_preprocessor.std = (
        torch.tensor(mean),
        torch.tensor(std),
    )
    return network


def test_grey_is_colour_repeated(source, weights, config):
    """Equal where the three channels have one mean and one std, those of the grey network.

    Where they have their own, the first convolution gives another number by channel of its output,
    the same for every image, except at its border, where zeros are outside of the image.
    """
    grey = get_model(config, weights, in_channels=1)
    images = torch.randint(0, 256, (4, 1, 8, 8))
    mean, std = grey.data_preprocessor.mean.item(), grey.data_preprocessor.std.item()
    assert (mean, std) == (110, 50)
    same = alike(source, mean, std)
    torch.testing.assert_close(logits_of(grey, images), logits_of(same, images.repeat(1, 3, 1, 1)))
    far = logits_of(grey, images) - logits_of(source, images.repeat(1, 3, 1, 1))
    assert far.abs().max() > 1e-3

    inner = {}
    for name, network, channels in (('grey', grey, 1), ('colour', source, 3)):
        inputs = network.data_preprocessor(dict(inputs=images.repeat(1, channels, 1, 1)))['inputs']
        inner[name] = network.backbone.conv1(inputs)[:, :, 1:-1, 1:-1]
    weight = source.backbone.conv1.weight.sum((2, 3))
    slope = (weight / torch.tensor(RGB['std'])).sum(1) - weight.sum(1) / std
    shift = weight.sum(1) * mean / std - (
        weight * torch.tensor(RGB['mean']) / torch.tensor(RGB['std'])
    ).sum(1)
    uniform = torch.full((1, 1, 8, 8), 77)
    for name, network, channels in (('grey', grey, 1), ('colour', source, 3)):
        inputs = network.data_preprocessor(dict(inputs=uniform.repeat(1, channels, 1, 1)))['inputs']
        inner[name] = network.backbone.conv1(inputs)[0, :, 4, 4]
    torch.testing.assert_close(
        inner['colour'] - inner['grey'], 77 * slope + shift, atol=1e-5, rtol=1e-4
    )


def test_six_channels_are_three_twice(source, weights, config):
    """Equal: all numbers are repeated, and the kernels halved."""
    six = get_model(config, weights, in_channels=6)
    images = torch.randint(0, 256, (4, 3, 8, 8))
    torch.testing.assert_close(logits_of(six, images.repeat(1, 2, 1, 1)), logits_of(source, images))


def test_bgr_weights_are_adapted_in_their_order(tmp_path, source, config):
    """As of Caffe: the fourth channel gets the kernels of blue, their first."""
    order = {**WANTED, 'channel_order': 'BGR'}
    torch.save(
        dict(state_dict=source.state_dict(), meta=dict(preprocessing=order)), tmp_path / 'w.pth'
    )
    four = get_model(config, str(tmp_path / 'w.pth'), in_channels=4)
    kernels = source.backbone.conv1.weight
    assert torch.equal(four.backbone.conv1.weight, kernels[:, [0, 1, 2, 0]] * 0.75)
    assert four.cfg.data_preprocessor.mean == [120, 110, 100, 120]
    # The digits are arrays, RGBA.
    image = torch.tensor([10.0, 20, 30, 40]).view(1, 4, 1, 1)
    got = four.data_preprocessor(dict(inputs=image))['inputs'].flatten()
    expected = (
        torch.tensor([30.0, 20, 10, 40]) - torch.tensor([120.0, 110, 100, 120])
    ) / torch.tensor([60.0, 50, 40, 60])
    torch.testing.assert_close(got, expected)


def by_load_from(cfg, file):
    cfg.load_from = file


def by_backbone(cfg, file):
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=file)


def by_classifier(cfg, file):
    cfg.model.init_cfg = dict(type='Pretrained', checkpoint=file)


@pytest.mark.parametrize('load', [by_load_from, by_backbone, by_classifier])
def test_fine_tuning(source, weights, tmp_path, load):
    cfg = digits(tmp_path, **{'train_cfg.max_epochs': 1, 'optim_wrapper.optimizer.lr': 0.0})
    # As it is written in the file, mean and std would be the digits' own.
    cfg.data_preprocessor.update(mean=[1, 2, 3], std=[1, 1, 1])
    cfg.in_channels = 1
    cfg.custom_hooks = [dict(type='EMAHook')]
    load(cfg, weights)
    runner = Runner.from_cfg(cfg)
    runner.train()
    saved = load_from_local(str(tmp_path / 'epoch_1.pth'))
    kernels = adapt_kernels(source.backbone.conv1.weight, 1)
    torch.testing.assert_close(saved['state_dict']['backbone.conv1.weight'], kernels)
    averaged = saved['ema_state_dict']['module.backbone.conv1.weight']
    torch.testing.assert_close(averaged, kernels)
    [log] = tmp_path.glob('*/*.log')
    assert 'for 1 the kernels of the first convolution are summed (' in log.read_text()
    assert saved['meta']['preprocessing']['channel_order'] is None
    assert len(saved['meta']['preprocessing']['mean']) == 1
    # The file is one of one channel: it tests and resumes as such.
    model = get_model(cfg, str(tmp_path / 'epoch_1.pth'))
    assert model.backbone.conv1.in_channels == 1


@pytest.mark.parametrize('own', [True, False])
def test_whose_mean_it_is(tmp_path, own):
    """That of the config, where it has one of as many channels; else that of the weights."""
    numbers = '[7], std=[8]' if own else '[7, 8, 9], std=[1, 1, 1]'
    (tmp_path / 'mine.py').write_text(
        f'_base_ = {NAME + ".py"!r}\nin_channels = 1\ndata_preprocessor = dict(mean={numbers})\n'
    )
    origin = read_origin(dict(meta=dict(preprocessing=WANTED)), 'x.pth')
    cfg = get_config(str(tmp_path / 'mine.py'))
    lines = adopt_normalisation(cfg, origin)
    if own:
        assert cfg.data_preprocessor.mean == [7]
        assert lines == [
            'checkpoint x.pth is for images of another number of channels; those of 1 are '
            'normalised as the config says: mean=[7], std=[8]'
        ]
    else:
        assert (cfg.data_preprocessor.mean, cfg.data_preprocessor.std) == ([110], [50])
        assert lines == [
            'as checkpoint x.pth wants it: mean=[110.0] (config: [8.0]), std=[50.0] (config: [1.0])'
        ]
    assert adopt_normalisation(get_config(NAME, {'data_preprocessor.mean': [5]}), origin)[
        0
    ].endswith('as the config says: mean=[5], std=[96.0]')


def test_a_description_for_other_channels():
    assert adapt_preprocessing(WANTED, 1) == dict(
        WANTED, mean=[110.0], std=[50.0], channel_order=None, input_size=[1, 8, 8]
    )
    assert adapt_preprocessing(WANTED, 4)['channel_order'] == 'RGB'
    assert adapt_preprocessing(WANTED, 3) == WANTED
    with pytest.raises(
        ValueError, match=r'mean or std of 3 numbers for input_size=\[1, 8, 8\]; al'
    ):
        check_preprocessing({**WANTED, 'input_size': [1, 8, 8]}, 'x.pth')


def test_testing_and_resuming_adapt_nothing(weights, tmp_path):
    message = r'model.backbone.in_channels=3, the config has model.backbone.in_channels=1; allowed'
    with pytest.raises(ValueError, match=message):
        get_model(NAME, weights)
    cfg = digits(tmp_path, load_from=weights)
    with pytest.raises(ValueError, match=message):
        Runner.from_cfg(cfg).test()
    cfg = digits(tmp_path, load_from=weights, resume=True)
    with pytest.raises(ValueError, match=message):
        Runner.from_cfg(cfg).train()


def test_from_one_channel_to_three(tmp_path):
    model = get_model(NAME)
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'grey.pth')
    with pytest.raises(ValueError, match=r'is for images of 1 channel, the network for 3; al'):
        get_model(NAME, str(tmp_path / 'grey.pth'), in_channels=3)
    # Something else that does not fit is no matter of channels.
    state = {**model.state_dict(), 'backbone.conv1.weight': torch.zeros(16, 1, 5, 5)}
    torch.save(dict(state_dict=state), tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=r'1 of another shape \(backbone.conv1.weight'):
        get_model(NAME, str(tmp_path / 'other.pth'), in_channels=3)
    torch.save(dict(state_dict={'x': torch.zeros(3)}), tmp_path / 'none.pth')
    with pytest.raises(ValueError, match=r'missing'):
        get_model(NAME, str(tmp_path / 'none.pth'), in_channels=3)
