"""Pictures of which the gates are averaged."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from senet_mm.apis.predictor import Predictor
from senet_mm.study.validation_set import open_validation


def load_examples(predictor: Predictor, paths: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Batches of files; those that cannot be used are left out."""
    for batch, _ in predictor.load(paths, predictor.batch_size):
        if batch is not None:
            yield batch


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
