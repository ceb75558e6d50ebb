"""What the command line tools share. Imports are late: ``--help`` must not wait for torch."""

import argparse
import contextlib
import logging
import os
import select
import sys
import traceback
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from senet_mm.utils.errors import (
    describe,
    describe_lost_connection,
    has_worked,
    hides_interruption,
    is_answer,
    missing_key,
)
from senet_mm.utils.files import check_folder
from senet_mm.utils.processes import (
    end_with_launcher,
    is_first_to_say,
    leave_folder,
    note_answer,
    share_folder,
)
from senet_mm.utils.progress import end_progress, show_start
from senet_mm.utils.slurm import use_slurm
from senet_mm.utils.storage import StorageError, answering_storage
from senet_mm.utils.usage import RankParser, add_screen_options

if TYPE_CHECKING:
    from mmengine.config import Config


# Keys of a config that an evaluation does not read, and those of all loops.
TRAINING = {
    'auto_scale_lr', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader', 'val_cfg',
    'val_dataloader', 'val_evaluator',
}  # fmt: skip
LOOPS = TRAINING | {'test_cfg', 'test_dataloader', 'test_evaluator'}

UNREAD = 141  # 128 + SIGPIPE, as of shells
SKIPPED = 65  # EX_DATAERR of sysexits.h: some images could not be used


def _end_quietly(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """For a Ctrl-C while a tool imports or reads its arguments."""
    if issubclass(kind, KeyboardInterrupt):
        _say_interrupted()
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


def make_parser(description: str, needs_config: bool = True) -> argparse.ArgumentParser:
    """A parser with the arguments that every tool on a config has.

    Args:
        description: What the tool does, its docstring: see :class:`ToolParser`.
        needs_config: Whether the config must be given. Otherwise it may stand before the next
            argument, or be left out; ``parse_intermixed_args`` then reads the arguments.
    """
    parser = RankParser(description=description)
    parser.add_argument(
        'config',
        nargs=None if needs_config else '?',
        help='config file, or name of a config of the project',
    )
    parser.add_argument(
        '--work-dir',
        help='folder for what is written, logs and results (default: work_dir of the config, else '
        'work_dirs/ and the name of the config)',
    )
    add_cfg_options(parser)
    add_screen_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


class OptionsAction(argparse.Action):
    """Collects options ``KEY=VALUE`` in a dict."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        from senet_mm.config.option_text import parse_options

        try:
            options = parse_options(values or (), getattr(namespace, self.dest))
        except ValueError as error:
            parser.error(f'{option_string} {error}')
        setattr(namespace, self.dest, options)


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options KEY=VALUE ...``, a dict that is empty by default."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionsAction,
        default={},
        metavar='KEY=VALUE',
        help='override keys of the config: a.b=1 a.c="[1,2]" a.d="[(1,2),(3,4)]"',
    )


def add_config_for_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` and ``--cfg-options``, of a tool that opens checkpoints."""
    parser.add_argument('--config', help='name or path of the config, for a checkpoint without one')
    add_cfg_options(parser)


def config_for_checkpoint(args: argparse.Namespace) -> 'Config | None':
    """The config of ``--config`` with ``--cfg-options``; None if the checkpoint's own counts.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: Options without a config, or see ``get_config``.
    """
    if args.config:
        from senet_mm.apis import get_config

        return get_config(args.config, args.cfg_options)
    if args.cfg_options:
        raise ValueError('--cfg-options changes a config; allowed: with --config')
    return None


def load_config(args: argparse.Namespace, unused: Collection[str] = ()) -> 'Config':
    """Read the config, apply ``--cfg-options``, choose the work directory.

    Args:
        args: Of :func:`make_parser`.
        unused: Keys of the config that the tool does not read: a line says so of options on them.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: The config is damaged or describes no network, an option has no effect (see
            ``get_config``), or the work directory is a file.
    """
    if args.launcher == 'slurm':
        use_slurm()
    from senet_mm.apis import get_config

    cfg = get_config(args.config, args.cfg_options)
    note_unused(args.cfg_options, unused)
    if args.launcher != 'none' or 'launcher' not in cfg:
        cfg.launcher = args.launcher
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    default = cfg.get('work_dir') or os.path.join('work_dirs', Path(args.config).stem)
    cfg.work_dir = args.work_dir or default
    if 'model' not in cfg:
        raise ValueError(f'config {args.config} has no key model; allowed: one with a network')
    check_folder(cfg.work_dir, '--work-dir')
    return cfg


def log_to_stderr() -> None:
    """Let the log go to stderr, for a tool whose results go to stdout."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    for handler in list(logger.handlers):
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            other = logging.StreamHandler(sys.stderr)
            other.setFormatter(handler.formatter)
            other.setLevel(handler.level)
            logger.removeHandler(handler)
            logger.addHandler(other)


def note_unused(options: Iterable[str], unused: Collection[str]) -> None:
    """Print a line that names the options on keys of the config that a tool does not read."""
    names = [key for key in options if key.partition('.')[0] in unused]
    line = f'--cfg-options {", ".join(names)}: not used by this tool'
    if names and is_first_to_say(line):
        print(line, file=sys.stderr)


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
