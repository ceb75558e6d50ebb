"""Log lines with units."""

import re

from mmengine.runner import LogProcessor as _LogProcessor
from mmengine.runner import Runner

from senet_mm.registry import LOG_PROCESSORS
from senet_mm.utils.names import format_number
from senet_mm.utils.scores import PERCENT, PREFIXES

# How the names of scores in percent begin.
IN_PERCENT = '|'.join(name for name, scale in PREFIXES.items() if scale is PERCENT)
# A number behind a name in a line -> the same with a unit.
UNITS = (
    (re.compile(r'\b((?:data_)?time: \d+\.\d+)'), r'\1 s'),
    (re.compile(r'\b(memory: \d+)'), r'\1 MiB'),
    (re.compile(rf'\b((?:{IN_PERCENT})[\w/-]*: \d+\.\d+)'), r'\1 %'),
)
RATE = re.compile(r'\bimages_per_s: (\d+\.\d+)')


@LOG_PROCESSORS.register_module()
class LogProcessor(_LogProcessor):
    """mmengine's, with units in the lines: s, MiB, %, images/s."""

    def get_log_after_iter(self, runner: Runner, batch_idx: int, mode: str) -> tuple[dict, str]:
        """The scalars after an iteration, and their line."""
        tag, line = super().get_log_after_iter(runner, batch_idx, mode)
        return tag, add_units(line)

    def get_log_after_epoch(
        self, runner: Runner, batch_idx: int, mode: str, with_non_scalar: bool = False
    ) -> tuple[dict, str]:
        """The scalars after an epoch, and their line."""
        tag, line = super().get_log_after_epoch(runner, batch_idx, mode, with_non_scalar)
        return tag, add_units(line)


def add_units(line: str) -> str:
    """A line of scalars with their units."""
    for pattern, with_unit in UNITS:
        line = pattern.sub(with_unit, line)
    return RATE.sub(lambda found: f'{format_number(float(found[1]))} images/s', line)
