"""The parts of a report on the runs: scores, runs, configs, how to repeat them."""

import os
import shlex
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from senet_mm.utils.scores import find_scale, with_unit

from ..comparison import format_difference
from ..statistics import paired_difference
from .charts import get_rate, get_wait
from .evaluation import Evaluation
from .groups import RunGroup, compare_keys
from .markup import (
    Markup,
    code,
    decimals_of,
    details,
    heading,
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
    first = groups[0]
    rows = [
        [
            group.label, len(group.runs), with_unit(name),
            *(interval(value, name) for value in (group.last(name), group.best(name))),
            None if group is first else _paired(group, first, name),
        ]
        for name in metrics
        for group in groups
        if name in group.metrics
    ]  # fmt: skip
    if not rows:
        return section('Scores', paragraph('No run was validated.'), anchor='scores')
    header = ['config', 'runs', 'metric', 'last', 'best', f'last, difference from {first.label}']
    note = paragraph(NOTE)
    return section('Scores', table(header, rows, kind='texts'), note, anchor='scores')


def _paired(group: RunGroup, first: RunGroup, metric: str) -> str:
    """Difference from the first config, paired by seed; nothing without common seeds."""
    difference = paired_difference(_by_seed(group, metric), _by_seed(first, metric))
    return format_difference(difference, decimals_of(metric))


def _by_seed(group: RunGroup, metric: str) -> dict[int, float]:
    return {
        run.seed: run.validations[-1].metrics[metric]
        for run in group.runs
        if run.seed is not None and run.validations and metric in run.validations[-1].metrics
    }


def runs_section(groups: Sequence[RunGroup]) -> Markup:
    """A row a run."""
    header = ['config', 'seed', 'trained', 'last', 'best', 'at', 'training (s)', 'images/s',
              'waiting for data (%)', 'folder']  # fmt: skip
    runs = [run for group in groups for run in group.runs]
    base = os.path.commonpath([run.folder.absolute().parent for run in runs])
    rows = [
        [*_describe_run(group.label, run), os.path.relpath(run.folder, base)]
        for group in groups
        for run in group.runs
    ]
    metric = next((run.metric for run in runs if run.metric), 'unknown')
    shown = os.path.relpath(base) if Path(base).is_relative_to(Path.cwd()) else base
    note = paragraph(
        f'Scores are {metric}. Speed and waiting are medians over the log of the training. Folders '
        f'are in {shown}.'
    )
    return section('Runs', table(header, rows, kind='texts'), note, anchor='runs')


def _describe_run(label: str, run: LoggedRun) -> list[object]:
    metric, end = run.metric, run.end
    best = run.best(metric) if metric else None
    last = run.validations[-1].metrics[metric] if metric else None
    scale = find_scale(metric or '')
    texts = [
        None if value is None else scale.write(value)
        for value in (last, best.metrics[metric] if best and metric else None)
    ]
    seconds = _training_time(run)
    return [
        label,
        run.seed,
        f'{end[0]:g} of {end[1]:g} {run.unit}s' if end else None,
        *texts,
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


def repeat_section(groups: Sequence[RunGroup]) -> Markup:
    """Of each run command, commit and environment."""
    parts = []
    for group in groups:
        for run in group.runs:
            if run.starts:
                seed = '' if run.seed is None else f', seed {run.seed}'
                parts += [heading(f'{group.label}{seed}'), *_describe_starts(run)]
    if not parts:
        parts = [paragraph('No run has a record of its start.')]
    return section('To repeat a run', *parts, anchor='repeat')


def _describe_starts(run: LoggedRun) -> list[str]:
    first, last = run.starts[0], run.starts[-1]
    commands = [f'cd {shlex.quote(str(first.get("folder", ".")))}']
    commands += _checkout(first)
    commands.append(_with_seed(str(first.get('command', '')), run))
    parts: list[str] = [code('\n'.join(commands))]
    if len(run.starts) > 1:
        resumed = [f'{start.get("time")}: {start.get("command")}' for start in run.starts[1:]]
        parts.append(paragraph(f'It was resumed {len(resumed)} time(s):'))
        parts.append(items(resumed, 'plain'))
    keys = ('time', 'host', 'device', 'processes', 'python', 'torch', 'senet_mm', 'load_from')
    rows = [[key.replace('_', ' '), last.get(key)] for key in keys if last.get(key) is not None]
    rows += [['git', line] for line in _describe_git(last)]
    parts.append(table(['environment', ''], rows, kind='texts'))
    packages = last.get('packages')
    if isinstance(packages, Mapping):
        listed = '\n'.join(f'{name}=={version}' for name, version in packages.items())
        parts.append(details(f'{len(packages)} installed packages', code(listed)))
    return parts


def _git_of(start: Mapping) -> dict[str, Mapping]:
    found = start.get('git')
    states = found.items() if isinstance(found, Mapping) else ()
    return {str(folder): state for folder, state in states if isinstance(state, Mapping)}


def _checkout(start: Mapping) -> list[str]:
    """The command that brings back the code, for each folder."""
    return [
        f'git -C {shlex.quote(folder)} checkout {shlex.quote(str(state.get("commit")))}'
        for folder, state in _git_of(start).items()
    ]


def _describe_git(start: Mapping) -> list[str]:
    lines = []
    for folder, state in _git_of(start).items():
        changed = 'with changes that are not committed' if state.get('dirty') else 'unchanged'
        lines.append(f'{folder}: commit {state.get("commit")}, {changed}')
    return lines or ['no repository']


def _with_seed(command: str, run: LoggedRun) -> str:
    """A command with the seed, where that was drawn."""
    is_given = run.part('randomness').get('seed') is not None
    if is_given or run.seed is None or not run.config:
        return command
    return f'{command} --cfg-options randomness.seed={run.seed}'
