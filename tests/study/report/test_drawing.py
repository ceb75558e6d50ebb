"""Curves of many runs: told apart, named once, and drawn where values can be."""

import re

import pytest

from senet_mm.study.report.charts import Chart, Line
from senet_mm.study.report.drawing import choose_drawing, draw_all
from senet_mm.utils.figures import PALETTE

NAMES = [f'config {"x" * 40} {i}' for i in range(9)]


def make_chart(names=NAMES, y=(1.0, 2.0)):
    lines = [Line(name, i, [1, 2], [value + i for value in y]) for i, name in enumerate(names)]
    return Chart('score', 'epoch', 'accuracy (%)', lines)


def draw(kind, *charts):
    if kind == 'plotly':
        pytest.importorskip('plotly')
    return draw_all(charts, choose_drawing(kind)[1])


@pytest.mark.parametrize('kind', ['svg', 'plotly'])
def test_one_legend_names_the_curves_of_all_charts(kind):
    page = draw(kind, make_chart(), make_chart(NAMES[:4]))
    [legend] = re.findall('<div class="legend">.*?</div>', page)
    assert re.findall('</svg>(.*?)</', legend) == NAMES
    assert '"showlegend":true' not in page
    rest = page.replace(legend, '')
    assert kind == 'plotly' or not any(name in rest for name in NAMES)


@pytest.mark.parametrize('kind', ['svg', 'plotly'])
def test_curves_differ_where_colours_repeat(kind):
    page = draw(kind, make_chart())
    entries = re.findall(r'<svg[^>]*stroke="(#\w+)".*?dasharray="(.*?)"/><path d="(.*?)"', page)
    assert len(set(entries)) == len(NAMES)
    assert len({color for color, *_ in entries}) == len(PALETTE)
    if kind == 'plotly':
        styles = re.findall(r'"line":({[^{]*?}),"marker":({"size.*?})', page)
        assert len(set(styles)) == len(NAMES)


def test_many_points_have_no_markers():
    long = Chart('', 'epoch', 'loss', [Line('a', 0, [*range(40)], [*range(40)])])
    assert '"mode":"lines"' in draw('plotly', long)
    assert '"mode":"lines+markers"' in draw('plotly', make_chart())


@pytest.mark.parametrize(
    ('starts', 'note'),
    [
        ([0, 0, 0], 'All curves are equal.'),
        ([0, 1, 0], 'Equal: a and c.'),
        ([0, 1e-9, 1, 1], 'Equal: a and b; c and d.'),
        ([0], ''),
        ([0, 1e-3], ''),
    ],
)
def test_covered_curves_are_named(starts, note):
    lines = [Line('abcd'[i], i, [1, 2], [start + 1, 2]) for i, start in enumerate(starts)]
    page = draw('svg', Chart('', 'epoch', 'learning rate', lines))
    assert re.findall('<p>(.*?)</p>', page) == [note] * bool(note)


def test_ticks_are_no_differences_from_an_offset():
    page = draw('svg', make_chart(['a'], (1.946025, 1.946175)))
    assert '+1.946' not in page
    assert '1.94610' in page
