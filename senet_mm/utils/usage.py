"""Arguments of tools."""

import argparse
import os
import time
from collections.abc import Mapping
from typing import Any, NoReturn

from .errors import InputError, one_line
from .progress import be_quiet


class ToolParser(argparse.ArgumentParser):
    """A parser whose errors are one line, without what a terminal would act on."""

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


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Add ``--quiet``, which acts where it is read."""
    parser.add_argument(
        '--quiet', action=QuietAction, nargs=0, default=argparse.SUPPRESS,
        help='show no progress, only warnings, errors and results',
    )  # fmt: skip


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
