"""The site in a browser, opened as files, with the network cut."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_pages_opened_as_files_find_what_is_searched(browser, tmp_path):
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True)
    tab = browser.new_page()
    errors = []
    tab.on('console', lambda said: errors.append(said.text) if said.type == 'error' else None)
    tab.on('pageerror', lambda error: errors.append(str(error)))
    tab.goto((tmp_path / 'index.html').as_uri())
    tab.fill('.md-search__input', 'with_se')
    tab.wait_for_selector('.md-search-result__item')
    found = tab.locator('.md-search-result__link').evaluate_all('links => links.map(a => a.href)')
    assert any('recalibration.html' in link for link in found)
    assert errors == []
    tab.close()
