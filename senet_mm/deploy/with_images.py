"""Deployed files that take images as they are, and name classes."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmpretrain.models.heads import ClsHead
from torch import nn

from senet_mm.utils.errors import InputError
from senet_mm.utils.files import atomic_file
from senet_mm.utils.options import check_option

from .metadata import need


def check_with_images(model: nn.Module, to: str, preprocessing: Mapping[str, Any]) -> None:
    """Raise an error where a classifier cannot be deployed with the preparation of its images.

    Raises:
        InputError: The target, the head or the preparation is not supported.
        ImportError: A package is not installed.
    """
    check_option('--preprocessing: to', to, ('onnx', 'openvino'))
    for package in ('onnx', 'onnxscript'):
        need(package, 'deploy')
    from .image_graph import check_images

    if not isinstance(model.head, ClsHead):
        raise InputError(
            f'--preprocessing: head {type(model.head).__name__} is not known; allowed: heads for '
            'one class per image, such as LinearClsHead'
        )
    check_images(preprocessing)


def put_images_before(path: Path, record: Mapping[str, Any], channels: int) -> None:
    """Let a deployed file, ``.onnx`` or ``.xml``, prepare its images and name its classes.

    Args:
        path: From prepared images (N, C, H, W), float32, to logits (N, classes).
        record: ``preprocessing`` and ``classes``.
        channels: C.
    """
    extend = {'.onnx': _extend_onnx, '.xml': _extend_openvino}
    extend[path.suffix](path, record, channels)


def _extend_onnx(path: Path, record: Mapping[str, Any], channels: int) -> None:
    import onnx

    from .image_graph import add_images

    network = add_images(onnx.load(path), record, channels)
    with atomic_file(path) as file:
        file.write(network.SerializeToString())


def _extend_openvino(path: Path, record: Mapping[str, Any], channels: int) -> None:
    import openvino

    from .image_graph import build_prediction, build_preparation

    core = openvino.Core()
    network = core.read_model(path)
    before, after = (
        core.read_model(part.SerializeToString())
        for part in (
            build_preparation(record['preprocessing'], channels),
            build_prediction(record['classes']),
        )
    )
    for first, second in ((before, network), (network, after)):
        source = first.results[0].input_value(0)
        for target in second.parameters[0].output(0).get_target_inputs():
            target.replace_source_output(source)
    whole = openvino.Model(after.results, before.parameters)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        # The weights are read from the file while they are written.
        openvino.save_model(whole, Path(folder) / path.name, compress_to_fp16=False)
        for name in (path.with_suffix('.bin').name, path.name):
            os.replace(Path(folder) / name, path.with_name(name))
