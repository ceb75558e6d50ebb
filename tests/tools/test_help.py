"""``--help`` of every tool is fast: it imports no large package."""

import ast
import json
import os
import re
import subprocess
import sys

import pytest

from ..conftest import ROOT

LARGE = {'cv2', 'matplotlib', 'mmcv', 'mmengine', 'mmpretrain', 'scipy', 'sklearn', 'timm', 'torch',
         'torchvision', 'yapf'}  # fmt: skip


def is_command(path):
    """Whether a file does something when it is run."""
    return any(
        isinstance(node, ast.If) and '__main__' in ast.dump(node.test)
        for node in ast.parse(path.read_text()).body
    )


TOOLS = sorted(
    str(path.relative_to(ROOT)) for path in (ROOT / 'tools').rglob('*.py') if is_command(path)
)
# Tools that are run by a script.
WRAPPED = {'tools/benchmarks/gpu/run.py': 'tools/benchmarks/gpu.sh'}
# Runs each tool in a child of its own; prints exit code, large modules and output by tool.
RUN = """
import argparse, io, json, os, runpy, sys
print_help = argparse.ArgumentParser.print_help
bare = []

def note(self, *args):
    formatter = self._get_formatter()
    for action in self._actions:
        text = formatter._expand_help(action) if action.help else ''
        has_default = action.default not in (None, False, [], {}, '', argparse.SUPPRESS)
        if not text or (has_default and action.help != argparse.SUPPRESS and 'default' not in text):
            bare.append(action.dest)
    print_help(self, *args)

argparse.ArgumentParser.print_help = note
tools, large = json.loads(sys.stdin.read())
results = {}
for tool in tools:
    reader, writer = os.pipe()
    if os.fork() == 0:
        sys.argv, sys.path[0], sys.stdout = [tool, '--help'], os.path.dirname(tool), io.StringIO()
        code = None
        try:
            runpy.run_path(tool, run_name='__main__')
        except SystemExit as end:
            code = end.code
        found = code, sorted(set(large) & set(sys.modules)), sys.stdout.getvalue(), bare
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        results[tool] = json.loads(pipe.read())
print(json.dumps(results))
"""


@pytest.fixture(scope='module')
def helped():
    """By tool: exit code, large modules, what it printed, options that lack a text or default."""
    run = subprocess.run(
        [sys.executable, '-c', RUN],
        input=json.dumps([TOOLS, sorted(LARGE)]), capture_output=True, text=True, cwd=ROOT,
        check=True, env={**os.environ, 'COLUMNS': '80'},
    )  # fmt: skip
    return json.loads(run.stdout)


@pytest.mark.parametrize('tool', TOOLS)
def test_help_imports_nothing_large(helped, tool):
    code, large, printed, _ = helped[tool]
    assert (code, large) == (0, [])
    assert printed.startswith('usage: ')


@pytest.mark.parametrize('tool', TOOLS)
def test_help_has_texts_defaults_and_an_example(helped, tool):
    _, _, printed, bare = helped[tool]
    assert bare == []
    assert [line for line in printed.splitlines() if len(line) > 80] == []
    named = re.findall(r'(?:tools|\.dev_scripts)/[\w/]+\.(?:py|sh)\b', printed)
    missing = [path for path in named if not (ROOT / path).is_file()]
    assert missing == []
    assert tool in named or WRAPPED.get(tool) in named


def test_all_tools_are_found():
    assert len(TOOLS) > 25
