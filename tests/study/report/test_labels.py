"""Names of configs that differ in some keys."""

import pytest

from senet_mm.study.report.labels import KeyDifference, label_differences


def label(number=4, **values):
    rows = [KeyDifference(key.replace('__', '.'), list(row)) for key, row in values.items()]
    return label_differences(rows, number)


def test_a_key_that_tells_all_apart_is_enough():
    assert label(
        auto_scale_lr__base_batch_size=['64', '64', '32', '32'],
        model__se__layer__ratio=['2', '4', '8', '16'],
    ) == ['ratio=2', 'ratio=4', 'ratio=8', 'ratio=16']


def test_of_several_keys_the_usual_value_is_left_out():
    """An ablation in which one factor at a time differs from a baseline."""
    assert label(
        model__ratio=['16', '4', '16', '16'],
        optimizer__lr=['0.1', '0.1', '0.2', '0.1'],
        optimizer__momentum=['0.9', '0.9', '0.9', '0'],
    ) == ['', 'ratio=4', 'lr=0.2', 'momentum=0']


def test_the_shortest_of_keys_that_change_together():
    batch = ['32', '64']
    assert label(
        2, train_dataloader__batch_size=batch, val__batch_size=batch, auto_scale_lr__base=batch
    ) == ['base=32', 'base=64']
    assert label(2, train__batch_size=batch, val__batch_size=['1', '1']) == [
        'train.batch_size=32',
        'train.batch_size=64',
    ]
    assert label(2, a__lr=batch, lr=batch) == ['lr=32', 'lr=64']


@pytest.mark.parametrize('other', [None, 'x' * 21])
def test_missing_and_long_values_are_in_no_label(other):
    assert label(2, a=['1', other]) == ['', '']
    assert label(2) == ['', '']
