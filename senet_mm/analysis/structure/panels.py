"""Panels that show what a block does."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from .canvas import Canvas, text_width
from .diagrams import Box, Diagram, make_diagram
from .labels import TIMES, describe_shape
from .placement import Edge, Placement, lay_out
from .table import letter
from .tracing import Tracer, find_attention
from .units import Structure

LINE = 0.15  # height of a line of text in a box
SPACE = 0.24  # between rows
LANE = 0.3  # least width of a lane
BETWEEN = 0.1  # lanes
BUS = 0.07  # between lines to different boxes of a row
TOP = 0.62  # title, and the shape of the input
RADIUS = 0.1
SYMBOLS = ('+', '-', TIMES)
SIZE = 7.5


class Panel:
    """A block as boxes and arrows.

    Args:
        diagram: What runs in the block.
        mark: The letter by which the table names it.
        where: Where in the network it is.
    """

    def __init__(self, diagram: Diagram, mark: str, where: str) -> None:
        self.diagram = diagram
        self.mark = mark
        self.title = diagram.name
        self.where = where
        self.placement: Placement = lay_out(diagram.boxes)
        rows = self.placement.rows
        self.heights = [0.0] * self.placement.num_rows
        self.widths = [LANE] * self.placement.num_lanes
        for box in diagram.boxes:
            lane = self.placement.lanes[box]
            self.heights[rows[box]] = max(self.heights[rows[box]], box_height(box))
            self.widths[lane] = max(self.widths[lane], box_width(box))
        head = text_width(f'{mark}  {self.title}', 9, 'bold') + 0.1
        body = sum(self.widths) + BETWEEN * (len(self.widths) - 1)
        self.width = max(body, head, text_width(where, SIZE)) + 0.24
        self.left = (self.width - body) / 2
        self.buses = find_buses(self.placement)
        self.splits = find_splits(self.placement)
        # Above each row: lines out of the boxes over it, then those into its own.
        lines = Counter(row + 1 for row, _ in self.splits)
        lines.update(row for row, _ in self.buses)
        self.spaces = [
            SPACE + BUS * max(0, lines[row] - 1) for row in range(self.placement.num_rows)
        ]
        self.height = TOP + sum(self.heights) + sum(self.spaces[1:]) + 0.3

    def draw(self, canvas: Canvas, x: float, y: float) -> None:
        """Draw the panel with its upper left corner at (x, y)."""
        canvas.box(x, y, self.width, self.height, 'stage', zorder=0)
        canvas.text(x + 0.1, y + 0.16, self.mark, 9, weight='bold', color='#0072b2', zorder=3)
        after = text_width(f'{self.mark} ', 9, 'bold') + 0.06 if self.mark else 0
        canvas.text(x + 0.1 + after, y + 0.16, self.title, 9, weight='bold', zorder=3)
        canvas.text(x + 0.1, y + 0.35, self.where, SIZE, color='#505050', zorder=3)
        xs = [x + self.left + sum(self.widths[:i]) + BETWEEN * i for i in range(len(self.widths))]
        self.centers = [a + width / 2 for a, width in zip(xs, self.widths, strict=True)]
        self.tops = [
            y + TOP + sum(self.heights[:i]) + sum(self.spaces[1 : i + 1])
            for i in range(len(self.heights))
        ]
        call = self.diagram.call
        for text, row, dy in ((call.in_shape, 0, -0.07), (call.out_shape, -1, 0.1)):
            label = describe_shape(text)
            canvas.text(self.centers[0], self.tops[row] + dy, label, SIZE, ha='center', zorder=3)
        for edge in self.placement.edges:
            self.draw_edge(canvas, edge)
        for box in self.diagram.boxes:
            self.draw_box(canvas, box)

    def draw_edge(self, canvas: Canvas, edge: Edge) -> None:
        """An edge: down in its lane, across below its source and above its target."""
        placement = self.placement
        end = placement.rows[edge.target] if edge.target else placement.num_rows - 1
        start = placement.rows[edge.source]
        x0, lane = self.centers[placement.lanes[edge.source]], self.centers[edge.lane]
        x1 = self.centers[placement.lanes[edge.target] if edge.target else edge.lane]
        y0 = self.tops[start] + (box_height(edge.source) if edge.source else 0)
        below = self.tops[start] + self.heights[start] + SPACE * 0.3
        below += BUS * self.splits.get((start, edge.source), 0)
        above = self.tops[end] - SPACE * 0.45 - BUS * self.buses.get((end, edge.target), 0)
        points = [(x0, y0), (x0, below), (lane, below), (lane, above), (x1, above)]
        canvas.arrow([*dict.fromkeys([*points, (x1, self.tops[end])])])

    def draw_box(self, canvas: Canvas, box: Box) -> None:
        """A box with its lines; a sum or a product is a circle."""
        center = self.centers[self.placement.lanes[box]]
        top = self.tops[self.placement.rows[box]]
        lines, height = box.lines, box_height(box)
        if lines[0] in SYMBOLS:
            canvas.circle(center, top + RADIUS, RADIUS, 'join')
            canvas.text(center, top + RADIUS, lines[0], 10, ha='center', zorder=3)
            after = ', '.join(lines[1:])
            canvas.text(center + RADIUS + 0.05, top + RADIUS, after, SIZE, zorder=3)
            return
        width = box_width(box)
        canvas.box(center - width / 2, top, width, height, box.kind)
        for i, line in enumerate(lines):
            canvas.text(center, top + 0.05 + LINE * (i + 0.5), line, SIZE, ha='center', zorder=3)


def find_buses(placement: Placement) -> dict[tuple[int, Box | None], int]:
    """By row and target: on which line above the row, from 0, what comes from other lanes runs.

    Two targets in a row have lines of their own, which else would look like one.
    """
    return _number(
        (placement.rows[edge.target], edge.target)
        for edge in placement.edges
        if edge.target and edge.lane != placement.lanes[edge.target]
    )


def find_splits(placement: Placement) -> dict[tuple[int, Box | None], int]:
    """By row and source: on which line below the row, from 0, what goes to other lanes runs."""
    return _number(
        (placement.rows[edge.source], edge.source)
        for edge in placement.edges
        if edge.lane != placement.lanes[edge.source]
    )


def _number(ends: Iterable[tuple[int, Box | None]]) -> dict[tuple[int, Box | None], int]:
    """The number of each row and box among those of its row."""
    numbers: dict[tuple[int, Box | None], int] = {}
    taken: Counter[int] = Counter()
    for end in dict.fromkeys(ends):
        numbers[end] = taken[end[0]]
        taken[end[0]] += 1
    return numbers


def box_height(box: Box) -> float:
    """Height of a box in inches."""
    return 2 * RADIUS if box.lines[0] in SYMBOLS else LINE * len(box.lines) + 0.1


def box_width(box: Box) -> float:
    """Width of a box in inches; a sum has room for its activation on both sides."""
    if box.lines[0] in SYMBOLS:
        return 2 * (RADIUS + 0.05 + text_width(', '.join(box.lines[1:]), SIZE))
    return max(text_width(line, SIZE) for line in box.lines) + 0.12


def make_panels(structure: Structure, width: float) -> list[Panel]:
    """A panel for each kind of block, and one for the first recalibration layer.

    A block that is wider than a width, such as HRNet's of four resolutions, is not drawn.
    """
    panels = []
    for i, row in enumerate(structure.kinds):
        panel = Panel(row.diagram, letter(i), f'as in {row.diagram.place}')
        if panel.width > width:
            where = f'{panel.where}: {len(row.diagram.boxes)} boxes, too wide for a page'
            panel = Panel(replace(row.diagram, boxes=[]), letter(i), where)
        panels.append(panel)
    for row in structure.kinds:
        layers = [*find_attention(row.diagram.call.module)]
        maps = [box.main.inputs[0].shape for box in row.diagram.boxes if box.kind == 'se']
        if layers and maps:
            traced = Tracer(layers[0], [''], layers=()).run(maps[0])
            return [*panels, Panel(make_diagram(traced.calls[0]), '', f'in {row.diagram.place}')]
    return panels


def arrange(panels: Sequence[Panel], width: float) -> list[list[Panel]]:
    """Rows of panels that are not wider than a width; a panel goes where there is room first."""
    rows: list[list[Panel]] = []
    for panel in panels:
        for row in rows:
            if sum(each.width + 0.1 for each in [*row, panel]) <= width:
                row.append(panel)
                break
        else:
            rows.append([panel])
    return rows
