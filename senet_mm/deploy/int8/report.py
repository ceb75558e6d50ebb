"""What quantisation costs, as tables."""

import os
from collections.abc import Sequence
from pathlib import Path

from senet_mm.deploy.images import Images
from senet_mm.deploy.report import compare_by_class, compare_logits
from senet_mm.utils.tables import csv_table, markdown_table

from .candidates import Quantised

# So many classes are printed, those that lose most; the file has all.
PRINTED = 10


def print_report(
    quantised: Quantised,
    calibration: Images,
    test: Images,
    classes: Sequence[str] | None,
    folder: Path,
) -> None:
    """Print the logits of all candidates beside those before, and those of the best by class.

    Args:
        quantised: The candidates.
        calibration: Images of the calibration.
        test: Images of the report.
        classes: Names of the classes.
        folder: For ``int8_classes.csv``, which has all classes.
    """
    number, left_out = len(calibration.inputs), len(calibration.damaged)
    print(
        f'calibrated on {number} of the {calibration.total} images of the training set'
        + (f', {left_out} damaged ones left out' if left_out else '')
        + f'; compared on {len(test.inputs)} of the {test.total} of the test set\n'
    )
    candidates = quantised.candidates
    labels = None if test.labels is None else test.labels.cpu()
    logits = {name: candidate.logits for name, candidate in candidates.items()}
    rows = compare_logits(quantised.logits, logits, labels)
    rows['quantisers'] = ['', *(str(c.quantisers) for c in candidates.values())]
    rows['chosen'] = ['', *('yes' if name == quantised.chosen else '' for name in candidates)]
    header = ['', 'before', *candidates]
    print(markdown_table(header, [[name, *cells] for name, cells in rows.items()]))
    if labels is None:
        return
    chosen = candidates[quantised.chosen].logits
    by_class = compare_by_class(quantised.logits, chosen, labels, classes)
    path = folder / 'int8_classes.csv'
    os.makedirs(folder, exist_ok=True)
    path.write_text(csv_table(by_class), encoding='utf-8')
    by_class.sort(key=lambda row: row['accuracy after (%)'] - row['accuracy before (%)'])
    cells = [[str(cell) for cell in row.values()] for row in by_class[:PRINTED]]
    if len(by_class) > PRINTED:
        print(f'{PRINTED} of {len(by_class)} classes, those that lose most; all are in {path}:\n')
    print(markdown_table([*by_class[0]], cells))
