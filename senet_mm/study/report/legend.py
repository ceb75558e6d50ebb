"""One legend for the charts of a section: long names do not fit in each of them."""

import html
from collections.abc import Sequence

from senet_mm.utils.figures import curve_style
from senet_mm.utils.names import printable

from .charts import Chart

# Of a marker of matplotlib, around (16, 7), and of its dashes, as attributes of SVG.
MARKERS = {
    'o': 'M13 7a3 3 0 1 0 6 0a3 3 0 1 0-6 0z',
    's': 'M13 4h6v6h-6z',
    '^': 'M16 3l4 7h-8z',
    'D': 'M16 3l4 4-4 4-4-4z',
    'v': 'M16 11l-4-7h8z',
    'P': 'M15 3h2v3h3v2h-3v3h-2v-3h-3v-2h3z',
}
DASHES = {'-': 'none', '--': '6 3', ':': '2 2', '-.': '6 2 2 2'}
# A click on a name hides its curve in the charts of plotly of the section.
SCRIPT = """document.addEventListener('click', event => {
  const name = event.target.closest('.legend button');
  if (!name) return;
  const isShown = name.getAttribute('aria-pressed') !== 'true';
  name.setAttribute('aria-pressed', isShown);
  for (const chart of name.closest('.charts').querySelectorAll('.js-plotly-plot')) {
    const traces = [...chart.data.keys()].filter(i => chart.data[i].legendgroup === name.value);
    if (traces.length) Plotly.restyle(chart, {visible: isShown}, traces);
  }
});"""


def make_legend(charts: Sequence[Chart], hides: bool) -> str:
    """The names of the curves of some charts, with colour, dashes and marker.

    Args:
        charts: The charts.
        hides: Whether the names are buttons, for :data:`SCRIPT`.
    """
    names = {line.style: line.name for chart in charts for line in chart.lines}
    entries = (
        f'<button type="button" aria-pressed="true" value="{i}">{_entry(i, names[i])}</button>'
        if hides
        else f'<span>{_entry(i, names[i])}</span>'
        for i in sorted(names)
    )
    return f'<div class="legend">{"".join(entries)}</div>'


def _entry(index: int, name: str) -> str:
    style = curve_style(index)
    color, dash, marker = (style[key] for key in ('color', 'linestyle', 'marker'))
    return (
        f'<svg width="32" height="14" aria-hidden="true" stroke="{color}" fill="{color}">'
        f'<path d="M0 7h32" stroke-width="2" stroke-dasharray="{DASHES[dash]}"/>'
        f'<path d="{MARKERS[marker]}" stroke="none"/></svg>{html.escape(printable(name))}'
    )
