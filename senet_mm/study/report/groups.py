"""Runs that differ in the seed alone as groups, and what the configs of groups differ in."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..ablation import flatten_config
from ..statistics import Interval, mean_interval
from .labels import KeyDifference, label_differences
from .runs import LoggedRun, choose_metric, is_higher_better

# What does not change what is trained: beginnings of keys.
IGNORED = (
    'randomness.seed', 'work_dir', 'launcher', 'resume', 'default_hooks.result', 'visualizer',
    'tracker', 'log_level',
)  # fmt: skip


@dataclass
class RunGroup:
    """Runs of one config.

    Attributes:
        label: What it is called, one of a kind.
        runs: Its runs, by seed.
    """

    label: str
    runs: list[LoggedRun]

    @property
    def metrics(self) -> list[str]:
        """Metrics of all runs that were validated."""
        known = [run.metrics for run in self.runs if run.validations]
        return [name for name in known[0] if all(name in each for each in known)] if known else []

    @property
    def metric(self) -> str | None:
        """The metric by which its best run and checkpoint are chosen."""
        return choose_metric(self.metrics)

    @property
    def best_run(self) -> LoggedRun | None:
        """The run with the best validation; None where none has a finite score."""
        if not (metric := self.metric):
            return None
        scores = [(run, each.metrics[metric]) for run in self.runs if (each := run.best(metric))]
        choose = max if is_higher_better(metric) else min
        return choose(scores, key=lambda pair: pair[1], default=(None, 0.0))[0]

    def last(self, metric: str) -> Interval:
        """A metric in the last validation of each run, where it is finite."""
        values = (run.last(metric) for run in self.runs)
        return mean_interval([value for value in values if value is not None])

    def best(self, metric: str) -> Interval:
        """A metric in the validation of each run in which it is best."""
        found = [run.best(metric) for run in self.runs]
        return mean_interval([each.metrics[metric] for each in found if each])


def group_runs(runs: Iterable[LoggedRun]) -> list[RunGroup]:
    """Put together the runs that differ in the seed alone, in the order in which they are given."""
    by_config: dict[object, list[LoggedRun]] = {}
    for run in runs:
        # Of a run without a config nothing is known to be equal.
        key = (run.name, *sorted(_keys(run).items())) if run.config else run.folder
        by_config.setdefault(key, []).append(run)
    groups = [
        RunGroup(members[0].name, sorted(members, key=lambda run: (run.seed is None, run.seed)))
        for members in by_config.values()
    ]
    _name(groups)
    return groups


def compare_keys(groups: Sequence[RunGroup]) -> list[KeyDifference]:
    """The keys in which the configs of groups differ."""
    configs = [_keys(group.runs[0]) for group in groups]
    keys = dict.fromkeys(key for config in configs for key in config)
    rows = (KeyDifference(key, [config.get(key) for config in configs]) for key in keys)
    return [row for row in rows if len(set(row.values)) > 1]


def _keys(run: LoggedRun) -> Mapping[str, str]:
    """The config of a run as text by dotted key, without what does not change the training."""
    ignored = list(IGNORED)
    # Of a resumed run it names the checkpoint that was resumed.
    if run.config.get('resume') or run.config.get('load_from') is None:
        ignored.append('load_from')
    flat = flatten_config(run.config)
    return {
        key: value
        for key, value in flat.items()
        if not any(key == part or key.startswith(f'{part}.') for part in ignored)
    }


def _name(groups: Sequence[RunGroup]) -> None:
    """Make labels that are one of a kind: the config, then what it differs in, then the folder."""
    for make in (_with_differences, _with_folder):
        by_label: dict[str, list[RunGroup]] = {}
        for group in groups:
            by_label.setdefault(group.label, []).append(group)
        for same in by_label.values():
            if len(same) > 1:
                make(same)


def _with_differences(groups: Sequence[RunGroup]) -> None:
    labels = label_differences(compare_keys(groups), len(groups))
    for group, label in zip(groups, labels, strict=True):
        group.label = f'{group.label} ({label})' if label else group.label


def _with_folder(groups: Sequence[RunGroup]) -> None:
    for group in groups:
        group.label = f'{group.label} in {group.runs[0].folder}'
