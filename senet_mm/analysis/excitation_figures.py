"""Figures 6 and 7 of the paper (Hu et al., arXiv:1709.01507, section 7.2) for any network."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from senet_mm.utils.figures import line_style, marker_style, new_figure, short_text, styled

from .excitation import Excitation

Order = Literal['mean', 'index']
ORDERS: dict[Order, str] = {
    'mean': 'channel, sorted by the mean gate of all images',
    'index': 'channel index',
}
ALL: dict[str, Any] = dict(color='black', linewidth=1.6, label='all', zorder=1)
ROW, HEAD = 2.1, 1.1  # inches: of a row of panels; of title, legend and label of the axis


def sample_channels(channels: int, number: int) -> np.ndarray:
    """At most ``number`` channels, evenly spaced from the first to the last."""
    return np.linspace(0, channels - 1, min(number, channels)).round().astype(int)


@styled()
def draw_gates(
    excitation: Excitation,
    labels: Sequence[int],
    blocks: Sequence[str],
    channels: int = 50,
    order: Order = 'mean',
    title: str = '',
) -> Figure:
    """Figure 6: the mean gate of some channels, one panel a block.

    Args:
        excitation: The recorded gates.
        labels: The classes; all images are one more curve.
        blocks: The blocks.
        channels: Number of channels of a block to draw.
        order: ``mean``: channels sorted by the mean gate of all images, which are a curve; the
            classes are points around it. ``index``: as in the paper, each class a curve.
        title: What is below "mean gate ..." in the title, such as the network and the data.
    """

    def draw(axes: Axes, block: str) -> None:
        x, chosen = _choose(excitation, block, channels, order)
        for i, label in enumerate([*labels, None]):
            mean = excitation.moments(block, label).mean.numpy()
            style = _style(excitation, label, i, is_point=order == 'mean')
            axes.plot(x, mean[chosen], clip_on=False, **_dot(x, style))
        axes.set_title(block)

    columns = 1 if len(blocks) == 1 else 2
    draws = [partial(draw, block=block) for block in blocks]
    heading = _join_lines('Mean gate of each channel, by class', title)
    figure = _panels(draws, columns, 'mean gate', ORDERS[order], heading)
    handles = figure.axes[0].get_lines()
    names = [str(handle.get_label()) for handle in handles]
    figure.legend(handles, names, loc='outside right center', title='class')
    return figure


@styled()
def draw_spread(
    excitation: Excitation,
    labels: Sequence[int],
    blocks: Sequence[str],
    channels: int = 50,
    order: Order = 'mean',
    title: str = '',
) -> Figure:
    """Figure 7: mean gates with a band of one standard deviation, a panel a block and class.

    Args:
        excitation: The recorded gates.
        labels: The classes; without any it is all images.
        blocks: The blocks.
        channels: Number of channels of a block to draw.
        order: Of the channels, as in :func:`draw_gates`.
        title: What is below "mean gate ..." in the title.
    """

    def draw(axes: Axes, block: str, label: int | None, index: int) -> None:
        x, chosen = _choose(excitation, block, channels, order)
        moments = excitation.moments(block, label)
        mean, std = moments.mean.numpy()[chosen], moments.std.numpy()[chosen]
        style = _style(excitation, label, index, is_point=False) | dict(linestyle='-')
        (line,) = axes.plot(x, mean, clip_on=False, **_dot(x, style))
        color = line.get_color()
        axes.fill_between(x, mean - std, mean + std, color=color, alpha=0.3, linewidth=0)
        if label is not None:
            mean = excitation.moments(block, None).mean.numpy()[chosen]
            axes.plot(x, mean, **_dot(x, ALL | dict(linewidth=0.8)))
        axes.set_title(f'{block}\n{line.get_label()}')

    classes: list[int | None] = [*labels] or [None]
    columns = min(len(classes), 4) if len(classes) > 1 else min(len(blocks), 2)
    draws: list[Callable[[Axes], None] | None] = []
    for block in blocks:
        draws += [
            partial(draw, block=block, label=label, index=i) for i, label in enumerate(classes)
        ]
        if len(classes) > 1:
            draws += [None] * (-len(classes) % columns)  # a block begins a row
    heading = _join_lines('Mean gate of each channel ± one standard deviation', title)
    if labels:
        heading += '; black: all images'
    return _panels(draws, columns, 'gate', ORDERS[order], heading)


def _choose(
    excitation: Excitation, block: str, channels: int, order: Order
) -> tuple[np.ndarray, np.ndarray]:
    """Places on the axis, and the channels drawn there."""
    mean = excitation.moments(block, None).mean.numpy()
    places = sample_channels(len(mean), channels)
    return places, (np.argsort(mean, kind='stable')[places] if order == 'mean' else places)


def _dot(x: np.ndarray, style: dict[str, Any]) -> dict[str, Any]:
    """A style; of a gate of positions alone, which counts as one channel, a point."""
    return style if len(x) > 1 else {'marker': 'o', **style}


def _style(excitation: Excitation, label: int | None, index: int, is_point: bool) -> dict[str, Any]:
    """Style of a class, with its name without synonyms."""
    if label is None:
        return ALL
    name = short_text(excitation.names[label].partition(',')[0])
    if is_point:
        return dict(**marker_style(index), markersize=4, alpha=0.9, zorder=2, label=name)
    return dict(**line_style(index), label=name)


def _join_lines(first: str, second: str) -> str:
    return f'{first}\n{second}' if second else first


def _panels(
    draws: Sequence[Callable[[Axes], None] | None],
    columns: int,
    ylabel: str,
    xlabel: str,
    title: str,
) -> Figure:
    """A grid of panels that share the axis of the gate; None leaves a place empty."""
    rows = math.ceil(len(draws) / columns)
    figure = new_figure(rows * ROW + HEAD, title)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, draw in zip(grid.flat, [*draws, *[None] * columns], strict=False):
        if draw is None:
            axes.set_visible(False)
            continue
        draw(axes)
        axes.margins(x=0.02)
        axes.grid()
        axes.locator_params(axis='x', nbins=5, integer=True)
    figure.supxlabel(xlabel, fontsize=9)
    figure.supylabel(ylabel, fontsize=9)
    _limit(list(grid.flat))
    return figure


def _limit(axes: Sequence[Axes]) -> None:
    """Set the axis to 0 to 1, the range of a sigmoid, unless a curve leaves it."""
    curves = np.concatenate([line.get_ydata() for one in axes for line in one.lines])
    if not (np.nanmin(curves) < 0 or np.nanmax(curves) > 1):
        axes[0].set_ylim(0, 1)
