"""The page: parts in their order, style, one file."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from senet_mm.utils.files import atomic_file
from senet_mm.version import __version__

from .charts import make_charts
from .drawing import choose_drawing, draw_all
from .evaluation import Evaluation, evaluate
from .groups import RunGroup, group_runs
from .markup import section, to_html
from .network_sections import classes_section, gates_section, networks_section
from .runs import find_runs
from .sections import (
    configs_section,
    remarks_section,
    repeat_section,
    runs_section,
    scores_section,
)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data: blob:; \
style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>{style}</style>
{script}
</head>
<body>
<header><h1>{title}</h1><p>{made}</p></header>
<main>{parts}</main>
</body>
</html>
"""


def report_runs(
    folders: Sequence[str | os.PathLike],
    out: str | os.PathLike,
    evaluates: bool = True,
    charts: str = 'auto',
) -> None:
    """Write a page on runs.

    Args:
        folders: Work directories, or folders of them.
        out: The file.
        evaluates: Whether to run checkpoints on the validation set.
        charts: ``plotly``, ``svg``, or ``auto``: plotly where it is installed.

    Raises:
        InputError: A folder has no run, or plotly is asked for and is not installed.
    """
    script, draw = choose_drawing(charts)
    groups = group_runs(find_runs([Path(folder) for folder in folders]))
    evaluations = [_evaluate(group, evaluates) for group in groups]
    curves = make_charts(groups)
    pairs = list(zip(groups, evaluations, strict=True))
    parts = [
        remarks_section(groups, evaluations),
        scores_section(groups),
        section('Curves', draw_all(curves, draw), anchor='curves') if curves else '',
        runs_section(groups),
        configs_section(groups),
        networks_section(pairs),
        classes_section(pairs),
        gates_section(pairs, draw, len(curves)),
        repeat_section(groups),
    ]
    page = PAGE.format(
        title=to_html(_title(groups)),
        made=to_html(f'Made by senet_mm {__version__}, {time.strftime("%Y-%m-%d %H:%M")}'),
        style=Path(__file__).with_name('style.css').read_text(),
        script=script,
        parts='\n'.join(parts),
    )
    with atomic_file(out) as file:
        file.write(page.encode('utf-8', 'backslashreplace'))


def _evaluate(group: RunGroup, evaluates: bool) -> Evaluation:
    """Evaluate the best run of a config."""
    return evaluate(group.best_run or group.runs[0], evaluates)


def _title(groups: Sequence[RunGroup]) -> str:
    number = sum(len(group.runs) for group in groups)
    if number == 1:
        return f'Report: {groups[0].label}'
    names = f'{groups[0].label}' if len(groups) == 1 else f'{len(groups)} configs'
    return f'Report: {number} runs of {names}'
