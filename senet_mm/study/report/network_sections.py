"""The parts of a report on networks: stages, classes, pictures, gates."""

import base64
from collections.abc import Sequence

import numpy as np

from senet_mm.evaluation.class_report import Report

from .charts import gate_charts
from .drawing import Draw, draw_all
from .evaluation import Evaluation
from .gates import by_stage
from .groups import RunGroup
from .markup import Markup, details, heading, paragraph, section, table, to_html
from .pictures import Picture

# So many classes are shown in a matrix; of more, the most frequent confusions.
MOST_IN_MATRIX = 30
MOST_CONFUSIONS = 30
# Letters of a name above a column of the matrix; longer names stand upright.
MOST_IN_HEAD = 3
# So many classes are shown; the others by a click.
MOST_CLASSES = 20
# More are not listed: a page of 21,841 rows is slow.
MOST_LISTED = 1_000
DEFINITION = (
    'Gates on the {set}: mean over images and channels, standard deviation of a channel '
    'over the images. A channel is saturated where its gate is above 0.99 or below 0.01 for 99 % '
    'of the images, and dead where it is not saturated and its standard deviation is below 0.001.'
)

Pairs = Sequence[tuple[RunGroup, Evaluation]]


def networks_section(pairs: Pairs) -> Markup:
    """Parameters and multiply-adds of each network by stage."""
    parts = []
    for group, evaluation in pairs:
        if counted := evaluation.complexity:
            stages = [(stage.name, stage.params, stage.macs) for stage in counted.stages]
            rows = [
                [name, f'{params:,}', f'{macs / 1e6:,.2f}']
                for name, params, macs in [*stages, ('total', counted.params, counted.macs)]
            ]
            shape = ' x '.join(map(str, counted.shape))
            header = ('part', 'parameters', 'multiply-adds (M)')
            parts.append(table(header, rows, f'{group.label}, image {shape}'))
    parts = parts or [paragraph('No network is known; see the remarks.')]
    return section(
        'Networks', Markup(f'<div class="beside">{"".join(parts)}</div>'), anchor='networks'
    )


def classes_section(pairs: Pairs) -> str:
    """Scores by class, confusions and worst pictures of the best checkpoint of each config."""
    parts: list[str] = []
    for group, evaluation in pairs:
        report, checkpoint = evaluation.report, evaluation.checkpoint
        if report is None or checkpoint is None:
            continue
        parts += [
            heading(group.label),
            paragraph(
                f'{checkpoint.path}: {report.images:,} images of the {evaluation.side}, '
                f'accuracy {report.accuracy:.2f} %, '
                + ', '.join(f'macro {name} {value:.2f} %' for name, value in report.macro.items())
            ),
            _class_table(report),
            _confusions(report),
            _pictures(report, evaluation.worst),
        ]
    return (
        section(f'Classes, on the {_name_sets(pairs)}', *parts, anchor='classes') if parts else ''
    )


def _name_sets(pairs: Pairs) -> str:
    """``validation set``, ``test set``, or both with ``or``."""
    return ' or '.join(sorted({evaluation.side for _, evaluation in pairs}, reverse=True))


def _class_table(report: Report) -> str:
    header = ('class', 'images', 'predicted', 'precision (%)', 'recall (%)', 'F1 (%)')
    worst_first = sorted(report.classes, key=lambda scores: 1e9 if scores.f1 is None else scores.f1)
    rows = [
        [
            Markup(to_html(scores.name)), f'{scores.images:,}', f'{scores.predicted:,}',
            *(None if x is None else f'{x:.2f}' for x in (scores.precision, scores.recall,
                                                          scores.f1)),
        ]
        for scores in worst_first[:MOST_LISTED]
    ]  # fmt: skip
    if len(rows) <= MOST_CLASSES:
        return table(header, rows, 'Scores by class, the lowest F1 first')
    shown = table(header, rows[:MOST_CLASSES], f'The {MOST_CLASSES} classes of lowest F1')
    return shown + details(f'{len(rows):,} classes', table(header, rows))


def _confusions(report: Report) -> str:
    """The confusion matrix, or of many classes the most frequent confusions."""
    if report.confusion is None:
        return paragraph('Too many classes for a confusion matrix.')
    if len(report.classes) <= MOST_IN_MATRIX:
        return _matrix(report, report.confusion)
    wrong = report.confusion * (1 - np.eye(len(report.confusion), dtype=int))
    order = np.argsort(-wrong, axis=None, kind='stable')[:MOST_CONFUSIONS]
    pairs = (np.unravel_index(place, wrong.shape) for place in order if wrong.flat[place])
    names = [scores.name for scores in report.classes]
    rows = [[names[i], names[j], f'{wrong[i, j]:,}'] for i, j in pairs]
    return table(('class', 'taken for', 'images'), rows, 'Most frequent confusions')


def _matrix(report: Report, confusion: np.ndarray) -> str:
    """The matrix; a cell is the darker, the larger its share of the images of its class."""
    names = [scores.name for scores in report.classes]
    kind = 'matrix upright' if max(map(len, names)) > MOST_IN_HEAD else 'matrix'
    head = ''.join(
        f'<th scope="col" title="{name}"><span>{name}</span></th>' for name in map(to_html, names)
    )
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    rows = []
    for i, name in enumerate(names):
        cells = (
            f'<td class="{"right" if i == j else "wrong"}" style="--share:{shares[i, j]:.3f}">'
            f'{count or ""}</td>'
            for j, count in enumerate(confusion[i].tolist())
        )
        rows.append(f'<tr><th scope="row">{to_html(name)}</th>{"".join(cells)}</tr>')
    return Markup(
        f'<div class="wide"><table class="{kind}"><caption>Confusion matrix: a row for each class, '
        'a column for each class that it is taken for; numbers of images</caption>'
        f'<thead><tr><td></td>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _pictures(report: Report, worst: Sequence[Picture]) -> str:
    """The pictures whose class has the lowest scores."""
    if not worst:
        return paragraph('No picture is taken for another class.')
    names = [scores.name for scores in report.classes]
    figures = []
    for picture in worst:
        label, prediction = (to_html(names[i]) for i in (picture.label, picture.prediction))
        data = base64.b64encode(picture.jpeg).decode()
        path = f' title="{to_html(picture.path)}"' if picture.path else ''
        figures.append(
            f'<figure{path}><img alt="{label}, taken for {prediction}" '
            f'src="data:image/jpeg;base64,{data}"><figcaption><b>{label}</b> '
            f'{100 * picture.label_score:.1f} %<br>taken for <b>{prediction}</b> '
            f'{100 * picture.prediction_score:.1f} %</figcaption></figure>'
        )
    return (
        paragraph(
            f'The {len(worst)} wrong pictures whose class has the lowest score, as the network '
            'sees them, with the scores of both classes:'
        )
        + f'<div class="pictures">{"".join(figures)}</div>'
    )


def gates_section(pairs: Pairs, draw: Draw, first: int) -> str:
    """The gates by stage, and how they changed."""
    parts: list[str] = []
    for group, evaluation in pairs:
        if evaluation.without_gates:
            parts.append(paragraph(f'{group.label}: {evaluation.without_gates}.'))
        if not evaluation.gates or evaluation.checkpoint is None:
            continue
        step = evaluation.checkpoint.step
        gates = next(each for each in evaluation.gates if each.step == step)
        charts = gate_charts(group.label, evaluation)
        parts += [
            heading(f'{group.label}, {evaluation.run.unit} {step:,.10g}'),
            _gate_table(by_stage(gates.blocks)),
            details(f'{len(gates.blocks)} blocks', _gate_table(
                {block.block: by_stage([block]).popitem()[1] for block in gates.blocks}
            )),
            draw_all(charts, draw, first) if charts else paragraph(
                'How they changed is not known: one checkpoint is left '
                '(default_hooks.checkpoint.max_keep_ckpts=-1 keeps all).'
            ),
        ]  # fmt: skip
        first += len(charts)
    text = DEFINITION.format(set=_name_sets(pairs))
    return section('Gates', paragraph(text), *parts, anchor='gates') if parts else ''


def _gate_table(rows: dict) -> str:
    header = ('', 'channels', 'mean', 'standard deviation', 'dead', 'saturated high', 'low')
    cells = (
        [name, f'{gates.channels:,}', f'{gates.mean:.4f}', f'{gates.std:.4f}',
         gates.dead, gates.high, gates.low]
        for name, gates in rows.items()
    )  # fmt: skip
    return table(header, cells)
