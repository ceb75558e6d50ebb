"""Networks started for inference: compiled by torch, in onnxruntime, in OpenVINO.

What a library fixes when it starts, such as layouts for a shape or its number of threads, is made
again for other ones, so that no call depends on the calls before it.
"""

from collections.abc import Callable
from pathlib import Path
from threading import Lock, local
from typing import Any

import torch
from torch import Tensor, nn
from torch._dynamo import config as dynamo_config
from torch._inductor import config as inductor_config

from senet_mm.engine.speed import has_fast_bf16
from senet_mm.utils.signal_stack import same_signal_stack

Run = Callable[[Tensor], Tensor]

# Shapes of images for which a network is compiled; torch allows 256 in all.
SHAPES = 256


def per_threads(start: Callable[[], Any]) -> Callable[[], Any]:
    """A getter of what ``start`` returns under the present number of torch's CPU threads.

    Libraries fix their threads when they start, so this starts once for each number; for the
    present one at once.
    """
    started = {torch.get_num_threads(): start()}
    lock = Lock()

    def get() -> Any:
        threads = torch.get_num_threads()
        with lock:
            if threads not in started:
                started[threads] = start()
        return started[threads]

    return get


def compile_frozen(network: nn.Module, device: str) -> Run:
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


def start_session(network: Path | bytes) -> Callable[[], Any]:
    """A getter of the session of an ONNX network, or its file; see :func:`per_threads`."""
    import onnxruntime

    def start() -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        return onnxruntime.InferenceSession(network, options, providers=['CPUExecutionProvider'])

    return per_threads(start)


def start_onnx(network: Path | bytes) -> Run:
    """An ONNX network, or its file, in onnxruntime: (N, C, H, W) -> (N, classes)."""
    get_session = start_session(network)
    [given] = get_session().get_inputs()

    def run(images: Tensor) -> Tensor:
        [logits] = get_session().run(None, {given.name: images.cpu().numpy()})
        return torch.from_numpy(logits)

    return run


def start_openvino(network: Any) -> tuple[Run, str]:
    """An ``openvino.Model`` compiled for the CPU: (N, C, H, W) -> (N, classes), and its precision.

    What is not quantised runs in bfloat16 where the CPU has it, else in float32.
    """
    import openvino

    def compile_as(precision: str) -> Callable[[], Any]:
        def start() -> Any:
            threads = torch.get_num_threads()
            options = dict(INFERENCE_PRECISION_HINT=precision, INFERENCE_NUM_THREADS=threads)
            with same_signal_stack():
                return openvino.compile_model(network, 'CPU', options)

        return per_threads(start)

    precision = 'bf16' if has_fast_bf16('cpu') else 'f32'
    try:
        get_compiled = compile_as(precision)
    except RuntimeError:
        if precision == 'f32':
            raise
        # It has no kernel for some sums of an int8 and a bfloat16 map (2026.4.1).
        precision = 'f32'
        get_compiled = compile_as(precision)

    own = local()

    def run(images: Tensor) -> Tensor:
        compiled = get_compiled()
        # A compiled network called by itself has one request for all threads, which mixes them up.
        if getattr(own, 'compiled', None) is not compiled:
            own.compiled, own.request = compiled, compiled.create_infer_request()
        return torch.from_numpy(own.request.infer(images.cpu().numpy())[0])

    return run, precision
