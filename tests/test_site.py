"""The built site: the API reference has every name that its pages list, and links between them."""

import importlib
import re
import subprocess
import sys

import pytest
import yaml

from .conftest import ROOT

pytestmark = pytest.mark.slow

ENTRY = re.compile(r'^::: (?P<name>[\w.]+)\n(?:    options: (?P<options>\{.*\})\n)?', re.M)
API = sorted((ROOT / 'docs/api').glob('*.md'))


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """The folder of the site, built as ``make docs`` does."""
    folder = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', str(folder)]
    build = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert build.returncode == 0, build.stderr
    return folder


def names_of(page):
    """What a page of the reference lists: objects, and the members of modules."""
    for entry in ENTRY.finditer(page.read_text()):
        options = yaml.safe_load(entry['options'] or '{}')
        if options.get('show_root_heading', True):
            yield entry['name']
        else:
            members = options.get('members') or importlib.import_module(entry['name']).__all__
            yield from (f'{entry["name"]}.{member}' for member in members)


@pytest.mark.parametrize('page', API, ids=lambda page: page.stem)
def test_every_listed_name_is_documented(site, page):
    """Its heading is there, and a text follows it before the next name."""
    html = (site / f'api/{page.stem}.html').read_text()
    parts = re.split(r'<h\d id="([\w.]+)" class="doc', html)[1:]
    texts = dict(zip(parts[::2], parts[1::2], strict=True))
    names = list(names_of(page))
    assert names
    assert [name for name in names if '<p>' not in texts.get(name, '')] == []


def test_signatures_calls_and_links(site):
    """A class has its constructor's signature and its call; names in docstrings are links."""
    html = (site / 'api/apis.html').read_text()
    assert 'id="senet_mm.apis.Classifier.__call__"' in html
    head = html.partition('id="senet_mm.apis.Classifier"')[2].partition('doc-contents')[0]
    assert 'doc-signature' in head
    deploy = (site / 'api/deploy.html').read_text()
    assert '#senet_mm.deploy.write_record"><code>write_record</code></a>' in deploy
    for page in API:
        assert not re.search(r':[a-z]+:<code>', (site / f'api/{page.stem}.html').read_text())


def test_names_that_pages_use_are_documented(site):
    """What the pages import from the project in Python, by any of the paths that lead there."""
    imports = re.compile(r'^from (senet_mm[\w.]*) import ([\w, ]+)$', re.M)
    reference = {
        name.rpartition('.')[2]
        for page in API
        for name in re.findall(r'<h\d id="([\w.]+)"', (site / f'api/{page.stem}.html').read_text())
    }
    used = {
        name
        for page in [ROOT / 'README.md', *(ROOT / 'docs').glob('*.md')]
        for _, names in imports.findall(page.read_text())
        for name in names.split(', ')
    }
    assert used
    assert used <= reference


def test_search_needs_no_server(site):
    """The index is a script, and what searches in it is part of the site."""
    assert (site / 'search/search_index.js').read_text().startswith('var __index')
    scripts = re.findall(r'<script[^>]* src="([^"]+)"', (site / 'index.html').read_text())
    assert 'assets/iframe-worker.js' in scripts
    assert all((site / script).exists() for script in scripts)
