"""The picture of a network: its stages in a table, below it one block of each kind."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from senet_mm.utils.figures import styled

from .canvas import Canvas
from .panels import Panel, arrange, make_panels
from .table import Table
from .units import Structure

WIDTH = 9.4  # inches
MARGIN = 0.15


@styled()
def draw_structure(structure: Structure, title: str) -> Figure:
    """The picture of a network.

    Args:
        structure: The network.
        title: Its name.
    """
    table = Table(structure, title)
    rows = arrange(make_panels(structure, WIDTH - 2 * MARGIN), WIDTH - 2 * MARGIN)
    heights = [max(panel.height for panel in row) for row in rows]
    canvas = Canvas(WIDTH, table.height + sum(heights) + 0.15 * len(rows) + 2 * MARGIN)
    table.draw(canvas, MARGIN, MARGIN, WIDTH - 2 * MARGIN)
    y = MARGIN + table.height
    for row, height in zip(rows, heights, strict=True):
        y += 0.15
        _draw_row(canvas, row, y)
        y += height
    return canvas.figure


def _draw_row(canvas: Canvas, row: Sequence[Panel], y: float) -> None:
    """Panels side by side, spread over the width."""
    gap = (WIDTH - 2 * MARGIN - sum(panel.width for panel in row)) / (len(row) + 1)
    x = MARGIN
    for panel in row:
        x += gap
        panel.draw(canvas, x, y)
        x += panel.width
