"""Modules of SE in a network of any names, found by their form.

A map is pooled, goes through two fully connected layers with a ReLU between them and a sigmoid
after them, and is multiplied by the result. As Caffe's layers that is, among others, InnerProduct
and Scale (shicai/SENet-Caffe, farmingyard/SENet), or Convolution and Axpy (hujie-frank/SENet).
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from senet_mm.utils.options import shorten

from .network_graph import Graph, GraphNode

# From the gate back to the map.
EXCITATION = ('sigmoid', 'convolution', 'relu', 'convolution', 'average of the map')


class SEModule(NamedTuple):
    """A module of SE: the map, the first and the second layer, and the multiplication."""

    map: GraphNode
    fc1: int
    fc2: int
    scale: GraphNode

    def describe(self, nodes: Sequence[GraphNode], place: str) -> str:
        """A line: where it stands, its width and form, its layers, and where its weights go."""
        fc1, fc2 = nodes[self.fc1], nodes[self.fc2]
        channels, hidden = self.map.shape[0], fc1.shape[0]
        return (
            f'SE on {shorten(self.map.output)} ({channels} channels, {hidden} hidden; {fc1.kind} '
            f'and {self.scale.kind}): {shorten(fc1.name)}, {shorten(fc2.name)} -> {place}'
        )


def find_se(graph: Graph) -> Iterator[SEModule]:
    """The modules of SE of a network, in its order."""
    for node in graph.nodes:
        for gate in node.inputs if node.op == 'multiply' else ():
            steps = _steps_back(graph.nodes, gate)
            if steps and steps[-1] in node.inputs:
                yield SEModule(graph.nodes[steps[-1]], steps[3], steps[1], node)


def _steps_back(nodes: Sequence[GraphNode], index: int) -> list[int]:
    """The operations from a gate back to the map; empty where it is none of SE."""
    steps = []
    for op in EXCITATION:
        if nodes[index].op != op or len(nodes[index].inputs) != 1:
            return []
        steps.append(index)
        [index] = nodes[index].inputs
    return [*steps, index]
