"""What is known of a run by its work directory, which :mod:`.reading` reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from senet_mm.engine.run_reading import Validation
from senet_mm.utils.options import is_number
from senet_mm.utils.scores import is_loss

from ..comparison import SCORE


@dataclass
class LoggedRun:
    """A run, as far as its folder has it.

    Attributes:
        folder: Its work directory.
        name: Name of its config.
        config: Values of its config; empty where it cannot be read.
        starts: ``run.json`` of each start, from the one that resumed nothing to the last.
        names: Names of the folders of these starts.
        training: Logged lines of the training, finite numbers by name.
        validations: Validations in their order.
        result: ``result.json``, if the run has written one.
        remarks: What is missing or damaged, a line each.
    """

    folder: Path
    name: str
    config: dict[str, Any]
    starts: list[dict]
    names: list[str]
    training: list[dict[str, float]]
    validations: list[Validation]
    result: dict | None
    remarks: list[str] = field(default_factory=list)

    @property
    def start(self) -> Mapping[str, Any]:
        """The record of the last start; empty where there is none."""
        return self.starts[-1] if self.starts else {}

    def part(self, key: str) -> Mapping[str, Any]:
        """A dict at the top of the config; empty where there is none."""
        value = self.config.get(key)
        return value if isinstance(value, Mapping) else {}

    @cached_property
    def seed(self) -> int | None:
        """The seed, also where it was drawn."""
        drawn = [self.start.get('seed'), (self.result or {}).get('seed')]
        drawn.append(self.part('randomness').get('seed'))
        return next((seed for seed in drawn if isinstance(seed, int)), None)

    @property
    def unit(self) -> str:
        """What validations are counted by, ``epoch`` or ``iteration``."""
        loop = self.part('train_cfg')
        is_iter = loop.get('by_epoch') is False or str(loop.get('type')).startswith('Iter')
        return 'iteration' if is_iter else 'epoch'

    @property
    def key(self) -> str:
        """The unit by its name in records and in names of checkpoints."""
        return 'epoch' if self.unit == 'epoch' else 'iter'

    @cached_property
    def epoch_length(self) -> float:
        """Iterations of an epoch: the last line of an epoch is logged at its last iteration."""
        lines = (line for line in self.training if line.get('epoch') and line.get('iter'))
        return max((line['iter'] / line['epoch'] for line in lines), default=1.0)

    @property
    def end(self) -> tuple[float, float] | None:
        """What was trained, and what was to be, in ``unit``; None where that is not known."""
        key = 'max_epochs' if self.unit == 'epoch' else 'max_iters'
        planned = self.part('train_cfg').get(key)
        if not isinstance(planned, int) or not (self.training or self.validations):
            return None
        done = [self.place(self.training[-1])] if self.training else []
        done += [self.validations[-1].step] if self.validations else []
        ended: Any = self.ended.get(self.key)
        return ended if is_number(ended, 0) else max(done), planned

    @property
    def ended(self) -> Mapping[str, Any]:
        """Time, epoch and iteration of the end of a complete training; empty for others."""
        value = self.start.get('ended')
        return value if isinstance(value, Mapping) else {}

    def place(self, line: Mapping[str, float]) -> float:
        """Where a line of the training stands, in ``unit``."""
        iteration = line.get('iter', line.get('step', 0))
        return iteration / self.epoch_length if self.unit == 'epoch' else iteration

    @property
    def metrics(self) -> list[str]:
        """The metrics of its validations, those that were not finite as well."""
        names = (name for each in self.validations for name in (*each.metrics, *each.broken))
        return list(dict.fromkeys(names))

    def last(self, metric: str) -> float | None:
        """A metric in the last validation; None where it is not there, or not finite."""
        return self.validations[-1].metrics.get(metric) if self.validations else None

    def best(self, metric: str) -> Validation | None:
        """The validation with the best value of a metric."""
        known = [each for each in self.validations if metric in each.metrics]
        choose = max if is_higher_better(metric) else min
        return choose(known, key=lambda each: each.metrics[metric], default=None)


def is_higher_better(metric: str) -> bool:
    """Whether a larger value of a metric is better."""
    return not is_loss(metric)


def choose_metric(names: Sequence[str]) -> str | None:
    """The metric by which the best of several runs is chosen; None for no metrics."""
    others = (name for name in names if is_higher_better(name))
    return SCORE if SCORE in names else next(others, names[0] if names else None)
