"""Exported networks, read back and run: files of ``deploy`` with their record."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor

from senet_mm.config.text import read_config_text
from senet_mm.engine.weights.contradictions import check_contradictions
from senet_mm.engine.weights.origin import Origin
from senet_mm.engine.weights.stored_config import read_stored_config
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_regular_file

from .containers import need
from .metadata import read_record
from .program import load_program
from .runtimes import start_openvino, start_session

Run = Callable[[Tensor], Tensor]


class Exported(NamedTuple):
    """An exported network.

    Attributes:
        run: Maps preprocessed images (N, C, H, W), float32, to logits (N, classes).
        record: What the file says of itself.
        cfg: The config in the record.
        takes_images: Whether it prepares images itself: ``run`` maps uint8 (N, H, W, C), RGB, RGBA
            or grey, to scores (N, classes).
    """

    run: Run
    record: Mapping[str, Any]
    cfg: Config
    takes_images: bool = False


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
    run, takes_images = STARTS[Path(path).suffix.lower()](Path(path))
    return Exported(torch.no_grad()(run), record, cfg, takes_images)


def _read_cfg(path: str | os.PathLike, record: Mapping[str, Any]) -> Config:
    try:
        config = read_config_text(record['config'])
    except ValueError as error:
        raise InputError(f'exported file {path}: its config cannot be read ({error})') from error
    classes = record.get('classes')
    names = tuple(classes) if classes else None
    origin = Origin(str(path), config, record['preprocessing'], names)
    check_contradictions(origin, f'exported file {path}')
    return read_stored_config(origin, f'exported file {path}')


def _start_program(path: Path) -> tuple[Run, bool]:
    return load_program(path), False


def _start_onnx(path: Path) -> tuple[Run, bool]:
    need('onnxruntime', 'deploy')
    try:
        get_session = start_session(path)
        session = get_session()
        takes_images = session.get_inputs()[0].type == 'tensor(uint8)'
        output = 'pred_scores' if takes_images else 'logits'
        [name] = [each.name for each in session.get_outputs() if each.name == output]
    except Exception as error:  # classes of its own for files that it cannot read
        raise _damaged(path, error) from error
    return lambda images: torch.from_numpy(
        get_session().run([name], {'images': images.contiguous().numpy()})[0]
    ), takes_images


def _start_openvino(path: Path) -> tuple[Run, bool]:
    need('openvino', 'openvino')
    import openvino

    check_regular_file(path.with_suffix('.bin'), f'exported file {path}: its weights file')
    try:
        return start_openvino(openvino.Core().read_model(path))[0], False
    except Exception as error:  # RuntimeError
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> InputError:
    # OpenVINO says in the first lines where in its source it failed.
    reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
    return InputError(f'exported file {path} cannot be run: {reason}')


STARTS: dict[str, Callable[[Path], tuple[Run, bool]]] = {
    '.onnx': _start_onnx,
    '.pt2': _start_program,
    '.xml': _start_openvino,
}
