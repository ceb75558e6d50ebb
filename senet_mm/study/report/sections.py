"""The parts of a report on the runs: scores, runs, configs."""

import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from senet_mm.utils.scores import with_unit

from ..comparison import format_difference
from ..statistics import paired_difference
from .charts import get_rate, get_wait
from .evaluation import Evaluation
from .groups import RunGroup, compare_keys
from .markup import (
    Markup,
    decimals_of,
    interval,
    items,
    paragraph,
    section,
    table,
)
from .runs import LoggedRun

NOTE = (
    "Mean over the runs, with the 95 % confidence interval of Student's t where a config has two "
    'runs or more, clipped to possible values; differences are paired by seed, with the p-value '
    'of the t-test. The best value of a run is chosen among its validations, and is too good for '
    'that reason.'
)
LONGEST_VALUE = 200


def scores_section(groups: Sequence[RunGroup]) -> Markup:
    """The last and the best score of each config, and the differences from the first."""
    metrics = dict.fromkeys(name for group in groups for name in group.metrics)
    firsts = {name: next(g for g in groups if name in g.metrics) for name in metrics}
    # Room for the differences: where all end at one epoch, the table of runs has it.
    has_ends = len({end for group in groups for end in _find_ends(group)}) > 1
    header = ['config', 'runs', 'metric', 'last', *(['last at'] * has_ends), 'best']
    # Without another config there is no difference.
    compares = len(groups) > 1
    if compares:
        labels = {group.label for group in firsts.values()}
        first = labels.pop() if len(labels) == 1 else 'the first with the metric'
        header.append(f'last, difference from {first}')
    rows = []
    for name, first_group in firsts.items():
        for group in groups:
            if name in group.metrics:
                difference = None if group is first_group else _paired(group, first_group, name)
                scores = _describe_scores(group, name, has_ends)
                rows.append([*scores, *([difference] * compares)])
    if not rows:
        return section('Scores', paragraph('No run was validated.'), anchor='scores')
    return section('Scores', table(header, rows, kind='texts'), paragraph(NOTE), anchor='scores')


def _describe_scores(group: RunGroup, metric: str, has_ends: bool) -> list[object]:
    """A row without the difference."""
    runs = len(group.runs)
    last, best = group.last(metric), group.best(metric)
    texts = [
        interval(value, metric) + (f' of {value.n} of {runs} runs' if 0 < value.n < runs else '')
        for value in (last, best)
    ]
    ends = [_list_ends(group)] * has_ends
    return [group.label, runs, with_unit(metric), texts[0], *ends, texts[1]]


def _list_ends(group: RunGroup) -> str:
    """``epoch 6``, or ``epoch 3, 6`` for runs of different length."""
    return f'{group.runs[0].unit} {", ".join(map(str, sorted(_find_ends(group))))}'


def _find_ends(group: RunGroup) -> set[int]:
    """Where the last validations are."""
    return {run.validations[-1].step for run in group.runs if run.validations}


def _paired(group: RunGroup, first: RunGroup, metric: str) -> str:
    """Difference from the first config, paired by seed; nothing without common seeds."""
    difference = paired_difference(_by_seed(group, metric), _by_seed(first, metric))
    return format_difference(difference, decimals_of(metric))


def _by_seed(group: RunGroup, metric: str) -> dict[int, float]:
    return {
        run.seed: value
        for run in group.runs
        if run.seed is not None and (value := run.last(metric)) is not None
    }


def runs_section(groups: Sequence[RunGroup]) -> Markup:
    """A row a run."""
    header = ['config', 'seed', 'trained', 'metric', 'last', 'best', 'at', 'training (s)',
              'images/s', 'waiting for data (%)', 'folder']  # fmt: skip
    runs = [run for group in groups for run in group.runs]
    base = os.path.commonpath([run.folder.absolute().parent for run in runs])
    rows = [
        [*_describe_run(group, run), os.path.relpath(run.folder, base)]
        for group in groups
        for run in group.runs
    ]
    shown = os.path.relpath(base) if Path(base).is_relative_to(Path.cwd()) else base
    where = '' if shown == '.' else f' Folders are in {shown}.'
    note = paragraph(f'Speed and waiting are medians over the log of the training.{where}')
    return section('Runs', table(header, rows, kind='texts'), note, anchor='runs')


def _describe_run(group: RunGroup, run: LoggedRun) -> list[object]:
    metric, end = group.metric, run.end
    decimals = decimals_of(metric or '')
    best = run.best(metric) if metric else None
    last = run.last(metric) if metric else None
    is_broken = bool(run.validations) and metric in run.validations[-1].broken
    seconds = _training_time(run)
    return [
        group.label,
        run.seed,
        f'{end[0]:g} of {end[1]:g} {run.unit}s' if end else None,
        with_unit(metric) if metric else None,
        'not finite' if is_broken else None if last is None else f'{last:.{decimals}f}',
        f'{best.metrics[metric]:.{decimals}f}' if best and metric else None,
        f'{run.unit} {best.step}' if best else None,
        None if seconds is None else f'{seconds:,.1f}',
        _median(run, get_rate),
        _median(run, get_wait),
    ]


def _training_time(run: LoggedRun) -> float | None:
    """Seconds of all iterations: as the run wrote them, else by their logged times."""
    written = (run.result or {}).get('seconds')
    if isinstance(written, int | float):
        return written
    times = [line['time'] for line in run.training if 'time' in line]
    return statistics.mean(times) * run.training[-1].get('iter', 0) if times else None


def _median(run: LoggedRun, point) -> str | None:  # type: ignore[no-untyped-def]
    values = [value for line in run.training if (value := point(run, line)) is not None]
    if not values:
        return None
    middle = statistics.median(values)
    return f'{middle:,.0f}' if middle >= 10 else f'{middle:.2g}'


def remarks_section(groups: Sequence[RunGroup], evaluations: Sequence[Evaluation]) -> str:
    """What is missing or damaged; nothing where all is there."""
    lines = [f'{run.folder}: {line}' for group in groups for run in group.runs
             for line in run.remarks]  # fmt: skip
    lines += [f'{each.run.folder}: {line}' for each in evaluations for line in each.remarks]
    for group in groups:
        seeds = [run.seed for run in group.runs if run.seed is not None]
        if len(set(seeds)) < len(seeds):
            lines.append(f'{group.label}: runs with the same seed; the interval is too narrow')
        if len(_find_ends(group)) > 1:
            ends = _list_ends(group)
            lines.append(f'{group.label}: the last scores are of runs of different length, {ends}')
    return section('Remarks', items(lines), anchor='remarks') if lines else ''


def configs_section(groups: Sequence[RunGroup]) -> Markup:
    """The differences of the configs, key by key."""
    if len(groups) == 1:
        text = 'All runs have one config.' if len(groups[0].runs) > 1 else 'One run.'
        return section('Differences of the configs', paragraph(text), anchor='configs')
    differences = compare_keys(groups)
    rows = [
        [row.key, *(None if value is None else _shorten(value) for value in row.values)]
        for row in differences
    ]
    header = ['key', *(group.label for group in groups)]
    note = paragraph('- : the config has no such key. Seeds, folders and logs are left out.')
    parts = [table(header, rows, kind='texts'), note] if rows else [paragraph('None.')]
    return section('Differences of the configs', *parts, anchor='configs')


def _shorten(value: str) -> str:
    from senet_mm.utils.options import shorten

    return shorten(value, LONGEST_VALUE)
