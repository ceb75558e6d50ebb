"""Exported networks, read back and run: files of ``deploy`` with their record."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor

from senet_mm.config.text import read_config_text
from senet_mm.engine.weights.origin import Origin
from senet_mm.engine.weights.preprocessing import describe_preprocessing
from senet_mm.engine.weights.stored_config import read_stored_config
from senet_mm.utils.errors import InputError

from .export import start_onnx, start_openvino
from .metadata import CONTAINERS, need, read_record
from .program import load_program

Run = Callable[[Tensor], Tensor]


class Exported(NamedTuple):
    """An exported network.

    Attributes:
        run: Maps preprocessed images (N, C, H, W), float32, to logits (N, classes).
        record: What the file says of itself.
        cfg: The config in the record.
    """

    run: Run
    record: Mapping[str, Any]
    cfg: Config


def is_exported(path: str | os.PathLike) -> bool:
    """Whether a file is an exported network, by its suffix."""
    return Path(path).suffix in CONTAINERS


def open_exported(path: str | os.PathLike) -> Exported:
    """Read an exported network and start it on the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        InputError: It has no record, contradicts itself, holds more than data, or is damaged.
    """
    record = read_record(path)
    if not record or not record.get('config'):
        raise InputError(
            f'exported file {path} has no record of its images and classes; allowed: what '
            'tools/deploy.py writes, or the checkpoint'
        )
    cfg = _read_cfg(path, record)
    given = describe_preprocessing(cfg)
    for name, value in record['preprocessing'].items():
        if name in given and given[name] != value:
            raise InputError(
                f'exported file {path} contradicts itself: its preprocessing has {name}={value}, '
                f'its config {name}={given[name]}; allowed: one of both'
            )
    return Exported(torch.no_grad()(STARTS[Path(path).suffix](Path(path))), record, cfg)


def _read_cfg(path: str | os.PathLike, record: Mapping[str, Any]) -> Config:
    try:
        config = read_config_text(record['config'])
    except ValueError as error:
        raise InputError(f'exported file {path}: its config cannot be read ({error})') from error
    origin = Origin(str(path), config, record['preprocessing'])
    return read_stored_config(origin, f'exported file {path}')


def _start_program(path: Path) -> Run:
    return load_program(path)


def _start_onnx(path: Path) -> Run:
    need('onnxruntime', 'deploy')
    try:
        return start_onnx(path)
    except Exception as error:  # classes of its own for files that it cannot read
        raise _damaged(path, error) from error


def _start_openvino(path: Path) -> Run:
    need('openvino', 'openvino')
    import openvino

    try:
        return start_openvino(openvino.Core().read_model(path))[0]
    except Exception as error:  # RuntimeError
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return InputError(f'exported file {path} cannot be run: {reason}')


STARTS: dict[str, Callable[[Path], Run]] = {
    '.onnx': _start_onnx,
    '.pt2': _start_program,
    '.xml': _start_openvino,
}
