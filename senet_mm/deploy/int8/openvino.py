"""Quantisation for OpenVINO by NNCF."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from senet_mm.deploy.containers import need
from senet_mm.deploy.export import convert_to_openvino
from senet_mm.deploy.runtimes import start_openvino
from senet_mm.engine.speed import has_fast_bf16

from .engine import Engine, Run, running_nncf, to_nncf
from .gates import Graph, Node


class OpenVino(Engine):
    """OpenVINO's model, weights by channel, activations by tensor, both corrections of biases."""

    name, suffix = 'openvino', '.xml'

    def __init__(self) -> None:
        self.methods = {
            'int8, biases as they are': partial(self._quantise, correct=False),
            'int8, accurate bias correction': partial(self._quantise, fast=False),
            'int8, fast bias correction': self._quantise,
        }

    def check(self, control: bool) -> None:
        need('openvino', 'openvino')
        need('nncf', 'openvino')

    def export(self, model: nn.Module, example: Tensor) -> Any:
        """The network without the early squeeze; the example is (N, C, H, W)."""
        return convert_to_openvino(model, example, early=False)

    def _quantise(
        self, network: Any, images: Tensor, correct: bool = True, fast: bool = True
    ) -> Any:
        import nncf

        arguments, advanced = to_nncf(self, network, images)
        advanced.disable_bias_correction = not correct
        with running_nncf():
            return nncf.quantize(
                **arguments, advanced_parameters=advanced, fast_bias_correction=fast
            )

    def start(self, network: Any) -> tuple[Run, str]:
        run, precision = start_openvino(network)
        how = f'gates {precision}, openvino'
        if precision == 'f32' and has_fast_bf16('cpu'):
            how += " (which needs INFERENCE_PRECISION_HINT='f32' for this network)"
        return run, how

    def start_given(self, network: Any) -> Run:
        return lambda images: torch.from_numpy(network(images.cpu().numpy())[0].copy())

    def graph(self, network: Any) -> Graph:
        return {node.get_friendly_name(): _describe(node) for node in network.get_ordered_ops()}

    def count_quantisers(self, network: Any) -> int:
        nodes = network.get_ops()
        weights = [
            node
            for node in nodes
            if node.get_type_name() == 'Constant' and node.get_element_type().to_string() == 'i8'
        ]
        return len(weights) + sum(node.get_type_name() == 'FakeQuantize' for node in nodes)

    def write(self, network: Any, path: Path) -> None:
        import openvino

        openvino.save_model(network, path, compress_to_fp16=False)

    def item(self, image: Tensor) -> Any:
        """An array of an image, (1, C, H, W)."""
        return image.cpu().numpy()


def _describe(node: Any) -> Node:
    makers = [given.get_source_output().get_node() for given in node.inputs()]
    names = [maker.get_friendly_name() for maker in makers if maker.get_type_name() != 'Constant']
    return Node(node.get_type_name(), tuple(names))
