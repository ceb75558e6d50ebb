"""Annotation files in COCO's format, checked before they are used."""

import contextlib
import io
import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from pycocotools.coco import COCO

# Pixels; pycocotools allocates as much memory as an outline is long.
FARTHEST = 1e5


def read_coco(file: Path, folder: Path, masks: bool = False) -> COCO:
    """The annotations of a file; what pycocotools needs besides them is filled in.

    Boxes without an area are left out, and a line says how many. Annotations are numbered anew
    from 1: pycocotools takes the number 0 for "no match".

    Args:
        file: The annotation file.
        folder: Folder of the images.
        masks: Whether masks are needed; without, ``segmentation`` may be missing.

    Raises:
        FileNotFoundError: The file or images do not exist.
        ValueError: The file is wrong; the message names it and what is wrong in it.
    """
    content = _load(file)
    images = _by_id(content['images'], f'{file}: image')
    for number, image in images.items():
        _check_image(image, f'{file}: image {number!r}', masks)
    _check_files([image['file_name'] for image in images.values()], folder)
    categories = _by_id(content['categories'], f'{file}: category')
    check_names([item.get('name') for item in categories.values()], str(file))
    objects, empty = [], []
    for item in content['annotations']:
        image = _check_object(item, images, categories, file)
        if not has_area(item['bbox'], image):
            empty.append(image['file_name'])
            continue
        if masks:
            _check_mask(item, image, file)
        area = item['bbox'][2] * item['bbox'][3]
        objects.append(dict(area=area, iscrowd=0) | item | dict(id=len(objects) + 1))
    if empty:
        print(f'{file}: {len(empty)} boxes without an area are left out, the first of {empty[0]}')
    if not objects:
        raise ValueError(f'{file} has no box; allowed: one and more')
    coco = COCO()
    coco.dataset = content | dict(annotations=objects)
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def check_names(names: Sequence[object], where: str) -> None:
    """Raise a ValueError for a category without a name, or with another's."""
    for name in names:
        if not isinstance(name, str) or names.count(name) > 1:
            raise ValueError(f'{where}: category name {name!r}; allowed: a text, each once')


def has_area(box: Sequence[float], image: dict) -> bool:
    """Whether a box (x, y, width, height) has an area within its image, if its size is known."""
    x, y, width, height = box
    right = min(x + width, image.get('width') or math.inf)
    lower = min(y + height, image.get('height') or math.inf)
    return width > 0 and height > 0 and right > max(x, 0) and lower > max(y, 0)


def _load(file: Path) -> dict:
    if not file.is_file():
        raise FileNotFoundError(f'annotations {file} do not exist')
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ValueError(f'annotations {file} are not JSON ({error})') from error
    parts = ('images', 'annotations', 'categories')
    for part in parts:
        items = content.get(part) if isinstance(content, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ValueError(f'annotations {file} have no list of {part}; needed: {parts}')
        if not items:
            raise ValueError(f'annotations {file} have no {part}')
    return content


def _by_id(items: Iterable[dict], where: str) -> dict:
    """The items by their numbers."""
    found: dict[int, dict] = {}
    for i, item in enumerate(items):
        number = item.get('id')
        if not isinstance(number, int) or number in found:
            raise ValueError(f'{where} {i + 1} of the list has id={number!r}; allowed: an own one')
        found[number] = item
    return found


def _check_image(image: dict, where: str, masks: bool) -> None:
    name = image.get('file_name')
    if not isinstance(name, str) or not name:
        raise ValueError(f'{where} has file_name={name!r}; allowed: a path below the image folder')
    if PurePath(name).is_absolute() or '..' in PurePath(name).parts:
        raise ValueError(f'{where} has file_name={name!r}, which is outside of the image folder')
    for key in ('width', 'height'):
        size = image.get(key)
        if (masks or size is not None) and not (isinstance(size, int) and size > 0):
            raise ValueError(f'{where} ({name}) has {key}={size!r}; allowed: from 1')


def _check_files(names: Sequence[str], folder: Path) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of {len(names)} images are not in {folder}, the first: {missing[0]}'
        )


def _check_object(item: dict, images: dict, categories: dict, file: Path) -> dict:
    """Check an annotation; returns its image."""
    where = f'{file}: annotation {item.get("id")!r}'
    for key, known in (('image_id', images), ('category_id', categories)):
        if not isinstance(item.get(key), int) or item[key] not in known:
            raise ValueError(f'{where} has {key}={item.get(key)!r}, which the file does not have')
    image = images[item['image_id']]
    box = item.get('bbox')
    if not (isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))):
        raise ValueError(
            f'{where} of {image["file_name"]} has bbox={box!r}; allowed: x, y, width, height'
        )
    return image


def _check_mask(item: dict, image: dict, file: Path) -> None:
    """Raise a ValueError for an annotation without a mask that pycocotools can read."""
    mask = item.get('segmentation')
    if isinstance(mask, dict):
        right = mask.get('size') == [image['height'], image['width']] and 'counts' in mask
    else:
        right = isinstance(mask, list) and bool(mask) and all(map(_is_outline, mask))
    if not right:
        raise ValueError(
            f'{file}: annotation {item.get("id")!r} of {image["file_name"]} has no mask in '
            'segmentation; allowed: outlines [[x1, y1, x2, y2, x3, y3, ...]], or run lengths of '
            "the image's size"
        )


def _is_outline(points: object) -> bool:
    return (
        isinstance(points, list)
        and len(points) >= 6
        and len(points) % 2 == 0
        and all(_is_number(value) and abs(value) < FARTHEST for value in points)
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
