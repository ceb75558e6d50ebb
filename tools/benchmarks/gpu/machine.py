#!/usr/bin/env python
"""Name the machine and its software; measure its ceilings: a large copy, a matrix product.

python tools/benchmarks/gpu/machine.py --out machine.json [--small]
"""

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stage_options import parse_stage_args

if __name__ == '__main__':
    args = parse_stage_args(__doc__)

import torch
from parts import Rows, device, run_stage

from senet_mm.utils.device import name_device, name_processor
from senet_mm.utils.measure import interleave

ROOT = Path(__file__).parents[3]
# Also where the sources belong to another user.
GIT = ('git', '-c', 'safe.directory=*', '-C', str(ROOT))
PACKAGES = (
    'torch', 'triton', 'torchvision', 'numpy', 'timm', 'onedl-mmengine', 'onedl-mmcv',
    'onedl-mmpretrain', 'torch-tensorrt',
)  # fmt: skip


def name(small: bool) -> dict:
    """Device, memory, processor, versions and commit."""
    memory = torch.cuda.get_device_properties(0).total_memory if device() == 'cuda' else 0
    return dict(
        device=name_device(),
        memory_GiB=round(memory / 2**30, 1),
        capability='.'.join(map(str, torch.cuda.get_device_capability())) if memory else '-',
        driver=first_line('nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader'),
        processor=f'{name_processor()}, {os.cpu_count()} cores',
        commit=first_line(*GIT, 'describe', '--always', '--dirty'),
        Python=platform.python_version(),
        CUDA=str(torch.version.cuda),
        cuDNN=str(torch.backends.cudnn.version()) if memory else '-',
        **{package: installed(package) for package in PACKAGES},
    )


def first_line(*command: str) -> str:
    """What a command prints first; ``-`` if it fails or is not there."""
    if shutil.which(command[0]) is None:
        return '-'
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    return done.stdout.strip().partition('\n')[0] if done.returncode == 0 else '-'


def installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return '-'


def seconds(function: Callable[[], object], small: bool) -> float:
    """Median time of a call, of several between two looks at the clock."""
    count = 2 if small else 10

    def several() -> None:
        for _ in range(count):
            function()

    return interleave({'': several}, 2 if small else 5, warmup=1)[''].median / count


def copy(small: bool) -> dict:
    """Bandwidth of a copy in GB/s: bytes read plus bytes written."""
    source = torch.randn(2**16 if small else 2**30, device=device())
    target = torch.empty_like(source)
    took = seconds(lambda: target.copy_(source), small)
    return {'GB/s': 2 * source.numel() * source.element_size() / took / 1e9}


def product(small: bool) -> dict:
    """Rate of a bfloat16 matrix product in TFLOP/s."""
    side = 128 if small else 8192
    a, b = torch.randn(2, side, side, device=device(), dtype=torch.bfloat16)
    return {'TFLOP/s': 2 * side**3 / seconds(lambda: a @ b, small) / 1e12}


def rows(small: bool) -> Rows:
    measures = {'machine': name, 'copy': copy, 'matrix product': product}
    return {key: partial(measure, small) for key, measure in measures.items()}


if __name__ == '__main__':
    run_stage(args, rows)
