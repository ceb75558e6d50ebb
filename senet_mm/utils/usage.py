"""Arguments of tools."""

import argparse
import os
import re
import textwrap
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from .errors import InputError, one_line
from .progress import be_quiet

COMMAND = re.compile(r'\.?[\w./-]*(python|make|bash|sbatch|tools/|\.dev_scripts/)')


class HelpFormatter(argparse.HelpFormatter):
    """Help with the defaults of options; commands and tables of a docstring keep their lines."""

    def _get_help_string(self, action: argparse.Action) -> str:
        """The text of an option; its default is added unless the text names it."""
        text = action.help or ''
        default = action.default
        shows = default is not None and default is not False and default not in ([], {}, '')
        takes = action.option_strings or action.nargs in ('?', '*')
        if not (shows and takes) or default == argparse.SUPPRESS or 'default' in text:
            return text
        if isinstance(default, list | tuple):
            return f'{text} (default: {" ".join(map(str, default)).replace("%", "%%")})'
        return f'{text} (default: %(default)s)'

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Wrap paragraphs; keep the lines of commands, what is indented, and what has columns."""
        parts = re.split(r'\n\s*\n', text.strip('\n').replace('``', '`'))
        return '\n\n'.join(self._fill_part(part, width, indent) for part in parts)

    def _fill_part(self, part: str, width: int, indent: str) -> str:
        if not (COMMAND.match(part) or part.startswith('  ') or '\n  ' in part):
            return super()._fill_text(part, width, indent)
        lines = [line for text in part.split('\n') for line in break_command(text, width)]
        return '\n'.join(indent + line for line in lines)


class ToolParser(argparse.ArgumentParser):
    """A parser for a tool, whose errors are one line, without what a terminal would act on.

    Args:
        description: What the tool does, such as its docstring: the first paragraph stands before
            the options, the rest, with the examples, after them.
    """

    def __init__(self, description: str | None = None, **options: Any) -> None:
        first, _, rest = (description or '').strip().partition('\n\n')
        rest = '\n\n'.join(filter(None, [rest, options.pop('epilog', None)]))
        options.setdefault('formatter_class', HelpFormatter)
        super().__init__(description=first or None, epilog=rest or None, **options)

    def error(self, message: str) -> NoReturn:
        """Print usage and message, and end with 2."""
        super().error(one_line(message))


class RankParser(ToolParser):
    """A parser of which one process of each machine prints help and errors."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if _is_first():
            super()._print_message(message, file)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        """End the process; where that fails the group, the one that prints has time to."""
        if status and not _is_first():
            time.sleep(10)  # until the launcher ends this process
        super().exit(status, message)


class QuietAction(argparse.Action):
    """Shows no progress from here on."""

    def __call__(self, *args: object, **kwargs: object) -> None:
        be_quiet()


def add_screen_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--quiet``, which acts where it is read, and ``--traceback``."""
    parser.add_argument(
        '--quiet', action=QuietAction, nargs=0, default=argparse.SUPPRESS,
        help='show no progress, only warnings, errors and results',
    )  # fmt: skip
    parser.add_argument('--traceback', action='store_true', help='show the traceback of any error')


def break_command(line: str, width: int) -> list[str]:
    """A command, or a line of a table, in lines of a width; a comment goes above its command."""
    is_command = COMMAND.match(line)
    if is_command:
        # A continuation in a docstring leaves only the indent of the next line.
        command, mark, comment = line.partition('  # ')
        line = re.sub(' +', ' ', command.rstrip())
        if mark and len(f'{line}  # {comment}') <= width:
            return [f'{line}  # {comment}']
        if mark:
            return [f'# {comment}', *break_command(line, width)]
    if len(line) <= width:
        return [line]
    start = ' ' * (len(line) - len(line.lstrip()) + 4)
    lines = textwrap.wrap(
        line, width - 2, subsequent_indent=start, break_long_words=False, break_on_hyphens=False
    )
    return [f'{each} \\' for each in lines[:-1]] + lines[-1:] if is_command else lines


def name_option(name: str) -> str:
    """An argument as it stands on the command line: ``--batch-size``."""
    return f'--{name.replace("_", "-")}'


def check_leasts(args: argparse.Namespace, leasts: Mapping[str, float]) -> None:
    """Raise an InputError for numbers below their least one; a list counts by its smallest.

    Arguments that a tool has not, or that are None, are passed over.
    """
    for name, least in leasts.items():
        given = getattr(args, name, None)
        numbers = given if isinstance(given, list) else [given]
        if any(number is not None and number < least for number in numbers):
            text = ' '.join(map(str, numbers))
            raise InputError(f'{name_option(name)} {text}: allowed: {least} and more')


def _is_first() -> bool:
    """Whether this is the first process of its machine, by torchrun or Slurm."""
    return os.environ.get('LOCAL_RANK', os.environ.get('SLURM_LOCALID', '0')) == '0'
