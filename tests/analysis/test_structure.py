"""The structure of a network as it is drawn."""

import runpy
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from torch import nn

from senet_mm.analysis.structure import draw_structure, get_structure
from senet_mm.analysis.structure.diagrams import make_diagram
from senet_mm.analysis.structure.panels import Panel, find_buses
from senet_mm.analysis.structure.placement import lay_out
from senet_mm.analysis.structure.table import fit_path
from senet_mm.analysis.structure.tracing import Tracer
from senet_mm.apis import get_config
from senet_mm.engine.classifier import build_classifier
from senet_mm.models.layers import recalibration_layers
from senet_mm.registry import MODELS

from ..conftest import ROOT

# Of different blocks; all that a forward pass takes is shapes.
NETWORKS = [
    'seresnet8_1xb64_digits',
    'smallcnn_1xb64_digits',
    'seresnet50-identity_8xb32-300e_in1k',
    'semobilenetv1_8xb32_in1k',
    'seshufflenetv1-1x-g3_8xb32_in1k',
    'sevgg16_8xb128-100e_in1k',
    'se-bn-inception_8xb128-100e_in1k',
    'sedensenet40-k12-titu1994_1xb64_cifar10',
    'seshakeshake26-2x96d_2xb64_cifar10',
    'se-inception-v3_8xb128-100e_in1k',
]
UPSTREAM = {
    'MobileNetV2': {},
    'MobileNetV3': dict(arch='large'),
    'ShuffleNetV2': {},
    'Res2Net': dict(depth=50, scales=4, base_width=26),
    'SwinTransformer': dict(arch='tiny'),
    'EfficientNet': dict(arch='b0'),
    'HRNet': dict(arch='w18'),
    'TIMMBackbone': dict(model_name='densenet121'),
}


def build(name):
    """A network and the shape of its images; ours on the meta device, which takes no time."""
    if name in UPSTREAM:
        backbone = dict(type=f'mmpretrain.{name}', **UPSTREAM[name])
        return MODELS.build(dict(type='ImageClassifier', backbone=backbone)), (3, 224, 224)
    cfg = get_config(name)
    with torch.device('meta'):
        return build_classifier(cfg), tuple(cfg.input_shape)


@pytest.fixture(scope='module')
def structures():
    """Structures by name; each is made once."""
    made = {}

    def get(name):
        if name not in made:
            model, shape = build(name)
            made[name] = model, get_structure(model, shape)
        return made[name]

    return get


def rows_of(structure):
    return [row for stage in structure.stages for row in stage.rows]


@pytest.mark.parametrize('name', [*NETWORKS, *UPSTREAM])
def test_all_of_a_network_is_there_once(name, structures):
    model, structure = structures(name)
    assert sum(stage.params for stage in structure.stages) == structure.params
    assert sum(stage.macs for stage in structure.stages) == structure.macs
    nodes = [node for row in rows_of(structure) for call in row.calls for node in call.nodes]
    assert len(nodes) == len(set(nodes))
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    layers = recalibration_layers(model).values()
    inside = {m for layer in layers for m in layer.modules()}
    if name not in UPSTREAM:  # those have attention of their own
        drawn = [node for node in nodes if node.kind == 'conv']
        assert len(drawn) == len([m for m in convolutions if m not in inside])
        assert len([node for node in nodes if node.kind == 'se']) == len(layers)


@pytest.mark.parametrize('name', [*NETWORKS, *UPSTREAM])
def test_no_text_is_on_another_one(name, structures):
    _, structure = structures(name)
    figure = draw_structure(structure, name)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = [
        (text.get_text(), text.get_window_extent(renderer))
        for text in figure.findobj(Text)
        if text.get_text()
    ]
    assert len(boxes) > 20
    for i, (text, box) in enumerate(boxes):
        assert box.x0 >= 0, text
        assert box.x1 <= figure.bbox.x1, text
        for other, second in boxes[:i]:
            wide = min(box.x1, second.x1) - max(box.x0, second.x0)
            high = min(box.y1, second.y1) - max(box.y0, second.y0)
            assert wide < 1 or high < 2, f'{text} on {other}'


@pytest.mark.parametrize('name', [*NETWORKS, *UPSTREAM])
def test_a_place_holds_one_box(name, structures):
    _, structure = structures(name)
    for row in structure.kinds:
        boxes = row.diagram.boxes
        placement = lay_out(boxes)
        places = [(placement.rows[box], placement.lanes[box]) for box in boxes]
        assert len(places) == len(set(places))
        for edge in placement.edges:
            if edge.source and edge.target:
                assert placement.rows[edge.source] < placement.rows[edge.target]


class Lines:
    """A canvas that keeps the lines between boxes."""

    def __init__(self):
        self.lines = []

    def arrow(self, points):
        self.lines.append(points)

    def box(self, *args, **kwargs):
        pass

    circle = text = box


def pieces(line):
    """The pieces of a line: whether it is upright, where, from and to."""
    for (x0, y0), (x1, y1) in pairwise(line):
        if x0 == x1:
            yield True, round(x0, 4), *sorted((y0, y1))
        else:
            assert y0 == y1
            yield False, round(y0, 4), *sorted((x0, x1))


@pytest.mark.parametrize('name', [*NETWORKS, *UPSTREAM])
def test_no_line_is_on_another_one(name, structures):
    """Lines cross; those that neither begin nor end in one box have no piece in common."""
    _, structure = structures(name)
    for row in structure.kinds:
        panel = Panel(row.diagram, 'A', '')
        canvas = Lines()
        panel.draw(canvas, 0, 0)
        edges = zip(panel.placement.edges, canvas.lines, strict=True)
        for (edge, line), (other, second) in combinations(edges, 2):
            if edge.source is other.source or edge.target is other.target:
                continue
            for upright, place, start, end in pieces(line):
                for piece in pieces(second):
                    common = min(end, piece[3]) - max(start, piece[2])
                    if (upright, place) == piece[:2] and common > 1e-3:
                        pytest.fail(f'{edge.source} to {edge.target} on {other.source}')


def test_rows(structures):
    """Equal blocks are one row; kinds are named in the order in which they come."""
    _, structure = structures('seresnet50-identity_8xb32-300e_in1k')
    names = [stage.name for stage in structure.stages]
    assert names == [
        'conv1 … maxpool', 'SE_2, layer1', 'SE_3, layer2', 'SE_4, layer3', 'SE_5, layer4',
        'neck.gap', 'head.fc',
    ]  # fmt: skip
    rows = [(str(row), len(row.calls)) for row in rows_of(structure)]
    assert rows[:6] == [
        ('7\u00d77 conv, 3→64, /2, BN, ReLU', 1),
        ('3\u00d73 max pool, /2', 1),
        ('Bottleneck, 64→256', 1),
        ('Bottleneck, 256→256', 2),
        ('Bottleneck, 256→512, /2', 1),
        ('Bottleneck, 512→512', 3),
    ]
    assert rows[-1] == ('linear, 2048→1000', 1)
    assert [row.diagram.place for row in structure.kinds] == [
        'SE_2_1, layer1.0',
        'SE_2_2, layer1.1',
    ]
    assert [stage.shape for stage in structure.stages][1:3] == [(256, 56, 56), (512, 28, 28)]


def test_what_flows_in_a_block(structures):
    """SE on the shortcut: the block's input goes to it and to the first convolution."""
    _, structure = structures('seresnet50-identity_8xb32-300e_in1k')
    diagram = structure.kinds[1].diagram
    boxes = {str(box): [str(source) for source in box.inputs] for box in diagram.boxes}
    assert boxes == {
        '1\u00d71 conv, 256→64, BN, ReLU': ['None'],
        '3\u00d73 conv, 64→64, BN, ReLU': ['1\u00d71 conv, 256→64, BN, ReLU'],
        '1\u00d71 conv, 64→256, BN': ['3\u00d73 conv, 64→64, BN, ReLU'],
        'SE, 256→16→256': ['None'],
        '+, ReLU': ['1\u00d71 conv, 64→256, BN', 'SE, 256→16→256'],
    }


def test_a_layer_after_a_dense_block_is_a_row_of_its_own(structures):
    _, structure = structures('sedensenet40-k12-titu1994_1xb64_cifar10')
    stage = structure.stages[1]
    assert (stage.name, [len(row.calls) for row in stage.rows]) == ('SE_2, layer1.0', [12, 1])
    assert [row.diagram.boxes[0].kind for row in stage.rows] == ['conv', 'se']


class Twice(nn.Module):
    """A block of functions: what is computed in place, split, scaled and put together."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        first, second = self.relu(self.conv(x)).chunk(2, 1)
        second = second * 0.5
        second += first
        return torch.cat([first, second.flatten(2).view_as(first)], 1)


def test_functions():
    """Views are no boxes; a sum in place is one."""
    traced = Tracer(Twice(), ['']).run((4, 8, 8))
    diagram = make_diagram(traced.calls[0])
    assert [str(box) for box in diagram.boxes] == [
        '3\u00d73 conv, 4→4, ReLU', 'split', '\u00d7 0.5', '+', 'concat'
    ]  # fmt: skip
    _, halves, scaled, added, joined = diagram.boxes
    assert (scaled.inputs, added.inputs) == ([halves], [scaled, halves])
    assert joined.inputs == [halves, added]
    assert traced.calls[0].out_shape == (4, 8, 8)


def test_the_model_is_left_as_it_is():
    model, shape = build('seresnet8_1xb64_digits')
    hooks = [len(module._forward_hooks) for module in model.modules()]
    model.train()
    get_structure(model, shape)
    assert [len(module._forward_hooks) for module in model.modules()] == hooks
    assert all(module.training for module in model.modules())


PICTURES = sorted((ROOT / 'docs/networks').glob('*.svg'))


@pytest.mark.slow
@pytest.mark.parametrize('path', PICTURES, ids=lambda path: path.stem)
def test_pictures_of_the_pages_are_current(path):
    is_current = runpy.run_path(str(ROOT / '.dev_scripts/draw_networks.py'))['is_current']
    assert is_current(path), 'run python .dev_scripts/draw_networks.py'
    assert path.stat().st_size < 150_000


@pytest.mark.parametrize(('size', 'rows'), [(8, 3), (9, 4), (35, 17)])
def test_stride_without_padding(size, rows):
    """8 rows become 3 by a stride of 2, which is no stride of 3."""
    block = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.BatchNorm2d(4), nn.MaxPool2d(3, 2))
    call = Tracer(nn.Sequential(block), ['0']).run((4, size, size)).calls[0]
    assert call.out_shape == (4, rows, rows)
    assert make_diagram(call).stride == 2


def test_lines_to_two_boxes_of_a_row_are_apart(structures):
    """In the shake-shake block a sum and a concat have inputs from other lanes."""
    _, structure = structures('seshakeshake26-2x96d_2xb64_cifar10')
    placement = lay_out(structure.kinds[0].diagram.boxes)
    buses = find_buses(placement)
    [row] = {row for row, bus in ((row, bus) for (row, _), bus in buses.items()) if bus}
    found = {box.lines[0]: bus for (at, box), bus in buses.items() if at == row}
    assert set(found) == {'+', 'concat'}
    assert sorted(found.values()) == [0, 1]


@pytest.mark.parametrize('path', PICTURES, ids=lambda path: path.stem)
def test_layers_in_the_table_show_their_widths(path):
    texts = [node.text for node in ET.parse(path).iter('{http://www.w3.org/2000/svg}text')]
    assert 'SE' not in texts
    assert [text for text in texts if text and text.startswith('SE, ')]


def test_layers_of_blocks_in_a_row_have_the_widths_of_all(structures):
    _, structure = structures('se-inception-v3_8xb128-100e_in1k')
    rows = {str(row): str(row.attention) for row in rows_of(structure) if row.attention}
    assert rows['InceptionA, 192→256→288'] == 'SE, 256…288→16…18→256…288'
    assert rows['InceptionC, 768→768'] == 'SE, 768→48→768'


def test_a_long_path_loses_its_beginning():
    assert fit_path('timm_model.features.denseblock1', 1.3) == '…denseblock1'
    assert fit_path('timm_model.features.conv0 …', 1.3) == '…features.conv0 …'
    assert fit_path('layer1', 0.1) == 'layer1'


def test_a_norm_with_an_activation_is_one_box(structures):
    """timm's, whose norm is no module of its own."""
    _, structure = structures('TIMMBackbone')
    boxes = {str(box) for row in rows_of(structure) for box in row.diagram.boxes}
    assert 'BN, ReLU' in boxes
    assert not any('batch_norm' in box for box in boxes)
    assert all(stage.rows for stage in structure.stages)
