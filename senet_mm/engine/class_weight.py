"""Weights of the classes in a loss, also by a word that the labels of the training set resolve."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from senet_mm.utils.errors import InputError
from senet_mm.utils.options import is_number

if TYPE_CHECKING:
    from .runner import Runner

# In the message hub, which is saved in checkpoints: what was given, and the weights, by loss.
CLASS_WEIGHTS = 'class_weights'
GIVEN = (str, Mapping, list, tuple, bool, int, float)
# Of effective numbers, where it is not given.
BETA = 0.999
ALLOWED = (
    "'balanced', 'effective', dict(effective=BETA) with BETA from 0, below 1, or a list of a "
    'number per class, none below 0 and not all 0'
)


def find_losses(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """The losses of a model that weight classes by what a config gives, with their names."""
    for name, module in model.named_modules():
        # A number is no weight per class, and refused; a tensor is the user's own.
        if isinstance(getattr(module, 'class_weight', None), GIVEN):
            yield name, module


def set_class_weights(
    runner: 'Runner', counts: np.ndarray | None, number: int | None
) -> list[tuple[str, np.ndarray]]:
    """Replace the words in the losses of a training by weights.

    A resumed run keeps the weights that it began with, unless its config gives something else.

    Args:
        runner: Its model is built; the checkpoint that it resumes from, if any, is loaded.
        counts: Training images of every class, (C,); None where they are not known.
        number: Number of the network's classes; None where it does not tell.

    Returns:
        What was given and the weights (C,), for every loss that has weights.

    Raises:
        InputError: What is given is neither a word nor a weight per class, or the word asks for
            labels that are not known.
    """
    saved = runner.message_hub.get_info(CLASS_WEIGHTS) or {}
    used = {}
    for name, loss in find_losses(runner.bare_model):
        given = _as_plain(loss.class_weight)
        before = saved.get(name, {})
        weights = given
        if isinstance(given, str | dict):
            weights = compute_class_weights(given, counts)
            if before.get('given') == given:
                weights = _keep(runner, given, before['weights'], weights)
        check_weights(weights, number)
        loss.class_weight = weights
        used[name] = dict(given=given, weights=weights)
    for name in sorted(saved.keys() | used.keys()) if runner._resume else ():
        old, new = (each.get(name, {}).get('given') for each in (saved, used))
        if old != new:
            runner.logger.info(f'resumed with another config: class_weight {old!r} -> {new!r}')
    runner.message_hub.update_info(CLASS_WEIGHTS, used)
    return [
        (_say(each['given']), np.array(each['weights'], dtype=np.float64)) for each in used.values()
    ]


def compute_class_weights(given: str | Mapping, counts: np.ndarray | None) -> list[float]:
    """The weights (C,) that a word stands for; a training image has 1 on average.

    ``balanced`` is scikit-learn's: images / (classes with images x images of the class).
    ``effective`` is 1 / effective number, (1 - beta) / (1 - beta^n) for n images (Cui et al., CVPR
    2019, equation 2), scaled alike. A class without images has weight 0.

    Args:
        given: ``balanced``, ``effective``, or ``{'effective': beta}``.
        counts: Training images of every class, (C,); None where they are not known.

    Raises:
        InputError: It is another word, or ``counts`` is None.
    """
    word, beta = _read_word(given)
    if counts is None:
        raise InputError(
            f'class_weight={given!r}: the training set does not tell one label per image; allowed: '
            'a list of a number per class, or a data set with such labels'
        )
    images = counts.astype(np.float64)
    present = images > 0
    number = images[present]
    weights = np.zeros(len(counts))
    weights[present] = 1 / number if word == 'balanced' else (1 - beta) / (1 - beta**number)
    total: list[float] = (weights * images.sum() / (weights * images).sum()).tolist()
    return total


def _read_word(given: str | Mapping) -> tuple[str, float]:
    """The word, and beta."""
    if given in ('balanced', 'effective'):
        return str(given), BETA
    if isinstance(given, Mapping) and list(given) == ['effective']:
        beta = given['effective']
        if is_number(beta, 0, below=1):
            return 'effective', float(beta)
    raise InputError(f'class_weight={given!r}; allowed: {ALLOWED}')


def check_weights(weights: object, number: int | None) -> None:
    """Raise an InputError unless weights are a number per class, from 0 and not all 0.

    Args:
        weights: The weights.
        number: Number of the network's classes; None where it does not tell.
    """
    numbers = list(weights) if isinstance(weights, Sequence) else []
    if not all(is_number(each, 0) for each in numbers) or not any(numbers):
        raise InputError(f'class_weight={weights!r}; allowed: {ALLOWED}')
    if number not in (None, len(numbers)):
        raise InputError(
            f'class_weight has {len(numbers)} weights, the network {number} classes; allowed: a '
            f"number per class, or 'balanced'"
        )


def are_saved_weights(value: object) -> bool:
    """Whether a value from a checkpoint is what this module puts there."""
    return isinstance(value, dict) and all(
        isinstance(name, str)
        and isinstance(part, dict)
        and part.keys() == {'given', 'weights'}
        and isinstance(part['weights'], list)
        for name, part in value.items()
    )


def _keep(
    runner: 'Runner', given: str | Mapping, saved: list[float], now: list[float]
) -> list[float]:
    """The weights that a resumed run began with."""
    if saved != now:
        runner.logger.warning(
            f'class_weight={given!r}: the training set has other counts than when the run began, '
            'whose weights it keeps'
        )
    return saved


def _as_plain(given: str | float | Mapping | Sequence) -> str | float | dict | list:
    """What is given, of types that a checkpoint holds."""
    if isinstance(given, str | int | float):
        return given
    return dict(given) if isinstance(given, Mapping) else list(given)


def _say(given: str | float | dict | list) -> str:
    """What is given, in a word or two."""
    return (
        ' '.join(map(str, *given.items()))
        if isinstance(given, dict)
        else (given if isinstance(given, str) else 'given')
    )
