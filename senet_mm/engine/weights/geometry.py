"""The steps of a test pipeline that resize and crop, as plain data and back."""

from collections.abc import Mapping, Sequence
from typing import Any

from senet_mm.config.keys import name_of

MAX_SIDE = 10_000


def is_side(value: object) -> bool:
    """Whether a value can be the side of an image, in pixels."""
    return type(value) is int and 1 <= value <= MAX_SIDE


def is_within(crop: int | list[int] | None, resize: int | list[int], edge: str) -> bool:
    """Whether resized images have the pixels of the crop, as far as the known sides tell.

    Args:
        crop: Side, or [width, height], pixels.
        resize: Side of one edge, or [width, height], pixels.
        edge: The edge whose side ``resize`` is.
    """
    width, height = crop if isinstance(crop, list) else (crop or 0, crop or 0)
    if isinstance(resize, list):
        return width <= resize[0] and height <= resize[1]
    return dict(width=width, height=height).get(edge, max(height, width)) <= resize


def get_sides(described: Mapping) -> list[int] | None:
    """[height, width] of images after ``resize`` and ``crop``; None where these do not tell."""
    crop = described.get('crop')
    size = crop or described.get('resize')
    if isinstance(size, list):
        return size[::-1]
    return [crop, crop] if crop else None


def is_inner(step: Mapping) -> bool:
    """Whether a step comes between loading and packing."""
    return not name_of(step).startswith(('LoadImage', 'Pack', 'TestTimeAug'))


def read_geometry(pipeline: list[Mapping] | None) -> dict[str, Any] | None:
    """``GEOMETRY`` of a pipeline; None where it does anything else."""
    if pipeline is None:
        return None
    readers = {'ResizeEdge': _read_resize_edge, 'Resize': _read_resize, 'CenterCrop': _read_crop}
    geometry: dict[str, Any] = {}
    for step in filter(is_inner, pipeline):
        read = readers.get(name_of(step))
        done = read({key: step[key] for key in step if key != 'type'}) if read else None
        # Once each, the crop last.
        if done is None or done.keys() & geometry.keys() or 'crop' in geometry:
            return None
        geometry |= done
    return dict(resize=None, crop=None) | geometry


def find_fixed_size(
    pipeline: Sequence[Mapping], shape: Sequence[int] | None
) -> Sequence[int] | None:
    """Height and width of images that a pipeline leaves as they are; None where it does not.

    Args:
        pipeline: The steps.
        shape: Channels, height and width of the images of the network.
    """
    given = read_geometry(list(pipeline)) or {}
    is_plain = given.get('resize', '') is None and given['crop'] is None
    return shape[1:] if is_plain and shape else None


def _read_resize_edge(options: dict) -> dict[str, Any] | None:
    defaults = dict(edge='short', backend='cv2', interpolation='bilinear')
    if not options.keys() <= {'scale', *defaults}:
        return None
    return dict(resize=options.pop('scale', None)) | defaults | options


def _read_resize(options: dict) -> dict[str, Any] | None:
    """mmcv's, to a width and a height."""
    side = options.pop('scale', None)
    if options.pop('keep_ratio', False) or 'edge' in options or side is None:
        return None
    return _read_resize_edge(dict(scale=[side, side] if is_side(side) else list(side), **options))


def _read_crop(options: dict) -> dict[str, Any] | None:
    if options.keys() != {'crop_size'}:
        return None
    size = options['crop_size']
    return dict(crop=size if is_side(size) else list(size))


def to_steps(described: Mapping) -> list[dict]:
    """The steps of a pipeline that resize and crop as described."""
    steps = []
    if (side := described['resize']) is not None:
        how = {key: described[key] for key in ('backend', 'interpolation')}
        if isinstance(side, list):
            steps.append(dict(type='Resize', scale=tuple(side), **how))
        else:
            steps.append(dict(type='ResizeEdge', scale=side, edge=described['edge'], **how))
    if (crop := described['crop']) is not None:
        steps.append(
            dict(type='CenterCrop', crop_size=crop if isinstance(crop, int) else tuple(crop))
        )
    return steps
