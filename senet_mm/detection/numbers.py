"""Numbers in an annotation file."""

import math
from typing import TypeGuard

from senet_mm.utils.options import is_integer

# Pixels. pycocotools allocates memory in proportion to the length of an outline, and ignores areas
# above the square of this.
FARTHEST = 1e5


def is_finite_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number."""
    return is_integer(value) or (isinstance(value, float) and math.isfinite(value))
