"""What may be a number in an annotation file. JSON's true and false are 1 and 0 in Python."""

import math
from typing import TypeGuard

# Pixels; pycocotools allocates as much memory as an outline is long, and counts no area above the
# square of this.
FARTHEST = 1e5


def is_integer(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number."""
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))
