"""Figures 6 and 7 of the paper (Hu et al., arXiv:1709.01507, section 7.2) for any network."""

import math
import os
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from senet_mm.utils.files import atomic_file
from senet_mm.utils.names import printable

from .excitation import Excitation

PANEL_COLUMNS = 3
PANEL = (4.4, 2.7)  # inches
ALL = dict(color='black', linewidth=1.6, label='all')


def sample_channels(channels: int, number: int) -> np.ndarray:
    """At most ``number`` channels, evenly spaced from the first to the last."""
    return np.linspace(0, channels - 1, min(number, channels)).round().astype(int)


def draw_gates(
    excitation: Excitation, labels: Sequence[int], blocks: Sequence[str], channels: int = 50
) -> Figure:
    """Figure 6: the mean gate of some channels, one panel a block, one curve a class.

    Args:
        excitation: The recorded gates.
        labels: The classes; all images are one more curve.
        blocks: The blocks.
        channels: Number of channels of a block to draw.
    """

    def draw(axes: Axes, block: str) -> None:
        for i, label in enumerate([*labels, None]):
            mean = excitation.moments(block, label).mean.numpy()
            x = sample_channels(len(mean), channels)
            axes.plot(x, mean[x], _format(x), clip_on=False, **_style(excitation, label, i))

    return _panels(blocks, draw, 'mean gate')


def draw_spread(
    excitation: Excitation, labels: Sequence[int], blocks: Sequence[str], channels: int = 50
) -> Figure:
    """Figure 7: mean gates with a band of one standard deviation to either side.

    Args:
        excitation: The recorded gates.
        labels: The classes, two in the paper; without any it is all images.
        blocks: The blocks.
        channels: Number of channels of a block to draw.
    """

    def draw(axes: Axes, block: str) -> None:
        for i, label in enumerate(labels or [None]):
            moments = excitation.moments(block, label)
            mean, std = moments.mean.numpy(), moments.std.numpy()
            x = sample_channels(len(mean), channels)
            (line,) = axes.plot(
                x, mean[x], _format(x), clip_on=False, **_style(excitation, label, i)
            )
            low, high = mean[x] - std[x], mean[x] + std[x]
            axes.fill_between(x, low, high, color=line.get_color(), alpha=0.25, linewidth=0)

    return _panels(blocks, draw, 'gate, mean ± std')


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as PNG."""
    with atomic_file(path) as file:
        figure.savefig(file, format='png', dpi=150)


def _format(channels: np.ndarray) -> str:
    """Line style; a point for a gate of positions alone, which counts as one channel."""
    return 'o' if len(channels) == 1 else '-'


def _style(excitation: Excitation, label: int | None, index: int) -> dict:
    """Style of the curve of a class, with its name without synonyms."""
    if label is None:
        return ALL
    name = printable(excitation.names[label].partition(',')[0])
    return dict(color=colormaps['tab10'](index % 10), linewidth=1.1, label=name)


def _panels(blocks: Sequence[str], draw: Callable[[Axes, str], None], ylabel: str) -> Figure:
    """A grid of panels that share the axis of the gate, with one legend above."""
    columns = min(PANEL_COLUMNS, len(blocks))
    rows = math.ceil(len(blocks) / columns)
    size = (max(columns * PANEL[0], 6), rows * PANEL[1] + 0.5)
    figure = Figure(size, layout='constrained')
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, block in zip(grid.flat, blocks, strict=False):
        draw(axes, block)
        axes.set_title(block, fontsize=11)
        axes.set_xlabel('channel index')
        axes.margins(x=0.01)
        axes.grid(alpha=0.3)
    for axes in grid.flat[len(blocks) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(ylabel)
    _limit(list(grid.flat))
    # Those that it finds by itself have no name that begins with an underscore.
    handles = grid[0, 0].get_lines()
    names = [str(handle.get_label()) for handle in handles]
    ncols = min(len(names), 2 * columns + 1)
    legend = figure.legend(handles, names, loc='outside upper center', ncols=ncols, title='class')
    for text in legend.get_texts():
        text.set_parse_math(False)  # a name may have dollars
    return figure


def _limit(axes: Sequence[Axes]) -> None:
    """Set the axis to 0 to 1, the range of a sigmoid, unless a curve leaves it."""
    curves = np.concatenate([line.get_ydata() for one in axes for line in one.lines])
    if not (np.nanmin(curves) < 0 or np.nanmax(curves) > 1):
        axes[0].set_ylim(0, 1)
