"""The stages of a network, one below the other, with shapes, parameters and multiply-adds."""

from .canvas import Canvas, text_width
from .diagrams import Box
from .labels import TIMES, describe_shape
from .units import Row, Stage, Structure

ROW = 0.27  # height of a row
GAP = 0.14  # between stages, for the arrow
HEAD = 0.95  # title and head of the table
FOOT = 0.3
# Columns, as distances from the left and the right border.
BLOCKS, BLOCKS_END = 1.45, 3.5
SHAPE, PARAMS, MACS = 2.55, 1.7, 0.55
BAR = 0.48
# Of the text of a recalibration layer, the largest one that has room.
SIZES = (7.5, 6.5, 6)
# The units of counts; the first one that leaves at least one is taken.
PARAM_UNITS = ((1e6, 'M'), (1e3, 'k'), (1, ''))
MAC_UNITS = ((1e9, 'GFLOPs'), (1e6, 'MFLOPs'), (1e3, 'kFLOPs'), (1, 'FLOPs'))


class Table:
    """The stages of a network.

    Args:
        structure: The network.
        title: Its name.
    """

    def __init__(self, structure: Structure, title: str) -> None:
        self.structure = structure
        self.title = title
        self.params = next(unit for unit in PARAM_UNITS if structure.params >= unit[0])
        self.macs = next(unit for unit in MAC_UNITS if structure.macs >= unit[0])
        self.letters = {row.diagram.signature: letter(i) for i, row in enumerate(structure.kinds)}

    @property
    def height(self) -> float:
        """Height in inches."""
        return HEAD + sum(map(stage_height, self.structure.stages)) + FOOT

    def draw(self, canvas: Canvas, x: float, y: float, width: float) -> None:
        """Draw the table with its upper left corner at (x, y)."""
        structure, right = self.structure, x + width
        canvas.text(x, y + 0.14, self.title, 12, weight='bold')
        params, macs = structure.params / self.params[0], structure.macs / self.macs[0]
        summary = (
            f'image {describe_shape(structure.shape)}; '
            f'{params:.2f} {self.params[1]} parameters; '
            f'{macs:.2f} {self.macs[1]} (multiply-adds)'
        )
        canvas.text(x, y + 0.4, summary, 9)
        heads = {x: ('stage', 'left'), x + BLOCKS: ('layers and blocks', 'left')}
        heads |= {right - SHAPE: ('output', 'right'), right - MACS: (self.macs[1], 'right')}
        heads |= {right - PARAMS: (f'params, {self.params[1]}', 'right')}
        for place, (text, side) in heads.items():
            canvas.text(place, y + 0.72, text, 8, ha=side, color='#505050')
        canvas.line([(x, y + 0.82), (right, y + 0.82)], '#a0a0a0')
        y += HEAD
        for i, stage in enumerate(structure.stages):
            self.draw_stage(canvas, x, y, right, stage, is_last=i == len(structure.stages) - 1)
            y += stage_height(stage)
        notes = ['64→256: channels in and out', '/2: stride', f'{TIMES}3: three in a row']
        notes += (
            ['orange: recalibration layer and its widths'] if find_boxes(structure, 'se') else []
        )
        canvas.text(x + BLOCKS, y + 0.1, '; '.join(notes), 7.5, color='#505050')

    def draw_stage(
        self, canvas: Canvas, x: float, y: float, right: float, stage: Stage, is_last: bool
    ) -> None:
        """A stage: its name, its rows, its numbers."""
        height = stage_height(stage) - GAP
        middle = y + height / 2
        names = stage.name.replace(' … ', ' …|').split('|')
        for i, name in enumerate(names):
            place = middle + (i - (len(names) - 1) / 2) * 0.15
            canvas.text(x, place, fit_path(name, BLOCKS - 0.1), 8, weight='bold')
        for i, row in enumerate(stage.rows):
            self.draw_row(canvas, x + BLOCKS, y + i * ROW, right - BLOCKS_END, row)
        if not is_last:
            center = (x + BLOCKS + right - BLOCKS_END) / 2
            canvas.arrow([(center, y + height), (center, y + height + GAP)])
        canvas.text(right - SHAPE, middle, describe_shape(stage.shape), 8, ha='right')
        stages = self.structure.stages
        most = max(each.params for each in stages), max(each.macs for each in stages)
        numbers = (
            (PARAMS, stage.params, self.params[0], most[0]),
            (MACS, stage.macs, self.macs[0], most[1]),
        )
        for place, value, unit, largest in numbers:
            canvas.text(right - place, middle, format_amount(value, unit), 8, ha='right')
            share = value / largest if largest else 0
            canvas.bar(right - place + 0.06, middle, BAR * share, 0.1)

    def draw_row(self, canvas: Canvas, x: float, y: float, right: float, row: Row) -> None:
        """Equal blocks: the letter of their kind, what they do, how many they are."""
        diagram = row.diagram
        kind = 'block' if diagram.is_composite else diagram.boxes[0].kind
        canvas.box(x, y + 0.02, right - x, ROW - 0.04, kind)
        middle = y + ROW / 2
        start = x + 0.1
        if mark := self.letters.get(diagram.signature):
            canvas.text(start, middle, mark, 8, weight='bold', color='#0072b2')
            start += 0.2
        canvas.text(start, middle, str(row), 8)
        if len(row.calls) > 1:
            canvas.text(
                right - 0.08, middle, f'{TIMES}{len(row.calls)}', 9, weight='bold', ha='right'
            )
        layer = row.attention
        if layer and diagram.is_composite:
            end = right - 0.48
            label = str(layer)
            room = end - start - text_width(str(row), 8) - 0.2
            size = next((size for size in SIZES if text_width(label, size) < room), 0)
            if not size:
                label, size = layer.what, SIZES[0]
            width = text_width(label, size) + 0.14
            canvas.box(end - width, y + 0.05, width, ROW - 0.1, 'se')
            canvas.text(end - width / 2, middle, label, size, ha='center')


def fit_path(name: str, room: float) -> str:
    """A path that is not wider than some inches: parts at its beginning are left out."""
    while text_width(name, 8, 'bold') > room and '.' in name:
        name = '…' + name.partition('.')[2].removeprefix('…')
    return name


def find_boxes(structure: Structure, kind: str) -> list[Box]:
    """The boxes of a kind in the rows of a network."""
    rows = [row for stage in structure.stages for row in stage.rows]
    return [box for row in rows for box in row.diagram.boxes if box.kind == kind]


def stage_height(stage: Stage) -> float:
    """Height of a stage and of the arrow below it."""
    return len(stage.rows) * ROW + GAP


def letter(index: int) -> str:
    """A, B, ..., Z, then A1, B1, ..."""
    return chr(ord('A') + index % 26) + (str(index // 26) if index >= 26 else '')


def format_amount(value: int, unit: float) -> str:
    """A count in a unit, with two decimals; ``-`` for none, ``<0.01`` for what is less."""
    amount = value / unit
    return '-' if not value else '<0.01' if amount < 0.005 else f'{amount:.2f}'
