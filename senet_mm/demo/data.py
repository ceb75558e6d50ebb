"""Pictures to choose from, and those of which the gates are averaged."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from senet_mm.apis.predictor import Predictor
from senet_mm.datasets.images.png import encode_png
from senet_mm.study.places import Places
from senet_mm.study.validation_set import open_validation
from senet_mm.utils.names import printable
from senet_mm.utils.progress import track


class Example(NamedTuple):
    """A picture to choose from.

    Attributes:
        path: Its file.
        picture: What the network sees of it, uint8 RGB (H, W, 3) or grey (H, W, 1).
    """

    path: str
    picture: np.ndarray


def stay_within(folder: Path, paths: Sequence[str]) -> list[str]:
    """Those paths below a folder that are no links to what lies outside of it."""
    root = folder.resolve()
    return [path for path in paths if Path(path).resolve().is_relative_to(root)]


def open_examples(predictor: Predictor, paths: Sequence[str]) -> tuple[list[Example], list[str]]:
    """Decode examples, with a bar.

    Returns:
        Those that can be used; of each other one a line with the reason.
    """
    examples, lines = [], []
    loaded = zip(paths, predictor.load(paths, batch_size=1), strict=True)
    for path, (batch, [error]) in track(loaded, 'examples', len(paths), 'images'):
        if batch is None:
            lines.append(f'{printable(path)} is left out: {error}')
        else:
            examples.append(Example(path, predictor.show(batch)[0]))
    return examples, lines


def load_examples(predictor: Predictor, paths: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Batches of files; those that cannot be used are left out."""
    for batch, _ in predictor.load(paths, predictor.batch_size):
        if batch is not None:
            yield batch


def find_shown(
    predictor: Predictor, most: int, folder: Path, places: Places | None = None
) -> list[Example]:
    """Some pictures of the validation set of the config.

    Args:
        predictor: The network.
        most: Number of pictures at most.
        folder: Where a picture is written that has no file, as of a data set of arrays.
        places: Where the data set may be; anywhere by default, for a config of the user.

    Raises:
        InputError: The config has none that may be read.
    """
    shown: list[Example] = []
    for batch in open_validation(predictor.cfg, places, shuffle=True):
        pictures = predictor.show(batch)
        for sample, picture in zip(batch['data_samples'], pictures, strict=True):
            path = sample.get('img_path')
            if path is None or not Path(path).is_file():
                path = folder / f'example-{len(shown) + 1}.png'
                path.write_bytes(encode_png(picture))
            shown.append(Example(str(path), picture))
            if len(shown) == most:
                return shown
    return shown


def load_validation(
    predictor: Predictor, most: int, places: Places | None = None
) -> Iterator[Mapping[str, Any]]:
    """Batches of the validation set of the config, in a random order.

    Args:
        predictor: The network.
        most: Number of images at which to stop, up to a batch more.
        places: Where the data set may be; anywhere by default, for a config of the user.

    Raises:
        InputError: The config has none that may be read.
    """
    count = 0
    for batch in open_validation(predictor.cfg, places, shuffle=True):
        yield batch
        count += len(batch['inputs'])
        if count >= most:
            return
