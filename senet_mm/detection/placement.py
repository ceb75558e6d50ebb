"""Places for labels beside boxes, so that no two labels overlap."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Rectangle(NamedTuple):
    """A rectangle: left, top, right, bottom; y grows downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: 'Rectangle') -> bool:
        """Whether they share more than an edge."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )


def place_labels(
    boxes: Sequence[Rectangle], sizes: Sequence[tuple[float, float]], area: Rectangle
) -> list[Rectangle | None]:
    """A place for the label of each box, as near to the box's upper left corner as there is one.

    Args:
        boxes: The boxes, those whose labels matter most first.
        sizes: Width and height of each label.
        area: Where labels may be.

    Returns:
        Rectangles that do not overlap; None for a label for which there is no place left.
    """
    placed: list[Rectangle | None] = []
    taken: list[Rectangle] = []
    for box, (width, height) in zip(boxes, sizes, strict=True):
        free = (
            place
            for place in _propose(box, width, height, area)
            if not any(place.overlaps(other) for other in taken)
        )
        place = next(free, None)
        placed.append(place)
        if place is not None:
            taken.append(place)
    return placed


def _propose(box: Rectangle, width: float, height: float, area: Rectangle) -> list[Rectangle]:
    """Places within the area: those at the box's edges, then a grid, the nearest first."""
    right, bottom = area.right - width, area.bottom - height
    if right < area.left or bottom < area.top:
        return []
    lefts = [box.left, box.right - width, box.right, box.left - width]
    tops = [box.top - height, box.bottom, box.top, box.bottom - height]
    edges = [(x, y) for y in tops for x in lefts]
    grid = [
        (x, y)
        for y in np.arange(area.top, bottom + 1e-9, height / 2)
        for x in np.arange(area.left, right + 1e-9, width / 4)
    ]
    grid.sort(key=lambda point: abs(point[0] - box.left) + abs(point[1] - box.top + height))
    return [
        Rectangle(x, y, x + width, y + height)
        for x, y in edges + grid
        if area.left <= x <= right and area.top <= y <= bottom
    ]
