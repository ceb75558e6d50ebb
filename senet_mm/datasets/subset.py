"""A number of batches of a data set."""

from collections.abc import Sized

from mmengine.dist import get_world_size


def length_of(samples: object) -> int:
    """How many samples a data set has or a sampler gives; torch asks neither for a length.

    Raises:
        ValueError: It does not know.
    """
    if not isinstance(samples, Sized):
        raise ValueError(f'{type(samples).__name__} has no length; allowed: what has __len__')
    return len(samples)


def check_batches(number: object) -> None:
    """Raise a ValueError for a ``num_batch_per_epoch`` that is no number of batches."""
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f'num_batch_per_epoch={number!r}: allowed: None, or an integer from 1')


def count_samples(available: int, number: int, batch_size: int) -> int:
    """How many samples a number of batches has, those of all processes.

    Args:
        available: Samples of the data set.
        number: ``num_batch_per_epoch`` of a loader.
        batch_size: Samples of a batch of one process.

    Raises:
        ValueError: The number is none, or there are fewer samples.
    """
    check_batches(number)
    samples = number * batch_size * get_world_size()
    if samples > available:
        raise ValueError(
            f'num_batch_per_epoch={number} takes {samples} samples, the data set has '
            f'{available}; allowed: up to {available * number // samples}'
        )
    return samples
