"""The conversion of files: there and back, the order of classes, and what is refused."""

import hashlib
import os
from functools import partial

import numpy as np
import pytest
import timm
import torch
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES

from senet_mm import __version__
from senet_mm.apis import find_config, get_config, get_model
from senet_mm.config.text import read_config_text
from senet_mm.converters import CaffeLayer, read_caffemodel, write_caffemodel
from senet_mm.converters.caffe import sorted_to_caffe
from senet_mm.converters.target import Target
from senet_mm.converters.tensor_files import read_tensors, write_tensors
from senet_mm.engine import load_from_local
from senet_mm.engine.weights.preprocessing import describe_preprocessing

from ..conftest import load_tool
from .parity import CONFIGS, NETS, caffe_model, convert

pytestmark = pytest.mark.slow

CAFFE_50 = 'seresnet50-caffe_8xb32_in1k'
PAD1_50 = 'seresnet50_8xb32_in1k'


def numbered_blobs(net):
    """Blobs of a Caffe network, all numbers different from their neighbours; factors as trained."""
    rng = np.random.default_rng(0)
    return {
        layer.name: [
            np.full(1, 999.98, np.float32)
            if layer.type == 'BatchNorm' and i == 2
            else rng.random(shape, np.float32) + np.float32(0.5)
            for i, shape in enumerate(layer.blob_shapes)
        ]
        for layer in NETS[net].layers
        if layer.blob_shapes
    }


def state_of(path):
    return load_from_local(str(path))['state_dict']


def assert_equal(state, other):
    assert list(state) == list(other)
    for name, tensor in state.items():
        assert tensor.dtype == other[name].dtype
        assert torch.equal(tensor, other[name]), name


@pytest.fixture(scope='module')
def caffe_50(tmp_path_factory):
    """A ``.caffemodel`` of SE-ResNet-50."""
    path = tmp_path_factory.mktemp('caffe') / 'se.caffemodel'
    write_caffemodel(path, caffe_model(NETS['SE-ResNet-50'].layers, numbered_blobs('SE-ResNet-50')))
    return path


@pytest.fixture(scope='module')
def timm_50(tmp_path_factory):
    """Weights of today's seresnet50 of timm."""
    path = tmp_path_factory.mktemp('timm') / 'se.pth'
    torch.save({'state_dict': timm.create_model('seresnet50').state_dict(), 'epoch': 3}, path)
    return path


@pytest.fixture(scope='module')
def legacy_50(tmp_path_factory):
    """Weights of timm's legacy_seresnet50."""
    path = tmp_path_factory.mktemp('timm') / 'legacy.safetensors'
    write_tensors(path, timm.create_model('legacy_seresnet50').state_dict())
    return path


@pytest.mark.parametrize(
    ('net', 'order'),
    [
        ('SE-BN-Inception', 'sorted'),
        ('SE-ResNet-50', 'sorted'),
        ('SE-ResNet-50', 'source'),
        ('SE-ResNeXt-50', 'sorted'),
        ('SENet-154', 'sorted'),
    ],
)
def test_caffe_there_and_back_is_the_identity(net, order, tmp_path):
    layers, blobs = NETS[net].layers, numbered_blobs(net)
    names = ('net.caffemodel', 'net.pth', 'back.caffemodel', 'again.pth')
    src, there, back, again = (tmp_path / name for name in names)
    write_caffemodel(src, caffe_model(layers, blobs))
    convert('caffe', src, there, CONFIGS[net], order=order)
    convert('caffe', there, back, CONFIGS[net], '--reverse', order=order)
    convert('caffe', back, again, CONFIGS[net], order=order)
    assert_equal(state_of(there), state_of(again))

    written = read_caffemodel(back).layers
    assert [layer[:2] for layer in written] == [
        (layer.name, layer.type) for layer in layers if layer.blob_shapes
    ]
    for layer in written:
        given = blobs[layer.name]
        if layer.type == 'BatchNorm':
            given = [*(blob / given[2] for blob in given[:2]), np.ones(1, np.float32)]
        for blob, expected in zip(layer.blobs, given, strict=True):
            assert np.array_equal(blob, expected)


@pytest.mark.parametrize(
    ('kind', 'name', 'config', 'suffix'),
    [
        ('timm', 'legacy_seresnet50', CAFFE_50, '.pth'),
        ('timm', 'legacy_senet154', 'senet154-caffe_64xb32-100e_in1k', '.safetensors'),
        ('timm', 'seresnet50', PAD1_50, '.safetensors'),
        ('timm', 'senet154', 'senet154_8xb32_in1k', '.pth'),
        ('torchvision', 'resnet50', 'resnet50_8xb32_in1k', '.pth'),
    ],
)
def test_tensors_there_and_back_are_the_identity(kind, name, config, suffix, tmp_path):
    state = timm.create_model(name).state_dict()
    for key in state:
        if key.endswith('num_batches_tracked'):
            state[key] += 7
    src, there, back = (tmp_path / name for name in (f'net{suffix}', 'ours.pth', f'back{suffix}'))
    write_tensors(src, state)
    convert(kind, src, there, config)
    convert(kind, there, back, config, '--reverse')
    returned = read_tensors(back)
    assert returned.keys() == state.keys()
    assert_equal({name: returned[name] for name in state}, state)


def test_torchvision_has_no_place_for_se(timm_50, tmp_path):
    convert('timm', timm_50, tmp_path / 'ours.pth', PAD1_50)
    message = r'torchvision has no place for 64 tensors \(.*\); allowed: a config without SE'
    with pytest.raises(ValueError, match=message):
        convert('torchvision', tmp_path / 'ours.pth', tmp_path / 'tv.pth', PAD1_50, '--reverse')
    assert os.listdir(tmp_path) == ['ours.pth']


def test_class_order(caffe_50, tmp_path):
    order = sorted_to_caffe()
    assert sorted(order.tolist()) == list(range(1000))
    assert order[0] == 448  # tench
    assert order[278] == 0  # kit fox
    convert('caffe', caffe_50, tmp_path / 'sorted.pth', CAFFE_50)
    convert('caffe', caffe_50, tmp_path / 'source.pth', CAFFE_50, order='source')
    by_wnid, by_caffe = state_of(tmp_path / 'sorted.pth'), state_of(tmp_path / 'source.pth')
    weight, bias = next(
        layer.blobs for layer in read_caffemodel(caffe_50).layers if layer.name == 'classifier'
    )
    for name, blob in (('head.fc.weight', weight), ('head.fc.bias', bias)):
        assert np.array_equal(by_caffe[name], blob)
        assert np.array_equal(by_wnid[name][0], blob[448])
        assert np.array_equal(by_wnid[name][278], blob[0])
        assert np.array_equal(by_wnid[name], blob[order])
    assert_equal(*({k: v for k, v in s.items() if 'head' not in k} for s in (by_wnid, by_caffe)))


@pytest.mark.parametrize(('given', 'asked'), [('sorted', 'source'), ('source', 'sorted')])
def test_a_contradiction_of_class_orders_is_refused(caffe_50, tmp_path, given, asked):
    convert('caffe', caffe_50, tmp_path / 'ours.pth', CAFFE_50, order=given)
    message = f"has the class order '{given}', not '{asked}'; allowed: --class-order {given}"
    for kind, dst in (('caffe', 'net.caffemodel'), ('timm', 'net.pth')):
        with pytest.raises(ValueError, match=message):
            convert(kind, tmp_path / 'ours.pth', tmp_path / dst, CAFFE_50, '--reverse', order=asked)


def test_meta(caffe_50, tmp_path):
    convert('caffe', caffe_50, tmp_path / 'ours.pth', CAFFE_50)
    meta = load_from_local(str(tmp_path / 'ours.pth'))['meta']
    config = read_config_text(meta.pop('cfg'))
    assert config['model']['backbone'] == get_config(CAFFE_50).model.backbone
    assert describe_preprocessing(config) == meta.pop('preprocessing')
    assert meta.pop('dataset_meta') == {'classes': list(IMAGENET_CATEGORIES)}
    digest = hashlib.sha256(caffe_50.read_bytes()).hexdigest()
    assert meta == dict(
        config=CAFFE_50,
        recipe=CAFFE_50,
        license=None,
        source=f'se.caffemodel of Caffe, SHA-256 {digest}',
        source_format='caffe',
        source_file='se.caffemodel',
        source_sha256=digest,
        class_order='sorted',
        senet_mm_version=__version__,
    )


def test_names_of_the_classes_follow_their_order(caffe_50, tmp_path):
    for order in ('sorted', 'source'):
        convert('caffe', caffe_50, tmp_path / f'{order}.pth', CAFFE_50, order=order)
    by_wnid, by_caffe = (
        get_model(CAFFE_50, tmp_path / f'{order}.pth').dataset_meta['classes']
        for order in ('sorted', 'source')
    )
    assert by_wnid[0].startswith('tench')
    assert by_caffe[448] == by_wnid[0]
    assert by_caffe[0].startswith('kit fox')


def test_a_converted_file_is_of_its_config_alone(caffe_50, tmp_path):
    """The other config has the same tensors; the reverse conversion is refused too."""
    convert('caffe', caffe_50, tmp_path / 'ours.pth', CAFFE_50)
    message = (
        r'made with .*style=caffe .*, the config has .*style=pytorch .*; allowed: --cfg-options '
    )
    with pytest.raises(ValueError, match=message):
        get_model(PAD1_50, tmp_path / 'ours.pth')
    refused(ValueError, message, 'timm', tmp_path / 'ours.pth', tmp_path, PAD1_50, '--reverse')


def test_stated_preprocessing(timm_50, tmp_path):
    stated = ('--preprocessing', 'resize=321', 'crop=288', 'mean=[1,2,3]')
    convert('timm', timm_50, tmp_path / 'ours.pth', PAD1_50, *stated)
    model = get_model(PAD1_50, tmp_path / 'ours.pth')
    assert model.data_preprocessor.mean.flatten().tolist() == [1, 2, 3]
    edge, crop = model.cfg.test_dataloader.dataset.pipeline[1:3]
    assert (edge.scale, crop.crop_size) == (321, 288)
    assert model.cfg.input_shape == (3, 288, 288)
    for options in (('--preprocessing', 'resize=0'), (*stated, '--reverse')):
        refused(ValueError, '--preprocessing', 'timm', timm_50, tmp_path, PAD1_50, *options)


def test_a_factor_of_0_stands_for_statistics_of_0(caffe_50, tmp_path):
    model = read_caffemodel(caffe_50)
    zero = np.zeros(1, np.float32)
    for layer in model.layers:
        if layer.name == 'conv1/7x7_s2/bn':
            layer.blobs[2] = zero
    write_caffemodel(tmp_path / 'zero.caffemodel', model)
    convert('caffe', tmp_path / 'zero.caffemodel', tmp_path / 'ours.pth', CAFFE_50)
    state = state_of(tmp_path / 'ours.pth')
    assert (state['backbone.bn1.running_mean'] == 0).all()
    assert (state['backbone.bn1.running_var'] == 0).all()
    assert (state['backbone.layer1.0.bn1.running_var'] > 0).all()


def test_legacy_shapes(caffe_50, tmp_path):
    """Files of 2014 have four axes for everything."""
    model = read_caffemodel(caffe_50)
    for layer in model.layers:
        layer.blobs[:] = [
            blob.reshape([1] * (4 - blob.ndim) + list(blob.shape)) for blob in layer.blobs
        ]
    write_caffemodel(tmp_path / 'legacy.caffemodel', model)
    convert('caffe', tmp_path / 'legacy.caffemodel', tmp_path / 'legacy.pth', CAFFE_50)
    convert('caffe', caffe_50, tmp_path / 'ours.pth', CAFFE_50)
    assert_equal(state_of(tmp_path / 'legacy.pth'), state_of(tmp_path / 'ours.pth'))


@pytest.mark.parametrize('wrapper', ['state_dict', 'model'])
def test_variants_of_a_tensor_file(timm_50, wrapper, tmp_path):
    """Wrapped, of several processes, in half precision, without counters."""
    state = load_from_local(str(timm_50))['state_dict']
    halves = {
        f'module.{name}': tensor.half()
        for name, tensor in state.items()
        if not name.endswith('num_batches_tracked')
    }
    torch.save({wrapper: halves, 'optimizer': {}}, tmp_path / 'net.pth')
    convert('timm', tmp_path / 'net.pth', tmp_path / 'ours.pth', PAD1_50)
    ours = state_of(tmp_path / 'ours.pth')
    assert list(ours) == list(Target(PAD1_50).tensors)
    assert {str(tensor.dtype) for tensor in ours.values()} == {'torch.float32', 'torch.int64'}
    assert torch.equal(ours['head.fc.weight'], state['fc.weight'].half().float())
    assert ours['backbone.bn1.num_batches_tracked'] == 0


PLAIN_10 = """
_base_ = {base!r}
model = dict(head=dict(num_classes=10))
"""


def ten_classes(folder):
    path = folder / 'ten.py'
    path.write_text(PLAIN_10.format(base=find_config(CAFFE_50)))
    return str(path)


def test_other_classes_have_no_known_order(caffe_50, tmp_path):
    model = read_caffemodel(caffe_50)
    model.layers[-2].blobs[:] = [blob[:10] for blob in model.layers[-2].blobs]
    assert model.layers[-2].name == 'classifier'
    write_caffemodel(tmp_path / 'ten.caffemodel', model)
    step = partial(convert, 'caffe', tmp_path / 'ten.caffemodel', tmp_path / 'ten.pth')
    with pytest.raises(ValueError, match=r'10 classes.*1000 is known; allowed: --class-order sou'):
        step(ten_classes(tmp_path))
    assert not (tmp_path / 'ten.pth').exists()
    step(ten_classes(tmp_path), order='source')
    assert state_of(tmp_path / 'ten.pth')['head.fc.weight'].shape == (10, 2048)


def refused(error, message, kind, src, folder, config, *options):
    """Assert that a conversion is refused with one line and that nothing is written."""
    before = sorted(os.listdir(folder))
    with pytest.raises(error, match=message) as caught:
        convert(kind, src, folder / 'refused.pth', config, *options)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(os.listdir(folder)) == before


def edited(path, folder, edit):
    """A copy of a ``.caffemodel`` after ``edit`` of its layers with weights, by name."""
    model = read_caffemodel(path)
    layers = {layer.name: layer for layer in model.layers if layer.blobs}
    edit(layers)
    write_caffemodel(folder / 'edited.caffemodel', model._replace(layers=list(layers.values())))
    return folder / 'edited.caffemodel'


def transpose_fc(layers):
    layers['classifier'].blobs[0] = layers['classifier'].blobs[0].T


def rename(layers):
    layers['new'] = layers.pop('conv2_1_3x3')._replace(name='conv2_1_3X3')


CAFFE_DAMAGE = {
    'a transposed fc': (
        transpose_fc, r'1 of another shape \(classifier\[0\] \(2048, 1000\) for \(1000, 2048\)\)$'),
    'a renamed layer': (
        rename, r'1 missing \(conv2_1_3x3\[0\]\); 1 unexpected \(conv2_1_3X3\[0\]\)$'),
    'a layer too few': (
        lambda layers: layers.pop('conv5_3_1x1_up'), r'2 missing \(conv5_3_1x1_up\[0\], conv5_3_'),
    'a layer too many': (
        lambda layers: layers.update(x=CaffeLayer('x', 'Scale', [np.ones(1, np.float32)])),
        r'1 unexpected \(x\[0\]\)$'),
    'no factor': (
        lambda layers: layers['conv1/7x7_s2/bn'].blobs.pop(),
        r'1 missing \(conv1/7x7_s2/bn\[2\]\)$'),
    'a bias of a convolution that has none': (
        lambda layers: layers['conv1/7x7_s2'].blobs.append(np.ones(64, np.float32)),
        r'1 unexpected \(conv1/7x7_s2\[1\]\)$'),
}  # fmt: skip


@pytest.mark.parametrize(('edit', 'message'), CAFFE_DAMAGE.values(), ids=CAFFE_DAMAGE)
def test_caffe_files_that_do_not_fit(caffe_50, tmp_path, edit, message):
    src = edited(caffe_50, tmp_path, edit)
    refused(
        ValueError,
        f'blobs do not fit config {CAFFE_50}: {message}',
        'caffe',
        src,
        tmp_path,
        CAFFE_50,
    )


def change(path, folder, edit):
    """A copy of a torch file after ``edit`` of its state dict."""
    state = load_from_local(str(path))['state_dict']
    edit(state)
    torch.save(state, folder / 'edited.pth')
    return folder / 'edited.pth'


TENSOR_DAMAGE = {
    'a transposed fc': (
        lambda state: state.update({'fc.weight': state['fc.weight'].T}),
        r'1 of another shape \(fc.weight \(2048, 1000\) for \(1000, 2048\)\)$'),
    'a renamed key': (
        lambda state: state.update({'fc.wait': state.pop('fc.weight')}),
        r'1 missing \(fc.weight\); 1 unexpected \(fc.wait\)$'),
    'a key too few': (lambda state: state.pop('bn1.bias'), r'1 missing \(bn1.bias\)$'),
    'no tensor': (lambda state: state.update(x=3), 'holds no tensors by name: x is int$'),
    'nothing': (lambda state: state.clear(), 'holds no tensors by name$'),
}  # fmt: skip


@pytest.mark.parametrize(('edit', 'message'), TENSOR_DAMAGE.values(), ids=TENSOR_DAMAGE)
def test_tensor_files_that_do_not_fit(timm_50, tmp_path, edit, message):
    src = change(timm_50, tmp_path, edit)
    refused(ValueError, message, 'timm', src, tmp_path, PAD1_50)


@pytest.mark.parametrize('kind', ['caffe', 'timm', 'timm-safetensors'])
@pytest.mark.parametrize('length', [0, 10, 1000, -1000])
def test_truncated_files(caffe_50, timm_50, legacy_50, tmp_path, kind, length):
    path = {'caffe': caffe_50, 'timm': timm_50, 'timm-safetensors': legacy_50}[kind]
    src = tmp_path / path.name
    src.write_bytes(path.read_bytes()[:length])
    refused(ValueError, f'{src.name} (is|has) ', kind.partition('-')[0], src, tmp_path, CAFFE_50)


@pytest.mark.parametrize(
    ('kind', 'src'), [('caffe', 'x.caffemodel'), ('timm', 'x.pth'), ('timm', 'x.safetensors')]
)
def test_missing_file(tmp_path, kind, src):
    refused(FileNotFoundError, f'{src} does not exist$', kind, tmp_path / src, tmp_path, CAFFE_50)


class Hostile:
    """Runs a command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_hostile_file_is_not_run(tmp_path):
    src = tmp_path / 'hostile.pth'
    torch.save({'state_dict': Hostile(f'touch {tmp_path}/proof')}, src)
    refused(ValueError, r'is refused: it refers to posix.system', 'timm', src, tmp_path, CAFFE_50)


def test_widths_of_timm_name_the_option(tmp_path):
    src = tmp_path / 'timm.pth'
    torch.save(timm.create_model('seresnet18').state_dict(), src)
    named = 'allowed: .*--cfg-options model.se.layer.divisor=8 for seresnet18$'
    refused(ValueError, named, 'timm', src, tmp_path, 'seresnet18_8xb32_in1k')


def test_a_foreign_network(caffe_50, timm_50, tmp_path):
    """Another depth, another kind, another number of classes."""
    foreign = partial(refused, ValueError)
    foreign(r'\d+ missing \(', 'caffe', caffe_50, tmp_path, 'seresnet101-caffe_8xb32_in1k')
    foreign(r'\d+ missing \(.*\)', 'timm', timm_50, tmp_path, 'seresnet101_8xb32_in1k')
    foreign(r'missing .*; \d+ unexpected', 'caffe', caffe_50, tmp_path, CONFIGS['SE-BN-Inception'])
    foreign('64 unexpected', 'timm', timm_50, tmp_path, 'resnet50_8xb32_in1k')
    foreign(r'as a network of mmpretrain: \d+ missing', 'mmpretrain', timm_50, tmp_path, PAD1_50)
    foreign(
        r'classifier\[0\] \(1000, 2048\) for \(10, 2048\)',
        'caffe',
        caffe_50,
        tmp_path,
        ten_classes(tmp_path),
    )


CEIL_CAFFE = "stem.pool='ceil' and style='caffe'"
PAD1_PYTORCH = "stem.pool='pad1' and style='pytorch'"
PAIRINGS = [
    ('caffe', 'caffe_50', PAD1_50, CEIL_CAFFE, CAFFE_50),
    ('timm', 'legacy_50', PAD1_50, CEIL_CAFFE, CAFFE_50),
    ('timm', 'timm_50', CAFFE_50, PAD1_PYTORCH, PAD1_50),
    ('torchvision', 'timm_50', CAFFE_50, PAD1_PYTORCH, PAD1_50),
    ('mmpretrain', 'timm_50', CAFFE_50, "stem.pool='pad1'", PAD1_50),
    ('timm', 'legacy_50', 'seresnext50-32x4d_8xb32_in1k', "stem.pool='ceil' and style='pytorch'",
     'seresnext50-32x4d-caffe_8xb32_in1k'),
    ('timm', 'legacy_50', 'seresnet20_8xb16_cifar10', 'bottlenecks', None),
]  # fmt: skip


@pytest.mark.parametrize(('kind', 'src', 'config', 'needs', 'named'), PAIRINGS)
def test_a_wrong_pairing_names_the_right_one(request, tmp_path, kind, src, config, needs, named):
    message = f'allowed: a config with {needs}' + (f', such as {named}$' if named else '$')
    refused(ValueError, message, kind, request.getfixturevalue(src), tmp_path, config)


def test_mmpretrains_config_tells_the_stride_placement(tmp_path):
    """mmpretrain's networks have either stride placement."""
    convert_from = partial(refused, ValueError, r"for stem.pool='pad1' and style='caffe': the sh")
    text = "model = dict(type='ImageClassifier', backbone=dict(type='SEResNet', style='caffe'))"
    state = mmpretrain_state(tmp_path)
    torch.save(dict(state_dict=state, meta=dict(cfg=text)), tmp_path / 'net.pth')
    convert_from('mmpretrain', tmp_path / 'net.pth', tmp_path, PAD1_50)
    text = text.replace(", style='caffe'", '')
    torch.save(dict(state_dict=state, meta=dict(cfg=text)), tmp_path / 'net.pth')
    convert('mmpretrain', tmp_path / 'net.pth', tmp_path / 'ours.pth', PAD1_50)


def mmpretrain_state(folder):
    """Weights of mmpretrain's SEResNet-50, made of ours."""
    torch.save(get_model(PAD1_50).state_dict(), folder / 'a.pth')
    convert('mmpretrain', folder / 'a.pth', folder / 'b.pth', PAD1_50, '--reverse')
    return read_tensors(folder / 'b.pth')


def test_the_way_back_says_what_images_the_weights_want(timm_50, tmp_path, capsys):
    """The other project's file has no place for it."""
    stated = ('--preprocessing', 'mean=[1,2,3]')
    convert('timm', timm_50, tmp_path / 'ours.pth', PAD1_50, *stated)
    capsys.readouterr()
    convert('timm', tmp_path / 'ours.pth', tmp_path / 'theirs.pth', PAD1_50, '--reverse')
    [_, line] = capsys.readouterr().out.splitlines()
    assert line.startswith('images: input_size=[3, 224, 224], mean=[1, 2, 3], std=')


def test_a_wrong_pairing_back(timm_50, tmp_path):
    convert('timm', timm_50, tmp_path / 'ours.pth', PAD1_50)
    with pytest.raises(ValueError, match=f'such as {CAFFE_50}$'):
        convert('caffe', tmp_path / 'ours.pth', tmp_path / 'n.caffemodel', PAD1_50, '--reverse')
    assert os.listdir(tmp_path) == ['ours.pth']


def test_bn_inception_is_of_caffe_alone(legacy_50, timm_50, tmp_path):
    config = CONFIGS['SE-BN-Inception']
    for kind, src in (('timm', legacy_50), ('timm', timm_50), ('mmpretrain', timm_50)):
        refused(
            ValueError, 'backbone BNInception, which is none of .*', kind, src, tmp_path, config
        )
    state = {
        name: torch.zeros_like(tensor, device='cpu')
        for name, tensor in Target(config).tensors.items()
    }
    torch.save({'state_dict': state}, tmp_path / 'ours.pth')
    refused(ValueError, 'none of', 'timm', tmp_path / 'ours.pth', tmp_path, config, '--reverse')


def test_unknown_config(timm_50, tmp_path):
    message = 'config seresnet5_8xb32_in1k does not exist; did you mean seresnet50_8xb32_in1k'
    refused(FileNotFoundError, message, 'timm', timm_50, tmp_path, 'seresnet5_8xb32_in1k')


def test_a_network_that_is_none_of_the_released(caffe_50, tmp_path):
    message = f'{tmp_path}/seresnet18-ceil.py is no Caffe network: '
    base = "_base_ = {!r}\nmodel = dict(backbone=dict(stem=dict(pool='ceil')))\n"
    config = tmp_path / 'seresnet18-ceil.py'
    config.write_text(base.format(find_config('seresnet18_8xb32_in1k')))
    refused(ValueError, message, 'caffe', caffe_50, tmp_path, str(config))


def test_a_checkpoint_of_mixed_precision_goes_back(caffe_50, tmp_path):
    convert('caffe', caffe_50, tmp_path / 'ours.pth', CAFFE_50)
    halves = {name: tensor.bfloat16() for name, tensor in state_of(tmp_path / 'ours.pth').items()}
    torch.save({'state_dict': halves, 'meta': {'epoch': 3}}, tmp_path / 'half.pth')
    convert('caffe', tmp_path / 'half.pth', tmp_path / 'n.caffemodel', CAFFE_50, '--reverse')
    [weight] = read_caffemodel(tmp_path / 'n.caffemodel').layers[0].blobs
    assert np.array_equal(weight, halves['backbone.conv1.weight'].float())


def test_an_existing_file_is_kept_unless_forced(timm_50, tmp_path):
    dst = tmp_path / 'ours.pth'
    dst.write_text('before')
    with pytest.raises(FileExistsError, match=f'^{dst} exists; allowed: a new file, or --force'):
        convert('timm', timm_50, dst, PAD1_50)
    assert dst.read_text() == 'before'
    convert('timm', timm_50, dst, PAD1_50, '--force')
    assert len(state_of(dst)) == 384


@pytest.mark.parametrize('step', ['fsync', 'replace'])
def test_a_failed_write_leaves_nothing(timm_50, tmp_path, monkeypatch, step):
    def fail(*_):
        raise OSError('disk full')

    monkeypatch.setattr(os, step, fail)
    refused(OSError, 'disk full', 'timm', timm_50, tmp_path, PAD1_50)


def test_destinations(timm_50, tmp_path):
    with pytest.raises(
        ValueError, match=r'ours.caffemodel is not written; allowed: a name in .pth$'
    ):
        convert('timm', timm_50, tmp_path / 'ours.caffemodel', PAD1_50)
    with pytest.raises(FileNotFoundError, match=r'folder \S+/away does not exist'):
        convert('timm', timm_50, tmp_path / 'away' / 'ours.pth', PAD1_50)


def test_the_command(run_tool, timm_50, tmp_path):
    command = ['tools/model_converters/convert.py', 'timm', timm_50, tmp_path / 'ours.pth']
    run = run_tool(*command, '--model', PAD1_50)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ''
    assert run.stdout.splitlines() == [
        f"{tmp_path}/ours.pth: {PAD1_50}, from today's timm, class order sorted",
        'images: input_size=[3, 224, 224], mean=[123.675, 116.28, 103.53], '
        'std=[58.395, 57.12, 57.375], channel_order=RGB, '
        'resize=235, edge=short, backend=pillow, interpolation=bicubic, crop=224',
    ]
    run = run_tool(*command, '--model', PAD1_50)
    assert run.returncode == 1
    assert run.stderr == (
        f'error: {tmp_path}/ours.pth exists; allowed: a new file, or --force to overwrite it\n'
    )


@pytest.mark.parametrize('given', ['foo', 'mean=[1,2'])
def test_preprocessing_is_read_as_options_are(given, capsys):
    command = ['timm', 'a.pth', 'b.pth', '--model', PAD1_50, '--preprocessing', given]
    with pytest.raises(SystemExit):
        load_tool('tools/model_converters/convert.py').parse_args(command)
    assert f'--preprocessing {given}: allowed: KEY=VALUE' in capsys.readouterr().err
