"""The recorded gates as a table of numbers; dead and saturated channels."""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from senet_mm.utils.files import atomic_file
from senet_mm.utils.names import printable
from senet_mm.utils.tables import markdown_table

from .excitation import Excitation

CSV_COLUMNS = ('block', 'class', 'label', 'channel', 'mean', 'std', 'count')


def write_csv(excitation: Excitation, path: str | os.PathLike) -> None:
    """Write one row per block, class and channel, and those of all images (class ``all``).

    ``mean`` and ``std`` are over the ``count`` images of the class in the data set. A class without
    an image has no rows.
    """
    with atomic_file(path) as file:
        text = io.TextIOWrapper(file, 'utf-8', newline='')
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(CSV_COLUMNS)
        for block in excitation.blocks:
            writer.writerows(_rows(excitation, block))
        text.detach()  # written out, and not closed here


def _rows(excitation: Excitation, block: str) -> Iterator[tuple]:
    """The rows of one block."""
    labels = [label for label, count in excitation.counts.items() if count]
    for label in [*labels, None]:
        moments = excitation.moments(block, label)
        name = ('all', '') if label is None else (printable(excitation.names[label]), label)
        pairs = zip(moments.mean.tolist(), moments.std.tolist(), strict=True)
        for channel, (mean, std) in enumerate(pairs):
            yield (block, *name, channel, f'{mean:.9g}', f'{std:.9g}', int(moments.count))


@dataclass
class BlockReport:
    """The gates of one block over all images.

    Attributes:
        block: Name of the block.
        channels: Number of channels.
        mean: Mean gate over images and channels.
        std: Standard deviation over the images, mean of the channels.
        class_std: Standard deviation of the classes' mean gates over the recorded classes, mean of
            the channels: how far the gates tell classes apart.
        findings: Faulty channels by kind of fault: ``dead``, ``saturated high``, ...
    """

    block: str
    channels: int
    mean: float
    std: float
    class_std: float
    findings: dict[str, list[int]]

    @property
    def summary(self) -> str:
        """The findings in numbers: ``3 of 64 channels dead``; empty where there are none."""
        found = [f'{len(where)} {what}' for what, where in self.findings.items() if where]
        return f'{self.block}: of {self.channels} channels {", ".join(found)}' if found else ''


def examine(
    excitation: Excitation, dead_std: float = 1e-3, saturated_share: float = 0.99
) -> list[BlockReport]:
    """Look for saturated and dead gates in every block.

    Args:
        excitation: The recorded gates.
        dead_std: A channel is dead if the standard deviation of its gate over all images is below
            this, and it is not saturated: no image changes the gate.
        saturated_share: A channel is saturated if its gate is beyond a threshold of the recorder
            for at least this share of the images.
    """
    reports = []
    labels = excitation.largest(len(excitation.names))
    for block, stats in excitation.blocks.items():
        moments = stats.all
        of_classes = stats.classes.mean[[list(excitation.names).index(i) for i in labels]]
        high = stats.high >= saturated_share * moments.count
        low = stats.low >= saturated_share * moments.count
        findings = {
            'saturated high': high,
            'saturated low': low,
            'dead': (moments.std < dead_std) & ~(high | low),
            'not finite': ~moments.mean.isfinite(),
        }
        reports.append(
            BlockReport(
                block=block,
                channels=len(moments.mean),
                mean=moments.mean.mean().item(),
                std=moments.std.mean().item(),
                class_std=_std(of_classes),
                findings={what: _indices(where) for what, where in findings.items()},
            )
        )
    return reports


def _std(means: Tensor) -> float:
    """Standard deviation over the rows of (K, C), mean of the channels; 0 for one row or none."""
    return means.std(0, correction=0).mean().item() if len(means) else 0.0


def _indices(where: Tensor) -> list[int]:
    return torch.nonzero(where).flatten().tolist()


def gates_to_markdown(reports: Sequence[BlockReport]) -> str:
    """The reports as a Markdown table, one block a row."""
    header = ['block', 'channels', 'mean', 'std', 'std between classes', *reports[0].findings]
    rows = []
    for report in reports:
        numbers = [f'{x:.4f}' for x in (report.mean, report.std, report.class_std)]
        counts = [str(len(where)) for where in report.findings.values()]
        rows.append([report.block, str(report.channels), *numbers, *counts])
    return markdown_table(header, rows)
