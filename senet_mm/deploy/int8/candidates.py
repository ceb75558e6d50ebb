"""A classifier in 8-bit integers: the candidates, the best of them, its file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from senet_mm.deploy.export import Deployed, complete_file
from senet_mm.deploy.images import Images
from senet_mm.deploy.report import count_right
from senet_mm.utils.errors import InputError, UserError, one_line
from senet_mm.utils.options import is_number
from senet_mm.utils.progress import ProgressBar

from .engine import Engine, Run, quantise_under_control
from .onnxruntime import OnnxRuntime
from .openvino import OpenVino

ENGINES: dict[str, Engine] = {'onnx': OnnxRuntime(), 'openvino': OpenVino()}
CONTROLLED = 'int8, accuracy control'


class Candidate(NamedTuple):
    """A quantised network.

    Attributes:
        network: As its library has it.
        logits: Of the images of the report, (N, classes).
        quantisers: Number of tensors that are quantised.
    """

    network: Any
    logits: Tensor
    quantisers: int


class Quantised(NamedTuple):
    """A classifier after quantisation, in one or more ways.

    Attributes:
        engine: The library.
        logits: Of the classifier before, (N, classes).
        candidates: Quantised networks by name of the method.
        chosen: Name of the best one.
    """

    engine: Engine
    logits: Tensor
    candidates: dict[str, Candidate]
    chosen: str


def check_int8(to: str, max_drop: float | None) -> None:
    """Refuse what cannot be done before anything is loaded.

    Raises:
        ValueError: The target has no integers, or the drop is no number of points.
        ImportError: A package is missing.
    """
    if to not in ENGINES:
        allowed = ', '.join(f'--to {engine}' for engine in ENGINES)
        raise InputError(f'--int8 with --to {to}; allowed: {allowed}')
    if max_drop is not None and not is_number(max_drop, 0):
        raise InputError(f'--max-drop {max_drop}; allowed: numbers from 0, in percentage points')
    ENGINES[to].check(control=max_drop is not None)


def quantise(
    model: nn.Module,
    to: str,
    calibration: Tensor,
    test: Images,
    control: Callable[[], Images],
    max_drop: float | None = None,
) -> Quantised:
    """Quantise a classifier in all ways of a library; the best has the nearest logits.

    Accuracy control is tried if the best one loses more accuracy than allowed.

    Args:
        model: The classifier.
        to: A key of ``ENGINES``.
        calibration: Images for the ranges of activations, (N, C, H, W).
        test: Images of the report.
        control: Reads the images for accuracy control.
        max_drop: Allowed loss of accuracy, percentage points.

    Raises:
        InputError: The network cannot be quantised, or the images have no labels.
    """
    if max_drop is not None and test.labels is None:
        raise InputError('--max-drop needs labels; the images of the test set have none')
    engine = ENGINES[to]
    candidates = {}
    with ProgressBar('quantisation', len(engine.methods), 'ways', rated=False) as bar:
        with torch.no_grad():
            logits = run_in_parts(model, test.inputs)
        network = _attempt(engine, lambda: engine.export(model, test.inputs[:2]))
        for name, method in engine.methods.items():
            bar.note(name)
            candidates[name] = _make(engine, method, network, calibration, test)
            bar.advance()
    if not any(candidate.quantisers for candidate in candidates.values()):
        raise InputError(
            f'--int8: {engine.name} finds nothing to quantise in this network; allowed: one with '
            'convolutions or linear layers outside of its gates'
        )
    errors = {name: (c.logits - logits).square().mean() for name, c in candidates.items()}
    chosen = min(errors, key=lambda name: errors[name].nan_to_num(torch.inf))
    quantised = Quantised(engine, logits, candidates, chosen)
    if max_drop is None or get_drop(quantised, test.labels) <= max_drop:
        return quantised
    with ProgressBar(CONTROLLED, rated=False):
        images = control()
        candidates[CONTROLLED] = _control(engine, network, calibration, test, images, max_drop)
    return quantised._replace(chosen=CONTROLLED)


def _control(
    engine: Engine,
    network: Any,
    calibration: Tensor,
    test: Images,
    control: Images,
    max_drop: float,
) -> Candidate:
    """The candidate in which accuracy control on some images left layers in float."""
    if control.labels is None:
        raise InputError('--max-drop needs labels; the images of the validation set have none')
    labels = control.labels.cpu()

    def method(network: Any, images: Tensor) -> Any:
        drop = max_drop / 100
        return quantise_under_control(engine, network, images, control.inputs, labels, drop)

    controlled = _make(engine, method, network, calibration, test)
    if controlled.quantisers == 0:
        raise InputError(
            f'--max-drop {max_drop:g}: {engine.name} under accuracy control leaves all of the '
            'network in float; nothing was written'
        )
    return controlled


def _make(
    engine: Engine,
    method: Callable[[Any, Tensor], Any],
    network: Any,
    calibration: Tensor,
    test: Images,
) -> Candidate:
    quantised = _attempt(engine, lambda: method(network, calibration))
    quantisers = engine.count_quantisers(quantised)
    run, _ = engine.start(quantised)
    return Candidate(quantised, run_in_parts(run, test.inputs), quantisers)


def _attempt(engine: Engine, work: Callable[[], Any]) -> Any:
    """What some work returns; a failure of a library is one of the network."""
    with torch.inference_mode(False), torch.no_grad():
        try:
            return work()
        except UserError:
            raise
        except Exception as error:
            reason = one_line(f'{type(error).__name__}: {error}')[:300]
            raise InputError(
                f'--int8: {engine.name} cannot quantise this network: {reason}'
            ) from error


def run_in_parts(run: Run, images: Tensor, size: int = 16) -> Tensor:
    """Logits of images, (N, C, H, W) -> (N, classes), on the CPU."""
    return torch.cat([run(part.contiguous()).float().cpu() for part in images.split(size)])


def get_drop(quantised: Quantised, labels: Tensor | None) -> float:
    """Accuracy that the best network loses, in percentage points; labels are (N,)."""
    assert labels is not None
    after = quantised.candidates[quantised.chosen].logits
    right = [
        count_right(logits, labels.cpu()).double().mean() for logits in (quantised.logits, after)
    ]
    return 100 * (right[0] - right[1]).item()


def write(
    quantised: Quantised,
    folder: Path,
    test: Images,
    max_drop: float | None = None,
    record: Mapping[str, Any] | None = None,
    with_images: bool = False,
) -> Deployed:
    """Write the best network, unless it loses too much, and start it.

    Args:
        quantised: The candidates.
        folder: Folder for the file.
        test: Images of the report.
        max_drop: Allowed loss of accuracy, percentage points.
        record: As of :func:`.deploy`.
        with_images: As of :func:`.deploy`.

    Raises:
        InputError: It loses more accuracy than allowed; nothing is written.
    """
    engine, chosen = quantised.engine, quantised.chosen
    if max_drop is not None and (drop := get_drop(quantised, test.labels)) > max_drop:
        raise InputError(
            f'{chosen}, loses {drop:.4g} points of accuracy on {len(test.inputs)} images; allowed '
            f'by --max-drop: {max_drop:g}; nothing was written'
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'model_int8{engine.suffix}'
    network = quantised.candidates[chosen].network
    engine.write(network, path)
    if record is not None:
        complete_file(path, record, test.inputs[:2], with_images)
    run, how = engine.start(network)
    return Deployed(run, path, f'{chosen}, {how}')
