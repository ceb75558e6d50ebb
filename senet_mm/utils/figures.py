"""The style of every figure that a tool draws, and how a figure is written.

Draw within ``styled()``, on a figure of ``new_figure``; write it with ``save_figure``.
"""

import contextlib
import re
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from .errors import InputError
from .files import atomic_file
from .names import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 8.0  # inches of a page; at 100 dots an inch the 800 pixels of a page on a screen
SUFFIXES = ('.png', '.svg', '.pdf')
# Okabe and Ito, https://jfly.uni-koeln.de/color: colour-blind people can tell them apart. Their
# yellow is left out: a line of it cannot be seen on white.
PALETTE = ('#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9')
DASHES = ('-', '--', ':', '-.')
MARKERS = 'os^DvP'
GREY = '#505050'
STYLE: dict[str, Any] = {
    'font.size': 9,
    'axes.titlesize': 9,
    'axes.labelsize': 9,
    'xtick.labelsize': 8,
    'ytick.labelsize': 8,
    'legend.fontsize': 9,
    'legend.frameon': False,
    'figure.titlesize': 11,
    'figure.titleweight': 'bold',
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.axisbelow': True,
    'grid.color': '#e0e0e0',
    'lines.linewidth': 1.4,
    # Ticks are what they say, not differences from a number at the end of the axis.
    'axes.formatter.useoffset': False,
    # Names of classes and files may have dollars.
    'text.parse_math': False,
    # Text stays text, and the same figure gives the same file.
    'svg.fonttype': 'none',
    'svg.hashsalt': 'senet_mm',
    'pdf.fonttype': 42,
    'savefig.dpi': 150,
}
# Fonts with letters of East Asia, in the order of trial.
FALLBACKS = (
    'Noto Sans CJK SC', 'Noto Sans CJK JP', 'Source Han Sans SC', 'WenQuanYi Zen Hei',
    'WenQuanYi Micro Hei', 'Droid Sans Fallback', 'IPAGothic', 'NanumGothic', 'PingFang SC',
    'Hiragino Sans', 'Microsoft YaHei', 'Arial Unicode MS', 'Unifont',
)  # fmt: skip


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """The style, for what is drawn within; also a decorator of functions that draw."""
    import matplotlib

    settings: Any = {**STYLE, 'font.family': find_fonts()}
    with matplotlib.rc_context(settings):
        yield


@cache
def find_fonts() -> list[str]:
    """The font, and those installed that have letters which it lacks."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return ['DejaVu Sans', *(name for name in FALLBACKS if name in installed), 'sans-serif']


def new_figure(height: float, title: str = '', width: float = WIDTH) -> 'Figure':
    """An empty figure whose parts do not overlap.

    Args:
        height: In inches.
        title: What it shows.
        width: In inches, by default that of a page.
    """
    from matplotlib.figure import Figure

    figure = Figure((width, height), layout='constrained')
    if title:
        figure.suptitle(title)
    return figure


def line_style(index: int) -> dict[str, str]:
    """Colour and dashes of the curve of that index."""
    dash = DASHES[index // len(PALETTE) % len(DASHES)]
    return dict(color=PALETTE[index % len(PALETTE)], linestyle=dash)


def marker_style(index: int) -> dict[str, str]:
    """Colour and shape of the points of that index; shapes change first where colours repeat."""
    shift = index // len(PALETTE)
    marker = MARKERS[(index + shift) % len(MARKERS)]
    return dict(color=PALETTE[index % len(PALETTE)], marker=marker, linestyle='none')


def curve_style(index: int) -> dict[str, str]:
    """Colour, dashes and shape of the points of a curve of few points."""
    return marker_style(index) | line_style(index)


def short_text(name: str, width: int = 24) -> str:
    """A name on one line, for a legend or a title: printable, its end left out if it is long.

    Args:
        name: Of a class or a file.
        width: In letters; those of East Asia count as two.
    """
    text = printable(name)
    ends = list(accumulate(2 if east_asian_width(letter) in 'WF' else 1 for letter in text))
    if not ends or ends[-1] <= width:
        return text
    return f'{text[: bisect_right(ends, width - 1)]}…'


def check_picture(path: Path, what: str = '--out', allowed: tuple[str, ...] = SUFFIXES) -> None:
    """Raise an InputError unless a picture can be written there: its suffix, and its folder."""
    if path.suffix.lower() not in allowed or not path.parent.is_dir():
        kinds = ', '.join(allowed)
        raise InputError(
            f'{what} {printable(path)}: allowed: a file {kinds} in a folder that exists'
        )


def save_figure(figure: 'Figure', path: str | Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix of the file, without a date in it.

    Prints a line if no installed font has some of its letters.

    Raises:
        InputError: For another suffix, or without the folder.
    """
    path = Path(path)
    check_picture(path, 'figure')
    kind = path.suffix.lower()[1:]
    dates = {'svg': {'Date': None, 'Creator': None}, 'pdf': {'CreationDate': None}}
    with styled(), _noting_missing_letters(path), atomic_file(path) as file:
        figure.savefig(file, format=kind, metadata=dates.get(kind))


@contextlib.contextmanager
def _noting_missing_letters(path: Path) -> Iterator[None]:
    """Turn matplotlib's warnings about missing glyphs into one line; an SVG needs none of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        yield
    texts = [str(warning.message) for warning in caught]
    codes = dict.fromkeys(int(found[1]) for text in texts if (found := _missing(text)))
    for warning, text in zip(caught, texts, strict=True):
        if not _missing(text):
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    if codes and path.suffix.lower() != '.svg':
        letters = ' '.join(map(chr, [*codes][:10]))
        print(
            f'{printable(path)}: no installed font has {letters}; they are drawn as boxes '
            '(Debian: apt install fonts-noto-cjk; or write .svg)'
        )


def _missing(text: str) -> re.Match[str] | None:
    return re.match(r'Glyph (\d+) .*missing', text)
