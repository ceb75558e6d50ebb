"""Capture a training in terminals of 80 and 120 columns for docs/runs.md; needs tmux.

python .dev_scripts/capture_run.py
"""

import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from senet_mm.utils.tables import fill_in

ROOT = Path(__file__).parents[1]
PAGE = ROOT / 'docs/runs.md'
CONFIG = 'configs/digits/seresnet8_1xb64_digits.py'
FOLDER = 'work_dirs/seen'
ROWS = 34
# Before the table.
START = re.compile(r'(?m)^(?=.* - training of )')
# In an epoch that knows the score of the first one.
SECOND = re.compile(r'epoch 2/30 .* [1-9]\d*/19 iterations')
# tests/blocks.py wants it.
MARK = '<!-- not run: a capture of a terminal, made by .dev_scripts/capture_run.py -->'
# Seconds to wait for a text.
PATIENCE = 120


def tmux(*arguments: str) -> str:
    """Output of a command of tmux, on a server of our own and without a user's settings."""
    command = ['tmux', '-L', 'capture', '-f', '/dev/null', *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def wait_for(is_there: Callable[[str], object]) -> str:
    """The screen, when it shows what is waited for."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        screen = tmux('capture-pane', '-p')
        if is_there(screen):
            return screen.strip('\n')
        time.sleep(0.05)
    raise TimeoutError(f'not seen in {PATIENCE} s:\n{screen}')


def capture(columns: int) -> str:
    """A block of a page: the middle of a training, and its end."""
    shutil.rmtree(ROOT / FOLDER, ignore_errors=True)
    train = f'python tools/train.py {CONFIG} --work-dir {FOLDER}'
    tmux('new-session', '-d', '-x', str(columns), '-y', str(ROWS), f'{train}; sleep {PATIENCE}')
    try:
        middle = wait_for(lambda screen: 'best top1' in screen and SECOND.search(screen))
        end = wait_for(lambda screen: 'the training is complete' in screen)
    finally:
        tmux('kill-server')
    middle = START.split(middle, maxsplit=1)[1]
    end = end[end.index('the training is complete') :]
    start = f'{MARK}\n```text'
    return f'{start}\n{middle}\n```\n\nand at the end\n\n{start}\n{end}\n```\n'


def main() -> None:
    page = PAGE.read_text()
    for columns in (80, 120):
        page = fill_in(page, f'run-{columns}', capture(columns))
    PAGE.write_text(page)
    shutil.rmtree(ROOT / FOLDER)


if __name__ == '__main__':
    main()
