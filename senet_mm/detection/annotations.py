"""Annotation files in COCO's format, checked before they are used."""

import contextlib
import functools
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from pycocotools.coco import COCO

from senet_mm.utils.options import is_integer

from .image_sizes import check_sizes
from .masks import check_mask
from .objects import check_object, clip, complete, has_no_area, is_clipped


def read_coco(file: Path, folder: Path, masks: bool = False) -> COCO:
    """Read and check an annotation file; fill in the fields that pycocotools needs.

    Boxes are clipped to their images. Boxes without an area are left out. A printed line gives the
    number of each. ``null`` counts as missing. Annotations are renumbered from 1, because
    pycocotools takes the number 0 for "no match".

    Args:
        file: The annotation file.
        folder: Folder of the images.
        masks: Whether masks are needed; if not, ``segmentation`` may be missing.

    Raises:
        FileNotFoundError: The file or images do not exist.
        ValueError: The file has an error, which the message names.
    """
    if not file.is_file():
        raise FileNotFoundError(f'annotations {file} do not exist')
    status = file.stat()
    return _read_once(file, folder, masks, (status.st_mtime_ns, status.st_size))


@functools.lru_cache(maxsize=4)
def _read_once(file: Path, folder: Path, masks: bool, state: tuple[int, int]) -> COCO:
    """See :func:`read_coco`; a start reads a file several times, in each of its states once."""
    content = _load(file)
    images = _by_id(content['images'], f'{file}: image')
    for number, image in images.items():
        _check_image(image, f'{file}: image {number!r}')
    _check_files([image['file_name'] for image in images.values()], folder)
    check_sizes(images.values(), folder)
    categories = _by_id(content['categories'], f'{file}: category')
    check_category_names([item.get('name') for item in categories.values()], str(file))
    objects = _read_objects(content['annotations'], images, categories, file, masks)
    coco = COCO()
    coco.dataset = content | dict(annotations=objects)
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _read_objects(
    items: Iterable[dict], images: dict, categories: dict, file: Path, masks: bool
) -> list[dict]:
    """The annotations with an area in their images, as pycocotools needs them."""
    objects: list[dict] = []
    empty: list[str] = []
    outside: list[str] = []
    for item in items:
        where = f'{file}: annotation {item.get("id")!r}'
        image = check_object(item, images, categories, where)
        box = clip(item['bbox'], image)
        if has_no_area(box):
            empty.append(image['file_name'])
            continue
        if is_clipped(item['bbox'], box):
            outside.append(image['file_name'])
        if masks:
            check_mask(item, image, f'{where} of {image["file_name"]}')
        objects.append(complete(item, box) | dict(id=len(objects) + 1))
    if empty:
        print(f'{file}: {len(empty)} boxes without an area are left out, the first of {empty[0]}')
    if outside:
        print(
            f'{file}: {len(outside)} boxes reach out of their images and are clipped, the first '
            f'of {outside[0]}'
        )
    if all(item['iscrowd'] for item in objects):
        kind = 'but crowds' if objects else 'with an area'
        raise ValueError(f'{file} has no box {kind}; allowed: one and more')
    return objects


def check_category_names(names: Sequence[object], where: str) -> None:
    """Raise a ValueError for a category without a name, or with the name of another one."""
    for name in names:
        if not isinstance(name, str) or names.count(name) > 1:
            raise ValueError(f'{where}: category name {name!r}; allowed: a text, each once')


def _load(file: Path) -> dict:
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
    """The items by ``id``."""
    found: dict[int, dict] = {}
    for i, item in enumerate(items):
        number = item.get('id')
        if not is_integer(number) or number in found:
            raise ValueError(
                f'{where} {i + 1} of the list has id={number!r}; allowed: a whole number, each once'
            )
        found[number] = item
    return found


def _check_image(image: dict, where: str) -> None:
    name = image.get('file_name')
    if not isinstance(name, str) or not name:
        raise ValueError(f'{where} has file_name={name!r}; allowed: a path below the image folder')
    if PurePath(name).is_absolute() or '..' in PurePath(name).parts:
        raise ValueError(f'{where} has file_name={name!r}, which is outside of the image folder')
    for key in ('width', 'height'):
        size = image.get(key)
        if size is not None and not (is_integer(size) and size > 0):
            raise ValueError(f'{where} ({name}) has {key}={size!r}; allowed: from 1')


def _check_files(names: Sequence[str], folder: Path) -> None:
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of {len(names)} images are not in {folder}, the first: {missing[0]}'
        )
