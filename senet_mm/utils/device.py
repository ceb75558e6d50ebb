"""The name of what calculates."""

import platform
from pathlib import Path

import torch


def name_device() -> str:
    """Name of the GPU in use, or of the processor where there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else name_processor()


def name_processor() -> str:
    """Name of the processor, with its family where Linux tells it: many models share a name."""
    cpuinfo = Path('/proc/cpuinfo')
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    known = {key.strip(): value for key, _, value in (line.partition(': ') for line in lines)}
    if 'model name' not in known:
        return platform.processor() or 'CPU'
    family = f' (family {known["cpu family"]})' if 'cpu family' in known else ''
    return known['model name'] + family
