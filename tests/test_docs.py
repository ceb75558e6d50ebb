"""The README is short, points at what exists, and its commands work as they stand."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT

README = (ROOT / 'README.md').read_text()
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *ROOT.glob('docs/*.md')]


def test_readme_is_short():
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page):
    text = page.read_text()
    links = re.findall(r'\]\((?!http)([^)#]+)', text)
    paths = re.findall(r'(?<![\w/])(?:configs|senet_mm|tools|tests)/[\w./-]*[\w/]', text)
    assert paths
    for path in links + paths:
        assert (ROOT / path).exists(), path


def test_every_config_is_in_the_table():
    for path in ROOT.glob('configs/[!_]*/*.py'):
        assert f'({path.relative_to(ROOT)})' in README


def commands():
    """The commands of the README's bash blocks, continued lines joined."""
    blocks = re.findall(r'```bash\n(.*?)```', README, re.S)
    lines = ''.join(blocks).replace('\\\n', '').splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def test_commands_work(tmp_path):
    """In order, from a folder that looks like the clone, with the environment's Python."""
    for name in ('configs', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ['PATH']])
    for command in commands():
        run = subprocess.run(
            shlex.split(command),
            cwd=tmp_path,
            env={**os.environ, 'PATH': path},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert run.returncode == 0, f'{command}\n{run.stderr}'
    assert (tmp_path / 'work_dirs/ratio4/epoch_5.pth').exists()
