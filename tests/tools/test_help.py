"""``--help`` of every tool is fast: it imports no large package."""

import ast
import json
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
# Runs each tool in a child of its own; prints exit code, large modules and output by tool.
RUN = """
import io, json, os, runpy, sys
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
        found = code, sorted(set(large) & set(sys.modules)), sys.stdout.getvalue()
        os.write(writer, json.dumps(found).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        results[tool] = json.loads(pipe.read())
print(json.dumps(results))
"""


@pytest.fixture(scope='module')
def helped():
    """By tool: exit code, large modules, what it printed."""
    run = subprocess.run(
        [sys.executable, '-c', RUN],
        input=json.dumps([TOOLS, sorted(LARGE)]), capture_output=True, text=True, cwd=ROOT,
        check=True,
    )  # fmt: skip
    return json.loads(run.stdout)


@pytest.mark.parametrize('tool', TOOLS)
def test_help_imports_nothing_large(helped, tool):
    code, large, printed = helped[tool]
    assert (code, large) == (0, [])
    assert printed.startswith('usage: ')


def test_all_tools_are_found():
    assert len(TOOLS) > 25
