"""Rotation, mirror and jitter: the random numbers, and their effect on a picture.

The numbers are drawn in the worker, from the sample's own generator. The picture is changed either
there, by :func:`augment`, or for a whole batch on the device, by :func:`.augment_batch`; the same
numbers give the same picture.
"""

from collections.abc import Sequence
from functools import cache
from math import prod
from typing import NamedTuple

import cv2
import numpy as np

# What shares one random number -> shape of the noise for an image (H, W, C).
NOISE_SHAPES = {
    'pixel': lambda shape: shape,
    'channel': lambda shape: (1, 1, shape[2]),
    'image': lambda shape: (1, 1, 1),
}
TABLE_SIZE = 2**22
# Sums of two numbers of a table must fit into a byte.
MAX_JITTER = 63
MIDDLE = np.uint8(128)

# Two numbers for one image, or an array (N, 2) of them.
Noise = tuple[int, int] | np.ndarray


class Augmentation(NamedTuple):
    """Rotation and jitter of a recipe.

    Attributes:
        angle: Largest angle in degrees, both ways.
        jitter: Largest absolute value of the noise, in grey levels.
        per: What shares one value of the noise, a key of ``NOISE_SHAPES``.
        fill: Value outside of the image: a grey level per channel, in the image's order.
    """

    angle: float = 0
    jitter: int = 0
    per: str = 'pixel'
    fill: Sequence[float] = (0, 0, 0)


class Numbers(NamedTuple):
    """What was drawn for one image, or, as arrays, for a batch.

    Attributes:
        angle: Degrees; positive ones turn clockwise, after the mirror.
        mirror: Whether left and right are exchanged.
        noise: Two numbers from 0 to 2^31 - 1 that choose the noise, (..., 2).
    """

    angle: float | np.ndarray
    mirror: bool | np.ndarray
    noise: Noise


def draw_numbers(mirror: float, angle: float) -> Numbers:
    """Draw from NumPy's global generator, which a sample has to itself.

    Args:
        mirror: Probability of the mirror.
        angle: The angle is uniform from minus this to this, in degrees.
    """
    first, second = np.random.randint(0, 2**31, 2).tolist()
    turn, side = np.random.random_sample(2).tolist()
    return Numbers(angle * (2 * turn - 1), side < mirror, (first, second))


def get_warp(numbers: Numbers) -> np.ndarray:
    """Matrices (..., 2, 2) from a place in the result to its source, relative to the centre."""
    angle = np.deg2rad(numbers.angle)
    sign = 1.0 - 2.0 * numbers.mirror
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[sign * cos, sign * sin], [-sin, cos]])
    return matrix.transpose(*range(2, matrix.ndim), 0, 1)


@cache
def get_noise_tables(jitter: int) -> tuple[np.ndarray, np.ndarray]:
    """Two fixed tables of numbers uniform from 0 to 2 jitter, uint8 (TABLE_SIZE,).

    Noise is the sum of a stretch of each, modulo 2 jitter + 1, less jitter: within an image every
    value is independent, and two images share their noise only if both stretches lie alike, once in
    10^13. It costs a tenth of drawing, and is the same on every device.
    """
    rng = np.random.RandomState(jitter)  # its stream is the same in every version of NumPy
    first, second = rng.randint(0, 2 * jitter + 1, (2, TABLE_SIZE), dtype=np.uint8)
    return first, second


def get_noise_starts(noise: Noise, size: int) -> np.ndarray:
    """Where in the two tables the stretches of ``size`` numbers begin, int64 like ``noise``.

    Raises:
        ValueError: The image has more values than the tables.
    """
    if size > TABLE_SIZE:
        raise ValueError(f'jitter of {size} values per image; allowed: up to {TABLE_SIZE}')
    return np.asarray(noise) % (TABLE_SIZE - size + 1)


def augment(img: np.ndarray, numbers: Numbers, augmentation: Augmentation) -> np.ndarray:
    """Augment one image on the CPU, like :func:`.augment_batch` a batch.

    Args:
        img: (H, W, C) of uint8, or float32 from 0 to 255.
        numbers: What was drawn.
        augmentation: The recipe.
    """
    if augmentation.angle:
        img = warp(img, get_warp(numbers), augmentation.fill)
    elif numbers.mirror:
        img = cv2.flip(img, 1).reshape(img.shape)
    if augmentation.jitter:
        img = add_noise(img, numbers.noise, augmentation)
    return img


def warp(img: np.ndarray, matrix: np.ndarray, fill: Sequence[float]) -> np.ndarray:
    """Rotate and mirror (H, W, C), bilinear; ``matrix`` (2, 2) from :func:`get_warp`."""
    height, width = img.shape[:2]
    (a, b), (c, d) = matrix.tolist()
    x, y = (width - 1) / 2, (height - 1) / 2
    matrix = np.array([[a, b, x - a * x - b * y], [c, d, y - c * x - d * y]])
    # cv2 warps four channels in half the time that it needs for three.
    is_color = img.shape[2] == 3
    out = cv2.warpAffine(
        cv2.cvtColor(img, cv2.COLOR_BGR2BGRA) if is_color else img,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=(*fill, 0)[:4],
    )
    return cv2.cvtColor(out, cv2.COLOR_BGRA2BGR) if is_color else out.reshape(img.shape)


def add_noise(img: np.ndarray, noise: Noise, augmentation: Augmentation) -> np.ndarray:
    """Jitter of uint8 or float32 (H, W, C), clipped to 0..255."""
    shape = NOISE_SHAPES[augmentation.per](img.shape)
    size = prod(shape)
    starts = get_noise_starts(noise, size).tolist()
    first, second = (
        table[start : start + size]
        for table, start in zip(get_noise_tables(augmentation.jitter), starts, strict=True)
    )
    values = combine(first, second, augmentation.jitter)
    values -= np.uint8(augmentation.jitter)  # below 0 it underflows: the bits are those of int8
    values = values.view(np.int8).reshape(shape)
    if img.dtype != np.uint8:
        return np.clip(img + values.astype(np.float32), 0, 255)
    if shape != img.shape:
        values = np.ascontiguousarray(np.broadcast_to(values, img.shape))
    # 0..255 becomes -128..127, whose sums saturate at both ends in cv2.
    out = img ^ MIDDLE
    cv2.add(out.view(np.int8), values, dst=out.view(np.int8))
    out ^= MIDDLE
    return out


def combine(first: np.ndarray, second: np.ndarray, jitter: int) -> np.ndarray:
    """Sum of uint8 numbers from 0 to 2 jitter, modulo 2 jitter + 1."""
    total = first + second
    # Values below the modulus underflow to large uint8 values, so the minimum keeps them.
    return np.minimum(total, total - np.uint8(2 * jitter + 1), out=total)
