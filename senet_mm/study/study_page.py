"""A study as text and figure: tables of differences, and a plot of their intervals."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from senet_mm.utils.figures import PALETTE, new_figure, styled
from senet_mm.utils.tables import format_count, markdown_table

from .comparison import format_difference, format_summary
from .contrasts import Finding, SeedScore

HEADER = (
    '', 'params (M)', 'runs', 'top-1 %', 'against', 'difference', "paper's difference",
)  # fmt: skip
ROW = 0.27  # inches
OURS, PAPER = PALETTE[:2]


def study_tables(findings: Sequence[Finding]) -> str:
    """One Markdown table for each table of a study."""
    parts = []
    for table, rows in _by_table(findings).items():
        lines = [
            [
                f'{row.contrast.name} (`{row.contrast.config}`)',
                format_count(row.params, 1e6),
                str(row.score.n),
                format_summary(row.score, 2),
                f'{format_summary(row.baseline, 2)} (`{row.contrast.against}`)',
                format_difference(row.difference, 2),
                '-' if row.published is None else f'{row.published:+.2f}',
            ]
            for row in rows
        ]
        parts.append(f'### {table}\n\n{markdown_table(HEADER, lines)}')
    return '\n'.join(parts)


def study_summary(findings: Sequence[Finding], runs: Sequence[SeedScore]) -> str:
    """How many intervals exclude zero, on how many runs, made how and in what time."""
    if not runs:
        return 'There are no runs yet.\n'
    distinct = {(row.contrast.config, row.contrast.against): row for row in findings}
    known = [row for row in distinct.values() if row.difference.low is not None]
    clear = [row for row in known if row.excludes_zero]
    signs = [
        row.published * row.difference.mean > 0
        for row in clear
        if row.published and row.difference.mean
    ]
    hours = sum(run.cpu_seconds for run in runs) / 3600
    machines = sorted({run.made_with for run in runs})
    text = f'{len(runs)} runs, {hours:.1f} hours of one core in all; {"; ".join(machines)}.\n'
    if not known:
        return f'{text}No difference has an interval: that takes two seeds.\n'
    text += (
        f'Of {len(known)} different intervals, {len(clear)} exclude zero; by chance alone, one in '
        'twenty does.'
    )
    if signs:
        text += f'\nOf these, {len(signs)} have a published difference; '
        text += f'its sign agrees in {sum(signs)}.'
    return f'{text}\n'


@styled()
def draw_study(findings: Sequence[Finding]) -> Figure:
    """Every difference with its interval, and the published one beside it."""
    tables = _by_table(findings)
    rows = sum(len(found) + 1 for found in tables.values())
    title = 'Top-1 accuracy: difference of each network from its baseline'
    figure = new_figure(ROW * rows + 1.4, title)
    axes = figure.subplots()
    y, ticks = 0, {}
    for table, found in tables.items():
        ticks[y] = table
        for finding in found:
            y += 1
            ticks[y] = finding.contrast.name
            _draw_row(axes, y, finding)
        y += 1
    axes.axvline(0, color='black', linewidth=0.8, zorder=1)
    axes.set_yticks([*ticks], [*ticks.values()])
    for place, label in zip(ticks, axes.get_yticklabels(), strict=True):
        if ticks[place] in tables:
            label.set_fontweight('bold')
    axes.tick_params(axis='y', length=0)
    axes.set_ylim(y, -1)
    axes.grid(axis='x')
    axes.set_xlabel('difference of top-1, percentage points; bars: 95 % intervals')
    axes.spines['left'].set_visible(False)
    _add_legend(axes)
    return figure


def _draw_row(axes: Axes, y: int, finding: Finding) -> None:
    difference = finding.difference
    if difference.mean is not None:
        if difference.low is not None and difference.high is not None:
            axes.plot([difference.low, difference.high], [y, y], color=OURS, linewidth=2)
        axes.plot(difference.mean, y, 'o', color=OURS, markersize=5)
    if finding.published is not None:
        axes.plot(finding.published, y, 'D', color=PAPER, markersize=5, fillstyle='none')


def _add_legend(axes: Axes) -> None:
    axes.plot([], [], 'o-', color=OURS, linewidth=2, markersize=5, label='here, on the scenes')
    axes.plot([], [], 'D', color=PAPER, markersize=5, fillstyle='none', label="the paper's")
    axes.legend(loc='lower left', bbox_to_anchor=(0, 1), ncols=2)


def _by_table(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    tables: dict[str, list[Finding]] = {}
    for finding in findings:
        tables.setdefault(finding.contrast.table, []).append(finding)
    return tables
