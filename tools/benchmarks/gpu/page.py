"""The page of a run, from its JSON alone."""

from collections.abc import Iterable

from goals import EXPECTED_KEPT, EXPECTED_MS, device_of, get_goals

# Key of a figure -> its column; other keys stand as they are.
TITLES = {
    'ms': 'ms', 'rate': 'images/s', 'graph_ms': 'ms, graph', 'graph_rate': 'images/s, graph',
    'peak': 'peak GB', 'kept': 'kept GB', 'graph_held': 'held GB, graph',
    'loss_differs': 'first loss differs',
}  # fmt: skip
# Not shown: quartiles stand behind their median, the rest is in the JSON.
HIDDEN = {
    'status', 'error', 'low', 'high', 'graph_low', 'graph_high', 'first_loss', 'last_loss',
    'graph_loss', 'seconds',
}  # fmt: skip
MOST_ROWS = 40


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    lines = [list(header)]
    lines += [['---'] * len(lines[0]), *[[cell(value) for value in row] for row in rows]]
    return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


def cell(value: object) -> str:
    """A value as text: three or four digits of a float."""
    if value is None:
        return ''
    if isinstance(value, float):
        return f'{value:.0f}' if 1000 <= abs(value) < 1e6 else f'{value:.4g}'
    return str(value).replace('|', '\\|').replace('\n', ' ')


def with_quartiles(part: dict, key: str) -> object:
    """A figure, a time with its quartiles."""
    low = part.get(key.replace('ms', 'low'))
    if key not in ('ms', 'graph_ms') or low is None or key not in part:
        return part.get(key)
    high = part[key.replace('ms', 'high')]
    return f'{cell(part[key])} ({cell(low)}-{cell(high)})'


def show_parts(parts: dict[str, dict], more: dict[str, dict[str, float]]) -> str:
    """Figures of parts as one table, and a table of each part that has rows of its own.

    Args:
        parts: The parts, by name.
        more: Columns that are not measured: title -> value by part.
    """
    plain = {
        name: {k: v for k, v in part.items() if not isinstance(v, (list, dict))}
        for name, part in parts.items()
    }
    keys = list(dict.fromkeys(k for part in plain.values() for k in part if k not in HIDDEN))
    more = {title: values for title, values in more.items() if values.keys() & parts.keys()}
    header = ['', *(TITLES.get(key, key) for key in keys), *more, 'took s']
    rows = [
        [
            name if part['status'] == 'ok' else f'{name}: {part["status"]}',
            *(with_quartiles(part, key) for key in keys),
            *(values.get(name) for values in more.values()),
            part.get('seconds'),
        ]
        for name, part in plain.items()
    ]
    text = table(header, rows) if rows else ''
    for name, part in parts.items():
        lists = {k: v for k, v in part.items() if isinstance(v, list) and v}
        for key, items in lists.items():
            if isinstance(items[0], dict):
                text += f'\n{name}, {key}:\n\n{show_items(items)}'
    return text


def show_items(items: list[dict]) -> str:
    """A table of dicts; of a long one the beginning."""
    keys = list(dict.fromkeys(key for item in items for key in item))
    text = table(keys, ([item.get(key) for key in keys] for item in items[:MOST_ROWS]))
    rest = len(items) - MOST_ROWS
    return text + (f'\n{rest} more rows are in gpu.json.\n' if rest > 0 else '')


def show_machine(part: dict) -> str:
    """Machine and versions, a line each."""
    return table(['', ''], ((k, v) for k, v in part.items() if k not in ('status', 'seconds')))


def show_faults(stages: dict[str, dict]) -> str:
    """What failed, and the last lines of its output."""
    text = ''
    for name, stage in stages.items():
        for part, result in stage['parts'].items():
            if result['status'] != 'ok':
                text += f'- {name}, {part}: {result["status"]}: {result.get("error")}\n'
        if stage['status'] != 'ok':
            lines = '\n'.join(stage['tail']) or '(no output)'
            text += f'\n{name} ({stage["status"]}) ended with\n\n```\n{lines}\n```\n\n'
    return text or 'None.\n'


def render(results: dict) -> str:
    """The page."""
    stages = results['stages']
    form = 'the small form: no figure means anything' if results['small'] else 'the full plan'
    text = f'# GPU benchmark, {form}\n\n`{results["command"]}`\n\n'
    several = len({s['run'] for s in stages.values()}) > 1
    text += table(
        ['stage', 'result', 'took s', 'may take s', 'parts', *['run (UTC)'] * several],
        (
            [name, s['status'], s['seconds'], s['seconds_allowed'], len(s['parts'])]
            + [s['run']] * several
            for name, s in stages.items()
        ),
    )
    goals = [
        [g.what, g.wanted, g.value, {None: 'not known', True: 'met', False: 'not met'}[g.met]]
        for g in get_goals(results)
    ]
    text += f'\n## Goals: SE-ResNet-50, training\n\n{table(["", "goal", "value", ""], goals)}'
    other = '' if 'H200' in device_of(results) else ', another device'
    more = {f'expected ms (H200{other})': EXPECTED_MS, 'expected kept GB': EXPECTED_KEPT}
    for name, stage in stages.items():
        parts = dict(stage['parts'])
        text += f'\n## {stage["title"]}\n\n'
        if 'machine' in parts and parts['machine']['status'] == 'ok':
            text += show_machine(parts.pop('machine')) + '\n'
        text += show_parts(parts, more if name in ('steps', 'compiled') else {})
    return f'{text}\n## Not measured, or wrong\n\n{show_faults(stages)}'
