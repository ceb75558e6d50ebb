"""The gates in an exported graph, found by its shape: a map is multiplied by what is made of it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

MULTIPLICATIONS = ('Mul', 'Multiply')


class Node(NamedTuple):
    """An operation of a graph.

    Attributes:
        kind: The operation: ``Conv``, ``Mul``, ...
        inputs: Names of the nodes that make its inputs, constants left out.
    """

    kind: str
    inputs: tuple[str, ...]


Graph = Mapping[str, Node]


class Gates(NamedTuple):
    """Names of nodes.

    Attributes:
        inside: What computes gates, from the squeeze to the activation.
        products: The multiplications of maps by gates.
    """

    inside: frozenset[str]
    products: frozenset[str]


def find_gates_in_graph(graph: Graph) -> Gates:
    """All gates of a graph: ``x * f(x)`` for a map ``x`` and any ``f``."""
    inside: set[str] = set()
    products = set()
    for name, node in graph.items():
        if node.kind not in MULTIPLICATIONS or len(set(node.inputs)) != 2:
            continue
        first, second = node.inputs
        if path := _between(graph, first, second) or _between(graph, second, first):
            inside |= path
            products.add(name)
    return Gates(frozenset(inside), frozenset(products))


def _between(graph: Graph, source: str, target: str) -> set[str]:
    """Nodes on the paths from a node to another one, that one included; empty without a path."""
    reached: set[str] = set()
    for name in _in_order(graph, source, target):
        if any(parent == source or parent in reached for parent in graph[name].inputs):
            reached.add(name)
    return reached if target in reached else set()


def _in_order(graph: Graph, source: str, target: str) -> Iterable[str]:
    """What a node depends on, and itself, dependencies first; not beyond the source."""
    done = {source}
    stack = [target]
    while stack:
        name = stack[-1]
        missing = [n for n in graph[name].inputs if n in graph and n not in done]
        if name in done or not missing:
            stack.pop()
            if name not in done:
                done.add(name)
                yield name
        else:
            stack.extend(missing)
