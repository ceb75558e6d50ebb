"""Finds and reads the work directories of runs; nothing in them is executed.

They may be a stranger's: links that lead out of a folder are not followed, and files are read up to
a size.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from senet_mm.config.text import read_config_text
from senet_mm.engine.checkpoints.history import FOLDER
from senet_mm.engine.hooks.result_hook import RESULT
from senet_mm.engine.run_reading import (
    LARGEST_LOG,
    LARGEST_RECORD,
    chain_starts,
    find_training,
    find_validations,
    read_scalars,
    read_starts,
)
from senet_mm.engine.run_record import RECORD
from senet_mm.utils.errors import InputError, describe, one_line
from senet_mm.utils.files import check_inside, check_regular_file, read_inside
from senet_mm.utils.names import counted

from .runs import LoggedRun

# Bytes of the end of a text log, and characters of its last line that are shown.
TAIL, LONGEST_REASON = 4096, 300
# Deepest folder of a run below a folder that is given: WORK_DIR/CONFIG/seed-0 of an ablation.
DEPTH = 2


def find_runs(folders: Sequence[Path]) -> list[LoggedRun]:
    """The runs in folders, each once.

    Raises:
        InputError: A folder is missing, has no run in it or in the two levels below, or has a link
            to a run elsewhere.
    """
    found: dict[Path, LoggedRun] = {}
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise InputError(f'{folder} is no folder; allowed: a folder that train.py wrote')
        runs = list(_walk(folder, DEPTH))
        if not runs:
            raise InputError(
                f'{folder} has no run: no {RECORD}, no scalars.json, no {RESULT}; allowed: a '
                'folder that train.py wrote, or one of such folders'
            )
        new = [read_run(run) for run in runs if run.resolve() not in found]
        found |= {run.folder.resolve(): run for run in sorted(new, key=_get_time)}
    return list(found.values())


def _get_time(run: LoggedRun) -> str:
    """When it was started; an ablation starts with the baseline."""
    return str(run.starts[0].get('time')) if run.starts else ''


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    """The work directories in a folder."""
    if _has_run(folder):
        yield folder
    elif depth:
        for child in sorted(path for path in folder.iterdir() if path.is_dir()):
            runs = _walk(child, depth - 1)
            if not child.is_symlink():
                yield from runs
            elif linked := next(runs, None):
                # A stranger's folder may have links to runs of others.
                raise InputError(
                    f'{child} is a link to a folder with a run, {linked.resolve()}; allowed: that '
                    'folder itself as WORK_DIR'
                )


def _has_run(folder: Path) -> bool:
    patterns = (f'*/{RECORD}', f'*/{FOLDER}/scalars.json', RESULT)
    return any(path.is_file() for pattern in patterns for path in folder.glob(pattern))


def read_run(folder: Path) -> LoggedRun:
    """What a work directory has of its run; what is missing is a remark."""
    remarks: list[str] = []
    records = read_starts(folder)
    logged = sorted(path.parent.parent for path in folder.glob(f'*/{FOLDER}/scalars.json'))
    ordered = [start for start in records if start in logged] or logged
    last = ordered[-1] if ordered else None
    starts = chain_starts(records, last if last in records else None)
    if not starts:
        remarks.append(f'no {RECORD} that can be read: command, seed and environment are not known')
    lines = _read_log(folder, last / FOLDER if last else folder, remarks)
    config, name = _read_config(folder, last, starts, remarks)
    run = LoggedRun(
        folder, name, config, starts, _name_starts(records, starts), find_training(lines),
        find_validations(lines), _read_result(folder, remarks), remarks,
    )  # fmt: skip
    remarks += _describe_validations(run)
    remarks += _describe_end(run, last or next(reversed(records), None))
    return run


def _name_starts(records: Mapping[Path, dict], starts: Sequence[dict]) -> list[str]:
    """The names of the folders of starts."""
    return [path.name for path, record in records.items() if any(record is s for s in starts)]


def _describe_end(run: LoggedRun, last: Path | None) -> list[str]:
    """Lines on a run that is not complete; a result beside it is of an earlier one."""
    lines = []
    end = run.end
    is_short = end is not None and end[0] < end[1]
    if run.result is not None and is_short and not _is_of(run.result, run):
        run.result = None
        lines.append(f'{RESULT} is not used: it is of an earlier training')
    # A run writes its result and its end, which a hook may have brought about early.
    if run.result is not None or run.ended or (run.training and not is_short):
        return lines
    if end:
        lines.append(
            f'interrupted or still running: {end[0]:g} of {end[1]:g} {run.unit}s are trained'
        )
    if last and (line := _read_last_line(run.folder, last)):
        lines.append(f'its log ends with: {line}')
    return lines


def _is_of(result: Mapping, run: LoggedRun) -> bool:
    """Whether the last validation of a result is that of a run."""
    validations = result.get('validations')
    last = validations[-1] if isinstance(validations, list) and validations else None
    step = last.get(run.key) if isinstance(last, Mapping) else None
    return bool(run.validations) and run.validations[-1].step == step


def _read_log(work_dir: Path, folder: Path, remarks: list[str]) -> list[dict[str, float]]:
    """The lines of ``scalars.json``."""
    try:
        scalars = read_scalars(work_dir, folder)
    except (OSError, ValueError) as error:
        remarks.append(f'its log cannot be read: {describe(error)}')
        return []
    if scalars.damaged:
        remarks.append(f'{counted(scalars.damaged, "damaged line")} of scalars.json left out')
    if not scalars.lines:
        remarks.append('nothing was logged')
    return scalars.lines


def _describe_validations(run: LoggedRun) -> list[str]:
    """Lines on validations that are missing, or whose metrics are not finite."""
    if not run.validations:
        return ['no validation was logged']
    broken: dict[str, list[str]] = {}
    for each in run.validations:
        for name in each.broken:
            broken.setdefault(name, []).append(str(each.step))
    return [
        f'{name} is not finite at {run.unit} {", ".join(steps)}' for name, steps in broken.items()
    ]


def _read_last_line(work_dir: Path, folder: Path) -> str:
    """The last line of the text log of a start, which says why a training ended early."""
    for file in sorted(folder.glob('*.log')):
        try:
            check_inside(file, work_dir)
            check_regular_file(file)
            with open(file, 'rb') as opened:
                opened.seek(max(0, file.stat().st_size - TAIL))
                lines = opened.read(TAIL).decode(errors='replace').strip().splitlines()
        except (OSError, ValueError):
            continue
        if lines:
            return one_line(lines[-1])[:LONGEST_REASON]
    return ''


def _read_config(
    folder: Path, last: Path | None, starts: Sequence[Mapping], remarks: list[str]
) -> tuple[dict, str]:
    """Values of the config, and its name; the text is read as data."""
    recorded = Path(str(starts[-1].get('config') or '')).name if starts else ''
    beside = [folder / recorded] if recorded else sorted(folder.glob('*.py'))
    files = [*([last / FOLDER / 'config.py'] if last else []), *beside]
    name = Path(recorded).stem or (beside[0].stem if beside else folder.name)
    for file in filter(Path.is_file, files):
        try:
            return read_config_text(read_inside(file, folder, LARGEST_RECORD).decode()), name
        except (OSError, ValueError) as error:
            remarks.append(f'its config cannot be read as data: {describe(error)}')
            return {}, name
    remarks.append('no config')
    return {}, name


def _read_result(folder: Path, remarks: list[str]) -> dict | None:
    """``result.json``; None without one, or a damaged one."""
    if not (folder / RESULT).is_file():
        return None
    try:
        result = json.loads(read_inside(folder / RESULT, folder, LARGEST_LOG))
    except (OSError, ValueError, RecursionError) as error:
        remarks.append(f'{RESULT} cannot be read: {error}')
        return None
    return result if isinstance(result, dict) else None
