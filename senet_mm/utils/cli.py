"""What the command line tools share. Imports are late: ``--help`` must not wait for torch."""

import argparse
import contextlib
import difflib
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmengine.config import Config


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments that every tool on a config has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file, or name of a config of the project')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints')
    add_cfg_options(parser)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='what started the processes',
    )
    parser.add_argument('--traceback', action='store_true', help='show the traceback of any error')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser


def add_cfg_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options KEY=VALUE ...``, a dict that is empty by default."""
    from mmengine.config import DictAction

    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        default={},
        metavar='KEY=VALUE',
        help='override keys of the config: a.b=1 a.c="[1,2]" a.d="[(1,2),(3,4)]"',
    )


def load_config(args: argparse.Namespace) -> 'Config':
    """Read the config, apply ``--cfg-options``, choose the work directory.

    Raises:
        FileNotFoundError: There is no such config.
        ValueError: An option names a key that the config does not have.
    """
    from senet_mm.apis import get_config

    cfg = get_config(args.config)
    check_options(cfg, args.cfg_options)
    cfg.merge_from_dict(args.cfg_options)
    cfg.launcher = args.launcher
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    default = cfg.get('work_dir') or os.path.join('work_dirs', Path(args.config).stem)
    cfg.work_dir = args.work_dir or default
    return cfg


def check_options(cfg: 'Config', options: dict) -> None:
    """Raise a ValueError for an option under a top-level key that nobody reads."""
    from senet_mm.engine.config_keys import OTHER_KEYS, RUNNER_KEYS

    allowed = RUNNER_KEYS | OTHER_KEYS | set(cfg)
    for option in options:
        key = option.partition('.')[0]
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f'; did you mean {near[0]!r}?' if near else ''
            raise ValueError(f'--cfg-options: the config has no key {key!r}{hint}')


@contextlib.contextmanager
def reported_errors(show_traceback: bool = False) -> Iterator[None]:
    """Turn an exception into one line on stderr and exit code 1.

    The traceback comes before that line where it helps: for an error in the middle of a run, and
    for one that is no reply to the user's input.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit('interrupted')
    except Exception as error:
        if show_traceback or not _is_users(error):
            traceback.print_exception(error)
        rank = os.environ.get('RANK')
        who = f'error (rank {rank})' if rank else 'error'
        sys.exit(f'{who}: {describe(error)}')
    if 'TORCHELASTIC_RUN_ID' in os.environ:
        # All is done. Threads of torch.distributed now and then abort an interpreter that ends.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _is_users(error: Exception) -> bool:
    """Whether the error answers what the user gave: by its class, or raised during the set-up."""
    if getattr(error, 'is_reply', False):
        return True
    functions = {frame.name for frame in traceback.extract_tb(error.__traceback__)}
    running = functions & {'run_epoch', 'run_iter'}
    kinds = (ValueError, TypeError, KeyError, OSError, AssertionError, ImportError)
    return isinstance(error, kinds) and not running


def describe(error: Exception) -> str:
    """The message of an error on one line, without the places that it passed through."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    # A data loader raises a worker's error anew, with the traceback as its message.
    text = re.sub(r'(?s)^Caught \w+ in DataLoader worker process .*\n[\w.]+: ', '', text.strip())
    text = re.sub(r'class `\w+` in \S+: ', '', ' '.join(text.split())).strip('"')
    if match := re.match(r'(\S+) is not in the (\S+)::(.+?) registry', text):
        return _unregistered(*match.groups())
    return text or type(error).__name__


def _unregistered(name: str, scope: str, kind: str) -> str:
    """A message for a ``type`` that no registry has."""
    from senet_mm import registry

    names: set[str] = set()
    for candidate in vars(registry).values():
        while getattr(candidate, 'name', None) == kind:
            names |= set(candidate.module_dict)
            candidate = candidate.parent
    near = difflib.get_close_matches(name, names, n=3)
    hint = f'; did you mean {" or ".join(near)}?' if near else ''
    return f'type={name!r} is not in the {kind} registry{hint}'
