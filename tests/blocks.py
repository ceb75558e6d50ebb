"""The code blocks of the pages, each with the comment before it that says how it is tested.

`<!-- run -->`                  runs as it stands, in the page's folder, after the blocks before it
`<!-- run: FILE -->`            the same; of the files that it names only FILE is there before
`<!-- run with: ARGS -->`       the same; ARGS are added to each of its commands that takes long
`<!-- run by: FILE::TEST -->`   a test reads it from the page (`READERS`) and runs it
`<!-- run on: PAGE -->`         that page has the same block, and it is run there
`<!-- config -->`               a config; `<!-- config: NAME -->` part of one, on top of that recipe
`<!-- printed by: COMMAND -->`  what a tool prints
`<!-- printed above -->`        what the block above prints
`<!-- not run: REASON -->`      is not run
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .conftest import ROOT

PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted(ROOT.glob('docs/**/*.md'))]
PAGES += sorted(ROOT.glob('configs/*/README.md'))
FENCE = re.compile(
    r'^(?P<open> *(?:```+|~~~+))(?P<language>.*)\n(?P<text>(?s:.*?))^(?P=open) *$', re.M
)
MARK = re.compile(r'<!-- (?P<kind>[a-z ]+?)(?:: (?P<value>(?:(?!-->).)*?))? -->\n\Z', re.S)
RUN = {'run', 'run with', 'config', 'printed by', 'printed above'}  # in a sandbox
KINDS = {*RUN, 'run by', 'run on', 'not run'}
LANGUAGES = {'bash', 'python', 'text'}


@dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: str
    line: int
    language: str
    text: str
    kind: str
    value: str

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'


def blocks_of(page: str, text: str | None = None) -> list[Block]:
    """All blocks of a page, a path relative to the repository."""
    text = (ROOT / page).read_text() if text is None else text
    blocks = []
    for fence in FENCE.finditer(text):
        mark = MARK.search(text[: fence.start()].rpartition('\n\n')[2])
        kind, value = (mark['kind'], mark['value'] or '') if mark else ('', '')
        line = text.count('\n', 0, fence.start()) + 1
        blocks.append(
            Block(page, line, fence['language'], fence['text'], kind, ' '.join(value.split()))
        )
    return blocks


def commands_of(text: str) -> list[str]:
    """The commands of a shell block, continued lines joined, comments left out."""
    lines = text.replace('\\\n', '').splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def texts_run_by(page: str, test: str) -> list[str]:
    """The blocks of a page that name a test and are no commands: scripts, what is printed."""
    return [block.text for block in _run_by(page, test) if block.language != 'bash']


def commands_run_by(page: str, test: str) -> list[str]:
    """The commands of the blocks of a page that name a test."""
    return commands_of(''.join(b.text for b in _run_by(page, test) if b.language == 'bash'))


# Functions by which a test reads what it is to run, by the language of the block.
READERS = {'bash': commands_run_by, 'python': texts_run_by, 'text': texts_run_by}


def _run_by(page: str, test: str) -> list[Block]:
    return [block for block in blocks_of(page) if block.value.endswith(f'::{test}')]


def words_of(command: str, meant: Mapping[str, object] = MappingProxyType({})) -> list[str]:
    """The words of a command behind ``python``, as ``run_tool`` takes them.

    Args:
        command: As it stands on a page.
        meant: What stands for words of the page in a test; each must be there.
    """
    words = shlex.split(command, comments=True)
    if words[0].endswith('python'):
        del words[0]
    assert set(meant) <= set(words), f'{command}: has no {set(meant) - set(words)}'
    return [str(meant.get(word, word)) for word in words]


def is_shown(text: str, printed: str) -> bool:
    """Whether a page shows what is printed: its lines are broken, and its figures another run's."""
    shown, whole = (re.sub(r'\d[\d.,]*|\s+', '', part) for part in (text, printed))
    return all(part in whole for part in shown.split('...'))
