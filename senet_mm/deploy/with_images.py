"""ONNX files that take images as they are, and name classes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmpretrain.models.heads import ClsHead
from torch import nn

from senet_mm.utils.errors import InputError
from senet_mm.utils.files import atomic_file
from senet_mm.utils.options import check_option

from .containers import need


def check_with_images(model: nn.Module, to: str, preprocessing: Mapping[str, Any]) -> None:
    """Raise an error where a classifier cannot be deployed with the preparation of its images.

    Raises:
        InputError: The target, the head or the preparation is not supported.
        ImportError: A package is not installed.
    """
    check_option('--preprocessing: to', to, ('onnx',))
    for package in ('onnx', 'onnxscript'):
        need(package, 'deploy')
    from .image_graph import check_preparation

    if not isinstance(model.head, ClsHead):
        raise InputError(
            f'--preprocessing: head {type(model.head).__name__} is not known; allowed: heads for '
            'one class per image, such as LinearClsHead'
        )
    check_preparation(preprocessing)


def put_images_before(path: Path, record: Mapping[str, Any], channels: int) -> None:
    """Let an ONNX file prepare its images and name its classes; see :func:`.add_images`."""
    import onnx

    from .image_graph import add_images

    network = add_images(onnx.load(path), record, channels)
    with atomic_file(path) as file:
        file.write(network.SerializeToString())
