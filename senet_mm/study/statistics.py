"""Means, spreads and paired differences of scores over seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Summary:
    """Mean and spread of values; None where there are too few or they are not finite.

    Attributes:
        n: Number of values.
        mean: Mean.
        std: Sample standard deviation, with n - 1.
    """

    n: int
    mean: float | None
    std: float | None


@dataclass(frozen=True)
class Interval:
    """Mean of values and its confidence interval; None where there are too few values.

    Attributes:
        n: Number of values.
        mean: Mean.
        low, high: Confidence interval of the mean by Student's t.
    """

    n: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class PairedDifference:
    """Mean paired difference from a baseline; None where the pairs are too few or not finite.

    Attributes:
        n: Number of pairs.
        mean: Mean of score minus baseline.
        low, high: Confidence interval of the mean by Student's t.
        p: p-value of the two-sided paired t-test.
    """

    n: int
    mean: float | None
    low: float | None
    high: float | None
    p: float | None


def check_confidence(confidence: float) -> None:
    """Raise a ValueError unless a value is the level of an interval."""
    if not 0 < confidence < 1:
        raise ValueError(f'confidence={confidence} is no level; allowed: between 0 and 1')


def summarize(values: Sequence[float]) -> Summary:
    """Mean and sample standard deviation."""
    n = len(values)
    with np.errstate(invalid='ignore'):  # infinity minus infinity
        mean = _finite(float(np.mean(values))) if n else None
        return Summary(n, mean, _finite(float(np.std(values, ddof=1))) if n > 1 else None)


def paired_difference(
    scores: Mapping[int, float], baseline: Mapping[int, float], confidence: float = 0.95
) -> PairedDifference:
    """Compare scores with a baseline over the seeds that both have.

    Args:
        scores: Score by seed.
        baseline: Score of the baseline by seed.
        confidence: Level of the interval, between 0 and 1.

    Raises:
        ValueError: The level is not between 0 and 1.
    """
    check_confidence(confidence)
    seeds = sorted(scores.keys() & baseline.keys())
    ours, theirs = [scores[seed] for seed in seeds], [baseline[seed] for seed in seeds]
    summary = summarize(np.subtract(ours, theirs).tolist())
    if summary.mean is None or summary.std is None:
        return PairedDifference(summary.n, summary.mean, None, None, None)
    if summary.std == 0:  # no spread: an interval of width zero, and a test that divides by it
        return PairedDifference(summary.n, summary.mean, summary.mean, summary.mean, None)
    error = summary.std / math.sqrt(summary.n)
    p = 2 * float(stats.t.sf(abs(summary.mean) / error, summary.n - 1))
    return PairedDifference(summary.n, summary.mean, *_interval(summary, confidence), p)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Mean of values with its confidence interval by Student's t.

    Raises:
        ValueError: The level is not between 0 and 1.
    """
    check_confidence(confidence)
    summary = summarize(values)
    return Interval(summary.n, summary.mean, *_interval(summary, confidence))


def cut_interval(value: Interval, least: float, most: float) -> Interval:
    """An interval without the values that cannot be; that of few runs is wide.

    Args:
        value: The interval; without bounds it stays as it is.
        least, most: The values that there can be.
    """
    if value.mean is None or value.low is None or value.high is None:
        return value
    low, high = min(least, value.mean), max(most, value.mean)
    return replace(value, low=max(value.low, low), high=min(value.high, high))


def _interval(summary: Summary, confidence: float) -> tuple[float | None, float | None]:
    """Bounds of the mean; None without a spread."""
    if summary.mean is None or summary.std is None:
        return None, None
    error = summary.std / math.sqrt(summary.n)
    margin = error * float(stats.t.ppf((1 + confidence) / 2, summary.n - 1))
    return summary.mean - margin, summary.mean + margin


def _finite(value: float) -> float | None:
    """A plain number; None for the nan or infinity of a diverged run."""
    return value if math.isfinite(value) else None
