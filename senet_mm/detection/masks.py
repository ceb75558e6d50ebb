"""Checks masks of annotations: outlines, and run lengths as numbers or as COCO's text."""

from senet_mm.utils.options import is_integer

from .numbers import FARTHEST, is_finite_number

# A character of COCO's text is '0' plus 6 bits: 5 bits of the number and a flag that more follow.
FIRST, BITS, MORE, SIGN = ord('0'), 5, 32, 16
LONGEST_RUN = 35  # bits of a run; pycocotools keeps 32


def check_mask(item: dict, image: dict, where: str) -> None:
    """Raise a ValueError for an annotation without a mask that pycocotools can read.

    Args:
        item: The annotation.
        image: Its image, with ``width`` and ``height``.
        where: Start of the message: the file and the annotation.
    """
    mask = item.get('segmentation')
    if isinstance(mask, dict):
        _check_run_lengths(mask, image, where)
    elif not (isinstance(mask, list) and mask and all(map(_is_outline, mask))):
        raise ValueError(
            f'{where} has no mask in segmentation; allowed: outlines '
            "[[x1, y1, x2, y2, x3, y3, ...]], or run lengths of the image's size"
        )


def _is_outline(points: object) -> bool:
    return (
        isinstance(points, list)
        and len(points) >= 6
        and len(points) % 2 == 0
        and all(is_finite_number(value) and abs(value) < FARTHEST for value in points)
    )


def _check_run_lengths(mask: dict, image: dict, where: str) -> None:
    size = [image['height'], image['width']]
    if mask.get('size') != size:
        raise ValueError(
            f'{where} has run lengths of size={mask.get("size")!r}; allowed: {size}, the height '
            'and width of the image'
        )
    counts = mask.get('counts')
    try:
        runs = read_runs(counts) if isinstance(counts, str) else counts
    except ValueError as error:
        raise ValueError(f"{where} has counts that are not COCO's run lengths: {error}") from error
    if not (isinstance(runs, list) and all(is_integer(run) and run >= 0 for run in runs)):
        raise ValueError(f'{where} has counts that are no run lengths; allowed: whole, from 0')
    if sum(runs) != size[0] * size[1]:
        raise ValueError(
            f'{where} has run lengths of {sum(runs)} pixels together; the image has '
            f'{size[0] * size[1]}'
        )


def read_runs(text: str) -> list[int]:
    """The run lengths in COCO's text, as ``rleFrString`` of pycocotools' maskApi.c reads them.

    A number's lowest 5 bits come first. From the fourth on it is the difference to the run before
    the last.

    Raises:
        ValueError: The text is something else; the message is the reason.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        code = ord(character) - FIRST
        if not 0 <= code < 2 * MORE or shift > LONGEST_RUN:
            raise ValueError(f'{character!r} after {len(runs)} runs')
        value |= (code & (MORE - 1)) << shift
        shift += BITS
        if code & MORE:
            continue
        if code & SIGN:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError('the text is cut off')
    return runs
