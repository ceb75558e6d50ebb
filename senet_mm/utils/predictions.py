"""Predictions as a table, CSV or JSON; see :class:`senet_mm.apis.Classifier`."""

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

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
        writer.writerow(row)


def write_json_list(results: Iterable[Mapping[str, Any]], file: TextIO) -> None:
    """A list of objects with mmpretrain's keys, without the scores of all classes."""
    before = '[\n'
    for result in results:
        kept = {key: result[key] for key in (*KEYS, *TOP_KEYS) if key in result}
        file.write(before + _to_json(kept, file.encoding))
        before = ',\n'
    file.write('\n]\n' if before != '[\n' else '[]\n')


def _to_json(value: Mapping[str, Any], encoding: str | None) -> str:
    """A value as JSON; letters stay where the file is UTF-8, bytes that are not are escaped."""
    if codecs.lookup(encoding or 'utf-8').name != 'utf-8':
        return json.dumps(value)
    text = json.dumps(value, ensure_ascii=False)
    return re.sub('[\ud800-\udfff]', lambda found: json.dumps(found[0])[1:-1], text)


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
    cells = [_plain(result['img_path'])]
    return cells + [text for name, score in pairs for text in (_plain(str(name)), f'{score:.4f}')]


def _plain(text: str) -> str:
    """A text on its line: what is not printable is escaped."""
    return text if text.isprintable() else json.dumps(text)


WRITERS: dict[str, Callable[[Iterable[Mapping[str, Any]], TextIO], None]] = {
    'table': write_table,
    'csv': write_csv_rows,
    'json': write_json_list,
}
