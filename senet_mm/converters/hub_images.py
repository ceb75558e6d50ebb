"""How images are prepared, in the words of timm, and what those cannot say."""

import math
from collections.abc import Mapping
from typing import Any

from senet_mm.utils.names import counted

# Of Pillow, in timm and in ours.
INTERPOLATIONS = ('nearest', 'bilinear', 'bicubic', 'box', 'hamming', 'lanczos')


def to_hub(described: Mapping[str, Any], channels: int = 3) -> tuple[dict[str, Any], list[str]]:
    """A description of ours as fields of timm's ``pretrained_cfg``.

    Weights for BGR must have their first convolution turned to RGB: timm's images are RGB.

    Args:
        described: Fields of :mod:`senet_mm.engine.weights.preprocessing`.
        channels: Channels of the images.

    Returns:
        The fields, and lines on what timm does to images that we do not.
    """
    normalisation, lines = _to_normalisation(described, channels)
    size, geometry, more = _to_geometry(described)
    return dict(input_size=[channels, *size], **geometry, **normalisation), [*lines, *more]


def _to_normalisation(described: Mapping, channels: int) -> tuple[dict[str, Any], list[str]]:
    """Mean and deviation of images from 0 to 1, in RGB order."""
    if 'mean' not in described:
        return {}, ["it is not known how images are normalised; timm uses ImageNet's mean and std"]
    mean, std = described['mean'] or [0.0], described['std'] or [1.0]
    fields = dict(mean=_spread(mean, channels), std=_spread(std, channels))
    if described['channel_order'] == 'BGR':
        fields = {name: values[::-1] for name, values in fields.items()}
    lines = []
    if channels != 3:
        lines = [
            f'timm must be given images of {counted(channels, "channel")}; its readers give RGB'
        ]
    return fields, lines


def _spread(values: list[float], channels: int) -> list[float]:
    """Values of images from 0 to 255 as those of images from 0 to 1, one a channel."""
    values = values * channels if len(values) == 1 else values
    return [round(value / 255, 12) for value in values]


def _to_geometry(described: Mapping) -> tuple[list[int], dict[str, Any], list[str]]:
    """Height and width, the fields on resize and crop, and lines."""
    size = list(described.get('input_size', [3, 224, 224])[1:])
    if 'resize' not in described:
        return size, {}, ['it is not known how images are resized; timm uses its defaults']
    resize, crop = described['resize'], described['crop']
    if crop is not None:
        size = crop if isinstance(crop, list) else [crop, crop]
    if resize is None:
        fields = dict(interpolation='bilinear', crop_pct=1.0, crop_mode='center')
        return size, fields, [f'images are taken as they are; timm resizes them to {max(size)}']
    lines = _name_differences(described, size)
    interpolation = described['interpolation']
    if interpolation not in INTERPOLATIONS:
        interpolation = 'bilinear'
    squashed = isinstance(resize, list)
    side = max(resize) if squashed else resize
    fields = dict(
        interpolation=interpolation,
        crop_pct=find_share(max(size), side),
        crop_mode='squash' if squashed else 'center',
    )
    return size, fields, lines


def _name_differences(described: Mapping, size: list[int]) -> list[str]:
    """Lines on steps that timm has otherwise."""
    resize, edge = described['resize'], described['edge']
    backend, interpolation = described['backend'], described['interpolation']
    lines = []
    if isinstance(resize, list):
        if len({*resize}) > 1:
            lines.append(f'images are resized to {resize[0]}x{resize[1]}; timm makes them square')
    elif edge != 'short':
        lines.append(f'the {edge} side is resized to {resize}; timm resizes the short side')
    if len({*size}) > 1:
        lines.append(f'the crop is {size[1]}x{size[0]}; timm resizes for each side of it')
    if described['crop'] is None and not isinstance(resize, list):
        lines.append(f'images are not cropped; timm crops them to {size[1]}x{size[0]}')
    if interpolation not in INTERPOLATIONS:
        lines.append(f"images are resized by {interpolation} interpolation; timm's is bilinear")
    if backend != 'pillow':
        lines.append('images are resized by OpenCV; timm resizes them by Pillow')
    return lines


def find_share(crop: int, resize: int) -> float:
    """The ``crop_pct`` with which timm resizes to a side, floor(crop / crop_pct): the shortest."""
    shares = [round(crop / resize, digits) for digits in range(1, 10)]
    fitting = (share for share in shares if share and math.floor(crop / share) == resize)
    return next(fitting, crop / (resize + 0.5))
