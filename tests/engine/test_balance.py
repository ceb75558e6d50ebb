"""What a training logs of its classes, and how a run goes on with weights and another sampler."""

import numpy as np
import pytest

from senet_mm.datasets import Digits
from senet_mm.engine import Runner
from senet_mm.engine.balance import advise_on_counts, describe_counts
from senet_mm.registry import DATASETS

from .test_runner import digits


@DATASETS.register_module()
class UnlabelledDigits(Digits):
    """Digits whose list has no labels."""

    def load_data_list(self):
        infos = super().load_data_list()
        return [dict(img=info['img'], img_path=info['img_path']) for info in infos]


NAMES = ('cat', 'tiny dog', 'Käfer')


def test_counts_of_few_classes():
    assert describe_counts(np.array([1234, 8, 0]), NAMES) == 'cat: 1,234, tiny dog: 8, Käfer: 0'


def test_counts_of_many_classes():
    counts = np.array([0, 732, 1300, *[1000] * 47])
    names = tuple(f'n{i}' for i in range(50))
    line = '50 classes, n1: 732 to n2: 1,300, ratio 1.78:1; 1 without an image'
    assert describe_counts(counts, names) == line


@pytest.mark.parametrize(
    ('counts', 'weighted', 'sampled', 'found'),
    [
        ([100, 10, 0], False, False, None),
        ([101, 10, 0], False, False, '^the largest class has 10.1 times the images of the smalle'),
        ([101, 10, 0], True, False, None),
        ([101, 10, 0], False, True, None),
        ([10, 10, 10], True, True, '^class_weight and BalancedSampler both favour small classes'),
    ],
)
def test_advice(counts, weighted, sampled, found):
    line = advise_on_counts(np.array(counts), weighted, sampled)
    assert (line is None) == (found is None)
    if found:
        assert line.startswith(found[1:])
    if found and not weighted:
        assert "model.head.class_weight='balanced'" in line
        assert "train_dataloader.sampler.type='BalancedSampler'" in line


def test_an_evaluation_is_not_balanced(tmp_path):
    options = {'val_dataloader.sampler': dict(type='BalancedSampler', _delete_=True)}
    with pytest.raises(ValueError, match=r'^BalancedSampler repeats images, which an evaluation m'):
        Runner.from_cfg(digits(tmp_path, **options)).train()


def test_images_without_labels(tmp_path):
    options = {
        'model.head.class_weight': 'balanced',
        'train_dataloader.dataset.type': 'UnlabelledDigits',
    }
    with pytest.raises(ValueError, match=r"^class_weight='balanced': the training set does not te"):
        Runner.from_cfg(digits(tmp_path, **options)).train()


def test_a_report_on_images_without_labels(tmp_path):
    options = {
        'val_evaluator': [dict(type='ClassReport')],
        'val_dataloader.dataset.type': 'UnlabelledDigits',
    }
    message = r"^val_evaluator: ClassReport asks for 'gt_label', which no sample of val_dataloader"
    with pytest.raises(ValueError, match=message):
        Runner.from_cfg(digits(tmp_path, **options)).train()
