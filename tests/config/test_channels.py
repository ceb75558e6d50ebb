"""One word lets all parts of a config take images of other channels; contradictions are refused."""

import pytest

from senet_mm.apis import get_config, get_model, list_models
from senet_mm.config.channels import adapt_numbers, apply_in_channels, check_channels
from senet_mm.config.text import read_config_text

NAME = 'seresnet18_8xb32_in1k'


@pytest.mark.parametrize(
    ('channels', 'expected'),
    [
        (1, [20.0]),
        (2, [30, 20]),
        (3, [30, 20, 10]),
        (4, [30, 20, 10, 30]),
        (7, [30, 20, 10] * 2 + [30]),
    ],
)
def test_numbers_per_channel(channels, expected):
    assert adapt_numbers([30, 20, 10], channels) == expected
    assert adapt_numbers((5,), channels) == [5]
    assert adapt_numbers([1, 2], channels) == [1, 2]


def test_all_parts_of_a_config(tmp_path):
    cfg = get_config('seresnet50_8xb32_in1k', {'in_channels': 1})
    assert cfg.model.backbone.in_channels == 1
    assert cfg.input_shape == (1, 224, 224)
    assert (cfg.data_preprocessor.mean, cfg.data_preprocessor.std) == ([114.666667], [1.0])
    for split in ('train', 'val', 'test'):
        loading, *_ = cfg[f'{split}_dataloader'].dataset.pipeline
        assert loading == dict(type='LoadImage', color_type='grayscale')
    assert cfg.train_dataloader.dataset.pipeline[2].fill == (114.666667,)
    # As a checkpoint or a work directory has it: nothing changes, and nothing is unused.
    written = cfg.to_dict()
    apply_in_channels(cfg)
    assert cfg.to_dict() == written
    cfg.dump(str(tmp_path / 'written.py'))
    assert get_config(str(tmp_path / 'written.py')).to_dict() == written
    assert read_config_text(cfg.pretty_text)['input_shape'] == (1, 224, 224)


def test_four_channels():
    cfg = get_config(NAME, {'in_channels': 4})
    loading = cfg.test_dataloader.dataset.pipeline[0]
    assert loading == dict(type='LoadImage', color_type='unchanged', channels=4)
    assert cfg.data_preprocessor.mean == [123, 117, 104, 123]
    grey = get_config(NAME, {'in_channels': 1, 'test_pipeline.0.color_type': 'unchanged'})
    loading = grey.test_dataloader.dataset.pipeline[0]
    assert loading == dict(type='LoadImage', color_type='unchanged', channels=1)


def test_all_in_a_file(tmp_path):
    """Also where the network has no argument for it, and upstream's loader and preprocessor."""
    (tmp_path / 'mine.py').write_text(
        "_base_ = 'sevgg16_8xb128-100e_in1k.py'\nin_channels = 4\n"
        "data_preprocessor = dict(type='ClsDataPreprocessor')\n"
        "val_dataloader = dict(dataset=dict(pipeline=[dict(type='LoadImageFromFile'),"
        " dict(type='PackInputs')]))\n"
    )
    cfg = get_config(str(tmp_path / 'mine.py'))
    assert cfg.model.in_channels == 4
    assert cfg.data_preprocessor.type == 'BatchPreprocessor'
    assert cfg.val_dataloader.dataset.pipeline[0].color_type == 'unchanged'
    check_channels(cfg)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'in_channels': 0}, 'in_channels=0; allowed: None or a whole number from 1'),
        ({'in_channels': '1'}, "in_channels='1'; allowed: None or a whole number from 1"),
        (
            {'in_channels': 1, 'data_preprocessor.mean': [1, 2, 3]},
            '--cfg-options data_preprocessor.mean=[1, 2, 3]: in_channels=1 makes it [2.0]; '
            'allowed: that, or in_channels alone',
        ),
        (
            {'in_channels': 1, 'model.backbone.in_channels': 3},
            '--cfg-options model.backbone.in_channels=3: in_channels=1 makes it 1; allowed: '
            'that, or in_channels alone',
        ),
        (
            {'in_channels': 1, 'data_preprocessor.std': [1, 2]},
            'the parts of the config differ in the number of channels: 1 in the images of '
            'train_dataloader, the images of val_dataloader, the images of test_dataloader, '
            'input_shape, model.backbone.in_channels; 2 in data_preprocessor.std; allowed: one '
            'number; in_channels=N sets all of them',
        ),
        (
            {'model.backbone.in_channels': 1},
            'the parts of the config differ in the number of channels: 1 in '
            'model.backbone.in_channels; 3 in the images of train_dataloader, the images of '
            'val_dataloader, the images of test_dataloader, input_shape, data_preprocessor.mean, '
            'data_preprocessor.std; allowed: one number; in_channels=N sets all of them',
        ),
        (
            {'test_pipeline.0.color_type': 'grayscale'},
            'the parts of the config differ in the number of channels: 1 in the images of '
            'val_dataloader, the images of test_dataloader; 3 in the images of train_dataloader, '
            'input_shape, data_preprocessor.mean, data_preprocessor.std, '
            'model.backbone.in_channels; allowed: one number; in_channels=N sets all of them',
        ),
    ],
)  # fmt: skip
def test_what_is_refused(options, message):
    with pytest.raises(ValueError, match='channels') as error:
        get_config(NAME, options)
    assert str(error.value) == message


def test_own_statistics_of_as_many_channels():
    options = {'in_channels': 1, 'data_preprocessor.mean': [60], 'data_preprocessor.std': [30]}
    cfg = get_config(NAME, options)
    assert (cfg.data_preprocessor.mean, cfg.data_preprocessor.std) == ([60], [30])
    one = get_config(NAME, {'data_preprocessor.mean': [127.5]})  # holds for all three
    assert one.model.backbone.get('in_channels', 3) == 3


def test_a_step_of_the_users_own_may_change_the_channels():
    """The images are then what it makes of them; a batch shows it before the run."""
    cfg = get_config('seresnet8_1xb64_digits')
    steps = [dict(type='LoadImage'), dict(type='MyChannel'), dict(type='PackInputs')]
    cfg.val_dataloader.dataset.pipeline = steps
    check_channels(cfg)
    steps[1] = dict(type='CenterCrop', crop_size=8)
    cfg.val_dataloader.dataset.pipeline = steps
    with pytest.raises(ValueError, match='3 in the images of val_dataloader'):
        check_channels(cfg)


def test_without_a_network(tmp_path):
    (tmp_path / 'mine.py').write_text('in_channels = 1\n')
    with pytest.raises(ValueError, match=r'in_channels=1: the config has no model.backbone'):
        get_config(str(tmp_path / 'mine.py'))


def test_models_by_name():
    assert get_model('seresnet8_1xb64_digits', in_channels=4).backbone.conv1.in_channels == 4
    with pytest.raises(ValueError, match=r"in_channels='x'; allowed: whole numbers from 1"):
        get_model('seresnet8_1xb64_digits', in_channels='x')
    cfg = get_config('seresnet8_1xb64_digits')
    cfg.model.backbone.in_channels = 2
    with pytest.raises(ValueError, match=r'1 in input_shape; 2 in model.backbone.in_channels'):
        get_model(cfg)


@pytest.mark.slow
def test_all_configs():
    for name in list_models():
        check_channels(get_config(name, {'in_channels': 4}))
