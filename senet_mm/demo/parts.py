"""Parts of the page, as HTML that fits any width, a light and a dark page."""

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from senet_mm.analysis.cam import COLOURS, describe_look, overlay
from senet_mm.apis.explainer import Explanation
from senet_mm.datasets.images.png import encode_png
from senet_mm.utils.figures import PALETTE, new_figure, styled
from senet_mm.utils.names import counted, printable

OWN, AVERAGE = PALETTE[1], PALETTE[0]
# Stands for the colour of the page's text in a figure; no figure has it otherwise.
INK = '#010203'
INKED: Any = dict.fromkeys(
    ('text.color', 'axes.edgecolor', 'axes.labelcolor', 'xtick.color', 'ytick.color'), INK
)
# Width and height of the panel of a stage, inches: letters are readable on a phone.
PANEL = 4.0, 1.5
KEY = ', '.join(to_hex(COLOURS(value)) for value in np.linspace(0, 1, 9))
CSS = f"""
#heading h1 {{margin: 0}}
#heading, .part {{overflow-wrap: anywhere}}
#examples .grid-wrap {{height: auto; min-height: 0; max-height: none; padding-top: 2rem}}
#examples .grid-container {{grid-template: none / repeat(auto-fill, minmax(3.2rem, 1fr));
  grid-auto-rows: auto}}
#examples .grid-container button {{aspect-ratio: 1}}
#examples .caption-label {{display: none}}
.part h2 {{font-size: 1rem; margin: 0 0 .4rem}}
.part .row {{display: flex; flex-wrap: wrap; gap: 1rem}}
.part figure {{margin: 0; flex: 1 1 0; min-width: min(100%, 260px); max-width: 400px}}
.part img {{width: 100%; image-rendering: pixelated}}
.part img.large {{image-rendering: auto}}
.part svg {{width: 100%; height: auto}}
.part .key {{margin-top: .5rem}}
.part .key i {{display: inline-block; width: 10rem; height: .7rem;
  background: linear-gradient(to right, {KEY})}}
.part table {{display: table; width: 100%; border: 0; border-collapse: collapse}}
.part tr, .part td {{padding: .15rem 0; border: 0}}
.part td:last-child {{width: 6rem; text-align: right; white-space: nowrap; vertical-align: bottom}}
.part meter {{display: block; width: 100%; height: .6rem}}
.dark .part meter {{color-scheme: dark}}
.part .own {{color: {OWN}}}
.part .average {{color: {AVERAGE}}}
"""


def part(title: str, content: str) -> str:
    """A part of the page below its title, which is HTML as the content is."""
    return f'<section class="part"><h2>{title}</h2>{content}</section>'


def text(name: str) -> str:
    """A name of a class or a file, as HTML."""
    return escape(printable(name))


def show_top(title: str, pairs: Sequence[tuple[str, float]]) -> str:
    """The best classes with their scores from 0 to 1."""
    rows = ''.join(
        f'<tr><td>{text(name)}<meter value="{score:.6f}"></meter></td>'
        f'<td>{format_share(score)}</td></tr>'
        for name, score in pairs
    )
    return part(title, f'<table>{rows}</table>')


def format_share(score: float) -> str:
    """A share from 0 to 1 in %; what is not 0 is not shown as 0."""
    return f'{score:.2%}'.replace('%', ' %') if score >= 0.0001 else '&lt; 0.01 %'


def show_look(explained: Explanation, name: str) -> str:
    """The picture as the network saw it, and beside it where it looked for a class."""
    height, width = explained.picture.shape[:2]
    saw = _show_picture(explained.picture, f'as the network saw it, {width} x {height} pixels')
    caption = describe_look(explained.cam, text(name))
    has_places = explained.cam.min() < explained.cam.max()
    key = '<div class="key">speaks for it: least <i></i> most</div>' if has_places else ''
    looked = _show_picture(overlay(explained.picture, explained.cam), caption)
    title = 'What it saw, and where it looked (Grad-CAM)'
    return part(title, f'<div class="row">{saw}{looked}</div>{key}')


def _show_picture(picture: np.ndarray, caption: str) -> str:
    """A picture, uint8 RGB (H, W, 3) or grey (H, W, 1), above its caption, HTML."""
    large = ' class="large"' if max(picture.shape) > 128 else ''
    source = to_data(picture)
    return (
        f'<figure><img{large} src="{source}" alt="{caption}">'
        f'<figcaption>{caption}</figcaption></figure>'
    )


def to_data(picture: np.ndarray) -> str:
    """The address of a picture, uint8 RGB (H, W, 3) or grey (H, W, 1), that has it in itself."""
    return f'data:image/png;base64,{base64.b64encode(encode_png(picture)).decode()}'


def show_gates(
    gates: Mapping[str, Tensor],
    average: Mapping[str, Tensor],
    stages: Mapping[str, Sequence[str]],
    name: str,
    count: int,
) -> str:
    """The gates of the last block of each stage.

    Args:
        gates: Gates of the picture by block, (C,).
        average: Mean gates of its class, (C,); channels are in their order. Empty for none.
        stages: Blocks by stage.
        name: Name of the class.
        count: Number of pictures of which the average is.
    """
    key = '<span class="own">● this picture</span>'
    if average:
        pictures = counted(count, 'picture')
        key += f' <span class="average">━ average of {text(name)} ({pictures})</span>'
        order = 'the average'
    else:
        key += '. No pictures of this class are known: its average gates are not shown'
        order = 'their gates'
    last = [blocks[-1] for blocks in stages.values()]
    highest = max(1.0, *(float(each[block].max()) for each in (gates, average or gates)
                         for block in last))  # fmt: skip
    panels = ''.join(
        f'<figure role="img" aria-label="gates of {text(block)}">'
        f'{draw_panel(block, gates[block].numpy(), _numpy(average.get(block)), highest)}</figure>'
        for block in last
    )
    note = f'<p>{key}; channels from left to right sorted by {order}</p>'
    return part('Gates of the last block of each stage', f'{note}<div class="row">{panels}</div>')


def _numpy(gates: Tensor | None) -> np.ndarray | None:
    return None if gates is None else gates.numpy()


@styled()
def draw_panel(block: str, own: np.ndarray, average: np.ndarray | None, highest: float) -> str:
    """Gates of a block, (C,), from 0 to ``highest``, as SVG in the colour of the page's text."""
    with matplotlib.rc_context(INKED):
        figure = new_figure(PANEL[1], width=PANEL[0])
        axes = figure.subplots()
        order = (own if average is None else average).argsort(kind='stable')
        # As pixels: a path for each of 2,048 channels would be long.
        axes.plot(own[order], '.', color=OWN, markersize=3, rasterized=True)
        if average is not None:
            axes.plot(average[order], color=AVERAGE)
        axes.set(title=block, xlim=(-0.5, len(own) - 0.5), ylim=(0, highest * 1.03))
        axes.set(xlabel='channel', ylabel='gate')
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        file = io.StringIO()
        figure.savefig(file, format='svg', transparent=True, metadata=dict(Date=None))
    svg = file.getvalue()
    return svg[svg.index('<svg') :].replace(INK, 'currentColor')
