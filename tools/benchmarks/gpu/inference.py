#!/usr/bin/env python
"""Time inference of SE-ResNet-50 in batches of 256 and 1, with CUDA graphs.

python tools/benchmarks/gpu/inference.py --out inference.json [--small]
"""

import importlib.util
from collections.abc import Callable
from functools import partial

from stage_options import parse_stage_args

if __name__ == '__main__':
    args = parse_stage_args(__doc__)

import networks
import torch
from graphs import one_stream, time_graph
from parts import NotHereError, Rows, device, run_stage, speed
from torch import Tensor, nn

from senet_mm.deploy import Logits, compile_frozen, fold
from senet_mm.utils.measure import interleave, peak_memory

BF16 = torch.bfloat16
BATCHES = (256, 1)
Network = Callable[[Tensor], Tensor]


def plain(model: nn.Module, x: Tensor, small: bool) -> Network:
    """The network as it is, in bfloat16."""
    return Logits(model, BF16, channels_last=True)


def folded(model: nn.Module, x: Tensor, small: bool) -> Network:
    """``--to fold``."""
    return fold(model, BF16, channels_last=True)


def compiled(network: nn.Module, small: bool) -> Network:
    """Compiled as ``--to compile`` does; the small form makes no code."""
    if small:
        return torch.compile(network, backend='aot_eager', dynamic=False)
    return compile_frozen(network, device())


def plain_compiled(model: nn.Module, x: Tensor, small: bool) -> Network:
    return compiled(Logits(model, BF16, channels_last=True), small)


def folded_compiled(model: nn.Module, x: Tensor, small: bool) -> Network:
    """``--to compile``."""
    return compiled(fold(model, BF16, channels_last=True), small)


def late_compiled(model: nn.Module, x: Tensor, small: bool) -> Network:
    """The same with the gates computed behind the last convolution of a block."""
    return compiled(fold(model, BF16, channels_last=True, early=False), small)


def tensorrt(model: nn.Module, x: Tensor, small: bool) -> Network:
    """The folded network in TensorRT."""
    import torch_tensorrt  # registers the backend

    assert torch_tensorrt.__version__
    return torch.compile(fold(model, BF16, channels_last=True), backend='torch_tensorrt')


def has_tensorrt() -> bool:
    return device() == 'cuda' and importlib.util.find_spec('torch_tensorrt') is not None


# Name of a row -> whose network, and what is made of it; EXTRA has a stage of its own.
FORMS = {
    'mmpretrain': ('mmpretrain', plain),
    'timm': ('timm', plain),
    'ours': ('ours', plain),
    'fold': ('ours', folded),
    'compile': ('ours', folded_compiled),
    'timm compiled': ('timm', plain_compiled),
}
EXTRA = {
    'TensorRT': ('ours', tensorrt),
    'compile, late squeeze': ('ours', late_compiled),
    'compile, plain network': ('plain', folded_compiled),
}


@torch.no_grad()
def measure(name: str, batch: int, small: bool) -> dict:
    """Milliseconds of a batch, images/s, peak memory in GB; the same as a CUDA graph."""
    if name == 'TensorRT' and not has_tensorrt():
        raise NotHereError('torch_tensorrt is not installed, or there is no GPU')
    whose, make = (FORMS | EXTRA)[name]
    batch, size = (min(batch, 2), 32) if small else (batch, 224)
    torch.manual_seed(0)
    torch.backends.cudnn.benchmark = True
    makers = networks.peers(small) | {
        'ours': partial(networks.ours, small, 'reference'),
        'plain': partial(networks.ours, small, 'reference', se=False),
    }
    x = torch.randn(batch, 3, size, size, device=device())
    with one_stream():
        model = makers[whose]().to(device()).eval()
        network = make(model, x, small)
        logits = {}

        def call() -> None:
            logits['last'] = network(x)

        time = partial(_time, batch=batch, small=small)
        result = time(call)
        result['peak'] = peak_memory(call) / 1e9
        truth = logits['last'].clone()
        result |= time_graph(call, time, result)
        if 'graph_ms' in result:  # replaying filled the tensor that was made in the capture
            apart = ((logits['last'] - truth).norm() / truth.norm()).item()
            result['graph_differs'] = apart
            if not apart < 1e-2:  # NaN is not, either
                result['error'] = f'logits of the graph differ by {apart:.1e}'
    return result


def _time(call: Callable[[], object], batch: int, small: bool) -> dict:
    """Milliseconds of a batch with quartiles, and images per second; each call is waited for."""
    timing = interleave({'': call}, 2 if small else 30, warmup=1 if small else 5)['']
    return speed(timing, batch)


def rows(small: bool) -> Rows:
    return {
        f'{name}, batch {batch}': partial(measure, name, batch, small)
        for forms in (FORMS, EXTRA)
        for batch in BATCHES
        for name in forms
    }


if __name__ == '__main__':
    run_stage(args, rows)
