"""The picture of a network: its stages in a table, below it one block of each kind."""

import os
from collections.abc import Sequence
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from senet_mm.utils.files import atomic_file

from .canvas import Canvas
from .panels import Panel, arrange, make_panels
from .table import Table
from .units import Structure

WIDTH = 9.4  # inches
MARGIN = 0.15
# Text stays text, and the same network gives the same file.
SVG: Any = {
    'svg.fonttype': 'none',
    'svg.hashsalt': 'senet_mm',
    'font.sans-serif': ['DejaVu Sans', 'Verdana', 'Arial'],
}


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


def save_picture(figure: Figure, path: str | os.PathLike) -> None:
    """Write a picture, as SVG or PNG by the suffix of the file."""
    kind = os.path.splitext(path)[1][1:]
    options = dict(metadata={'Date': None, 'Creator': None}) if kind == 'svg' else dict(dpi=120)
    with matplotlib.rc_context(SVG), atomic_file(path) as file:
        figure.savefig(file, format=kind, **options)
