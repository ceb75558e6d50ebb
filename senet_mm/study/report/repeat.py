"""The part of a report on how to repeat runs: command, code, environment."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from senet_mm.utils.names import counted

from .groups import RunGroup
from .markup import Markup, code, details, heading, items, paragraph, section, table
from .runs import LoggedRun

# Programs whose options are known.
TRAINERS = {'train', 'train.py', 'train_detector.py'}
# Options with the folder of a run, and those of its config that continue a run.
FOLDERS = ('--work-dir', '--out')
CONTINUING = ('resume', 'work_dir')


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
    last = run.starts[-1]
    folder = shlex.quote(str(last.get('folder', '.')))
    parts: list[str] = [code(f'cd {folder}\n{write_command(run)}')]
    if kept := _keep_code(last):
        text = 'If the code has changed since, this makes a folder with that of the run to be used:'
        parts += [paragraph(text), code('\n'.join(kept))]
    if len(run.starts) > 1:
        resumed = [f'{start.get("time")}: {start.get("command")}' for start in run.starts[1:]]
        options = ' The options above are those of the last start.' if _has_changed(run) else ''
        parts.append(paragraph(f'It was resumed {counted(len(resumed), "time")}.{options}'))
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


def write_command(run: LoggedRun) -> str:
    """The command that does the same as a run, into a folder of its own, from the beginning.

    Its options are those of the last start, which the config and the schedule of the whole run
    follow. The command of another program than ours is given as it was.
    """
    words = _find_words(run.starts[-1])
    if words is None:
        return str(run.starts[0].get('command', ''))
    began = ''.join(filter(str.isalnum, str(run.starts[0].get('time', ''))[:19]))
    words += ['--work-dir', f'work_dirs/repeated/{run.name}-{began}']
    is_given = run.part('randomness').get('seed') is not None
    if run.config and not is_given and run.seed is not None:
        words += ['--cfg-options', f'randomness.seed={run.seed}']
    return shlex.join(words)


def _has_changed(run: LoggedRun) -> bool:
    """Whether the first and the last start of a run differ in their options."""
    first, last = (_find_words(run.starts[i]) for i in (0, -1))
    return last is not None and first != last


def _find_words(start: Mapping) -> list[str] | None:
    """The command of a start as words, from the beginning; None for another program than ours."""
    try:
        words = shlex.split(str(start.get('command', '')))
    except ValueError:
        return None
    is_ours = any(Path(word).name in TRAINERS for word in words)
    return _drop_options(words) if is_ours else None


def _drop_options(words: Sequence[str]) -> list[str]:
    """A command without the folder of its run and without what resumes one."""
    kept: list[str] = []
    skips = False
    for word in words:
        option, _, value = word.partition('=')
        is_value = skips and not word.startswith('-')
        skips = option in (*FOLDERS, '--resume') and not value
        if not (is_value or option in (*FOLDERS, '--resume', *CONTINUING)):
            kept.append(word)
    # An option takes one value at least.
    following = [*kept[1:], '--']
    pairs = zip(kept, following, strict=True)
    return [word for word, after in pairs if word != '--cfg-options' or not after.startswith('--')]


def _git_of(start: Mapping) -> dict[str, Mapping]:
    found = start.get('git')
    states = found.items() if isinstance(found, Mapping) else ()
    return {str(folder): state for folder, state in states if isinstance(state, Mapping)}


def _keep_code(start: Mapping) -> list[str]:
    """Commands that bring back the code of each repository, in a folder beside it."""
    commands = []
    for folder, state in _git_of(start).items():
        commit = str(state.get('commit'))
        beside = f'{folder.rstrip("/")}-{commit[:7]}'
        commands.append(
            shlex.join(['git', '-C', folder, 'worktree', 'add', '--detach', beside, commit])
        )
        commands.append(f'export PYTHONPATH={shlex.quote(beside)}${{PYTHONPATH:+:$PYTHONPATH}}')
    return commands


def _describe_git(start: Mapping) -> list[str]:
    lines = []
    for folder, state in _git_of(start).items():
        changed = 'with changes that are not committed' if state.get('dirty') else 'unchanged'
        lines.append(f'{folder}: commit {state.get("commit")}, {changed}')
    return lines or ['no repository']
