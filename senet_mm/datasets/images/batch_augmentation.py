"""Rotation, mirror and jitter of a whole batch, on any device.

The batched twin of :func:`.augment`: the same numbers give the same picture, except for the
rounding of the interpolation.
"""

from functools import cache
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from .augmentation import (
    NOISE_SHAPES,
    Augmentation,
    Numbers,
    get_noise_starts,
    get_noise_tables,
    get_warp,
)


def augment_batch(images: Tensor, numbers: Numbers, augmentation: Augmentation) -> Tensor:
    """Augment a batch.

    Args:
        images: uint8, or float32 from 0 to 255, (N, C, H, W).
        numbers: What was drawn for each image, arrays (N, ...).
        augmentation: The recipe.

    Returns:
        float32 (N, C, H, W) from 0 to 255, whole numbers for uint8, channels last in memory.
    """
    if augmentation.angle:
        # Mixed precision is for the network: bfloat16 has 8 bits, too few for a place in an image.
        with torch.autocast(images.device.type, enabled=False):
            out = warp_batch(images, numbers, augmentation)
    else:
        mirror = torch.from_numpy(numbers.mirror).to(images.device, non_blocking=True)
        out = torch.where(mirror[:, None, None, None], images.flip(-1), images).float()
    out = out.contiguous(memory_format=torch.channels_last)
    if augmentation.jitter:
        # The noise is laid out as the image is: rows, columns, channels.
        by_pixel = out.permute(0, 2, 3, 1)
        by_pixel += get_noise(by_pixel.shape, numbers, augmentation, images.device)
        out.clamp_(0, 255)
    return out


def warp_batch(images: Tensor, numbers: Numbers, augmentation: Augmentation) -> Tensor:
    """Rotation and mirror in one go, bilinear, rounded for uint8, float32 (N, C, H, W)."""
    height, width = images.shape[-2:]
    theta = torch.zeros(len(images), 2, 3)
    theta[:, :, :2] = torch.from_numpy(get_warp(numbers))
    # Coordinates of a grid go from -1 to 1 along each side.
    theta[:, 0, 1] *= height / width
    theta[:, 1, 0] *= width / height
    grid = F.affine_grid(
        theta.to(images.device, non_blocking=True), list(images.shape), align_corners=False
    )
    # Outside a grid lies 0, which becomes the fill.
    fill = torch.tensor(augmentation.fill, dtype=torch.float32, device=images.device)[:, None, None]
    out = F.grid_sample(images - fill, grid, align_corners=False).add_(fill)
    return out if images.is_floating_point() else out.round_()


@cache
def get_device_tables(jitter: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """The noise tables on a device, uint8 (TABLE_SIZE,)."""
    first, second = (torch.from_numpy(table).to(device) for table in get_noise_tables(jitter))
    return first, second


def get_noise(
    shape: torch.Size, numbers: Numbers, augmentation: Augmentation, device: torch.device
) -> Tensor:
    """Noise from -jitter to jitter that can be added to (N, H, W, C), int16."""
    shape = NOISE_SHAPES[augmentation.per](tuple(shape[1:]))
    size, jitter = prod(shape), augmentation.jitter
    starts = torch.from_numpy(get_noise_starts(numbers.noise, size)).to(device, non_blocking=True)
    first, second = (
        table.unfold(0, size, 1)[starts[:, i]]
        for i, table in enumerate(get_device_tables(jitter, device))
    )
    total = first.add_(second)
    # Values below the modulus underflow to large uint8 values, so the minimum keeps them.
    total = torch.minimum(total, total - (2 * jitter + 1))
    return total.to(torch.int16).sub_(jitter).view(-1, *shape)
