"""A sheet of images with ground truth and detections."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle as Frame
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from torch import Tensor, nn

from senet_mm.utils.figures import new_figure, save_figure, short_text, styled

from .coco import CocoData, DetectionTarget
from .placement import Rectangle, place_labels

COLUMNS, PANEL = 3, 3.3  # inches


class Style(NamedTuple):
    """How boxes of a kind are drawn; the colours are Okabe's and Ito's."""

    name: str
    colour: str
    dashes: Literal['-', '--']
    text: str


TRUTH = Style('ground truth', '#f0e442', '--', 'black')
FOUND = Style('detection with score', '#0072b2', '-', 'white')


class DrawnBox(NamedTuple):
    """A box with its label and how it is drawn."""

    place: Rectangle
    label: str
    style: Style


@torch.no_grad()
@styled()
def draw_boxes(
    detector: nn.Module, data: CocoData, path: Path, count: int = 12, score: float = 0.5
) -> None:
    """Save a sheet of images: ground truth dashed, detections solid, no label over another.

    Args:
        detector: Maps a list of images to a list of dicts, as torchvision's detectors.
        data: The data; the first ``count`` images are drawn.
        path: PNG file.
        count: Number of images.
        score: Boxes below this score are left out.
    """
    detector.eval()
    device = next(detector.parameters()).device
    count = min(count, len(data))
    rows, columns = math.ceil(count / COLUMNS), min(count, COLUMNS)
    title = f'Detections, first {count} of {len(data)} images'
    figure = new_figure(rows * PANEL * 1.08 + 1, title, width=columns * PANEL)
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    boxes = []
    for i, axes in enumerate(panels):
        axes.axis('off')
        if i < count:
            image, target = data[i]
            [found] = detector([image.to(device)])
            boxes.append(_collect(target, found, data.classes, score))
            axes.imshow(image.permute(1, 2, 0).numpy(), interpolation='nearest')
            axes.set_title(short_text(Path(data.get_path(data.ids[i])).name), fontsize=8)
    _add_legend(figure, score, min(columns, 2))
    figure.draw_without_rendering()  # places the panels, which labels are measured in
    for axes, own in zip(panels, boxes, strict=False):
        _draw(axes, own)
    save_figure(figure, path)


def _collect(
    target: DetectionTarget, found: dict[str, Tensor], classes: Sequence[str], score: float
) -> list[DrawnBox]:
    """The boxes of an image: ground truth, then detections from the surest on."""
    truth = [
        DrawnBox(Rectangle(*box), short_text(classes[label - 1]), TRUTH)
        for box, label in zip(target['boxes'].tolist(), target['labels'].tolist(), strict=True)
    ]
    sure = found['scores'] >= score
    rows = zip(*(found[name][sure].tolist() for name in ('boxes', 'labels', 'scores')), strict=True)
    return truth + [
        DrawnBox(Rectangle(*box), f'{short_text(classes[label - 1])} {value:.2f}', FOUND)
        for box, label, value in rows
    ]


def _draw(axes: Axes, boxes: Sequence[DrawnBox]) -> None:
    """Draw the boxes of an image and their labels."""
    for box in boxes:
        left, top, right, bottom = box.place
        frame = Frame(
            (left, top), right - left, bottom - top, fill=False, linewidth=1.4,
            edgecolor=box.style.colour, linestyle=box.style.dashes,
            zorder=3 if box.style is TRUTH else 2,
        )  # fmt: skip
        halo = 'black' if box.style is TRUTH else 'white'
        frame.set_path_effects([withStroke(linewidth=2.6, foreground=halo, alpha=0.6)])
        axes.add_patch(frame)
    texts = [_write(axes, box) for box in boxes]
    area, sizes = _measure(axes, texts)
    places = place_labels([box.place for box in boxes], sizes, area)
    for text, place, box in zip(texts, places, boxes, strict=True):
        if place is None:
            text.remove()
            continue
        text.set_position((place.left, place.top))
        _connect(axes, place, box)
    if missing := places.count(None):
        axes.set_title(f'{axes.get_title()} ({missing} labels without a place)', fontsize=8)


def _write(axes: Axes, box: DrawnBox) -> Text:
    style = box.style
    pad = dict(
        boxstyle='square,pad=0.12', linewidth=0.4, facecolor=style.colour, edgecolor=style.text
    )
    return axes.text(
        0, 0, box.label, fontsize=7, color=style.text, bbox=pad, zorder=5, va='top', ha='left'
    )


def _measure(axes: Axes, texts: Sequence[Text]) -> tuple[Rectangle, list[tuple[float, float]]]:
    """The area of the image, and width and height of each text with its frame, in pixels of it."""
    canvas = axes.figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    renderer = canvas.get_renderer()
    to_data = axes.transData.inverted()
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    sizes = []
    for text in texts:
        text.draw(renderer)
        frame = text.get_bbox_patch()
        assert frame
        extent = frame.get_window_extent(renderer)
        (x1, y1), (x2, y2) = to_data.transform([(extent.x0, extent.y0), (extent.x1, extent.y1)])
        sizes.append((abs(x2 - x1), abs(y2 - y1)))
    return Rectangle(left, top, right, bottom), sizes


def _connect(axes: Axes, place: Rectangle, box: DrawnBox) -> None:
    """Draw a line from a label that is not at its box to the box."""
    near = box.place
    x = min(max((place.left + place.right) / 2, near.left), near.right)
    y = min(max((place.top + place.bottom) / 2, near.top), near.bottom)
    from_x = min(max(x, place.left), place.right)
    from_y = min(max(y, place.top), place.bottom)
    if math.hypot(x - from_x, y - from_y) > 1:
        axes.plot([from_x, x], [from_y, y], color=box.style.colour, linewidth=1, zorder=4)


def _add_legend(figure: Figure, score: float, columns: int) -> None:
    lines = [
        Line2D([], [], color=style.colour, linestyle=style.dashes, linewidth=2)
        for style in (TRUTH, FOUND)
    ]
    lines[0].set_path_effects([withStroke(linewidth=3, foreground='black')])
    names = [TRUTH.name, f'{FOUND.name}, from {score:g}']
    figure.legend(lines, names, loc='outside lower center', ncols=columns)
