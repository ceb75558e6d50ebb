"""How a command line tool ends: one line on stderr and an exit code, whatever was raised."""

import contextlib
import logging
import os
import select
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import NoReturn

from senet_mm.utils.errors import (
    describe,
    describe_lost_connection,
    has_worked,
    hides_interruption,
    is_answer,
    missing_key,
)
from senet_mm.utils.processes import (
    end_with_launcher,
    is_first_to_say,
    leave_folder,
    note_answer,
    share_folder,
)
from senet_mm.utils.progress import end_progress, show_start
from senet_mm.utils.stack import name_missing_stack
from senet_mm.utils.storage import StorageError, answering_storage

UNREAD = 141  # 128 + SIGPIPE, as of shells
SKIPPED = 65  # EX_DATAERR of sysexits.h: some images could not be used


def _end_quietly(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """For a Ctrl-C or a missing package while a tool imports or reads its arguments."""
    if issubclass(kind, KeyboardInterrupt):
        _say_interrupted()
    elif line := name_missing_stack(error):
        print(f'error: {line}', file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


def _lead_nowhere() -> None:
    """Give stdout and stderr to a process that was started without them.

    Else a file that is opened would get their number, and what is printed.
    """
    for number, name in ((1, 'stdout'), (2, 'stderr')):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, 'w'))


sys.excepthook = _end_quietly
_lead_nowhere()
end_with_launcher()
share_folder()


@contextlib.contextmanager
def reported_errors(show_traceback: bool = False) -> Iterator[None]:
    """Turn an exception into one line on stderr and an exit code, mostly 1.

    Prints the traceback first for errors raised in the middle of a run and for errors that are not
    the user's.
    """
    if hasattr(sys.stdout, 'reconfigure'):  # a test may have put something else there
        # Names of files may hold bytes that are not UTF-8.
        sys.stdout.reconfigure(errors='backslashreplace')
    try:
        with _as_exits(show_traceback):
            show_start()
            try:
                yield
            finally:
                end_progress()
            sys.stdout.flush()
    except SystemExit as end:
        if _stop_unread() and not end.code:
            end = SystemExit(UNREAD)
        if not _is_rank():
            raise end
        _leave(end.code)
    if _is_rank():
        _leave(0)


def _stop_unread() -> bool:
    """Whether stdout is a pipe whose reader has gone, as ``head``; no more is then written to it.

    Otherwise Python would print an error when it ends.
    """
    poll = select.poll()
    poll.register(1, 0)
    unread = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    if unread:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.close(nowhere)
    return unread


def _is_rank() -> bool:
    """Whether torchrun or Slurm has started this process, with others."""
    return 'TORCHELASTIC_RUN_ID' in os.environ or 'SLURM_STEP_ID' in os.environ


@contextlib.contextmanager
def _as_exits(show_traceback: bool) -> Iterator[None]:
    try:
        with answering_storage():
            yield
    except KeyboardInterrupt:
        _exit_interrupted()
    except BrokenPipeError as error:
        if not _stop_unread():
            sys.exit(_report(error, show_traceback) or 1)
        sys.exit(UNREAD)
    except Exception as error:
        if hides_interruption(error):
            _exit_interrupted()
        line = _report(error, show_traceback) or 1
        if (code := getattr(error, 'exit_code', 1)) == 1:
            sys.exit(line)
        if isinstance(line, str):
            print(line, file=sys.stderr)
        sys.exit(code)


def _say_interrupted() -> None:
    if is_first_to_say('interrupted'):
        print('interrupted', file=sys.stderr)


def _exit_interrupted() -> NoReturn:
    _say_interrupted()
    sys.exit(130)  # 128 + SIGINT, as of shells


def _report(error: Exception, show_traceback: bool) -> str:
    """The line of an error, empty where another process has it; prints a traceback that helps."""
    answers = bool(is_answer(error) or missing_key(error))
    lost = describe_lost_connection(error)
    if show_traceback or not (answers or lost):
        trace = ''.join(traceback.format_exception(error))
        if is_first_to_say(trace):
            print(trace, end='', file=sys.stderr)
    rank = os.environ.get('RANK')
    who = f'error (rank {rank})' if rank else 'error'
    of_config = answers and not has_worked(error) and not isinstance(error, StorageError)
    place = _place(error) if of_config else ''
    text = f'{lost or describe(error)}{place}'
    line = f'{who}: {text}'
    if answers and not lost:
        note_answer(line)
    # Of lost connections one is enough: they differ in the number of a port.
    return line if is_first_to_say('a connection is lost' if lost else text) else ''


def _leave(code: object) -> NoReturn:
    """End at once; threads of torch.distributed now and then abort an interpreter that ends."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    leave_folder()
    os._exit(code if isinstance(code, int) else 0)


def _place(error: Exception) -> str:
    """Where in the config the error has its cause, if a config was read."""
    if 'senet_mm.config.places' not in sys.modules:
        return ''
    from senet_mm.config.places import locate_error

    return locate_error(error, describe(error))
