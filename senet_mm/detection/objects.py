"""Checks, clips and completes the annotations of an annotation file."""

from collections.abc import Sequence

from senet_mm.utils.options import is_integer

from .numbers import FARTHEST, is_finite_number

# Pixels. A narrower box may have no width in float32, which torchvision's detectors refuse. A box
# that sticks out of its image by less than this counts as rounded, not as clipped.
SMALLEST = 0.01


def check_object(item: dict, images: dict, categories: dict, where: str) -> dict:
    """Check an annotation except its mask; returns its image.

    Args:
        item: The annotation.
        images, categories: By their numbers.
        where: Start of the message: the file and the annotation.

    Raises:
        ValueError: It is wrong; the message says what.
    """
    for key, known in (('image_id', images), ('category_id', categories)):
        if not is_integer(item.get(key)):
            raise ValueError(f'{where} has {key}={item.get(key)!r}; allowed: a whole number')
        if item[key] not in known:
            raise ValueError(f'{where} has {key}={item[key]!r}, which the file does not have')
    image = images[item['image_id']]
    where = f'{where} of {image["file_name"]}'
    box, area, crowd = item.get('bbox'), item.get('area'), item.get('iscrowd')
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_near, box))):
        raise ValueError(
            f'{where} has bbox={box!r}; allowed: x, y, width, height, each within +-{FARTHEST:.0f}'
        )
    if area is not None and not (is_finite_number(area) and 0 <= area <= FARTHEST**2):
        raise ValueError(f'{where} has area={area!r}; allowed: 0 to {FARTHEST**2:.0f}')
    if crowd not in (None, 0, 1):  # True == 1 and False == 0 pass
        raise ValueError(f'{where} has iscrowd={crowd!r}; allowed: 0, 1')
    return image


def _is_near(value: object) -> bool:
    return is_finite_number(value) and abs(value) <= FARTHEST


def clip(box: Sequence[float], image: dict) -> list[float]:
    """The part of a box (x, y, width, height) within its image; sizes are 0 where there is none."""
    x, y, width, height = box
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + width, image['width']), min(y + height, image['height'])
    return [left, top, max(right - left, 0), max(bottom - top, 0)]


def has_no_area(box: Sequence[float]) -> bool:
    """Whether a box has no area."""
    return min(box[2:]) < SMALLEST


def is_clipped(box: Sequence[float], clipped: Sequence[float]) -> bool:
    """Whether clipping took something from a box."""
    return any(abs(a - b) >= SMALLEST for a, b in zip(box, clipped, strict=True))


def complete(item: dict, box: Sequence[float]) -> dict:
    """An annotation with this box; ``area`` and ``iscrowd``, which pycocotools needs, filled in."""
    given = {key: value for key, value in item.items() if value is not None}
    crowd = int(given.get('iscrowd', 0))
    return dict(area=box[2] * box[3]) | given | dict(bbox=list(box), iscrowd=crowd)
