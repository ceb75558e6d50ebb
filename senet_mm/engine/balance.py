"""How many images each class has, and what a training does about it."""

from typing import TYPE_CHECKING

import numpy as np

from senet_mm.datasets.balanced_sampler import BalancedSampler
from senet_mm.datasets.classes import get_names
from senet_mm.datasets.label_counts import count_labels, read_labels
from senet_mm.utils.names import printable

from .class_weight import set_class_weights
from .classes import get_num_classes

if TYPE_CHECKING:
    from .runner import Runner

# So many classes are listed one by one.
FEW = 20
# The largest class has more than so many times the images of the smallest.
UNEVEN = 10


def set_up_balance(runner: 'Runner') -> None:
    """Log the images by class, and give the losses of a training the weights of its classes.

    Raises:
        InputError: The config gives class weights that the loss cannot have.
    """
    dataset = runner.train_dataloader.dataset
    labels = read_labels(dataset)
    number = get_num_classes(runner.bare_model)
    counts = None if labels is None else count_labels(labels, number)
    weighted = set_class_weights(runner, counts, number)
    if counts is None:
        return
    given = get_names(getattr(dataset, 'metainfo', None), 'classes') or ()
    numbers = tuple(map(str, range(len(counts))))
    names = given if len(given) == len(counts) else numbers
    runner.logger.info(f'{counts.sum():,} training images: {describe_counts(counts, names)}')
    for words, weights in weighted:
        runner.logger.info(f'class weights ({words}): {list_values(weights, names)}')
    sampler = getattr(runner.train_dataloader.sampler, 'sampler', None)
    if line := advise_on_counts(counts, bool(weighted), isinstance(sampler, BalancedSampler)):
        runner.logger.warning(line)


def describe_counts(counts: np.ndarray, names: tuple[str, ...]) -> str:
    """The images of every class (C,), or of the smallest and the largest of many."""
    if len(counts) <= FEW:
        return list_values(counts, names)
    present = counts > 0
    empty = len(counts) - present.sum()
    return (
        f'{len(counts):,} classes, {list_values(counts[present], np.array(names)[present])}, '
        f'ratio {ratio(counts):.3g}:1' + (f'; {empty:,} without an image' if empty else '')
    )


def list_values(values: np.ndarray, names: tuple[str, ...] | np.ndarray) -> str:
    """A number for every class (C,), or the least and the greatest of many."""
    texts = [
        f'{printable(name)}: {format_value(value)}'
        for name, value in zip(names, values, strict=True)
    ]
    if len(texts) <= FEW:
        return ', '.join(texts)
    return f'{texts[values.argmin()]} to {texts[values.argmax()]}'


def ratio(counts: np.ndarray) -> float:
    """How many times the images of the smallest class, of those with images, the largest has."""
    return float(counts.max() / counts[counts > 0].min())


def advise_on_counts(counts: np.ndarray, weighted: bool, sampled: bool) -> str | None:
    """What a user should know of classes of uneven size; None where there is nothing.

    Args:
        counts: Training images of every class, (C,).
        weighted: Whether the loss has class weights.
        sampled: Whether the sampler draws all classes equally often.
    """
    if weighted and sampled:
        return (
            'class_weight and BalancedSampler both favour small classes: together they do so twice'
        )
    if weighted or sampled or ratio(counts) <= UNEVEN:
        return None
    return (
        f'the largest class has {ratio(counts):.3g} times the images of the smallest: '
        "model.head.class_weight='balanced' weights the loss, "
        "train_dataloader.sampler.type='BalancedSampler' draws all classes equally often"
    )


def format_value(value: np.number) -> str:
    """A count in full, another number with four digits."""
    return f'{value:,}' if isinstance(value, np.integer) else f'{value:.4g}'
