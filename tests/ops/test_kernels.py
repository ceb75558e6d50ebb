"""The Triton kernels, which need a GPU, in Triton's interpreter, which does not."""

import importlib.util
import sys

import torch

from senet_mm.ops import fused, plain

from ..conftest import ROOT

TOLERANCES = {'float32': 1e-5, 'bfloat16': 5e-3, 'float16': 1e-3}


def test_kernels_in_the_interpreter(run_tool):
    """Both layouts, ragged sizes (72 channels, 35 positions), training and evaluation."""
    assert importlib.util.find_spec('triton'), 'torch for Linux brings Triton'
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
