"""The fastest of several forms of a network, by what they take on this machine."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from torch import Tensor

from senet_mm.utils.measure import Timing, interleave

ROUNDS = 7


class Choice(NamedTuple):
    """A form that was chosen.

    Attributes:
        name: Its name.
        timings: Seconds of a call by name of the form; empty where nothing was to choose.
    """

    name: str
    timings: Mapping[str, Timing]


def pick_fastest(runs: Mapping[str, Callable[[Tensor], object]], images: Tensor) -> Choice:
    """The fastest of some functions, the default one unless another is faster beyond the spread.

    In turns, the upper quartile of the other one must be below the lower quartile of the default.

    Args:
        runs: Functions of the images by name; the first one is the default.
        images: A batch, (N, C, H, W).
    """
    default, *others = runs
    if not others:
        return Choice(default, {})
    calls = {name: partial(run, images) for name, run in runs.items()}
    return choose_by_time(interleave(calls, ROUNDS))


def choose_by_time(timings: Mapping[str, Timing]) -> Choice:
    """The choice of :func:`pick_fastest` by times alone."""
    default, *others = timings
    faster = [name for name in others if timings[name].high < timings[default].low]
    return Choice(min(faster, key=lambda name: timings[name].median, default=default), timings)
