"""Predictions as a table, CSV or JSON; see :class:`senet_mm.apis.Classifier`.

Names are written as :mod:`senet_mm.utils.names` says.
"""

import codecs
import csv
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

from .names import printable, to_json

# Suffix of a file -> format.
SUFFIXES = {'.csv': 'csv', '.json': 'json', '.txt': 'table'}
KEYS = ('img_path', 'pred_label', 'pred_class', 'pred_score')
TOP_KEYS = ('top_labels', 'top_classes', 'top_scores')


def flatten(result: Mapping[str, Any]) -> dict[str, Any]:
    """A prediction as one row: ``pred_*`` for the best class, ``label_2``, ... for the others."""
    row = {key: result[key] for key in KEYS if key in result}
    for rank in range(2, 1 + len(result.get('top_labels', ()))):
        for key, name in zip(TOP_KEYS, ('label', 'class', 'score'), strict=True):
            if key in result:
                row[f'{name}_{rank}'] = result[key][rank - 1]
    return row


def write_csv_rows(results: Iterable[Mapping[str, Any]], file: TextIO) -> None:
    """A row an image, with a header; each row as soon as it is known."""
    writer = None
    for result in results:
        row = flatten(result)
        if writer is None:
            writer = csv.DictWriter(file, row, lineterminator='\n')
            writer.writeheader()
        writer.writerow(
            {
                key: printable(value) if isinstance(value, str) else value
                for key, value in row.items()
            }
        )


def write_json_list(results: Iterable[Mapping[str, Any]], file: TextIO) -> None:
    """A list of objects with mmpretrain's keys, without the scores of all classes."""
    before = '[\n'
    for result in results:
        kept = {key: result[key] for key in (*KEYS, *TOP_KEYS) if key in result}
        file.write(before + _to_json(kept, file.encoding))
        before = ',\n'
    file.write('\n]\n' if before != '[\n' else '[]\n')


def _to_json(value: Mapping[str, Any], encoding: str | None) -> str:
    """A value as JSON; letters stay where the file is UTF-8."""
    is_utf8 = codecs.lookup(encoding or 'utf-8').name == 'utf-8'
    return to_json(value) if is_utf8 else json.dumps(value)


def write_table(results: Iterable[Mapping[str, Any]], file: TextIO) -> None:
    """Columns for a reader: image, then class (its number without names) and score by rank."""
    rows = [_cells(result) for result in results]
    if not rows:
        return
    ranks = range(1, 1 + len(rows[0]) // 2)
    names = [f'{name} {rank}' for rank in ranks for name in ('class', 'score')]
    rows.insert(0, ['image', *(['class', 'score'] if len(ranks) == 1 else names)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        file.write('  '.join(cells).rstrip() + '\n')


def _cells(result: Mapping[str, Any]) -> list[str]:
    labels = result.get('top_labels', [result['pred_label']])
    names = result.get('top_classes', [result.get('pred_class', labels[0])])
    names = names if len(names) == len(labels) else labels
    scores = result.get('top_scores', [result['pred_score']])
    pairs = zip(names, scores, strict=True)
    cells = [printable(result['img_path'])]
    return cells + [
        text for name, score in pairs for text in (printable(str(name)), f'{score:.4f}')
    ]


WRITERS: dict[str, Callable[[Iterable[Mapping[str, Any]], TextIO], None]] = {
    'table': write_table,
    'csv': write_csv_rows,
    'json': write_json_list,
}
