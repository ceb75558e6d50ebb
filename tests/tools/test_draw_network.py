"""Pictures of networks by the command."""

import subprocess
import sys

import pytest

from ..conftest import ROOT, load_tool

TOOL = 'tools/visualization/draw_network.py'
DIGITS = 'seresnet8_1xb64_digits'


@pytest.fixture
def call(monkeypatch, capsys):
    """Call the tool in this process; returns what it prints."""
    tool = load_tool(TOOL)

    def run(*arguments):
        monkeypatch.setattr('sys.argv', [TOOL, *map(str, arguments)])
        tool.main(tool.parse_args())
        return capsys.readouterr().out

    return run


def test_svg_and_png(call, tmp_path):
    printed = call(DIGITS, '--work-dir', tmp_path)
    svg = tmp_path / 'network.svg'
    assert printed == f'{svg}: 6 stages, 2 kinds of blocks\n'
    text = svg.read_text()
    for part in (DIGITS, 'SE, 16→1→16', 'image 1\u00d78\u00d78; 75.79 k', '+', 'SELayer'):
        assert f'>{part}' in text
    call(DIGITS, '--work-dir', tmp_path)
    assert svg.read_text() == text  # the same network gives the same file

    png = tmp_path / 'large.png'
    call(DIGITS, '--out', png, '--shape', 16, 8, '--cfg-options', 'model.se.stages=(4,)')
    assert png.read_bytes().startswith(b'\x89PNG')


MISTAKES = {
    ('--out', 'picture.jpg'): '--out picture.jpg: allowed: a file .png, .svg, .pdf in a '
    'folder that exists',
    ('--out', 'no/net.svg'): '--out no/net.svg: allowed: a file .png, .svg, .pdf in a '
    'folder that exists',
    ('--shape', '1', '2', '3'): '--shape 1 2 3: allowed: SIZE or HEIGHT WIDTH',
}


@pytest.mark.parametrize('arguments', MISTAKES, ids=' '.join)
def test_a_mistake_is_one_line(call, arguments):
    with pytest.raises(ValueError) as error:  # noqa: PT011, the message is compared below
        call(DIGITS, *arguments)
    assert str(error.value) == MISTAKES[arguments]


def test_help_has_an_example():
    run = subprocess.run(
        [sys.executable, TOOL, '--help'], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert 'python tools/visualization/draw_network.py' in run.stdout
    assert 'default: network.svg' in ' '.join(run.stdout.split())
