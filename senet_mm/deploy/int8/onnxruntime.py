"""Quantisation by onnxruntime."""

import contextlib
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from senet_mm.deploy.containers import need
from senet_mm.deploy.export import need_onnx, write_onnx
from senet_mm.deploy.runtimes import start_onnx
from senet_mm.utils.files import atomic_file

from .engine import Engine, Run
from .gates import Graph, Node, find_gates_in_graph


class OnnxRuntime(Engine):
    """ONNX with quantisers as operations (QDQ), weights by channel, activations by tensor."""

    name, suffix = 'onnxruntime', '.onnx'

    def __init__(self) -> None:
        self.methods = {'int8': self._quantise}

    def check(self, control: bool) -> None:
        need_onnx()
        if control:
            need('nncf', 'openvino')

    def export(self, model: nn.Module, example: Tensor) -> Any:
        """The network without the early squeeze; the example is (N, C, H, W)."""
        import onnx

        with tempfile.TemporaryDirectory() as folder:
            return onnx.load(write_onnx(model, example, Path(folder) / 'a.onnx', early=False))

    def _quantise(self, network: Any, images: Tensor) -> Any:
        import onnx
        from onnxruntime import quantization

        class Reader(quantization.CalibrationDataReader):
            items = map(self.item, images.split(1))

            def get_next(self) -> dict | None:
                return next(self.items, None)

        with tempfile.TemporaryDirectory() as folder, _without_advice():
            # Given in memory, the network would lose its weights to a file.
            source, target = (Path(folder) / name for name in ('float.onnx', 'int8.onnx'))
            self.write(network, source)
            quantization.quantize_static(
                source,
                target,
                Reader(),
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                nodes_to_exclude=sorted(find_gates_in_graph(self.graph(network)).inside),
            )
            return onnx.load(target)

    def start(self, network: Any) -> tuple[Run, str]:
        return self.start_given(network), 'gates float32, onnxruntime'

    def start_given(self, network: Any) -> Run:
        return start_onnx(network.SerializeToString())

    def graph(self, network: Any) -> Graph:
        makers = {output: node.name for node in network.graph.node for output in node.output}
        return {
            node.name: Node(node.op_type, tuple(makers[i] for i in node.input if i in makers))
            for node in network.graph.node
        }

    def count_quantisers(self, network: Any) -> int:
        import onnx

        weights = {
            tensor.name
            for tensor in network.graph.initializer
            if tensor.data_type == onnx.TensorProto.INT8
        }
        return sum(
            node.op_type == 'QuantizeLinear'
            or (node.op_type == 'DequantizeLinear' and node.input[0] in weights)
            for node in network.graph.node
        )

    def write(self, network: Any, path: Path) -> None:
        with atomic_file(path) as file:
            file.write(network.SerializeToString())

    def item(self, image: Tensor) -> Any:
        """The inputs for an image, (1, C, H, W)."""
        return {'images': image.cpu().numpy()}


@contextlib.contextmanager
def _without_advice() -> Iterator[None]:
    """Without its advice to optimise a network before: that fuses norms, which `fold` has done."""

    def is_wanted(record: logging.LogRecord) -> bool:
        return 'before quantization' not in str(record.msg)

    logging.getLogger().addFilter(is_wanted)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(is_wanted)
