"""What a run logs: few lines, and none that a user cannot act on."""

import itertools
import logging
import re

import mmengine
import torch
from mmengine.logging import MMLogger
from mmengine.runner import BaseLoop
from mmengine.runner import LogProcessor as _LogProcessor
from mmengine.runner import Runner as _Runner
from mmengine.visualization import Visualizer

from senet_mm.utils.names import escape_acting
from senet_mm.utils.progress import is_quiet
from senet_mm.version import __version__

from ..text_logs import LogFile, ScreenLog
from ..trackers import open_trackers

# Upstream's messages about which a user can do nothing.
NOISE = re.compile(
    r'Distributed training is not used, all SyncBatchNorm'
    r'|Because batch augmentations are enabled'
    r'|"FileClient" will be deprecated'
    r'|"HardDiskBackend" is the alias'
    r'|paramwise_options --'
    r'|Exp name: '
    r'|Hooks will be executed in the following order'
    r'|Checkpoints will be saved to'
    r'|The previous best checkpoint'
)
# What --quiet leaves on the screen.
RESULT = re.compile(r'(Epoch|Iter)\(test\)|the training is complete')


class LoggingRunner(_Runner):
    """mmengine's runner that logs briefly."""

    @property
    def _experiment_name(self) -> str:
        """Name under which mmengine keeps the logger, the message hub and the visualizer."""
        return self._own_name

    @_experiment_name.setter
    def _experiment_name(self, name: str) -> None:
        # mmengine's ends with the second of the start: two runs of a process that begin in one
        # second would share them, and the later one would write into the folder of the earlier.
        names = itertools.chain([name], (f'{name}-{number}' for number in itertools.count(2)))
        self._own_name = next(name for name in names if not MMLogger.check_instance_created(name))

    def build_logger(self, *args: object, **kwargs: object) -> MMLogger:
        """A logger that leaves out what the user cannot act on."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            handler.addFilter(is_useful)
            handler.addFilter(make_plain)
            if type(handler) is logging.StreamHandler:
                handler.__class__ = ScreenLog
                handler.addFilter(is_wanted)
            if type(handler) is logging.FileHandler:
                handler.__class__ = LogFile  # mmengine makes those of Python alone
        return logger

    def build_log_processor(self, log_processor: _LogProcessor | dict) -> _LogProcessor:
        """What makes the lines, by default one of ours: with units, in the steps of the loop."""
        if isinstance(log_processor, dict):
            default = dict(type='LogProcessor', by_epoch=self.counts_epochs)
            log_processor = {**default, **log_processor}
        return super().build_log_processor(log_processor)

    @property
    def counts_epochs(self) -> bool:
        """Whether the training counts epochs, as in an evaluation alone; else iterations."""
        loop = self.cfg.get('train_cfg') or {}
        return loop.get('by_epoch', loop.get('type') != 'IterBasedTrainLoop')

    def build_visualizer(self, visualizer: Visualizer | dict | None = None) -> Visualizer:
        """The visualizer, with the trackers that the config names."""
        built = super().build_visualizer(visualizer)
        if self.rank == 0:
            trackers = open_trackers(self.cfg.get('tracker'), self.work_dir, self._count)
            built._vis_backends.update(trackers)
        return built

    def _count(self) -> int | None:
        """Iterations that are trained; None in an evaluation."""
        return self.iter if isinstance(self._train_loop, BaseLoop) else None

    def get_hooks_info(self) -> str:
        """The hooks in the order of their priority, on one line."""
        return ', '.join(type(hook).__name__ for hook in self.hooks)

    def _log_env(self, env_cfg: dict) -> None:
        """The versions; a table follows when all is built."""
        self.logger.info(
            f'senet_mm {__version__}, torch {torch.__version__}, mmengine {mmengine.__version__}'
        )


def is_useful(record: logging.LogRecord) -> bool:
    """Whether a log record tells the user something."""
    return NOISE.search(record.getMessage()) is None


def is_wanted(record: logging.LogRecord) -> bool:
    """Whether a record is for the screen: with ``--quiet``, warnings, errors and results are."""
    is_result = RESULT.match(record.getMessage()) is not None
    return is_result or record.levelno >= logging.WARNING or not is_quiet()


def make_plain(record: logging.LogRecord) -> bool:
    """Escape what a terminal would act on in a record, whose names may be a stranger's."""
    message = record.getMessage()
    plain = escape_acting(message)
    if plain != message:
        record.msg, record.args = plain, None
    return True
