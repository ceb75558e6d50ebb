"""How the Triton kernels are launched; `tests/tools/test_gpu_kernels.py` has their results."""

import subprocess
import sys

import pytest
import torch

from senet_mm.ops import fused, kernels, plain
from senet_mm.ops.tiles import PASSES

from ..conftest import ROOT


def test_without_a_gpu_the_passes_are_pytorchs():
    assert fused.backend(torch.zeros(1, 1, 1, 1)) is plain


@pytest.mark.parametrize(
    ('shape', 'dtype', 'expected'),
    [
        ((2**20, 64, 56, 56), torch.bfloat16, True),
        ((1, 2**11, 2**10, 2**10 - 1), torch.float16, True),
        ((1, 2**11, 2**10, 2**10), torch.float16, False),
        ((1, 1, 1, 1), torch.float64, False),
    ],
)
def test_maps_that_are_supported(shape, dtype, expected):
    """Offsets within a sample have 32 bits; there may be more samples than that."""
    assert kernels.supports(torch.empty(shape, dtype=dtype, device='meta')) == expected


@pytest.mark.parametrize('channels_last', [True, False])
@pytest.mark.parametrize('name', PASSES)
@pytest.mark.parametrize('shape', [
    (1, 64, 2048, 2048), (2**17, 16, 1, 1), (1, 2**20, 1, 1), (3, 1, 5, 7), (256, 2048, 7, 7),
])  # fmt: skip
def test_programs_cover_the_map(shape, name, channels_last):
    """On one axis: on the other two, a GPU launches at most 65535 programs."""
    z = torch.empty(shape, device='meta')
    z = z.to(memory_format=torch.channels_last) if channels_last else z
    (programs,), (c, p, sc, sp), options = kernels._launch(name, z)
    assert (c, p) == (z.shape[1], z.shape[2] * z.shape[3])
    assert (sc, sp) == (z.stride(1), 1 if p == 1 else z.stride(3)) or 1 in (c, p)
    sums = 'STAGES' in options
    positions = p if sums else -(-p // options['BP']) * options['BP']
    channels = -(-c // options['BC']) * options['BC']
    per_program = options['BC'] * (p if sums else options['BP'])
    assert programs * per_program == len(z) * channels * positions
    assert programs < 2**31


@pytest.mark.parametrize(('batch', 'channels'), [(1, 16), (32, 16), (128, 32), (256, 64)])
def test_sums_of_few_samples_divide_the_channels(batch, channels):
    """At 256 programs, or at 32 bytes of a pixel in 16 bits."""
    z = torch.empty(batch, 64, 56, 56, device='meta').to(memory_format=torch.channels_last)
    (programs,), _, options = kernels._launch('moments', z)
    assert options['BC'] == channels
    assert programs * channels == batch * 64


LIGHT = """
import importlib.metadata as metadata
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in ('mmengine', 'mmcv', 'mmpretrain'):
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

def version(name, found=metadata.version):
    if name.startswith('onedl-'):
        raise metadata.PackageNotFoundError(name)
    return found(name)

sys.meta_path.insert(0, Absent())
metadata.version = version
import senet_mm.ops.kernels
import senet_mm
try:
    senet_mm.get_model('seresnet50_8xb32_in1k')
except senet_mm.utils.errors.UserError as error:
    print(error)
"""


def test_the_kernels_need_torch_alone():
    """The rest says in one line what it needs."""
    run = subprocess.run([sys.executable, '-c', LIGHT], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout == (
        'onedl-mmengine, onedl-mmcv, onedl-mmpretrain not installed; '
        'mend it with: pip install onedl-mmengine onedl-mmcv onedl-mmpretrain\n'
    )
