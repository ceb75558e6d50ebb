"""The Triton kernels without a GPU: in Triton's interpreter, and compiled for GPUs."""

import importlib.util
import re
import sys
from importlib.metadata import version

import numpy as np
import pytest
import torch
from packaging.version import Version

from senet_mm.ops import fused, plain

from ..conftest import ROOT

TOLERANCES = {'float32': 1e-5, 'bfloat16': 5e-3, 'float16': 1e-3}


def test_kernels_in_the_interpreter(run_tool):
    """Both layouts, ragged sizes (72 channels, 35 positions), training and evaluation."""
    assert importlib.util.find_spec('triton'), 'torch for Linux brings Triton'
    if Version(version('triton')) < Version('3.7') and Version(np.__version__) >= Version('2.4'):
        pytest.skip("Triton 3.6's interpreter takes int() of arrays of 1 axis, NumPy 2.4 refuses")
    run = run_tool(
        sys.executable, '-m', 'tests.ops.interpreted', TRITON_INTERPRET='1', PYTHONPATH=str(ROOT)
    )
    assert run.returncode == 0, run.stderr
    rows = [line.split() for line in run.stdout.splitlines()]
    assert len(rows) == 12
    for dtype, *_, error in rows:
        assert float(error) < TOLERANCES[dtype], rows


def test_without_a_gpu_the_passes_are_pytorchs():
    assert fused.backend(torch.zeros(1, 1, 1, 1)) is plain


# Kernels with the switches of all their callers.
KERNELS = {
    '_moments': [{}],
    '_affine_relu': [dict(HAS_R=True), dict(HAS_R=False)],
    '_grad_sums': [dict(HAS_OUT=True), dict(HAS_OUT=False)],
    '_input_grad': [
        dict(RECTIFIES=False, READS_Z=False),
        dict(RECTIFIES=False, READS_Z=True),
        dict(RECTIFIES=True, READS_Z=True),
    ],
}
MAPS = {'z', 'r', 'out', 'g', 'dz', 'grad'}
SIZES = {'C', 'P', 'sc', 'sp'}


@pytest.mark.parametrize('channels_last', [False, True])
@pytest.mark.parametrize('capability', [80, 90])
@pytest.mark.parametrize('name', KERNELS)
def test_kernels_compile_for_gpus(name, capability, channels_last):
    """And take 16 bytes at a time, where the sizes allow it."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from senet_mm.ops import kernels

    z = torch.empty(2, 256, 28, 28, dtype=torch.bfloat16, device='meta')
    z = z.to(memory_format=torch.channels_last) if channels_last else z
    _, tile = kernels._layout(z)
    kernel = getattr(kernels, name)
    for switches in KERNELS[name]:
        constants = {**tile, **switches, 'sc' if channels_last else 'sp': 1}
        types = {
            a: 'constexpr' if a in constants
            else 'i32' if a in SIZES
            else '*bf16' if a in MAPS
            else '*fp32'
            for a in kernel.arg_names
        }  # fmt: skip
        aligned = {
            (i,): [['tt.divisibility', 16]]
            for i, a in enumerate(kernel.arg_names)
            if types[a] != 'constexpr'
        }
        source = ASTSource(fn=kernel, signature=types, constexprs=constants, attrs=aligned)
        compiled = triton.compile(source, target=GPUTarget('cuda', capability, 32))
        assert compiled.asm['cubin']
        assert re.search(r'ld\.global\.v4\.b32', compiled.asm['ptx']), (name, switches)
