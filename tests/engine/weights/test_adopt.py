"""Images are prepared as the loaded weights want it, whichever way they are loaded."""

import pytest
import torch
from mmengine.config import Config

from senet_mm.apis import find_config, get_config, get_model
from senet_mm.detection import torchvision_backbone
from senet_mm.engine import Runner, load_from_local
from senet_mm.engine.weights.adopt import adopt_geometry, adopt_normalisation
from senet_mm.engine.weights.origin import check_network, load_origin, read_origin

from ..test_runner import digits

NAME = 'seresnet18_8xb32_in1k'
TIMM = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], channel_order='RGB',
    resize=235, edge='short', backend='pillow', interpolation='bicubic', crop=224,
    input_size=[3, 224, 224],
)  # fmt: skip
GREY = dict(mean=[60], std=[120], channel_order=None, resize=None, crop=None)


def origin(**meta):
    return read_origin({'state_dict': {}, 'meta': meta}, 'x.pth')


def with_options(**options):
    cfg = get_config(NAME)
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    return cfg


def adopt(cfg, source):
    return [*adopt_normalisation(cfg, source), *adopt_geometry(cfg, source)]


def get_steps(cfg):
    return [step.type for step in cfg.test_dataloader.dataset.pipeline]


def test_weights_decide():
    cfg = get_config(NAME)
    lines = adopt(cfg, origin(preprocessing=TIMM))
    assert cfg.data_preprocessor.mean == TIMM['mean']
    assert cfg.data_preprocessor.to_rgb
    assert cfg.data_preprocessor.num_classes == 1000
    edge, crop = cfg.test_dataloader.dataset.pipeline[1:3]
    assert (edge.scale, edge.interpolation, edge.backend) == (235, 'bicubic', 'pillow')
    assert crop.crop_size == 224
    assert get_steps(cfg) == get_steps(get_config(NAME))
    assert lines[0].startswith(
        'as checkpoint x.pth wants it: mean=[123.675, 116.28, 103.53] (config: [123, 117, 104]), '
    )
    assert 'resize=235 (config: 256)' in lines[1]
    assert adopt(cfg, origin(preprocessing=TIMM)) == []


@pytest.mark.parametrize('channels', [1, 4])
def test_the_geometry_of_weights_leaves_the_channels(channels, tmp_path):
    source = get_model(with_options(input_shape=(3, 64, 64)))
    small = dict(TIMM, resize=73, crop=64, input_size=[3, 64, 64])
    meta = dict(config=f'{NAME}.py', preprocessing=small)
    torch.save(dict(state_dict=source.state_dict(), meta=meta), tmp_path / 'small.pth')
    model = get_model(NAME, str(tmp_path / 'small.pth'), in_channels=channels, num_classes=3)
    assert model.cfg.input_shape == (channels, 64, 64)
    assert model.cfg.test_dataloader.dataset.pipeline[2].crop_size == 64


def test_an_option_that_contradicts_the_normalisation_is_refused():
    cfg = with_options(data_preprocessor__mean=[1, 2, 3])
    with pytest.raises(ValueError, match=r'made with mean=\[123.675, .*says mean=\[1, 2, 3\]'):
        adopt(cfg, origin(preprocessing=TIMM))
    cfg = with_options(data_preprocessor__mean=TIMM['mean'])
    assert 'mean=' not in adopt(cfg, origin(preprocessing=TIMM))[0]


@pytest.mark.parametrize('way', ['option', 'config'])
def test_a_chosen_size_stays(way, tmp_path):
    if way == 'option':
        cfg = with_options(
            test_dataloader__dataset__pipeline__1__scale=330,
            test_dataloader__dataset__pipeline__2__crop_size=288,
        )
    else:
        cfg = get_config('senet154_64xb32-100e-test320_in1k')
    before = cfg.test_dataloader.to_dict()
    lines = adopt(cfg, origin(preprocessing=TIMM))
    assert cfg.test_dataloader.to_dict() == before
    assert lines[-1].startswith(
        'the test is as chosen; checkpoint x.pth wants resize=235 (config: 3'
    )
    assert cfg.data_preprocessor.mean == TIMM['mean']


def test_files_without_an_origin_say_so():
    cfg, before = get_config(NAME), get_config(NAME).to_dict()
    for checkpoint in ({}, {'meta': 3}, {'meta': {'cfg': 3}}, {'meta': {'epoch': 1}}, 'x'):
        [line] = adopt(cfg, read_origin(checkpoint, 'x.pth'))
        assert line.startswith('checkpoint x.pth does not say how its images were normalised')
    lines = adopt(cfg, origin(cfg='import os'))
    assert 'its config is not compared, it cannot be read' in lines[0]
    for text in ('model = 3', 'model = dict(x=1)\ntest_dataloader = 3\ndata_preprocessor = [1]'):
        adopt(cfg, origin(cfg=text))
    assert cfg.to_dict() == before


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r'checkpoint x.pth: preprocessing std=\[0'):
        origin(preprocessing={**TIMM, 'std': [0, 1, 1]})


def test_a_config_that_is_not_understood_decides():
    cfg = with_options(data_preprocessor__type='MyPreprocessor')
    cfg.test_dataloader.dataset.pipeline.insert(1, dict(type='ColorJitter'))
    before = cfg.to_dict()
    lines = adopt(cfg, origin(preprocessing=TIMM))
    assert cfg.to_dict() == before
    assert [line.partition(':')[0] for line in lines] == ['data_preprocessor', 'test_dataloader']


def test_checkpoints_of_older_versions_and_of_mmpretrain_have_a_config():
    """Without ``preprocessing`` it is read off the text."""
    text = get_config('seresnet50-caffe_8xb32_in1k').pretty_text
    assert origin(cfg=text).preprocessing['channel_order'] == 'BGR'
    assert origin(cfg=text).preprocessing['mean'] == [104, 117, 123]


def test_files_that_an_older_version_converted_name_their_config(tmp_path):
    """Pooling and stride placement do not show in a shape."""
    source = origin(config='seresnet50-caffe_8xb32_in1k')
    check_network(get_config('seresnet50-caffe_8xb32_in1k'), source)
    lines = adopt(get_config(NAME), origin(config=NAME, source_format='timm'))
    assert lines[0].endswith('did not note its images; convert it again')
    with pytest.raises(
        ValueError,
        match=r'model.backbone.block.style=caffe .*pool=ceil, the config has .*style=pytorch',
    ):
        check_network(get_config('seresnet50_8xb32_in1k'), source)
    # A path would be executed.
    (tmp_path / 'hostile.py').write_text('raise SystemExit')
    check_network(get_config('seresnet50_8xb32_in1k'), origin(config=f'{tmp_path}/hostile.py'))


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """The digits network as it is initialised, made for images of its own."""
    file = tmp_path_factory.mktemp('weights') / 'weights.pth'
    name = 'seresnet8_1xb64_digits'
    meta = dict(cfg=get_config(name).pretty_text, preprocessing=GREY)
    torch.save(dict(state_dict=get_model(name).state_dict(), meta=meta), file)
    return str(file)


def by_load_from(cfg, file):
    cfg.load_from = file


def by_backbone(cfg, file):
    cfg.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=file)


def by_resume(cfg, file):
    cfg.load_from, cfg.resume = file, True


@pytest.mark.parametrize('load', [by_load_from, by_backbone, by_resume])
def test_training_normalises_as_its_start(weights, tmp_path, logged, load):
    cfg = digits(tmp_path, **{'train_cfg.max_epochs': 1})
    load(cfg, weights)
    runner = Runner.from_cfg(cfg)
    assert runner.model.data_preprocessor.mean.flatten().tolist() == [60]
    assert runner.model.data_preprocessor.std.flatten().tolist() == [120]
    assert cfg.data_preprocessor.mean == [78]  # the caller's is left alone


# The digits without resizing.
PLAIN = {
    f'{split}_dataloader.dataset.pipeline': [dict(type='PackInputs')] for split in ('val', 'test')
}


def test_the_runner_tests_at_the_size_of_the_weights_it_loaded(weights, tmp_path):
    """Not at that of the weights from which it trained."""
    saved = load_from_local(weights)
    saved['meta']['preprocessing'] = {**GREY, 'crop': 6}
    torch.save(saved, tmp_path / 'cropped.pth')
    for train in (False, True):
        changes = {'load_from': str(tmp_path / 'cropped.pth'), 'train_cfg.max_epochs': 1}
        runner = Runner.from_cfg(digits(tmp_path / str(train), **changes))
        if train:
            runner.train()
        runner.test_evaluator  # noqa: B018 - as tools/test.py does, it builds the loop
        runner.test()
        [*crop, _] = runner.cfg.test_dataloader.dataset.pipeline
        kinds = [step.type for step in crop]
        assert kinds == (['ResizeEdge', 'CenterCrop'] if train else ['CenterCrop'])
        [sample] = next(iter(runner.test_dataloader))['inputs'][:1]
        assert sample.shape == ((1, 8, 8) if train else (1, 6, 6))


def test_fine_tuned_weights_carry_what_they_took_over(weights, tmp_path):
    """They may be of a network with another number of classes."""
    cfg = digits(tmp_path, **{'model.head.num_classes': 12})
    saved = dict(load_from_local(weights), state_dict=get_model(cfg).state_dict())
    saved['meta']['cfg'] = cfg.pretty_text
    torch.save(saved, tmp_path / 'start.pth')
    changes = {'train_cfg.max_epochs': 1, 'load_from': str(tmp_path / 'start.pth'), **PLAIN}
    Runner.from_cfg(digits(tmp_path, **changes)).train()
    source = load_origin(str(tmp_path / 'epoch_1.pth'))
    assert source.preprocessing == {**GREY, 'input_size': [1, 8, 8]}
    assert source.config['data_preprocessor']['mean'] == [60]
    assert source.classes == tuple('0123456789')


@pytest.mark.parametrize('resume', [False, True])
def test_training_refuses_the_weights_of_another_network(weights, tmp_path, resume):
    changes = {'load_from': weights, 'model.se.layer.gate_cfg.type': 'Tanh', 'resume': resume}
    with pytest.raises(ValueError, match=r'model.se.layer.gate_cfg.type=Sigmoid, the config has'):
        Runner.from_cfg(digits(tmp_path, **changes)).train()
    assert not list(tmp_path.glob('*.pth'))


def test_a_resumed_run_is_not_given_other_images(tmp_path):
    """Its checkpoint is found after the network is built."""
    Runner.from_cfg(digits(tmp_path, **{'train_cfg.max_epochs': 1})).train()
    changes = {'resume': True, 'data_preprocessor.mean': [10]}
    with pytest.raises(ValueError, match=r'was made with mean=\[78.0\], .* says mean=\[10\]'):
        Runner.from_cfg(digits(tmp_path, **changes)).train()


@pytest.mark.slow
def test_detectors_normalise_as_the_weights(tmp_path):
    config = tmp_path / 'small.py'
    config.write_text(
        f'_base_ = {find_config(NAME)!r}\nmodel = dict(head=dict(num_classes=3))\n'
        'data_preprocessor = dict(num_classes=3)\n'
    )
    cfg = Config.fromfile(config)
    for order, preprocessing in (('RGB', TIMM), ('BGR', {**TIMM, 'channel_order': 'BGR'})):
        meta = dict(cfg=cfg.pretty_text, preprocessing=preprocessing)
        saved = dict(state_dict=get_model(str(config)).state_dict(), meta=meta)
        torch.save(saved, tmp_path / 'w.pth')
        backbone = torchvision_backbone(str(config), tmp_path / 'w.pth')
        assert backbone.bgr == (order == 'BGR')
        mean = backbone.normalization['image_mean']
        expected = [value / 255 for value in TIMM['mean']]
        assert mean == (expected[::-1] if backbone.bgr else expected)
    cfg.model.se.layer.gate_cfg = dict(type='Tanh')
    saved['meta']['cfg'] = cfg.pretty_text
    torch.save(saved, tmp_path / 'w.pth')
    with pytest.raises(ValueError, match=r'gate_cfg.type=Tanh, the config has'):
        torchvision_backbone(str(config), tmp_path / 'w.pth')


def test_what_a_model_carries(weights):
    meta = load_from_local(weights)['meta']
    model = get_model('seresnet8_1xb64_digits', weights)
    assert model.cfg.data_preprocessor.mean == meta['preprocessing']['mean']
    assert model.dataset_meta == {}
