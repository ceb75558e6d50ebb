"""What the command line tools share. Imports are late: ``--help`` must not wait for torch."""

import argparse
import logging
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from senet_mm.exits import SKIPPED, reported_errors
from senet_mm.utils.files import check_folder
from senet_mm.utils.processes import is_first_to_say
from senet_mm.utils.slurm import use_slurm
from senet_mm.utils.usage import RankParser, add_screen_options

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = [
    'LOOPS',
    'SKIPPED',
    'TRAINING',
    'OptionsAction',
    'add_cfg_options',
    'add_config_for_checkpoint',
    'config_for_checkpoint',
    'load_config',
    'log_to_stderr',
    'make_parser',
    'note_unused',
    'reported_errors',
]

# Keys of a config that an evaluation does not read, and those of all loops.
TRAINING = {
    'auto_scale_lr', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader', 'val_cfg',
    'val_dataloader', 'val_evaluator',
}  # fmt: skip
LOOPS = TRAINING | {'test_cfg', 'test_dataloader', 'test_evaluator'}


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
