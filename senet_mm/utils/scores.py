"""How scores are written, and the values that they can have."""

import math
from typing import NamedTuple


class Scale(NamedTuple):
    """The values of a score.

    Attributes:
        unit: ``%`` or nothing.
        decimals: With which it is written.
        least, most: What it can be.
    """

    unit: str
    decimals: int
    least: float
    most: float

    def write(self, value: float) -> str:
        """``97.22 %``."""
        return f'{value:.{self.decimals}f}{self.unit and " "}{self.unit}'


PERCENT = Scale('%', 2, 0, 100)
SHARE = Scale('', 4, 0, 1)
FROM_ZERO = Scale('', 4, 0, math.inf)
UNKNOWN = Scale('', 4, -math.inf, math.inf)
# By the beginning of a score's name.
PREFIXES = {
    'accuracy': PERCENT,
    'single-label': PERCENT,
    'multi-label': PERCENT,
    'macro': PERCENT,
    # Ours; the metric of mmdet has `coco/bbox_mAP`, a share.
    'coco/bbox_AP': PERCENT,
    'coco/segm_AP': PERCENT,
    'coco': SHARE,
}


def find_scale(name: str) -> Scale:
    """The scale of a score, by its name, such as ``accuracy/top1``."""
    known = (scale for prefix, scale in PREFIXES.items() if name.startswith(prefix))
    return next(known, FROM_ZERO if is_loss(name) else UNKNOWN)


def format_score(name: str, score: float) -> str:
    """A score with its unit, if that is known: ``97.22 %``."""
    scale = find_scale(name)
    return scale.write(score) if scale.unit else f'{score:.4g}'


def with_unit(name: str) -> str:
    """The name of a score with its unit, as ``accuracy/top1 (%)``."""
    unit = find_scale(name).unit
    return f'{name} ({unit})' if unit else name


def is_loss(name: str) -> bool:
    """Whether a smaller value of a score is better, by its name."""
    return any(word in name.lower() for word in ('loss', 'error', 'entropy'))
