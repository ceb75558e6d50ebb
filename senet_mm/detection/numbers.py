"""Numbers in an annotation file; Python counts JSON's true and false as 1 and 0, this does not."""

import math
from typing import TypeGuard

# Pixels. pycocotools allocates memory in proportion to the length of an outline, and ignores areas
# above the square of this.
FARTHEST = 1e5


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number."""
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))
