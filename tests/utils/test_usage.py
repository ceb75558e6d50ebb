"""What a tool says of arguments that are no arguments."""

import argparse
import sys

import pytest

from senet_mm.utils.usage import ToolParser

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


DOCSTRING = """Do something.

python tools/a.py configs/a_long_name.py work_dirs/another/long/name.pth     --classes 0 1  # two
python tools/a.py  # all

Writes ``out.md``; this is text of a
paragraph.

environment:
  PORT   a port
"""


def test_help_of_a_docstring(monkeypatch):
    monkeypatch.setenv('COLUMNS', '60')
    parser = ToolParser(DOCSTRING, prog='a.py', epilog='The end.')
    parser.add_argument('--number', type=int, default=5, help='how many')
    parser.add_argument('--names', nargs='+', default=['a', '50%'], help='which')
    parser.add_argument('--none', help='text')
    parser.add_argument('--flag', action='store_true', help='whether')
    parser.add_argument('--said', default=3, help='by default three')
    text = parser.format_help()
    assert '\n\nDo something.\n\noptions:' in text
    assert 'how many (default: 5)\n' in text
    assert 'which (default: a 50%)\n' in text
    assert text.count('default') == 3
    assert text.endswith("""
# two
python tools/a.py configs/a_long_name.py \\
    work_dirs/another/long/name.pth --classes 0 1
python tools/a.py  # all

Writes `out.md`; this is text of a paragraph.

environment:
  PORT   a port

The end.
""")
