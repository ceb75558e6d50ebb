"""Deployment of a classifier: folded, compiled, ONNX, OpenVINO."""

import copy
import tempfile
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from senet_mm.engine.speed import has_fast_bf16
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_option

from .containers import need
from .fastest import Choice, pick_fastest
from .fold import Logits, can_squeeze_early, fold
from .metadata import describe_input, write_record
from .pack import pack
from .runtimes import Run, compile_frozen, start_onnx, start_openvino
from .with_images import put_images_before

SQUEEZES = ('early', 'late')


class Deployed(NamedTuple):
    """A deployed classifier.

    Attributes:
        run: Maps preprocessed images (N, C, H, W), float32, to logits (N, classes).
        path: The file that was written.
        how: Precision and library, in words.
    """

    run: Run
    path: Path
    how: str


class Form(NamedTuple):
    """A classifier in a form that runs, and that can be written.

    Attributes:
        run: Maps preprocessed images (N, C, H, W), float32, to logits (N, classes).
        write: Writes it into a folder, and returns the file.
        how: Precision and library, in words.
    """

    run: Run
    write: Callable[[Path], Path]
    how: str


def deploy(
    model: nn.Module,
    to: str,
    example: Tensor,
    folder: Path,
    record: Mapping[str, Any] | None = None,
    with_images: bool = False,
    squeeze: str = 'auto',
) -> Deployed:
    """Deploy a classifier.

    Args:
        model: The classifier.
        to: A key of ``TARGETS``.
        example: A batch of preprocessed images, (N, C, H, W), float32, as large as those that will
            be served.
        folder: Folder for the file.
        record: What the file says of itself; see :func:`.write_record`. ``squeeze`` is added.
        with_images: The file, ONNX, prepares its images as the record says, and names its classes;
            see :func:`.check_with_images`. ``run`` of the result still takes prepared images.
        squeeze: ``early``: gates are computed before the last convolution of a block where that is
            1x1; ``late``: behind it; ``auto``: what is faster for the example on this machine.

    Raises:
        ValueError: The target or the squeeze is not known, or no block can squeeze early.
        ImportError: It needs a package that is not installed.
    """
    check_option('to', to, TARGETS)
    check_option('squeeze', squeeze, ('auto', *SQUEEZES))
    folder.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode(False), torch.no_grad():
        form, choice = _choose_form(partial(TARGETS[to], model, example), model, example, squeeze)
        path = form.write(folder)
    how = form.how if choice is None else f'{form.how}, {describe_choice(choice, len(example))}'
    if record is not None:
        if choice is not None:
            record = dict(record, squeeze=_record_choice(choice, len(example)))
        complete_file(path, record, example, with_images)
    return Deployed(form.run, path, how)


def _choose_form(
    build: Callable[[bool], Form], model: nn.Module, example: Tensor, squeeze: str
) -> tuple[Form, Choice | None]:
    """The form with the squeeze that is asked for, or is faster; no choice without such blocks.

    Args:
        build: Makes the form, with an early squeeze or without.
        model: The classifier.
        example: A batch, (N, C, H, W).
        squeeze: As of :func:`deploy`.

    Raises:
        InputError: ``early`` is asked for without such blocks.
    """
    if not can_squeeze_early(model):
        if squeeze == 'early':
            raise InputError(
                "squeeze='early', and no block of the network has a gate by means behind a 1x1 "
                'convolution; allowed: auto, late'
            )
        return build(False), None
    forms = {name: build(name == 'early') for name in SQUEEZES if squeeze in ('auto', name)}
    choice = pick_fastest({name: form.run for name, form in forms.items()}, example)
    return forms[choice.name], choice


def describe_choice(choice: Choice, size: int) -> str:
    """Which squeeze was chosen and by which times, for batches of a size, in words."""
    times = [f'{name} {timing}' for name, timing in choice.timings.items()]
    measured = f' (batch of {size}: {", ".join(times)})' if times else ''
    return f'{choice.name} squeeze{measured}'


def _record_choice(choice: Choice, size: int) -> dict[str, Any]:
    """A choice as plain data; seconds are medians of a batch."""
    seconds = {name: timing.median for name, timing in choice.timings.items()}
    measured = dict(batch_size=size, threads=torch.get_num_threads(), seconds=seconds)
    return dict(chosen=choice.name, **(measured if seconds else {}))


def complete_file(
    path: Path, record: Mapping[str, Any], example: Tensor, with_images: bool
) -> None:
    """Put what :func:`deploy` says of ``record`` and ``with_images`` into a written file.

    The example is (N, C, H, W).
    """
    size = tuple(example.shape[1:])
    if with_images:
        put_images_before(path, record, channels=size[0])
    write_record(path, dict(record, input=describe_input(record, size, with_images)))


# For the one argument, the images: dimension 0 is dynamic.
ANY_BATCH = ({0: torch.export.Dim('batch')},)


def _save_program(folded: Logits, example: Tensor, folder: Path) -> Path:
    """Write a program that ``torch.export.load(path).module()`` runs without this package."""
    program = torch.export.export(folded, (at_least_two(example),), dynamic_shapes=ANY_BATCH)
    path = folder / 'folded.pt2'
    with warnings.catch_warnings():
        # It warns about channels-last weights, which it saves whole all the same.
        warnings.filterwarnings('ignore', 'No complete tensor found in the group')
        torch.export.save(program, path)
    return path


def at_least_two(example: Tensor) -> Tensor:
    """A batch of at least two images, (N, C, H, W): a batch of one would be taken as constant."""
    return example if len(example) > 1 else example.expand(2, *example.shape[1:]).contiguous()


def _folded(model: nn.Module, example: Tensor, early: bool) -> tuple[Logits, str]:
    """The folded network, and its form in words, for the device of the example (N, C, H, W).

    bfloat16 where that is fast, else float32; channels last.
    """
    fast = has_fast_bf16(example.device.type)
    dtype = torch.bfloat16 if fast else torch.float32
    return fold(model, dtype, True, early), f'{str(dtype)[6:]}, channels-last'


def to_fold(model: nn.Module, example: Tensor, early: bool) -> Form:
    """The folded network, on a CPU with packed weights; no compiler.

    Arguments of this and the other targets: the classifier; a batch, (N, C, H, W); whether gates
    have the early squeeze of :func:`.fold`.
    """
    folded, how = _folded(model, example, early)
    run: nn.Module = folded
    if example.is_cpu:
        # A packed network cannot be written.
        run, how = pack(copy.deepcopy(folded)), f'{how}, packed in this process'
    return Form(torch.no_grad()(run), partial(_save_program, folded, example), how)


def to_compile(model: nn.Module, example: Tensor, early: bool) -> Form:
    """The folded network, (N, C, H, W) -> (N, classes), compiled anew in every process."""
    folded, how = _folded(model, example, early)
    run = compile_frozen(folded, example.device.type)
    how = f'{how}, torch.compile with freezing'
    return Form(run, partial(_save_program, folded, example), how)


def need_onnx() -> None:
    """Raise an ImportError unless the packages for ONNX are installed."""
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        need(package, 'deploy')


def write_onnx(model: nn.Module, example: Tensor, path: Path, early: bool = True) -> Path:
    """Write a classifier as ONNX, float32 with a dynamic batch.

    The example is (N, C, H, W); ``early`` as of :func:`.fold`.
    """
    torch.onnx.export(
        fold(model.cpu(), early=early), (at_least_two(example.cpu()),), path, dynamo=True,
        verbose=False, dynamic_shapes=ANY_BATCH, external_data=False,
        input_names=['images'], output_names=['logits'],
    )  # fmt: skip
    return path


def to_onnx(model: nn.Module, example: Tensor, early: bool) -> Form:
    """ONNX in float32 with a dynamic batch, (N, C, H, W) -> (N, classes), run by onnxruntime."""
    need_onnx()
    with tempfile.TemporaryDirectory() as folder:
        network = write_onnx(model, example, Path(folder, 'model.onnx'), early).read_bytes()

    def write(folder: Path) -> Path:
        path = folder / 'model.onnx'
        path.write_bytes(network)
        return path

    return Form(start_onnx(network), write, 'float32, onnxruntime')


def convert_to_openvino(model: nn.Module, example: Tensor, early: bool = True) -> Any:
    """A classifier as an ``openvino.Model`` with a dynamic batch.

    The example is (N, C, H, W); ``early`` as of :func:`.fold`.
    """
    import openvino

    folded = fold(model.cpu(), early=early)
    example = at_least_two(example.cpu())
    return openvino.convert_model(torch.export.export(folded, (example,), dynamic_shapes=ANY_BATCH))


def to_openvino(model: nn.Module, example: Tensor, early: bool) -> Form:
    """OpenVINO's model with a dynamic batch, (N, C, H, W) -> (N, classes).

    In bfloat16 where the CPU has it, else in float32.
    """
    need('openvino', 'openvino')
    import openvino

    converted = convert_to_openvino(model, example, early)

    def write(folder: Path) -> Path:
        path = folder / 'model.xml'
        openvino.save_model(converted, path, compress_to_fp16=False)
        return path

    run, precision = start_openvino(converted)
    return Form(run, write, f'{precision}, openvino')


TARGETS = {'fold': to_fold, 'compile': to_compile, 'onnx': to_onnx, 'openvino': to_openvino}
"""The targets of :func:`deploy`, each with the function that makes its form of a model."""
