"""A report by class as text for a log, and as files."""

import csv
import io
from collections.abc import Iterable

import numpy as np

from senet_mm.utils.names import printable, to_json
from senet_mm.utils.tables import text_table

from .class_report import ClassScores, Report

# So many classes are listed in a log with their confusion matrix; of more, the worst ones.
FEW = 20
WORST = 10
# Characters of a name in a log.
LONGEST = 30
HEADER = (
    'class', 'images', 'predicted', 'accuracy (%)', 'precision (%)', 'recall (%)', 'F1 (%)',
)  # fmt: skip


def report_to_text(report: Report) -> str:
    """The lines of a log: all classes, or the worst of many, and what they are taken for."""
    means = ', '.join(f'{name} {value:.2f} %' for name, value in report.macro.items())
    lines = [f'{report.images:,} images, accuracy {report.accuracy:.2f} %, macro means: {means}']
    if len(report.classes) <= FEW:
        lines.append(text_table(HEADER, map(_cells, report.classes)))
    else:
        known = [each for each in report.classes if each.f1 is not None]
        worst = sorted(known, key=lambda each: each.f1 or 0)[:WORST]
        lines.append(f'the {len(worst)} classes of lowest F1, of {len(report.classes):,}:')
        lines.append(text_table(HEADER, map(_cells, worst)))
    if report.confusion is not None:
        lines.append(_confusions_to_text(report, report.confusion))
    return '\n'.join(lines)


def _cells(scores: ClassScores) -> list[str]:
    counts = [f'{scores.images:,}', f'{scores.predicted:,}']
    values = (scores.accuracy, scores.precision, scores.recall, scores.f1)
    percents = ['-' if value is None else f'{value:.2f}' for value in values]
    return [_shorten(scores.name), *counts, *percents]


def _confusions_to_text(report: Report, confusion: np.ndarray) -> str:
    """The confusion matrix (C, C), or of many classes the most frequent confusions."""
    names = [_shorten(scores.name) for scores in report.classes]
    if len(names) <= FEW:
        rows = ([name, *map(str, row)] for name, row in zip(names, confusion, strict=True))
        matrix = text_table(('class', *names), rows)
        return (
            f'confusion matrix: a row per class, a column per class that it is taken for\n{matrix}'
        )
    wrong = confusion * (1 - np.eye(len(names), dtype=confusion.dtype))
    first = np.argsort(-wrong, axis=None, kind='stable')[:WORST]
    pairs = [np.unravel_index(place, wrong.shape) for place in first if wrong.flat[place]]
    confused = [[names[i], names[j], f'{wrong[i, j]:,}'] for i, j in pairs]
    if not confused:
        return 'no image is taken for another class'
    return f'most frequent confusions:\n{text_table(("class", "taken for", "images"), confused)}'


def report_to_json(report: Report, **more: object) -> str:
    """The report, with what else is given, as JSON; the matrix is in a file of its own."""
    fields = dict(images=report.images, accuracy=report.accuracy, macro=report.macro)
    classes = [scores._asdict() for scores in report.classes]
    return to_json({**more, **fields, 'classes': classes}, indent=2) + '\n'


def confusion_to_csv(names: Iterable[str], confusion: np.ndarray) -> str:
    """The confusion matrix (C, C) with the names of the classes; columns are predictions."""
    names = list(map(printable, names))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(['label \\ prediction', *names])
    writer.writerows([name, *row] for name, row in zip(names, confusion.tolist(), strict=True))
    return out.getvalue()


def _shorten(name: str) -> str:
    """A name on one line, without its middle: the columns of a table keep their place."""
    name = printable(name)
    return name if len(name) <= LONGEST else f'{name[: LONGEST - 12]}...{name[-9:]}'
