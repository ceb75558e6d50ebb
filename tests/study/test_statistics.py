import math

import numpy as np
import pytest
from scipy import stats

from senet_mm.study.statistics import (
    Interval,
    PairedDifference,
    Summary,
    check_confidence,
    cut_interval,
    paired_difference,
    summarize,
)


def test_summary_by_hand():
    assert summarize([1, 2, 3, 6]) == Summary(4, 3.0, pytest.approx(math.sqrt(14 / 3)))
    assert summarize([5]) == Summary(1, 5.0, None)
    assert summarize([]) == Summary(0, None, None)


def test_difference_by_hand():
    """Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t = 4.303 with two degrees."""
    difference = paired_difference({0: 11, 1: 22, 2: 33}, {0: 10, 1: 20, 2: 30})
    margin = 4.302652729911275 / math.sqrt(3)
    expected = [2, 2 - margin, 2 + margin, 0.07417990022744853]
    assert difference.n == 3
    numbers = [difference.mean, difference.low, difference.high, difference.p]
    assert numbers == pytest.approx(expected)


@pytest.mark.parametrize('n', [2, 5, 30])
@pytest.mark.parametrize('confidence', [0.5, 0.95, 0.999])
def test_difference_is_that_of_scipy(n, confidence):
    ours, theirs = np.random.default_rng(n).normal(90, 1, (2, n))
    difference = paired_difference(dict(enumerate(ours)), dict(enumerate(theirs)), confidence)
    test = stats.ttest_rel(ours, theirs)
    assert difference.p == pytest.approx(test.pvalue)
    interval = test.confidence_interval(confidence)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high))
    assert difference.mean == pytest.approx(np.mean(ours - theirs))


def test_only_common_seeds_are_paired():
    scores, baseline = {0: 1.0, 2: 5.0, 3: 9.0}, {3: 7.0, 1: 100.0, 2: 4.0}
    assert paired_difference(scores, baseline) == paired_difference({2: 5, 3: 9}, {2: 4, 3: 7})


def test_what_is_not_defined_is_none():
    nothing = (None, None, None)
    assert paired_difference({0: 1}, {1: 1}) == PairedDifference(0, None, *nothing)
    assert paired_difference({0: 3}, {0: 1}) == PairedDifference(1, 2.0, *nothing)
    same = {0: 1.0, 1: 2.0}
    assert paired_difference(same, same) == PairedDifference(2, 0.0, 0.0, 0.0, None)
    diverged = {0: math.nan, 1: math.inf}
    assert paired_difference(diverged, same) == PairedDifference(2, None, *nothing)
    assert summarize([math.inf, math.inf]) == Summary(2, None, None)


@pytest.mark.parametrize('level', [0, 1, 95, -0.5, math.nan])
def test_confidence_is_a_level(level):
    with pytest.raises(ValueError, match=r'is no level; allowed: between 0 and 1'):
        check_confidence(level)


def test_an_interval_is_cut_to_what_can_be():
    assert cut_interval(Interval(3, 97, 93, 101), 0, 100) == Interval(3, 97, 93, 100)
    assert cut_interval(Interval(3, 0.3, -0.2, 0.8), 0, math.inf) == Interval(3, 0.3, 0, 0.8)
    assert cut_interval(Interval(2, -1, -3, 1), 0, 100) == Interval(2, -1, -1, 1)  # a wrong range
    alone = Interval(1, 97, None, None)
    assert cut_interval(alone, 0, 100) == alone
