"""How a config prepares images, as data and back."""

import copy

import pytest
from mmengine.config import Config

from senet_mm.apis import get_config, get_model
from senet_mm.engine import Runner
from senet_mm.engine.weights.preprocessing import (
    check_preprocessing,
    check_preprocessor,
    describe_preprocessing,
    set_preprocessing,
)

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='mmpretrain.PackInputs')
EDGE = dict(type='ResizeEdge', scale=256, edge='short')
CROP = dict(type='CenterCrop', crop_size=224)
CV2 = dict(edge='short', backend='cv2', interpolation='bilinear')


def make(*steps, decoded=True, **preprocessor):
    preprocessor = dict(mean=[1, 2, 3], std=[4, 5, 6], **preprocessor)
    dataset = dict(type='CustomDataset', pipeline=[*[LOAD] * decoded, *steps, PACK])
    loader = dict(batch_size=1, dataset=dataset)
    return Config(
        dict(
            model=dict(type='ImageClassifier'),
            data_preprocessor=preprocessor,
            val_dataloader=loader,
            test_dataloader=copy.deepcopy(loader),
            input_shape=(3, 224, 224),
        )
    )


GEOMETRIES = [
    ([], dict(resize=None, crop=None)),
    ([EDGE, CROP], dict(resize=256, crop=224, **CV2)),
    ([dict(EDGE, backend='pillow', interpolation='bicubic', type='mmpretrain.ResizeEdge'), CROP],
     dict(resize=256, crop=224, edge='short', backend='pillow', interpolation='bicubic')),
    ([dict(type='Resize', scale=(320, 240)), dict(CROP, crop_size=(300, 200))],
     dict(resize=[320, 240], crop=[300, 200], **CV2)),
    ([dict(type='Resize', scale=96)], dict(resize=[96, 96], crop=None, **CV2)),
    ([CROP], dict(resize=None, crop=224)),
]  # fmt: skip
UNKNOWN = [
    [CROP, EDGE],
    [EDGE, EDGE],
    [dict(type='Resize', scale=(320, 240), keep_ratio=True)],
    [dict(type='Resize', scale_factor=0.5)],
    [EDGE, dict(CROP, auto_pad=True)],
    [EDGE, dict(type='EfficientNetCenterCrop', crop_size=224)],
    [EDGE, dict(type='ColorJitter'), CROP],
]
# Understood, but nothing that can be written into a file.
ODD = [[dict(EDGE, backend='tifffile'), CROP], [dict(EDGE, scale=0), CROP]]


@pytest.mark.parametrize(('steps', 'expected'), GEOMETRIES)
def test_resize_and_crop(steps, expected):
    cfg = make(*steps)
    described = describe_preprocessing(cfg)
    assert {k: v for k, v in described.items() if k in expected} == expected
    assert check_preprocessing(described, 'x') == described
    # And back, into a config that does something else.
    other = make(dict(EDGE, scale=99), CROP)
    set_preprocessing(other, described)
    for loader in ('val_dataloader', 'test_dataloader'):
        assert describe_preprocessing(other, loader) == described
        types = [step.type for step in other[loader].dataset.pipeline]
        assert (types[0], types[-1]) == (LOAD['type'], PACK['type'])


@pytest.mark.parametrize('steps', UNKNOWN + ODD)
def test_of_unknown_steps_nothing_is_claimed(steps):
    described = describe_preprocessing(make(*steps))
    assert not {'resize', 'crop', 'edge'} & described.keys()
    assert described['mean'] == [1, 2, 3]


@pytest.mark.parametrize('steps', UNKNOWN)
def test_unknown_steps_are_left_alone(steps):
    cfg = make(*steps)
    before = copy.deepcopy(cfg.test_dataloader)
    set_preprocessing(cfg, describe_preprocessing(make(EDGE, CROP)))
    assert cfg.test_dataloader == before


@pytest.mark.parametrize('decoded', [True, False])
@pytest.mark.parametrize('to_rgb', [True, False])
def test_order_of_channels_is_what_the_network_sees(decoded, to_rgb):
    """Files are decoded to BGR; arrays, as those of CIFAR, are RGB."""
    cfg = make(decoded=decoded, to_rgb=to_rgb)
    order = describe_preprocessing(cfg)['channel_order']
    assert order == ('RGB' if decoded == to_rgb else 'BGR')
    for other_decoded in (True, False):
        other = make(decoded=other_decoded)
        set_preprocessing(other, describe_preprocessing(cfg))
        assert describe_preprocessing(other)['channel_order'] == order
        assert other.data_preprocessor.to_rgb == (other_decoded == (order == 'RGB'))


def test_grey_images_have_no_order():
    cfg = make(decoded=False)
    cfg.data_preprocessor.update(mean=[7], std=[8])
    cfg.input_shape = (1, 224, 224)
    assert describe_preprocessing(cfg)['channel_order'] is None


def test_one_number_holds_for_all_channels():
    cfg = make(decoded=False)
    cfg.data_preprocessor.update(mean=[7], std=[8])
    described = describe_preprocessing(cfg)
    assert (described['mean'], described['std']) == ([7, 7, 7], [8, 8, 8])
    assert described['channel_order'] == 'RGB'
    assert check_preprocessing(described, 'x.pth') == described


def test_a_record_has_one_number_per_channel():
    described = dict(mean=[7], std=[8], channel_order='RGB', input_size=[3, 8, 8])
    with pytest.raises(ValueError, match=r'mean or std of 1 numbers for input_size=\[3, 8, 8\]; '):
        check_preprocessing(described, 'x.pth')


def test_another_preprocessor_is_not_understood():
    cfg = make(EDGE, type='SelfSupDataPreprocessor')
    assert not {'mean', 'std', 'channel_order'} & describe_preprocessing(cfg).keys()


def test_the_preprocessor_of_the_model_comes_first():
    cfg = make()
    cfg.model.data_preprocessor = dict(mean=[9, 9, 9], std=[1, 1, 1])
    assert describe_preprocessing(cfg)['mean'] == [9, 9, 9]
    set_preprocessing(cfg, describe_preprocessing(make()))
    assert cfg.model.data_preprocessor.mean == [1, 2, 3]


def test_data_sets_in_others():
    cfg = make(EDGE, CROP)
    inner = cfg.test_dataloader.dataset
    cfg.test_dataloader.dataset = dict(type='RepeatDataset', times=2, dataset=inner)
    assert describe_preprocessing(cfg)['resize'] == 256
    cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=[inner, inner])
    assert 'resize' not in describe_preprocessing(cfg)


CROPPED = dict(edge='short', backend='cv2', interpolation='bilinear')
WRONG = [
    ('x', 'preprocessing is str; allowed: a dict'),
    (dict(men=[1]), "preprocessing='men' is not known; allowed: mean, std"),
    (dict(mean=[1], std=[0], channel_order=None), r'std=\[0\]; allowed: a positive number'),
    (dict(mean=[float('nan')], std=[1], channel_order=None), 'mean='),
    (dict(mean=['1'], std=[1], channel_order=None), 'mean='),
    (dict(mean=[1, 2], std=[1, 2, 3], channel_order=None), 'of different lengths'),
    (dict(mean=[1], std=None, channel_order=None), 'of different lengths'),
    (dict(mean=[1, 2, 3]), 'lacks channel_order, std'),
    (dict(resize=10**9, crop=1), 'resize=1000000000; allowed: a side'),
    (dict(resize=True, crop=1), 'resize=True'),
    (dict(resize=1.5, crop=1), 'resize=1.5'),
    (dict(resize=256, crop=224), 'lacks backend, edge, interpolation'),
    (dict(crop=224), 'lacks resize'),
    (dict(resize=256, crop=1, edge='short', backend='os', interpolation='x'), 'backend='),
    (dict(CROPPED, resize=235, crop=500), 'crop=500 of images resized to 235; allowed: a crop w'),
    (dict(CROPPED, resize=256, crop=[224, 257]), 'crop=.224, 257. of images resized to 256'),
    (dict(CROPPED, resize=[300, 200], crop=[200, 201]), 'crop=.200, 201. of images'),
    (dict(CROPPED, resize=256, edge='width', crop=[257, 300]), 'crop=.257, 300. of images'),
    (dict(channel_order='GRB'), 'channel_order='),
    (dict(input_size=[3, 224]), 'input_size='),
]  # fmt: skip


@pytest.mark.parametrize(
    ('resize', 'edge', 'crop'),
    [(224, 'short', 224), (256, 'width', [256, 300]), (256, 'height', [300, 256]),
     ([300, 200], 'short', [300, 200]), (256, 'long', None)],
)  # fmt: skip
def test_crops_within_the_image_are_allowed(resize, edge, crop):
    given = dict(CROPPED, resize=resize, edge=edge, crop=crop)
    assert check_preprocessing(given, 'here') == given


@pytest.mark.parametrize(('given', 'message'), WRONG)
def test_what_cannot_be_is_refused(given, message):
    with pytest.raises(ValueError, match=f'^here: .*{message}'):
        check_preprocessing(given, 'here')


WHOLE = dict(type='ClsDataPreprocessor', mean=[78], std=[96], num_classes=10)


@pytest.mark.parametrize('where', ['runner', 'get_model'])
def test_a_part_of_a_preprocessor_does_not_take_the_place_of_the_whole(where, tmp_path):
    cfg = get_config('seresnet8_1xb64_digits', {'model.data_preprocessor.num_classes': 10})
    cfg.work_dir = str(tmp_path)
    message = (
        r"model.data_preprocessor={'num_classes': 10} takes the place of data_preprocessor, which "
        r'has mean, std too; allowed: data_preprocessor.num_classes='
    )
    with pytest.raises(ValueError, match=message):
        Runner.from_cfg(cfg) if where == 'runner' else get_model(cfg)


@pytest.mark.parametrize(
    ('part', 'whole'),
    [(WHOLE, dict(mean=[1])), (dict(mean=[78], std=[96]), dict(mean=[1], std=[2])), (None, WHOLE)],
)
def test_whole_preprocessors_pass(part, whole):
    check_preprocessor(Config(dict(model=dict(data_preprocessor=part), data_preprocessor=whole)))
