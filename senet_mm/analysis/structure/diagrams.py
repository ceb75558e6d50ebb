"""What a block does, in boxes: ``3x3 conv, 64→64`` with ``BN, ReLU`` is one."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from math import prod

from senet_mm.models.layers import recalibration_layers
from senet_mm.models.recalibration import name_block

from .tracing import Call, TracedOperation

WEIGHTED = ('conv', 'linear')
LIGHT = ('norm', 'act')


@dataclass(eq=False)
class Box:
    """Operations that are drawn together.

    Attributes:
        nodes: The operations, in order.
        inputs: The boxes whose outputs it reads; None is the input of the block.
    """

    nodes: list[TracedOperation]
    inputs: list['Box | None'] = field(default_factory=list)

    @property
    def main(self) -> TracedOperation:
        """The operation by which it is named."""
        return next((node for node in self.nodes if node.kind not in LIGHT), self.nodes[0])

    @property
    def kind(self) -> str:
        """Kind of the main operation."""
        return self.main.kind

    @property
    def stride(self) -> int:
        """Product of the strides of its operations."""
        return prod(int(node.label.stride[1:]) for node in self.nodes if node.label.stride)

    @property
    def lines(self) -> list[str]:
        """What is written in it: the main operation on a line of its own."""
        if self.kind in LIGHT:
            return [', '.join(str(node.label) for node in self.nodes)]
        place = self.nodes.index(self.main)
        parts = (self.nodes[:place], [self.main], self.nodes[place + 1 :])
        return [', '.join(str(node.label) for node in part) for part in parts if part]

    def __str__(self) -> str:
        return ', '.join(self.lines)

    @property
    def signature(self) -> Hashable:
        """What it does, widths and strides left out."""
        return tuple((node.label.what, bool(node.label.more)) for node in self.nodes)


@dataclass(eq=False)
class Diagram:
    """What runs in a unit.

    Attributes:
        name: Name of its class.
        call: The call.
        boxes: The operations, in order.
    """

    name: str
    call: Call
    boxes: list[Box]

    @property
    def is_composite(self) -> bool:
        """Whether there is more to show than one box."""
        return len(self.boxes) > 1

    @property
    def signature(self) -> Hashable:
        """What it does, widths and strides left out: equal for blocks of one kind."""
        places = {None: -1} | {box: i for i, box in enumerate(self.boxes)}
        return self.name * self.is_composite, tuple(
            (box.signature, tuple(places[source] for source in box.inputs)) for box in self.boxes
        )

    @property
    def place(self) -> str:
        """Path of the unit below the backbone; with recalibration layers ``SE_2_1, layer1.0``."""
        path = self.call.path.removeprefix('backbone.')
        return add_name(path, name_block(path), [self.call])

    @property
    def stride(self) -> int:
        """Rows of the input for each row of the output, by the strides in the unit.

        The shapes alone would mislead: 8 rows become 3 by a stride of 2 without padding.
        """
        before, after = self.call.in_shape, self.call.out_shape
        ratio = before[1] / after[1] if len(before) == len(after) == 3 else 1
        strides: dict[Box | None, int] = {None: 1}
        for box in self.boxes:
            strides[box] = box.stride * max((strides[source] for source in box.inputs), default=1)
        found = max(strides.values())
        return found if found > 1 and ratio > 1.5 else round(ratio)


def add_name(path: str, name: str, calls: Iterable[Call]) -> str:
    """``SE_2, layer1``: a path behind its name in the figures, if calls recalibrate."""
    recalibrates = any(recalibration_layers(call.module) for call in calls)
    return f'{name}, {path}' if recalibrates and name != path else path


def make_diagram(call: Call) -> Diagram:
    """What runs in a call of a unit."""
    return Diagram(type(call.module).__name__, call, make_boxes(call.nodes))


def make_boxes(nodes: Iterable[TracedOperation]) -> list[Box]:
    """Boxes of some operations, in order."""
    nodes = list(nodes)
    readers = Counter(source for node in nodes for source in node.inputs)
    boxes: list[Box] = []
    owners: dict[TracedOperation, Box] = {}
    for node in nodes:
        box = owners.get(node.inputs[0]) if len(node.inputs) == 1 else None
        if box and readers[node.inputs[0]] == 1 and shares_box(box, node):
            box.nodes.append(node)
        else:
            sources = [owners.get(source) for source in node.inputs]
            box = Box([node], list(dict.fromkeys(sources)))
            boxes.append(box)
        owners[node] = box
    return boxes


def shares_box(box: Box, node: TracedOperation) -> bool:
    """Whether an operation is drawn in the box of the one before.

    Norms and activations are, behind a convolution or in front of it.
    """
    kinds = [each.kind for each in box.nodes]
    if node.kind in LIGHT:
        allowed = (*WEIGHTED, *LIGHT) + (('join',) if node.kind == 'act' else ())
        is_closed = kinds[0] in LIGHT and kinds[-1] in WEIGHTED
        return kinds[-1] in allowed and node.kind not in kinds and not is_closed
    return node.kind in WEIGHTED and all(kind in LIGHT for kind in kinds)
