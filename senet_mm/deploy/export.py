"""Deployment of a classifier: folded, compiled, ONNX, OpenVINO."""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._dynamo import config as dynamo_config
from torch._inductor import config as inductor_config

from senet_mm.engine.speed import has_fast_bf16
from senet_mm.utils.options import check_option
from senet_mm.utils.signal_stack import same_signal_stack

from .containers import need
from .fold import Logits, fold
from .metadata import describe_input, write_record
from .pack import pack
from .with_images import put_images_before


class Deployed(NamedTuple):
    """A deployed classifier.

    Attributes:
        run: Maps preprocessed images (N, C, H, W), float32, to logits (N, classes).
        path: The file that was written.
        how: Precision and library, in words.
    """

    run: Callable[[Tensor], Tensor]
    path: Path
    how: str


def deploy(
    model: nn.Module,
    to: str,
    example: Tensor,
    folder: Path,
    record: Mapping[str, Any] | None = None,
    with_images: bool = False,
) -> Deployed:
    """Deploy a classifier.

    Args:
        model: The classifier.
        to: A key of ``TARGETS``.
        example: A batch of at least two preprocessed images, (N, C, H, W), float32.
        folder: Folder for the file.
        record: What the file says of itself; see :func:`.write_record`.
        with_images: The file, ONNX, prepares its images as the record says, and names its classes;
            see :func:`.check_with_images`. ``run`` of the result still takes prepared images.

    Raises:
        ValueError: The target is not known.
        ImportError: It needs a package that is not installed.
    """
    check_option('to', to, TARGETS)
    folder.mkdir(parents=True, exist_ok=True)
    with torch.inference_mode(False), torch.no_grad():
        deployed = TARGETS[to](model, example, folder)
    if record is not None:
        complete_file(deployed.path, record, example, with_images)
    return deployed


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


def _save_program(folded: Logits, example: Tensor, path: Path) -> Path:
    """Write a program that ``torch.export.load(path).module()`` runs without this package."""
    program = torch.export.export(folded, (example,), dynamic_shapes=ANY_BATCH)
    with warnings.catch_warnings():
        # It warns about channels-last weights, which it saves whole all the same.
        warnings.filterwarnings('ignore', 'No complete tensor found in the group')
        torch.export.save(program, path)
    return path


def _folded(model: nn.Module, example: Tensor) -> tuple[Logits, str]:
    """The folded network, and its form in words, for the device of the example (N, C, H, W).

    bfloat16 where that is fast, else float32; channels last.
    """
    fast = has_fast_bf16(example.device.type)
    dtype = torch.bfloat16 if fast else torch.float32
    return fold(model, dtype, channels_last=True), f'{str(dtype)[6:]}, channels-last'


def to_fold(model: nn.Module, example: Tensor, folder: Path) -> Deployed:
    """The folded network, on a CPU with packed weights; no compiler.

    Arguments of this and the other targets as :func:`deploy`; ``example`` is (N, C, H, W).
    """
    folded, how = _folded(model, example)
    path = _save_program(folded, example, folder / 'folded.pt2')
    if example.is_cpu:
        pack(folded)
        how = f'{how}, packed in this process'
    return Deployed(torch.no_grad()(folded), path, how)


# Shapes of images for which a network is compiled; torch allows 256 in all.
SHAPES = 256


def compile_frozen(network: nn.Module, device: str) -> Callable[[Tensor], Tensor]:
    """A network compiled for inference with frozen weights, again for every shape of the images.

    Args:
        network: Maps images (N, C, H, W) to logits (N, classes).
        device: Type of the device of both.
    """
    # Inductor's code for a CPU has less to do between kernels in C++.
    compiled = torch.compile(network, dynamic=False, options=dict(cpp_wrapper=device == 'cpu'))

    @torch.no_grad()
    def run(images: Tensor) -> Tensor:
        # As an option of `torch.compile` it acts too late: weights are inputs by then. Beyond the
        # limit, 8 by default, the network would run uncompiled.
        with inductor_config.patch(freezing=True), dynamo_config.patch(recompile_limit=SHAPES):
            return compiled(images)

    return run


def to_compile(model: nn.Module, example: Tensor, folder: Path) -> Deployed:
    """The folded network, compiled with frozen weights again in every process.

    The example, (N, C, H, W), is used for the saved program alone.
    """
    folded, how = _folded(model, example)
    path = _save_program(folded, example, folder / 'folded.pt2')
    run = compile_frozen(folded, example.device.type)
    return Deployed(run, path, f'{how}, torch.compile with freezing')


def need_onnx() -> None:
    """Raise an ImportError unless the packages for ONNX are installed."""
    for package in ('onnx', 'onnxscript', 'onnxruntime'):
        need(package, 'deploy')


def write_onnx(model: nn.Module, example: Tensor, path: Path, early: bool = True) -> Path:
    """Write a classifier as ONNX, float32 with a dynamic batch.

    The example is (N, C, H, W); ``early`` as of :func:`.fold`.
    """
    torch.onnx.export(
        fold(model.cpu(), early=early), (example.cpu(),), path, dynamo=True, verbose=False,
        dynamic_shapes=ANY_BATCH, external_data=False,
        input_names=['images'], output_names=['logits'],
    )  # fmt: skip
    return path


def start_session(network: Path | bytes) -> Any:
    """An ONNX network, or its file, in onnxruntime, with the threads of torch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(network, options, providers=['CPUExecutionProvider'])


def start_onnx(network: Path | bytes) -> Callable[[Tensor], Tensor]:
    """An ONNX network, or its file, in onnxruntime: (N, C, H, W) -> (N, classes)."""
    session = start_session(network)
    [given] = session.get_inputs()

    def run(images: Tensor) -> Tensor:
        [logits] = session.run(None, {given.name: images.cpu().numpy()})
        return torch.from_numpy(logits)

    return run


def to_onnx(model: nn.Module, example: Tensor, folder: Path) -> Deployed:
    """ONNX in float32 with a dynamic batch, (N, C, H, W) -> (N, classes), run by onnxruntime."""
    need_onnx()
    path = write_onnx(model, example, folder / 'model.onnx')
    return Deployed(start_onnx(path), path, 'float32, onnxruntime')


def convert_to_openvino(model: nn.Module, example: Tensor, early: bool = True) -> Any:
    """A classifier as an ``openvino.Model`` with a dynamic batch.

    The example is (N, C, H, W); ``early`` as of :func:`.fold`.
    """
    import openvino

    folded = fold(model.cpu(), early=early)
    return openvino.convert_model(
        torch.export.export(folded, (example.cpu(),), dynamic_shapes=ANY_BATCH)
    )


def start_openvino(network: Any) -> tuple[Callable[[Tensor], Tensor], str]:
    """An ``openvino.Model`` compiled for the CPU: (N, C, H, W) -> (N, classes), and its precision.

    What is not quantised runs in bfloat16 where the CPU has it, else in float32.
    """
    import openvino

    def compile_as(precision: str) -> Any:
        threads = torch.get_num_threads()
        options = dict(INFERENCE_PRECISION_HINT=precision, INFERENCE_NUM_THREADS=threads)
        with same_signal_stack():
            return openvino.compile_model(network, 'CPU', options)

    precision = 'bf16' if has_fast_bf16('cpu') else 'f32'
    try:
        compiled = compile_as(precision)
    except RuntimeError:
        if precision == 'f32':
            raise
        # It has no kernel for some sums of an int8 and a bfloat16 map (2026.4.1).
        precision = 'f32'
        compiled = compile_as(precision)

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(compiled(images.cpu().numpy())[0])

    return run, precision


def to_openvino(model: nn.Module, example: Tensor, folder: Path) -> Deployed:
    """OpenVINO's model with a dynamic batch, (N, C, H, W) -> (N, classes).

    In bfloat16 where the CPU has it, else in float32.
    """
    need('openvino', 'openvino')
    import openvino

    converted = convert_to_openvino(model, example)
    path = folder / 'model.xml'
    openvino.save_model(converted, path, compress_to_fp16=False)
    run, precision = start_openvino(converted)
    return Deployed(run, path, f'{precision}, openvino')


TARGETS = {'fold': to_fold, 'compile': to_compile, 'onnx': to_onnx, 'openvino': to_openvino}
