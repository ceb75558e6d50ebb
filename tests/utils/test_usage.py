"""What a tool says of arguments that are no arguments."""

import argparse
import sys

import pytest

from ..conftest import ROOT, load_tool

TOOLS = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / 'tools').rglob('*.py')
    # Benchmarks load the packages that they compare with.
    if 'parse_args()' in path.read_text() and 'benchmarks' not in path.parts
)


@pytest.mark.parametrize('tool', TOOLS)
def test_an_argument_that_moves_the_cursor(tool, monkeypatch, capsys):
    loaded = load_tool(tool)
    monkeypatch.setattr(sys, 'argv', [tool, *['train'] * 4, '--bad\x1b[31m\n\x9b2J=1'])
    # What else is wrong with the arguments would be said first.
    monkeypatch.setattr(
        argparse.ArgumentParser,
        'parse_known_args',
        lambda parser, *_: (argparse.Namespace(), sys.argv[-1:]),
    )
    monkeypatch.setattr(
        argparse.ArgumentParser,
        'parse_known_intermixed_args',
        lambda parser, *_: (argparse.Namespace(), sys.argv[-1:]),
    )
    with pytest.raises(SystemExit) as ended:
        loaded.parse_args()
    assert ended.value.code == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.endswith(r'error: unrecognized arguments: --bad\u001b[31m \u009b2J=1')


@pytest.mark.parametrize('tool', ['tools/train.py', 'tools/predict.py', 'tools/ablate.py'])
def test_an_option_that_moves_the_cursor(tool, monkeypatch, capsys):
    arguments = ['a', 'b', '--cfg-options', 'note=own\x1b[31m(3']
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    with pytest.raises(SystemExit):
        load_tool(tool).parse_args()
    error = capsys.readouterr().err
    assert r'--cfg-options note=own\u001b[31m(3: allowed' in error
    assert '\x1b' not in error


def test_every_tool_uses_the_parser():
    for path in (ROOT / 'tools').rglob('*.py'):
        assert 'argparse.ArgumentParser(' not in path.read_text(), path
