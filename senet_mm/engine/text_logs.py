"""Logs in files; one that cannot be written does not end a training."""

import contextlib
import logging
import os
import sys
from typing import TextIO

from mmengine.logging import print_log
from mmengine.visualization import LocalVisBackend as _LocalVisBackend

from senet_mm.registry import VISBACKENDS


class LogFile(logging.FileHandler):
    """Python's handler; it makes its file anew if that was removed, and says once that it cannot.

    Lines of that time may be missing afterwards.
    """

    has_failed = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if not os.path.exists(self.baseFilename):
                self._make_anew()
            super().emit(record)
        except OSError:
            self.handleError(record)

    def _make_anew(self) -> None:
        os.makedirs(os.path.dirname(self.baseFilename), exist_ok=True)
        if stream := self.setStream(open(self.baseFilename, 'a')):  # noqa: SIM115 it stays open
            with contextlib.suppress(OSError):
                stream.close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 logging's name
        error = sys.exception()
        if not isinstance(error, OSError):
            super().handleError(record)
        elif not self.has_failed:
            self.has_failed = True
            print(say_unwritten(self.baseFilename, error), file=sys.stderr)


class ScreenLog(logging.StreamHandler):
    """Python's handler for what is stdout now: while bars are drawn, lines go above them."""

    @property
    def stream(self) -> TextIO:
        """The present stdout."""
        return sys.stdout

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        """mmengine's was stdout when it was made."""


@VISBACKENDS.register_module()
class LocalVisBackend(_LocalVisBackend):
    """mmengine's; scalars that cannot be written are left out, which is said once."""

    has_failed = False

    def add_scalars(self, scalar_dict: dict, *args: object, **kwargs: object) -> None:
        """Write the scalars of a step.

        The counts of a network have no step, and are in ``result.json`` and in checkpoints;
        mmpretrain's ``analyze_logs`` would take them for the first validation.
        """
        if not all(name.startswith('complexity/') for name in scalar_dict):
            super().add_scalars(scalar_dict, *args, **kwargs)

    def _dump(self, value_dict: dict, file_path: str, file_format: str) -> None:
        size = os.path.getsize(file_path) if os.path.exists(file_path) else 0
        try:
            os.makedirs(os.path.dirname(file_path), exist_ok=True)
            super()._dump(value_dict, file_path, file_format)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.truncate(file_path, size)  # no part of a line
            if not self.has_failed:
                self.has_failed = True
                line = say_unwritten(file_path, error)
                print_log(line, logger='current', level=logging.WARNING)


def say_unwritten(path: str, error: OSError) -> str:
    """The line for a log that cannot be written."""
    return f'{path} cannot be written: {error.strerror}; the training continues without it'
