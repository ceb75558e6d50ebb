"""Every code block of every page is run, or says why it cannot be (see ``tests/blocks.py``)."""

import ast
from pathlib import Path

import pytest

from .blocks import KINDS, LANGUAGES, PAGES, READERS, RUN, Block, blocks_of, commands_of
from .conftest import ROOT
from .sandbox import LONG, Sandbox

BLOCKS = [block for page in PAGES for block in blocks_of(str(page.relative_to(ROOT)))]


@pytest.mark.parametrize('block', BLOCKS, ids=str)
def test_block_is_run_or_says_why_not(block):
    assert_marked(block)


def assert_marked(block: Block) -> None:
    """Fails for a block that is neither run nor marked with a reason."""
    assert block.language in LANGUAGES, f'{block}: a fence needs a language: {LANGUAGES}'
    assert block.kind in KINDS, f'{block}: a comment before it says how it is tested: {KINDS}'
    if block.language == 'python':
        compile(block.text, str(block), 'exec')
    if block.kind == 'not run':
        assert len(block.value.split()) >= 3, f'{block}: why is it not run?'
    if block.kind == 'run by':
        file, _, test = block.value.partition('::')
        names, calls = functions_and_calls(ROOT / file)
        assert test in names, f'{block}: {file} has no {test}'
        call = READERS[block.language].__name__, block.page, test
        assert call in calls, f'{block}: {file} does not call {call[0]}{call[1:]}'
    if block.kind == 'run on':
        same = [each for each in blocks_of(block.value) if each.text == block.text]
        assert {each.kind for each in same} & {*RUN, 'run by'}, f'{block}: is not run there'
    if block.kind == 'run with':
        assert any(LONG.search(command) for command in commands_of(block.text)), block


def functions_and_calls(file: Path) -> tuple[set[str], set[tuple[str, ...]]]:
    """Names of the functions of a file; its calls by name and the arguments that are texts."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    calls = [n for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    return {n.name for n in nodes if isinstance(n, ast.FunctionDef)}, {
        (call.func.id, *(arg.value for arg in call.args if isinstance(arg, ast.Constant)))
        for call in calls
    }


@pytest.mark.parametrize(
    'mark',
    ['', '<!-- not run -->\n', '<!-- not run: no -->\n', '<!-- ran -->\n',
     '<!-- run by: tests/test_blocks.py::test_nothing -->\n',
     '<!-- run by: tests/test_docs.py::test_commands_work -->\n', '<!-- run -->\n\n',
     '<!-- run on: README.md -->\n'],
)  # fmt: skip
def test_a_block_without_mark_or_reason_fails(mark):
    [block] = blocks_of('page.md', f'Text.\n\n{mark}```bash\nls\n```\n')
    with pytest.raises(AssertionError):
        assert_marked(block)
    [block] = blocks_of('page.md', '<!-- run -->\n```\nls\n```\n')
    with pytest.raises(AssertionError, match='language'):
        assert_marked(block)


PAGES_RUN = sorted({block.page for block in BLOCKS if block.kind in RUN})


@pytest.mark.parametrize('page', PAGES_RUN)
def test_blocks_of_a_page_run(page, run_tool, tmp_path):
    """In order, in one folder."""
    sandbox = Sandbox(tmp_path, run_tool)
    for block in blocks_of(page):
        if block.kind in RUN:
            sandbox.run(block)


@pytest.mark.parametrize(
    ('mark', 'code', 'error'),
    [
        ('config: resnet50_8xb32_in1k', 'python\ntrain_dataloadr = dict(batch_size=2)', ValueError),
        ('printed above', 'text\naccuracy: 97 %', AssertionError),
        ('run', "bash\ntest -e 'no such file'", AssertionError),
        ('run', 'python\nfrom senet_mm import get_modell', AssertionError),
    ],
)
def test_a_wrong_block_fails(mark, code, error, run_tool, tmp_path):
    [block] = blocks_of('page.md', f'<!-- {mark} -->\n```{code}\n```\n')
    sandbox = Sandbox(tmp_path, run_tool)
    sandbox.printed = 'loss: 97 %\n'
    with pytest.raises(error):
        sandbox.run(block)


def test_figures_of_a_page_are_those_of_another_run(run_tool, tmp_path):
    [block] = blocks_of('page.md', '<!-- printed above -->\n```text\nloss:\n1.5 %, ...\n```\n')
    sandbox = Sandbox(tmp_path, run_tool)
    sandbox.printed = 'the loss: 97 %, and so on\n'
    sandbox.run(block)
