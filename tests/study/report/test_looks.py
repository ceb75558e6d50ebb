"""What a browser makes of the parts of a page on a narrow screen."""

import os
from pathlib import Path

import pytest

from senet_mm.evaluation.class_report import score_classes
from senet_mm.study import report
from senet_mm.study.report.charts import Chart, Line
from senet_mm.study.report.drawing import choose_drawing, draw_all
from senet_mm.study.report.network_sections import _class_table, _matrix

CHROMIUM = '/usr/bin/chromium'
STYLE = Path(report.__file__).with_name('style.css')
NAMES = ['Katze', 'sea urchin', 'quote', 'zebra', 'Bücherregal mit Glastüren', 'ox', 'fly', 'hen']

sync_playwright = pytest.importorskip('playwright.sync_api').sync_playwright
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.access(CHROMIUM, os.X_OK), reason="needs Debian's chromium"),
]


@pytest.fixture(scope='module')
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=['--no-sandbox'])
        yield chromium
        chromium.close()


def show(browser, body, head='', width=400):
    tab = browser.new_page(viewport=dict(width=width, height=800))
    tab.set_content(f'<html><head><style>{STYLE.read_text()}</style>{head}</head>{body}</html>')
    return tab


def heights(tab, selector):
    return tab.eval_on_selector_all(selector, 'found => found.map(each => each.offsetHeight)')


def test_numbers_of_classes_are_on_one_line(browser):
    labels = [*range(len(NAMES))] * 500
    found = score_classes(labels, [*labels[:-1], 0], NAMES)
    tab = show(browser, _class_table(found))
    assert max(heights(tab, 'tbody tr')) < 30


def test_heads_of_the_matrix_are_whole_words(browser):
    labels = [*range(len(NAMES))] * 5
    found = score_classes(labels, labels, NAMES)
    tab = show(browser, _matrix(found, found.confusion))
    [*widths] = tab.eval_on_selector_all(
        'thead span', 'found => found.map(each => each.getBoundingClientRect().width)'
    )
    assert len(widths) == len(NAMES)
    assert max(widths) < 30
    assert max(heights(tab, 'thead tr')) < 200


def test_a_click_on_a_name_hides_its_curves(browser):
    pytest.importorskip('plotly')
    head, draw = choose_drawing('plotly')
    lines = [Line(name, i, [1, 2], [i, i], [i, i], [i + 1, i + 1]) for i, name in enumerate('abc')]
    charts = [Chart('first', 'epoch', '%', lines), Chart('second', 'epoch', 's', lines[:2])]
    tab = show(browser, draw_all(charts, draw), head)
    shown = """() => [...document.querySelectorAll('.js-plotly-plot')].map(
        chart => chart.data.filter(line => line.visible !== false).length)"""
    assert tab.evaluate(shown) == [6, 4]
    tab.click('.legend button:nth-child(3)')
    assert tab.evaluate(shown) == [4, 4]
    tab.click('.legend button:nth-child(1)')
    assert tab.evaluate(shown) == [2, 2]
    tab.click('.legend button:nth-child(3)')
    assert tab.evaluate(shown) == [4, 2]


def test_plotly_warns_of_nothing(browser):
    """As it did of margins that the highest label and the height of the axis changed in turns."""
    pytest.importorskip('plotly')
    head, draw = choose_drawing('plotly')
    line = Line('a', 0, [1, 2], [3.927342286451434, 3.6295676612986174])
    page = draw_all([Chart('', 'epoch', '% of time', [line])], draw)
    tab = show(browser, '')
    warnings = []
    tab.on('console', lambda message: warnings.append(message.text))
    tab.set_content(f'<html><head><style>{STYLE.read_text()}</style>{head}</head>{page}</html>')
    tab.wait_for_selector('.js-plotly-plot .xtick')
    assert warnings == []
