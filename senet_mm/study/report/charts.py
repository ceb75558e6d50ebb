"""The curves of a report as data; :mod:`.drawing` draws them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from senet_mm.utils.scores import FROM_ZERO, PERCENT, Scale, find_scale, with_unit

from ..statistics import cut_interval, mean_interval
from .evaluation import Evaluation
from .gates import by_stage
from .groups import RunGroup
from .runs import LoggedRun

# Images a second of all processes, where the run has logged them.
RATE = 'images_per_s'
# Metrics of the validation that have a chart.
MOST_METRICS = 6


class Line(NamedTuple):
    """A curve.

    Attributes:
        name: Its name in the legend.
        style: Number of its colour, dashes and marker; the same in all charts of a section.
        x, y: Its points.
        low, high: An interval around it; empty for none. None where a point has none.
    """

    name: str
    style: int
    x: list[float]
    y: list[float]
    low: list[float | None] = []
    high: list[float | None] = []


class Chart(NamedTuple):
    """Curves with common axes.

    Attributes:
        title: Its title.
        x_label, y_label: Its axes, with units.
        lines: Its curves.
    """

    title: str
    x_label: str
    y_label: str
    lines: list[Line]

    def find_equal(self) -> list[list[Line]]:
        """Curves that lie on each other, put together."""
        same: dict[object, list[Line]] = {}
        for line in self.lines:
            points = tuple((x, float(f'{y:.6g}')) for x, y in zip(line.x, line.y, strict=True))
            same.setdefault(points, []).append(line)
        return [lines for lines in same.values() if len(lines) > 1]


Point = Callable[[LoggedRun, Mapping[str, float]], float | None]


def make_charts(groups: Sequence[RunGroup]) -> list[Chart]:
    """The curves of all runs: metrics, loss, learning rate, speed, data wait."""
    charts = [
        Chart(f'Validation: {name}', _unit(groups), with_unit(name), _metric_lines(groups, name))
        for name in _metrics(groups)
    ]
    trained: list[tuple[str, str, Scale, Point]] = [
        ('Training loss', 'loss', FROM_ZERO, lambda run, line: line.get('loss')),
        ('Learning rate', 'learning rate', FROM_ZERO, lambda run, line: line.get('lr')),
        ('Throughput in training', 'images/s', FROM_ZERO, get_rate),
        ('Time spent waiting for data', '% of time', PERCENT, get_wait),
        ('Memory of the device', 'MiB', FROM_ZERO, lambda run, line: line.get('memory')),
    ]
    for title, label, scale, point in trained:
        lines = _training_lines(groups, point, scale)
        charts.append(Chart(title, _unit(groups), label, lines))
    return [chart for chart in charts if chart.lines]


def gate_charts(label: str, evaluation: Evaluation) -> list[Chart]:
    """Mean and spread of the gates of each stage over the checkpoints of a run."""
    if len(evaluation.gates) < 2:
        return []
    steps = [float(gates.step) for gates in evaluation.gates]
    stages = [by_stage(gates.blocks) for gates in evaluation.gates]
    kinds = (
        ('Mean gate by stage', 'gate, 0 to 1', 'mean'),
        ('Spread of the gates over the images', 'standard deviation of a gate', 'std'),
    )
    return [
        Chart(
            f'{title}: {label}', evaluation.run.unit, y_label,
            [
                Line(name, i, steps, [getattr(at[name], key) for at in stages])
                for i, name in enumerate(stages[0])
            ],
        )
        for title, y_label, key in kinds
    ]  # fmt: skip


def get_rate(run: LoggedRun, line: Mapping[str, float]) -> float | None:
    """Images a second of all processes: as logged, else by the time of an iteration."""
    batch = run.part('train_dataloader').get('batch_size')
    processes = run.start.get('processes')
    if RATE in line:
        return line[RATE]
    if not line.get('time') or not isinstance(batch, int):
        return None
    return batch * (processes if isinstance(processes, int) else 1) / line['time']


def get_wait(run: LoggedRun, line: Mapping[str, float]) -> float | None:
    """Per cent of the time of an iteration that it waits for its batch."""
    if not line.get('time') or 'data_time' not in line:
        return None
    return 100 * line['data_time'] / line['time']


def _metrics(groups: Sequence[RunGroup]) -> list[str]:
    """The metrics of the runs, each once, at most ``MOST_METRICS``."""
    return list(dict.fromkeys(name for group in groups for name in group.metrics))[:MOST_METRICS]


def _unit(groups: Sequence[RunGroup]) -> str:
    """What the runs count; iterations where some count them and others epochs."""
    units = {run.unit for group in groups for run in group.runs}
    return units.pop() if len(units) == 1 else 'iteration'


def _length(run: LoggedRun, unit: str) -> float:
    """How much of a unit one of the run's own is."""
    return 1 if run.unit == unit else run.epoch_length


def _metric_lines(groups: Sequence[RunGroup], metric: str) -> list[Line]:
    unit = _unit(groups)
    curves = [
        [
            [
                (v.step * _length(run, unit), v.metrics[metric])
                for v in run.validations
                if metric in v.metrics
            ]
            for run in group.runs
        ]
        for group in groups
    ]
    return list(_lines(groups, curves, find_scale(metric)))


def _training_lines(groups: Sequence[RunGroup], point: Point, scale: Scale) -> list[Line]:
    unit = _unit(groups)

    def curve(run: LoggedRun) -> list[tuple[float, float]]:
        pairs = ((run.place(line), point(run, line)) for line in run.training)
        return [(x * _length(run, unit), y) for x, y in pairs if y is not None]

    return list(_lines(groups, [[curve(run) for run in group.runs] for group in groups], scale))


def _lines(
    groups: Sequence[RunGroup],
    curves: Sequence[Sequence[Sequence[tuple[float, float]]]],
    scale: Scale,
) -> Iterator[Line]:
    """A line for each group: the mean over its runs, with its interval where values can be."""
    for number, (group, of_runs) in enumerate(zip(groups, curves, strict=True)):
        values: dict[float, list[float]] = {}
        for curve in of_runs:
            for x, value in dict(curve).items():
                values.setdefault(round(x, 6), []).append(value)
        if not values:
            continue
        places = sorted(values)
        means = [cut_interval(mean_interval(values[x]), scale.least, scale.most) for x in places]
        y = [each.mean for each in means if each.mean is not None]
        name = group.label if len(group.runs) == 1 else f'{group.label}, {len(group.runs)} seeds'
        has_interval = any(each.low is not None for each in means)
        low, high = [each.low for each in means], [each.high for each in means]
        yield Line(name, number, places, y, *((low, high) if has_interval else ()))
