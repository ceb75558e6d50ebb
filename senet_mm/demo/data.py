"""Pictures to choose from, and those of which the gates are averaged."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from senet_mm.apis.predictor import Predictor
from senet_mm.study.validation_set import open_validation


def load_examples(predictor: Predictor, paths: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Batches of files; those that cannot be used are left out."""
    for batch, _ in predictor.load(paths, predictor.batch_size):
        if batch is not None:
            yield batch


def find_shown(predictor: Predictor, most: int, folder: Path) -> list[str]:
    """Files of some pictures of the validation set of the config.

    Args:
        predictor: The network.
        most: Number of pictures at most.
        folder: Where a picture is written that has no file, as of a data set of arrays.

    Raises:
        InputError: The config has none that may be read.
    """
    shown: list[str] = []
    for batch in open_validation(predictor.cfg, shuffle=True):
        pictures = predictor.show(batch)
        for sample, picture in zip(batch['data_samples'], pictures, strict=True):
            path = sample.get('img_path')
            if path is None or not Path(path).is_file():
                path = folder / f'example-{len(shown) + 1}.png'
                Image.fromarray(picture.squeeze(2) if picture.shape[2] == 1 else picture).save(path)
            shown.append(str(path))
            if len(shown) == most:
                return shown
    return shown


def load_validation(predictor: Predictor, most: int) -> Iterator[Mapping[str, Any]]:
    """Batches of the validation set of the config, in a random order.

    Args:
        predictor: The network.
        most: Number of images at which to stop, up to a batch more.

    Raises:
        InputError: The config has none that may be read.
    """
    count = 0
    for batch in open_validation(predictor.cfg, shuffle=True):
        yield batch
        count += len(batch['inputs'])
        if count >= most:
            return
