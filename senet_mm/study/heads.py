"""The line with the score at the head of a config, made from the table of results."""

from .results import load_tables

# Metric -> names of its two scores, and the text after them.
SCORE_NAMES = {
    'error': ('top-1', 'top-5', ' error'),
    'accuracy': ('top-1', 'top-5', ' accuracy'),
    'AP': ('AP', 'AP50', ''),
}
NO_SCORE = 'no score was published'


def score_lines() -> dict[str, str]:
    """``# Published: ...`` or ``# Expected: ...`` by the name of the config.

    The score of a config in several tables is that of the first one.
    """
    rows: dict[str, dict] = {}
    for table in load_tables().values():
        key = 'detector' if table['metric'] == 'AP' else 'config'
        for row in table['rows']:
            if name := row.get(key):
                rows.setdefault(name, {'metric': table['metric'], 'cite': table.get('cite'), **row})
    return {name: f'# {_score(row, rows)}' for name, row in rows.items()}


def _score(row: dict, rows: dict[str, dict]) -> str:
    if 'top1' in row:
        return f'Published: {_figures(row)} ({row["cite"]})'
    if 'like' in row:
        return f'Expected: {_figures(rows[row["like"]])}, as {row["like"]}'
    return f'Expected: {row.get("expected", NO_SCORE)}'


def _figures(row: dict) -> str:
    """``22.37 / 6.36 % top-1 / top-5 error``, or of one score ``6.37 % top-1 error``."""
    *names, metric = SCORE_NAMES[row['metric']]
    scores = {
        name: f'{row[key]:.2f}'
        for name, key in zip(names, ('top1', 'top5'), strict=True)
        if key in row
    }
    return f'{" / ".join(scores.values())} % {" / ".join(scores)}{metric}'


def with_score_line(text: str, line: str, name: str) -> str:
    """The text of a config with its third line replaced.

    Raises:
        ValueError: Its third line is no score.
    """
    lines = text.splitlines(keepends=True)
    if len(lines) < 3 or not lines[2].startswith(('# Published:', '# Expected:')):
        raise ValueError(
            f'{name}, line 3 is not the score; allowed: "# Published: ..." or "# Expected: ..."'
        )
    return ''.join([*lines[:2], f'{line}\n', *lines[3:]])
