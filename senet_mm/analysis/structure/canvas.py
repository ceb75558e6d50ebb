"""Boxes, text and arrows on a page in inches, from its upper left corner."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, Polygon
from matplotlib.textpath import TextPath

# Kind -> (fill, border), from the palette of Okabe and Ito, which colour-blind people can read.
COLOURS = {
    'conv': ('#d3e6f5', '#0072b2'),
    'linear': ('#cdebdf', '#009e73'),
    'pool': ('#ececec', '#707070'),
    'se': ('#fde0c5', '#d55e00'),
    'join': ('#ffffff', '#303030'),
    'norm': ('#f7f4d6', '#a09000'),
    'act': ('#f7f4d6', '#a09000'),
    'other': ('#f7f4d6', '#a09000'),
    'block': ('#f7fafd', '#0072b2'),
    'stage': ('#ffffff', '#a0a0a0'),
}
# Other fonts than the one that is measured may be wider.
SLACK = 1.08


@cache
def text_width(text: str, size: float, weight: str = 'normal') -> float:
    """Width of a text in inches."""
    if not text.strip():
        return 0
    font = FontProperties(family='DejaVu Sans', weight=weight)
    return TextPath((0, 0), text, size=size, prop=font).get_extents().width / 72 * SLACK


class Canvas:
    """A page.

    Args:
        width: Its width in inches.
        height: Its height in inches.
    """

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure((width, height))
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set_xlim(0, width)
        self.axes.set_ylim(height, 0)
        self.axes.axis('off')

    def text(self, x: float, y: float, text: str, size: float = 8, **options: Any) -> None:
        """Text whose middle is at ``y``, and whose left end is at ``x`` unless ``ha`` says else."""
        settings: dict[str, Any] = (
            dict(va='center_baseline', fontsize=size, color='#202020') | options
        )
        self.axes.text(x, y, text, **settings)

    def box(
        self, x: float, y: float, width: float, height: float, kind: str, zorder: int = 2
    ) -> None:
        """A box with round corners."""
        fill, border = COLOURS.get(kind, COLOURS['other'])
        style = f'round,pad=0,rounding_size={min(0.06, height / 4)}'
        options: dict[str, Any] = dict(fc=fill, ec=border, lw=1, zorder=zorder, clip_on=False)
        self.axes.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, **options))

    def circle(self, x: float, y: float, radius: float, kind: str) -> None:
        """A circle."""
        fill, border = COLOURS[kind]
        self.axes.add_patch(
            Circle((x, y), radius, fc=fill, ec=border, lw=1, zorder=2, clip_on=False)
        )

    def bar(self, x: float, y: float, width: float, height: float) -> None:
        """A bar whose middle is at ``y``."""
        corners = [(x, y - height / 2), (x + width, y - height / 2)]
        corners += [(x + width, y + height / 2), (x, y + height / 2)]
        self.axes.add_patch(Polygon(corners, fc='#8095a8', lw=0, zorder=2, clip_on=False))

    def line(self, points: Sequence[tuple[float, float]], colour: str = '#505050') -> None:
        """A line through some points."""
        xs, ys = zip(*points, strict=True)
        self.axes.add_line(Line2D(xs, ys, lw=1, color=colour, zorder=1, clip_on=False))

    def arrow(self, points: Sequence[tuple[float, float]], colour: str = '#505050') -> None:
        """A line through some points that ends with an arrow down."""
        self.line(points, colour)
        x, y = points[-1]
        corners = [(x, y), (x - 0.035, y - 0.08), (x + 0.035, y - 0.08)]
        self.axes.add_patch(Polygon(corners, fc=colour, lw=0, zorder=3, clip_on=False))
