"""Every layer acts once, wherever it is kept: containers, slots, ports of all libraries."""

import copy
import pickle
import re

import pytest
import timm
import torch
import torchvision
from mmcv.cnn import fuse_conv_bn
from mmpretrain.models import backbones as mmpretrain
from torch import nn

from senet_mm.models import InceptionResNetV2, InceptionV4, ResNet, ResNeXt, SmallCNN, insert_se
from senet_mm.models.recalibration import describe_layers
from senet_mm.models.recalibration.ports import PORTS, PORTS_OF_BACKBONE, known_networks
from senet_mm.models.recalibration.probe import probe
from senet_mm.models.recalibration.sites import known_sites
from senet_mm.utils.meta import run_on_meta

LAYER = dict(type='SELayer', ratio=1)
FEATURES = dict(block=r'features\.\d+')

# Network -> how it is built, arguments of insert_se, number of layers.
TORCHVISION = {
    'efficientnet_b0': (dict(port=FEATURES), 9),
    'efficientnet_v2_s': (dict(port=FEATURES), 8),
    'mobilenet_v2': (dict(port=FEATURES), 19),
    'mobilenet_v3_large': (dict(port=FEATURES), 17),
    'convnext_tiny': (dict(port=FEATURES), 8),
    'mnasnet1_0': (dict(port=dict(block=r'layers\.(8|9|1[0-3])')), 6),
    'densenet121': (dict(port=dict(block=r'features\.(denseblock|transition)\d')), 7),
    'squeezenet1_1': (dict(port=dict(block=r'features\.(3|4|6|7|9|10|11|12)', path='squeeze')), 8),
    'resnet50': (dict(port=dict(block=r'layer\d')), 4),
    'regnet_y_400mf': (dict(port=dict(block=r'trunk_output\.block\d', side='in')), 4),
    'shufflenet_v2_x1_0': (dict(port=dict(block=r'stage\d')), 3),
    'googlenet': ({}, 9),
}
TIMM = {
    'mobilenetv2_100': ({}, 17),
    'efficientnet_lite0': ({}, 16),
    'mnasnet_100': ({}, 17),
    'tf_efficientnetv2_b0': (dict(position='post'), 20),
    'mobilenetv2_110d': (dict(position='pre'), 22),
    'mobilenetv3_large_100': (dict(port=dict(block=r'blocks\.\d')), 7),
    'mobilenetv2_140': (dict(port=dict(block=r'blocks\.[1-6]\.\d', path='conv_pw')), 16),
    'resnet26': (dict(port=dict(block=r'layer\d\.\d', path='conv2')), 8),
    'resnet18': (dict(port=dict(block=r'layer\d')), 4),
    'densenet121': (dict(port=dict(block=r'features\.denseblock\d')), 4),
    'efficientnet_es': ({}, 18),
    'convnext_atto': (dict(port=dict(block=r'stages\.\d\.blocks')), 4),
}
MMPRETRAIN = {
    'ResNet': (dict(depth=50), dict(port=dict(block=r'layer\d')), 4),
    'MobileNetV2': ({}, dict(port=dict(block=r'layer\d')), 7),
    'EfficientNet': (dict(arch='b0'), dict(port=dict(block=r'layers\.\d')), 7),
    'MobileNetV3': ({}, dict(position='post', port=dict(block=r'layer\d+')), 13),
    'DenseNet': (dict(arch='121'), dict(port=dict(block=r'stages\.\d')), 4),
    'ShuffleNetV2': ({}, dict(port=dict(block=r'layers\.\d')), 4),
    'RepVGG': (dict(arch='A0'), dict(port=dict(block=r'stage_\d')), 4),
    'ConvNeXt': (dict(arch='tiny'), dict(port=dict(block=r'stages\.\d')), 4),
    'VGG': (dict(depth=11), dict(port=dict(block=r'features\.(2|5)')), 2),
}
NETWORKS = {
    **{
        f'torchvision.{name}': (lambda name=name: getattr(torchvision.models, name)(), *rest)
        for name, rest in TORCHVISION.items()
    },
    **{
        f'timm.{name}': (lambda name=name: timm.create_model(name), *rest)
        for name, rest in TIMM.items()
    },
    **{
        f'mmpretrain.{name}': (lambda name=name, kw=kw: getattr(mmpretrain, name)(**kw), *rest)
        for name, (kw, *rest) in MMPRETRAIN.items()
    },
    'senet_mm.ResNet': (
        lambda: ResNet(18),
        dict(port=dict(block=r'layer\d\.\d', path='conv1')),
        8,
    ),
    'senet_mm.stages': (lambda: ResNet(18), dict(port=dict(block=r'layer\d')), 4),
    'senet_mm.SmallCNN': (
        SmallCNN,
        dict(port=dict(block=r'layer\d\.\d\.conv', side='in')),
        6,
    ),
}


def counted(model, names):
    """How often each layer has run, by its path; counts from now on."""
    calls = dict.fromkeys(names, 0)

    def count(name):
        calls[name] += 1

    for name in names:
        layer = model.get_submodule(name)
        layer.register_forward_pre_hook(lambda *_, name=name: count(name))
    return calls


@pytest.mark.parametrize('name', NETWORKS)
def test_every_layer_runs_once(name):
    build, kwargs, number = NETWORKS[name]
    try:
        with torch.device('meta'):
            model = build()
    except (NotImplementedError, RuntimeError):  # it reads numbers
        model = build()
    before = list(model.state_dict())
    names = insert_se(model, LAYER, **kwargs)
    assert number == len(names)
    calls = counted(model, names)
    run_on_meta(model, (3, 224, 224))
    assert set(calls.values()) == {1}
    after = list(model.state_dict())
    assert [key for key in after if key in before] == before
    assert all('.se.' in key for key in after if key not in before)
    assert sum(key.endswith('.fc1.weight') for key in after if key not in before) == len(names)


def train_like(model):
    """Norms as after training."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    model.eval()  # mmpretrain's returns None
    return model


@pytest.mark.parametrize(
    ('name', 'regex', 'side'),
    [
        ('efficientnet_b0', r'features\.\d+', 'out'),
        ('mobilenet_v2', r'features\.\d+', 'out'),
        ('mobilenet_v2', r'features\.\d+', 'in'),
        ('densenet121', r'features\.(denseblock|transition)\d', 'out'),
    ],
)
def test_equals_a_composition(name, regex, side):
    """The features of torchvision's networks run one after the other, the layers between them."""
    torch.manual_seed(0)
    plain = train_like(getattr(torchvision.models, name)())
    model = copy.deepcopy(plain)
    names = insert_se(model, LAYER, port=dict(block=regex, side=side))
    layers = iter([model.get_submodule(path) for path in names])
    x = torch.randn(2, 3, 64, 64)
    expected = x
    with torch.no_grad():
        for child, module in plain.features.named_children():
            chosen = re.fullmatch(regex, f'features.{child}')
            if chosen and side == 'in':
                expected = next(layers)(expected)
            expected = module(expected)
            if chosen and side == 'out':
                expected = next(layers)(expected)
        torch.testing.assert_close(model.features(x), expected, rtol=0, atol=0)
        assert not torch.equal(expected, plain.features(x))


@pytest.mark.parametrize(
    ('build', 'regex'),
    [
        (lambda: torchvision.models.densenet121(), r'features\.(denseblock|transition)\d'),
        (lambda: timm.create_model('densenet121'), r'features\.(denseblock|transition)\d'),
        (lambda: mmpretrain.DenseNet('121'), r'stages\.\d|transitions\.[012]'),
    ],
)
def test_stages_of_a_densenet_are_its_blocks_and_transitions(build, regex):
    """In the order in which they run, each with its stride's stage."""
    with torch.device('meta'):
        model = build()
    names = [site.name for site in known_sites(model, 'stage')]
    assert names == [name for name, _ in model.named_modules() if re.fullmatch(regex, name)]
    found = {
        name: probed.stage
        for name, probed in zip(names, probe(model, known_sites(model, 'stage'), 224), strict=True)
    }
    blocks = [stage for name, stage in found.items() if 'trans' not in name]
    transitions = [stage for name, stage in found.items() if 'trans' in name]
    assert (blocks, transitions) == ([2, 3, 4, 5], [3, 4, 5])


def replaced(block, path, layer):
    """Put a layer behind a module, without hooks."""
    block.set_submodule(path, nn.Sequential(block.get_submodule(path), layer))


@pytest.mark.parametrize(
    ('build', 'path'),
    [
        (lambda: ResNet(18), 'conv1'),
        (lambda: timm.create_model('resnet18'), 'conv1'),
        (lambda: timm.create_model('resnet18'), 'act1'),
        (lambda: torchvision.models.resnet18(), 'conv2'),
        (lambda: mmpretrain.ResNet(18), 'conv2'),
    ],
)
def test_a_port_in_a_block_with_a_slot_equals_a_replaced_module(build, path):
    torch.manual_seed(0)
    plain = train_like(build())
    model = copy.deepcopy(plain)
    names = insert_se(model, LAYER, port=dict(block=r'layer\d\.\d', path=path))
    assert len(names) == 8
    for name in names:
        block = '.'.join(name.split('.')[:2])
        replaced(plain.get_submodule(block), path, model.get_submodule(name))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        outs = [out[-1] if isinstance(out := m(x), tuple) else out for m in (model, plain)]
    assert torch.equal(*outs)


class DictBlock(nn.ModuleDict):
    """Like torchvision's dense block: its forward goes through its items."""

    def forward(self, x):
        for _, module in self.items():
            x = module(x)
        return x


class ListBlock(nn.ModuleList):
    def forward(self, x):
        for module in self:
            x = module(x)
        return x


def conv(channels=4):
    return nn.Conv2d(channels, channels, 3, padding=1)


def conv_bn():
    return nn.Sequential(conv(), nn.BatchNorm2d(4), nn.ReLU())


# A network that is a container itself, with all kinds of blocks.
def containers():
    return nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.Sequential(nn.BatchNorm2d(4), nn.Sequential(nn.BatchNorm2d(4), conv()), nn.ReLU()),
        DictBlock(dict(a=nn.BatchNorm2d(4), b=conv(), c=nn.ReLU())),
        ListBlock([nn.Sequential(conv_bn()), conv()]),
        conv_bn(),
    )


KEPT = ['1.1.1.outer2.se', '2.b.outer1.se', '3.0.0.0.outer3.se', '4.0.outer1.se']


def with_layers(**kwargs):
    torch.manual_seed(0)
    model = train_like(containers())
    names = insert_se(model, LAYER, port=dict(block='[1-4]', **kwargs))
    for name in names:
        layer = model.get_submodule(name)
        nn.init.ones_(layer.fc1.bias)
        nn.init.normal_(layer.fc2.bias)
    return model, names


def test_containers_keep_their_layers_out_of_sight():
    plain, (model, names) = containers(), with_layers()
    assert names == KEPT
    for index in range(1, 5):
        assert [type(m) for m in model[index].children()] == [
            type(m) for m in plain[index].children()
        ]
        assert len(model[index]) == len(plain[index])
    assert list(model[2]) == ['a', 'b', 'c']
    assert type(model[4][-1]) is nn.ReLU
    x, expected = torch.randn(2, 3, 8, 8), None
    with torch.no_grad():
        expected = x
        plain = train_like(copy.deepcopy(plain))
        plain.load_state_dict({k: v for k, v in model.state_dict().items() if '.se.' not in k})
        layers = [None, *map(model.get_submodule, names)]
        for block, layer in zip(plain, layers, strict=True):
            expected = block(expected)
            expected = expected if layer is None else layer(expected)
        assert torch.equal(model(x), expected)


def test_positions_and_levels_of_a_container_do_not_meet():
    model = containers()
    names = insert_se(model, LAYER, port=dict(block=r'1|1\.1|1\.1\.1'))
    assert names == ['1.1.1.outer2.se', '1.1.1.outer1.se', '1.1.1.se']
    names += insert_se(model, LAYER, position='pre', port=dict(block=r'1', side='in'))
    assert names[-1] == '1.1.1.outer2.pre.se'
    calls = counted(model, names)
    run_on_meta(model, (3, 8, 8))
    assert set(calls.values()) == {1}


CONVERSIONS = {
    'deepcopy': copy.deepcopy,
    'pickle': lambda model: pickle.loads(pickle.dumps(model)),
    'syncbn': lambda model: nn.SyncBatchNorm.convert_sync_batchnorm(copy.deepcopy(model)),
    'fused': lambda model: fuse_conv_bn(copy.deepcopy(model)),
    'double': lambda model: copy.deepcopy(model).double().float(),
    'compiled': lambda model: torch.compile(model, fullgraph=True, backend='eager'),
    'traced': lambda model: torch.jit.trace(model, torch.randn(2, 3, 8, 8)),
    'exported': lambda model: torch.export.export(model, (torch.randn(2, 3, 8, 8),)).module(),
}


@pytest.mark.parametrize('kind', CONVERSIONS)
def test_conversions_keep_the_layers_of_containers(kind):
    model, names = with_layers()
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad():
        expected = model(x)
        torch._dynamo.reset()
        converted = CONVERSIONS[kind](model)
        torch.testing.assert_close(converted(x), expected, rtol=1e-4, atol=1e-4)
        if kind in ('deepcopy', 'pickle', 'syncbn', 'fused', 'double'):
            for name in names:  # the layers that act are those of the copy
                nn.init.constant_(converted.get_submodule(name).fc2.bias, -200)
                nn.init.zeros_(converted.get_submodule(name).fc2.weight)
            assert converted(x).abs().max() == 0
            torch.testing.assert_close(model(x), expected)


def test_layers_of_containers_train_and_move_with_them():
    model, names = with_layers()
    model(torch.randn(2, 3, 8, 8)).square().sum().backward()
    for name in names:
        layer = model.get_submodule(name)
        assert layer.fc2.weight.grad.abs().sum() > 0
    model[1].requires_grad_(False).train()  # what freezes a block reaches its layer
    layer = model.get_submodule(names[0])
    assert layer.training
    assert not any(p.requires_grad for p in layer.parameters())


STAGES = {
    InceptionV4: [3] * 4 + [4] * 8 + [5] * 4,
    InceptionResNetV2: [3] * 11 + [4] * 21 + [5] * 11,
    mmpretrain.InceptionV3: [3] * 3 + [4] * 5 + [5] * 3,
}


@pytest.mark.slow
@pytest.mark.parametrize('build', STAGES)
def test_stages_do_not_depend_on_the_size_of_the_probe(build):
    with torch.device('meta'):
        model = build()
    sites = known_sites(model, 'standard')
    for side in (75, 80, 96, 111, 128, 160, 224, 299):
        if side >= 80 or build is not mmpretrain.InceptionV3:
            assert [found.stage for found in probe(model, sites, side)] == STAGES[build], side


def test_stages_of_a_network_for_one_size():
    """Its classifier refuses the larger image of the probe, after all blocks have seen it."""
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2), nn.Conv2d(4, 4, 3, 2), nn.Flatten(), nn.Linear(4 * 7 * 7, 2)
    )
    names = insert_se(model, LAYER, port=dict(block='[01]'), input_size=32)
    assert [model.get_submodule(name).acts_at.stage for name in names] == [1, 2]


def test_unknown_networks_are_told_which_are_known():
    message = 'ConvNeXt has no block that the table of ports knows; allowed: a port of its own'
    with torch.device('meta'), pytest.raises(ValueError, match=message) as error:
        insert_se(torchvision.models.convnext_tiny(), LAYER)
    for part in (
        'senet_mm: all; mmpretrain: ',
        'timm: densenet, efficientnet, resnet',
        'torchvision: densenet, googlenet',
    ):
        assert part in str(error.value)


@pytest.mark.parametrize('name', ['resnet18', 'resnet50', 'resnext50_32x4d', 'wide_resnet50_2'])
def test_the_remedy_for_torchvisions_resnets(name):
    with torch.device('meta'), pytest.raises(ValueError, match='position=') as error:
        insert_se(getattr(torchvision.models, name)(), LAYER)
    assert 'does not exist in ResNet; allowed: ' in str(error.value)
    assert 'ResNet or ResNeXt' in str(error.value)


def test_the_remedy_fits():
    """ResNet takes torchvision's weights; what is missing is SE alone."""
    with torch.device('meta'):
        pairs = [
            (ResNet(50), torchvision.models.resnet50()),
            (ResNet(50, block=dict(width_per_group=128)), torchvision.models.wide_resnet50_2()),
            (ResNeXt(50), torchvision.models.resnext50_32x4d()),
        ]
    for ours, theirs in pairs:
        with torch.device('meta'):
            insert_se(ours, LAYER)
        state = {k: v for k, v in theirs.state_dict().items() if not k.startswith('fc.')}
        missing, unexpected = ours.load_state_dict(state, strict=False, assign=True)
        assert not unexpected
        assert all('.se.' in name for name in missing)


def test_the_docs_name_every_network_of_the_table(request):
    text = (request.config.rootpath / 'docs/recalibration.md').read_text()
    rows = dict(re.findall(r'^\| `(\w+)` \| (.+?) \|', text, re.MULTILINE))
    for part in known_networks().split('; '):
        library, _, networks = part.partition(': ')
        for network in networks.split(', '):
            assert re.search(rf'\b{network}\b', rows[library]), (library, network)
    assert {package.split('.')[0] for package in (*PORTS, *PORTS_OF_BACKBONE)} <= set(rows)


@pytest.mark.parametrize(
    ('build', 'kwargs', 'line'),
    [
        ('regnet_y_400mf', dict(position='post'), 'built in: 16 x SqueezeExcitation'),
        ('efficientnet_b0', dict(port=FEATURES), 'built in: 16 x SqueezeExcitation'),
        ('regnet_x_400mf', {}, None),
    ],
)
def test_a_summary_names_what_was_built_in(build, kwargs, line):
    model = getattr(torchvision.models, build)()
    insert_se(model, LAYER, **kwargs)
    last = describe_layers(model)[-1]
    assert last == line if line else last.startswith('trunk_output.block4.')
