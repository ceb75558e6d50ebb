"""The units of a network, its blocks and the layers between them, in stages and rows."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from torch import nn

from senet_mm.models.layers import recalibration_layers
from senet_mm.models.recalibration import name_stage
from senet_mm.models.recalibration.ports import find_ports, ports_of
from senet_mm.models.recalibration.sites import CONTAINERS, join
from senet_mm.utils.complexity import count_macs, count_params, macs_of
from senet_mm.utils.meta import computing_once, evaluating

from .diagrams import Box, Diagram, add_name, make_boxes, make_diagram
from .labels import Label, describe_attention_layer, describe_ranges, describe_widths
from .tracing import Call, Tracer, find_attention, has_parts, parent

# A convolution with its norm and activation: no block.
LAYERS = ('ConvModule', 'DepthwiseSeparableConvModule', 'Conv2dNormActivation', 'ConvNormAct')


@dataclass
class Row:
    """Units of one kind that follow each other.

    Attributes:
        diagram: What runs in the first of them.
        calls: Their calls.
    """

    diagram: Diagram
    calls: list[Call]

    def __str__(self) -> str:
        widths = describe_widths(
            [channels_of(call.in_shape) for call in self.calls],
            [channels_of(call.out_shape) for call in self.calls],
        )
        if self.diagram.is_composite:
            stride = f', /{self.diagram.stride}' if self.diagram.stride > 1 else ''
            return f'{self.diagram.name}, {widths}{stride}'
        [box] = self.diagram.boxes
        if box.main.label.widths and len(self.calls) > 1:
            label = box.main.label._replace(widths=widths)
            return str(Box([replace(n, label=label) if n is box.main else n for n in box.nodes]))
        return str(box)

    @property
    def attention(self) -> Label | None:
        """The first layers that recalibrate in each of them; None for units without one."""
        layers = [find_attention(call.module)[:1] for call in self.calls]
        labels = [describe_attention_layer(layer) for first in layers for layer in first]
        widths = [label.widths.split('→') for label in labels]
        if not labels or len({len(each) for each in widths}) > 1:
            return labels[0] if labels else None
        return labels[0]._replace(widths=describe_ranges(widths))


@dataclass
class Stage:
    """Units that follow each other at one resolution, or in one container.

    Attributes:
        name: Path of their container below the backbone, or the names of the first and the last.
        rows: Their rows.
        shape: Shape of the output for one image.
        params: Learned parameters.
        macs: Multiply-adds for one image.
    """

    name: str
    rows: list[Row]
    shape: tuple[int, ...]
    params: int
    macs: int


@dataclass
class Structure:
    """A network as it is drawn.

    Attributes:
        shape: Shape of the image, (C, H, W).
        stages: Its stages, neck and head included.
        params: Learned parameters.
        macs: Multiply-adds for one image.
    """

    shape: tuple[int, int, int]
    stages: list[Stage] = field(default_factory=list)
    params: int = 0
    macs: int = 0

    @property
    def kinds(self) -> list[Row]:
        """The first row of each kind of block that has more than one part."""
        first: dict[Hashable, Row] = {}
        for row in (row for stage in self.stages for row in stage.rows):
            if row.diagram.is_composite:
                first.setdefault(row.diagram.signature, row)
        return [*first.values()]


def channels_of(shape: Sequence[int]) -> int:
    """Channels of a map (C, H, W), of tokens (L, C) or of a vector (C,)."""
    return shape[-1 if len(shape) == 2 else 0] if shape else 0


def get_structure(model: nn.Module, shape: tuple[int, int, int]) -> Structure:
    """The structure of a classifier for images of a shape (C, H, W); it is left as it is."""
    paths = [*find_units(model)]
    calls = Tracer(model, paths).run(shape)
    with evaluating(model), computing_once(model):
        macs = count_macs(model, shape)
    stages = []
    for part in split_stages(calls):
        holder = find_holder(part, calls)
        counted = {call.path: call.module for call in part}
        rows = [*make_rows(part)]
        if not rows and not any(map(count_params, counted.values())):
            continue  # it returns what it is given
        stages.append(
            Stage(
                name=describe_stage(part, holder),
                rows=rows,
                shape=calls.shapes[holder] if holder else part[-1].out_shape,
                params=sum(map(count_params, counted.values())),
                macs=sum(macs_of(path, module, macs) for path, module in counted.items()),
            )
        )
    return Structure(shape, stages, count_params(model), macs[''])


def find_units(model: nn.Module) -> Iterator[str]:
    """Paths of the blocks of a classifier, and of the layers that are in no block."""
    places = [getattr(layer, 'acts_at', None) for layer in recalibration_layers(model).values()]
    table = ports_of(model)
    blocks = {join('backbone', place.block) for place in places if place}
    blocks |= {path for path, module in model.named_modules() if find_ports(module, table)}
    # Such as a dense block, which holds dense layers.
    outer = {path for path in blocks if any(other.startswith(f'{path}.') for other in blocks)}
    yield from _walk('', model, blocks - outer, 2)


def _walk(path: str, module: nn.Module, blocks: set[str], levels: int) -> Iterator[str]:
    """Units at or below a module; the first levels are opened whatever they are."""
    for name, child in module.named_children():
        below = join(path, name)
        is_list = isinstance(child, nn.ModuleList | nn.ModuleDict)
        is_list |= type(child).forward is nn.Sequential.forward
        opens = levels > 1 or is_list or holds_blocks(child)
        if below not in blocks and opens and has_parts(child):
            yield from _walk(below, child, blocks, levels - 1)
        else:
            yield below


def holds_blocks(module: nn.Module) -> bool:
    """Whether a container in a module holds at least two blocks of one class."""
    for container in module.children():
        if isinstance(container, CONTAINERS):
            kinds = [
                type(child)
                for child in container.children()
                if any(child.children())
                and not isinstance(child, CONTAINERS)
                and type(child).__name__ not in LAYERS
            ]
            if len(kinds) > len(set(kinds)):
                return True
    return False


def called_holder(call: Call, tracer: Tracer) -> str:
    """Path of the nearest module around a call that was called, which a ``ModuleList`` is not."""
    path = call.holder
    while path and path not in tracer.shapes:
        path = parent(path)
    return path


def split_stages(tracer: Tracer) -> list[list[Call]]:
    """The calls of each stage: in one module and of one resolution.

    Layers without parts that follow each other in a backbone stay together, as in a stem.
    """
    parts: list[list[Call]] = []
    for (holder, _), group in groupby(
        tracer.calls, lambda call: (called_holder(call, tracer), call.out_shape[1:])
    ):
        part = [*group]
        last = parts[-1] if parts else []
        is_plain = not any(has_parts(call.module) for call in [*last, *part])
        is_near = last and _top(holder) == _top(last[0].path)
        if is_near and is_plain and len(last[0].out_shape) == len(part[0].out_shape):
            last += part
        else:
            parts.append(part)
    return parts


def _top(path: str) -> str:
    """``backbone``, ``neck`` or ``head``."""
    return path.partition('.')[0]


def find_holder(calls: Sequence[Call], tracer: Tracer) -> str:
    """Path of the module that was called, and whose units are just these calls; or empty."""
    path = called_holder(calls[0], tracer)
    inside = [call for call in tracer.calls if f'{call.holder}.'.startswith(f'{path}.')]
    return path if path.count('.') > 0 and inside == [*calls] else ''


def describe_stage(calls: Sequence[Call], holder: str) -> str:
    """Path of the module of a stage below the backbone; else of its first and last unit.

    A stage with recalibration layers is named as its blocks are: ``SE_2, layer1``.
    """
    paths = [call.path for call in calls if call.nodes] or [calls[0].path]
    names = [holder] if holder else [paths[0], paths[-1]]
    name = ' … '.join(dict.fromkeys(name.removeprefix('backbone.') for name in names))
    return add_name(name, name_stage(name), calls)


def make_rows(calls: Sequence[Call]) -> Iterator[Row]:
    """Rows of the calls of a stage; layers join into what is drawn as one box."""
    blocks: list[Diagram] = []
    for is_block, group in groupby(calls, lambda call: has_parts(call.module)):
        if is_block:
            blocks += map(make_diagram, group)
        else:
            blocks += split_layers([*group])
    blocks = [block for block in blocks if block.boxes]
    for _, same in groupby(blocks, lambda block: (block.signature, block.stride)):
        rows = [*same]
        yield Row(rows[0], [block.call for block in rows])


def split_layers(calls: list[Call]) -> Iterator[Diagram]:
    """A block for each box of some calls of layers without parts."""
    owners = {node: call for call in calls for node in call.nodes}
    for box in make_boxes(owners):
        first, last = owners[box.nodes[0]], owners[box.nodes[-1]]
        call = replace(first, out_shape=last.out_shape, nodes=box.nodes)
        yield Diagram(type(first.module).__name__, call, [Box(box.nodes, [None])])
