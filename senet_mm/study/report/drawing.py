"""Charts as HTML: with plotly, or as matplotlib's SVG without it."""

import html
import importlib.util
import io
import re
from collections.abc import Callable, Sequence

from senet_mm.utils.errors import InputError
from senet_mm.utils.figures import curve_style, styled
from senet_mm.utils.names import printable

from .charts import Chart, Line
from .legend import SCRIPT, make_legend

HEIGHT = 300  # pixels of a chart of plotly
SIZE = (5.0, 2.8)  # inches of another one
# A curve of more points has no markers.
MOST_MARKERS = 30
# What plotly calls dashes and markers of matplotlib.
DASHES = {'-': 'solid', '--': 'dash', ':': 'dot', '-.': 'dashdot'}
SYMBOLS = {
    'o': 'circle', 's': 'square', '^': 'triangle-up', 'D': 'diamond', 'v': 'triangle-down',
    'P': 'cross',
}  # fmt: skip
GRID = 'rgba(128,128,128,0.3)'
# Stands for the colour of the page's text, which is light or dark.
TEXT = '#010203'
KINDS = ('auto', 'plotly', 'svg')

# Draws a chart with its number on the page.
Draw = Callable[[Chart, int], str]


def choose_drawing(kind: str) -> tuple[str, Draw]:
    """What the page needs once, and what draws a chart.

    Args:
        kind: One of ``KINDS``; ``auto`` is plotly where it is installed.

    Raises:
        InputError: plotly is asked for and is not installed.
    """
    has_plotly = importlib.util.find_spec('plotly') is not None
    if kind == 'plotly' and not has_plotly:
        raise InputError(
            '--charts plotly: plotly is not installed; allowed: svg, or to install the extra report'
        )
    if kind == 'svg' or not has_plotly:
        return '', draw_svg
    from plotly.offline import get_plotlyjs

    return f'<script id="plotly">{get_plotlyjs()}\n{SCRIPT}</script>', draw_plotly


def draw_plotly(chart: Chart, number: int) -> str:
    """A chart that can be zoomed."""
    from plotly.io import to_html

    axis = dict(gridcolor=GRID, zerolinecolor=GRID, linecolor=GRID)
    x_title, y_title = (dict(text=_escape(label)) for label in (chart.x_label, chart.y_label))
    figure = dict(
        data=[trace for line in chart.lines for trace in _traces(line)],
        layout=dict(
            # Margins of labels on one side alone: on two, they can change in turns without an end.
            xaxis=dict(title=x_title, dtick=_tick(chart), automargin='bottom', **axis),
            yaxis=dict(title=y_title, automargin='left', **axis),
            height=HEIGHT,
            margin=dict(l=10, r=16, t=12, b=10),
            paper_bgcolor='rgba(0,0,0,0)',
            plot_bgcolor='rgba(0,0,0,0)',
            showlegend=False,
            hovermode='closest',
            hoverlabel=dict(namelength=-1),
        ),
    )
    return to_html(
        figure, config=dict(displaylogo=False, responsive=True), include_plotlyjs=False,
        full_html=False, div_id=f'chart-{number}', default_height=HEIGHT,
    )  # fmt: skip


def _tick(chart: Chart) -> int | None:
    """One epoch between the ticks of a short axis, which else has halves."""
    ends = [x for line in chart.lines for x in line.x]
    return 1 if max(ends) - min(ends) <= 10 else None


def _traces(line: Line) -> list[dict]:
    """A curve, and the band of its interval."""
    style, group = curve_style(line.style), str(line.style)
    color = style['color']
    curve = dict(
        type='scatter', x=line.x, y=line.y, name=_escape(line.name), legendgroup=group,
        mode='lines+markers' if len(line.x) <= MOST_MARKERS else 'lines',
        line=dict(color=color, dash=DASHES[style['linestyle']]),
        marker=dict(symbol=SYMBOLS[style['marker']], size=7),
    )  # fmt: skip
    band = _band(line)
    if not band:
        return [curve]
    x, low, high = zip(*band, strict=True)
    area = dict(
        type='scatter', x=[*x, *x[::-1]], y=[*low, *high[::-1]], fill='toself', hoverinfo='skip',
        fillcolor=color, opacity=0.2, mode='none', legendgroup=group,
    )  # fmt: skip
    return [area, curve]


def _band(line: Line) -> list[tuple[float, float, float]]:
    """Places with an interval, and its bounds."""
    rows = zip(line.x, line.low, line.high, strict=False)
    return [(x, low, high) for x, low, high in rows if low is not None and high is not None]


def _escape(text: str) -> str:
    """A text for plotly, which reads some HTML in texts."""
    return html.escape(printable(text))


def draw_svg(chart: Chart, number: int) -> str:
    """A chart whose text is text, in the colour of the page."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    parts = ('text.color', 'axes.labelcolor', 'axes.edgecolor', 'xtick.color', 'ytick.color')
    style = {'svg.hashsalt': str(number), 'font.family': 'sans-serif', **dict.fromkeys(parts, TEXT)}
    with styled(), mpl.rc_context(style):  # type: ignore[arg-type]  # names of settings
        figure = Figure(figsize=SIZE, layout='constrained')
        axes = figure.add_subplot()
        for line in chart.lines:
            _plot(axes, line)
        axes.set_xlabel(printable(chart.x_label))
        axes.set_ylabel(printable(chart.y_label))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color=TEXT, alpha=0.15)
        axes.spines[['top', 'right']].set_visible(False)
        file = io.StringIO()
        metadata = dict.fromkeys(('Date', 'Creator', 'Format', 'Type'))
        figure.savefig(file, format='svg', transparent=True, metadata=metadata)
    return _inline(file.getvalue(), chart.title)


def _plot(axes, line: Line) -> None:  # type: ignore[no-untyped-def]  # matplotlib is imported late
    style = curve_style(line.style)
    if len(line.x) > MOST_MARKERS:
        style['marker'] = ''
    axes.plot(line.x, line.y, markersize=4, **style)
    if band := _band(line):
        axes.fill_between(*zip(*band, strict=True), color=style['color'], alpha=0.2, linewidth=0)


def _inline(svg: str, title: str) -> str:
    """An SVG for the body of a page: no addresses, the page's colour, as wide as its place."""
    svg = svg[svg.index('<svg') :]
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', '', svg)
    svg = re.sub(r'<metadata>.*?</metadata>', '', svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1', svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r'\1', svg, count=1)
    label = html.escape(printable(title))
    svg = svg.replace('<svg', f'<svg role="img" aria-label="{label}"', 1)
    return svg.replace(TEXT, 'currentColor')


def draw_all(charts: Sequence[Chart], draw: Draw, first: int = 0) -> str:
    """Charts with their titles, side by side where there is room, below a legend for all."""
    figures = (
        f'<figure><figcaption>{html.escape(printable(chart.title))}</figcaption>'
        f'{draw(chart, first + i)}{_note_equal(chart)}</figure>'
        for i, chart in enumerate(charts)
    )
    legend = make_legend(charts, hides=draw is draw_plotly)
    return f'<div class="charts">{legend}{"".join(figures)}</div>'


def _note_equal(chart: Chart) -> str:
    """Which curves cannot be seen, because others lie on them."""
    equal = chart.find_equal()
    if not equal:
        return ''
    if len(equal[0]) == len(chart.lines):
        return '<p>All curves are equal.</p>'
    names = '; '.join(' and '.join(printable(line.name) for line in lines) for lines in equal)
    return f'<p>Equal: {html.escape(names)}.</p>'
