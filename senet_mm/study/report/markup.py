"""Pieces of HTML; every text is escaped, a stranger's name as well as ours."""

import html
from collections.abc import Iterable, Sequence

from senet_mm.utils.names import escape_acting
from senet_mm.utils.scores import find_scale

from ..statistics import Interval, cut_interval


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def to_html(value: object) -> str:
    """A cell or a text; None is a dash."""
    if isinstance(value, Markup):
        return value
    return html.escape(escape_acting('-' if value is None else str(value)))


def table(
    header: Sequence[object], rows: Iterable[Sequence[object]], title: str = '', kind: str = ''
) -> Markup:
    """A table that scrolls sideways where it is too wide.

    Args:
        header: Titles of the columns.
        rows: Cells; all columns but the first have numbers, and stand to the right.
        title: Title of the table.
        kind: ``texts`` where the columns have texts.
    """
    head = _row(header, 'th')
    body = ''.join(_row(row, 'td') for row in rows)
    caption = f'<caption>{to_html(title)}</caption>' if title else ''
    return Markup(
        f'<div class="wide"><table class="{kind}">{caption}<thead>{head}</thead>'
        f'<tbody>{body}</tbody></table></div>'
    )


def _row(cells: Sequence[object], tag: str) -> str:
    return f'<tr>{"".join(f"<{tag}>{to_html(cell)}</{tag}>" for cell in cells)}</tr>'


def section(title: str, *parts: str, anchor: str) -> Markup:
    """A section with its heading."""
    return Markup(f'<section id="{anchor}"><h2>{to_html(title)}</h2>{"".join(parts)}</section>')


def heading(title: str) -> Markup:
    return Markup(f'<h3>{to_html(title)}</h3>')


def paragraph(text: object) -> Markup:
    return Markup(f'<p>{to_html(text)}</p>')


def code(text: object) -> Markup:
    """Lines of code."""
    return Markup(f'<pre><code>{to_html(text)}</code></pre>')


def details(title: str, *parts: str) -> Markup:
    """Parts that are shown by a click."""
    return Markup(f'<details><summary>{to_html(title)}</summary>{"".join(parts)}</details>')


def items(lines: Iterable[object], kind: str = 'remarks') -> Markup:
    """A list; nothing for no lines."""
    points = ''.join(f'<li>{to_html(line)}</li>' for line in lines)
    return Markup(f'<ul class="{kind}">{points}</ul>' if points else '')


def interval(value: Interval, score: str) -> str:
    """A mean of a score with its interval, as ``99.30 [98.81, 99.79]``, or the mean alone."""
    if value.mean is None:
        return '-'
    scale = find_scale(score)
    cut = cut_interval(value, scale.least, scale.most)
    text = f'{value.mean:.{scale.decimals}f}'
    if cut.low is None or cut.high is None:
        return text
    return f'{text} [{cut.low:.{scale.decimals}f}, {cut.high:.{scale.decimals}f}]'


def decimals_of(score: str) -> int:
    """Decimals with which a score is written."""
    return find_scale(score).decimals
