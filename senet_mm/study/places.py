"""Folders that are read for a run that may be a stranger's: what it shows may be sent on."""

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from senet_mm.utils.errors import InputError


def check_folders(given: Sequence[str | os.PathLike]) -> None:
    """Raise an InputError for a folder of a user that is none."""
    for folder in given:
        if not Path(folder).expanduser().is_dir():
            raise InputError(f'--data-root {folder} is no folder; allowed: a folder')


def add_data_root(parser: argparse.ArgumentParser) -> None:
    """Add ``--data-root DIR``, a list that is empty by default."""
    parser.add_argument(
        '--data-root',
        action='append',
        default=[],
        metavar='DIR',
        help='folder whose pictures may be read and shown, beside that of the run and the current '
        'one; where the data set is now, if it was moved (may be given several times)',
    )


class Places:
    """Where pictures, lists and checkpoints are read that a config names.

    Args:
        own: Folders that may be a stranger's, such as that of the run and the current one. What a
            link in them leads to is read if it is in one of the folders, too.
        given: Folders that the user has named; links in them are followed.
        started: The folder in which the training was started: relative paths are from there, too.
    """

    def __init__(
        self,
        own: Sequence[str | os.PathLike],
        given: Sequence[str | os.PathLike] = (),
        started: str | None = None,
    ) -> None:
        self.given = [Path(folder).expanduser().absolute() for folder in given]
        self.started = started
        self._inside = [os.path.realpath(folder) for folder in (*own, *self.given)]

    def has(self, path: str | os.PathLike) -> bool:
        """Whether a path is in one of the folders, and leads to none outside by a link."""
        try:
            real = Path(os.path.realpath(path))
        except (OSError, ValueError):  # a zero byte
            return False
        return any(real.is_relative_to(folder) for folder in self._inside) or self.is_given(path)

    def is_given(self, path: str | os.PathLike) -> bool:
        """Whether a path is in a folder that the user has named."""
        path = Path(path).absolute()
        return '..' not in path.parts and any(path.is_relative_to(each) for each in self.given)

    def check(self, path: str | os.PathLike, what: str) -> None:
        """Raise an InputError for a path that is not in one of the folders.

        Args:
            path: The path.
            what: What names it, for the message.
        """
        if not self.has(path):
            raise InputError(f'{what} is not read: {self.describe(path)}')

    def describe(self, path: str | os.PathLike) -> str:
        """What is wrong with a path outside, and the option that allows it."""
        folder = Path(path).absolute()
        folder = folder if folder.is_dir() else folder.parent
        return (
            f'{path} is neither in the folder of the run nor in the current one, or a link there '
            f'leads out; if it may be shown: --data-root {shlex.quote(str(folder))}'
        )

    def find(self, folder: str, what: str) -> str:
        """The folder of a data set: as it is named, or where the user says that it is now.

        Args:
            folder: As a config names it.
            what: The key of the config, for messages.

        Raises:
            InputError: It is not there, or not in one of the folders.
        """
        named = [os.path.expanduser(folder)]
        if self.started:
            named.append(os.path.join(self.started, named[0]))
        there = list(filter(os.path.isdir, named))
        moved = [str(each) for each in self.given]
        if found := [*filter(self.has, there), *moved]:
            return found[0]
        if there:
            self.check(there[0], f'{what}={folder!r}')
        raise InputError(
            f'{what}={folder!r}: there is no such folder here; allowed: --data-root DIR, where the '
            'data set is now'
        )
