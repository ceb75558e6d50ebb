"""Networks as graphs of operations, and which operation of one is which of another.

Names play no part. Two operations are of one form if they do the same to inputs of one form, from
the image on; weights may differ.
"""

from collections.abc import Sequence
from typing import NamedTuple

from senet_mm.utils.errors import InputError
from senet_mm.utils.options import shorten

# The order of their inputs does not matter.
COMMUTATIVE = ('add', 'multiply')


class GraphNode(NamedTuple):
    """An operation.

    Attributes:
        name: The layer or module that it belongs to.
        kind: What its library calls it.
        op: What it does: ``convolution``, ``relu``, ``add``, ...
        form: What it is set to, apart from its weights.
        inputs: Indices of the operations whose results it reads.
        shape: Of its result, (C, H, W); (C, 1, 1) after a pooling of the whole map.
        tensors: Names of its weights, in the order in which Caffe stores them.
        output: What its library calls the result.
    """

    name: str
    kind: str
    op: str
    form: tuple[tuple[str, object], ...]
    inputs: tuple[int, ...]
    shape: tuple[int, ...]
    tensors: tuple[str, ...] = ()
    output: str = ''

    def describe(self) -> str:
        """Name, kind and form: ``conv1 (Convolution, kernel=(7, 7), ...)``."""
        form = ''.join(f', {key}={value}' for key, value in self.form)
        return f'{shorten(self.name)} ({self.kind}{form})'


class Graph(NamedTuple):
    """The operations of a network, each after those that it reads, and which is the result."""

    nodes: list[GraphNode]
    result: int


def match_graphs(theirs: Graph, ours: Graph) -> dict[int, int]:
    """Every operation of a network -> the one of another network.

    Raises:
        InputError: One has no counterpart; the first is named.
    """
    known: dict[tuple, int] = {}
    forms, own_forms = (_number_forms(graph.nodes, known) for graph in (theirs, ours))
    if forms[theirs.result] != own_forms[ours.result]:
        raise InputError(_describe_first(theirs, ours, forms, own_forms))
    pairs: dict[int, int] = {}
    found = [(theirs.result, ours.result)]
    while found:
        index, own = found.pop()
        node = theirs.nodes[index]
        if index in pairs:
            if pairs[index] != own:
                raise InputError(f'layer {node.describe()} has two counterparts')
            continue
        pairs[index] = own
        found += zip(_in_order(node, forms), _in_order(ours.nodes[own], own_forms), strict=True)
    if len(set(pairs.values())) < len(pairs):
        raise InputError('two layers have one counterpart')
    return pairs


def _number_forms(nodes: Sequence[GraphNode], known: dict[tuple, int]) -> list[int]:
    """A number for the form of every operation and all before it, the same in all networks.

    Args:
        nodes: The operations.
        known: The numbers that were given before; new ones are added.
    """
    numbers: list[int] = []
    for node in nodes:
        inputs = [numbers[index] for index in node.inputs]
        ordered = sorted(inputs) if node.op in COMMUTATIVE else inputs
        numbers.append(known.setdefault((node.op, node.form, *ordered), len(known)))
    return numbers


def _in_order(node: GraphNode, forms: Sequence[int]) -> list[int]:
    """The inputs of an operation, in an order that its counterpart has too."""
    by_form = node.op in COMMUTATIVE
    return sorted(node.inputs, key=lambda i: forms[i]) if by_form else list(node.inputs)


def _describe_first(
    theirs: Graph, ours: Graph, forms: Sequence[int], own_forms: Sequence[int]
) -> str:
    """The first operation without a counterpart, and what stands in its place."""
    known, own_known = set(own_forms), set(forms)
    index = next((i for i, form in enumerate(forms) if form not in known), None)
    if index is None:
        own = next(
            node for node, f in zip(ours.nodes, own_forms, strict=True) if f not in own_known
        )
        return f'it has no layer for {own.describe()}'
    node = theirs.nodes[index]
    inputs = {forms[i] for i in node.inputs}
    beside = [
        own
        for own, form in zip(ours.nodes, own_forms, strict=True)
        if form not in own_known and inputs == {own_forms[i] for i in own.inputs}
    ]
    if not beside:
        return f'layer {node.describe()} has no counterpart: the network ends before it'
    own = min(beside, key=lambda own: own.op != node.op)
    if own.op != node.op:
        return f'layer {node.describe()} has no counterpart; there it is {own.describe()}'
    return f'layer {shorten(node.name)} has no counterpart: {_compare(node, own)}'


def _compare(node: GraphNode, own: GraphNode) -> str:
    """What differs between two operations of one kind, which one could take for each other."""
    others = dict(own.form)
    differences = [
        f'{key} {others.get(key)} for {value}'
        for key, value in node.form
        if others.get(key) != value
    ]
    what = ', '.join(differences) or 'its inputs in another order'
    return f'{shorten(own.name)} in its place has {what}'
