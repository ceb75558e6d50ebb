"""The page: parts in their order, style, one file."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from senet_mm.utils.files import atomic_file, check_writable
from senet_mm.version import __version__

from ..places import check_folders
from .charts import make_charts
from .drawing import choose_drawing, draw_all
from .evaluation import evaluate
from .groups import RunGroup, group_runs
from .markup import section, to_html
from .network_sections import classes_section, gates_section, networks_section
from .reading import find_runs
from .repeat import repeat_section
from .sections import configs_section, remarks_section, runs_section, scores_section

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
    data_roots: Sequence[str | os.PathLike] = (),
) -> None:
    """Write a page on runs.

    Args:
        folders: Work directories, or folders of them.
        out: The file.
        evaluates: Whether to run checkpoints on the validation set.
        charts: ``plotly``, ``svg``, or ``auto``: plotly where it is installed.
        data_roots: Folders whose pictures may be shown, beside those of the runs and the current
            one; a data set that is not where its config says is looked for in the first.

    Raises:
        InputError: A folder has no run, one of ``data_roots`` is none, there is no place for the
            file, or plotly is asked for and is not installed.
        OSError: The file cannot be written.
    """
    script, draw = choose_drawing(charts)
    check_folders(data_roots)
    groups = group_runs(find_runs([Path(folder) for folder in folders]))
    check_writable(out)
    # A run without a finite score has a network all the same.
    evaluations = [evaluate(g.best_run or g.runs[0], evaluates, data_roots) for g in groups]
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


def _title(groups: Sequence[RunGroup]) -> str:
    number = sum(len(group.runs) for group in groups)
    if number == 1:
        return f'Report: {groups[0].label}'
    names = f'{groups[0].label}' if len(groups) == 1 else f'{len(groups)} configs'
    return f'Report: {number} runs of {names}'
