"""The report in a browser, with the network cut."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from senet_mm.study.report import report_runs

ROOT = Path(__file__).parents[1]
CONFIGS = ('resnet8_1xb64_digits', 'seresnet8_1xb64_digits')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Two configs with three seeds; of each config one run is trained, the others are copies."""
    folder = tmp_path_factory.mktemp('ablation')
    command = [
        sys.executable, 'tools/ablate.py', *CONFIGS, '--seeds', '1', '--jobs', '2',
        '--work-dir', str(folder), '--cfg-options', 'train_cfg.max_epochs=2',
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True)
    for config in CONFIGS:
        for seed in (1, 2):
            copy = shutil.copytree(folder / config / 'seed-0', folder / config / f'seed-{seed}')
            [record] = copy.glob('*/run.json')
            record.write_text(json.dumps(json.loads(record.read_text()) | dict(seed=seed)))
    return folder


@pytest.mark.parametrize('charts', ['plotly', 'svg'])
@pytest.mark.parametrize('width', [400, 1280])
def test_the_page_opens_without_errors(browser, folder, charts, width):
    page = folder / f'{charts}.html'
    if not page.exists():
        report_runs([folder], page, charts=charts)
    assert page.stat().st_size < 8e6
    tab = browser.new_page(viewport=dict(width=width, height=900))
    said, asked = [], []
    tab.on('console', lambda message: said.append(message.text))
    tab.on('pageerror', lambda error: said.append(str(error)))
    tab.on('request', lambda request: asked.append(request.url))
    tab.goto(page.as_uri())
    tab.wait_for_load_state()
    assert said == []
    assert [url for url in asked if not url.startswith(('data:', 'blob:'))] == [page.as_uri()]
    assert tab.evaluate('document.documentElement.scrollWidth <= innerWidth')
    titles = tab.locator('h2').all_text_contents()
    assert titles[-1] == 'To repeat a run'
    figures = tab.locator('.charts > figure')
    assert figures.count() >= 9
    for figure in figures.all():
        # A chart is no wider than its place, and has a curve for each config or stage.
        assert figure.evaluate('f => f.scrollWidth <= f.clientWidth + 1')
    if charts == 'plotly':
        assert tab.locator('.js-plotly-plot .scatterlayer .trace').count() >= 2 * 7
    tab.close()
