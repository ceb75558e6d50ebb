import numpy as np
import pytest
import torch

from senet_mm.analysis import Moments, pool


def stream(values, groups, sizes, num_groups):
    """The moments of values that come in batches of the given sizes."""
    moments = Moments.zeros(num_groups, values.shape[1])
    for batch, of_batch in zip(values.split(sizes), groups.split(sizes), strict=True):
        moments.add(batch, of_batch)
    return moments


@pytest.mark.parametrize('offset', [0.0, 1e6])
def test_a_stream_equals_all_at_once(offset):
    """Batches of uneven size, one of them empty; nothing cancels far from zero."""
    values = torch.rand(100, 7, dtype=torch.float64) + offset
    groups = torch.randint(0, 4, (100,))
    moments = stream(values, groups, [1, 40, 0, 3, 56], 5)
    for group in range(4):
        of_group = values[groups == group].numpy()
        assert moments.count[group].item() == len(of_group)
        np.testing.assert_allclose(moments.mean[group], of_group.mean(0), rtol=1e-12)
        np.testing.assert_allclose(moments.std[group], of_group.std(0), rtol=1e-8)
    together = pool(moments)
    assert together.count.item() == 100
    np.testing.assert_allclose(together.mean, values.mean(0), rtol=1e-12)
    np.testing.assert_allclose(together.std, values.numpy().std(0), rtol=1e-8)


def test_a_group_without_vectors_is_zero():
    moments = stream(torch.rand(3, 2).double(), torch.zeros(3).long(), [3], 2)
    assert [part[1].abs().sum().item() for part in moments.parts] == [0, 0, 0]
    assert moments.std[1].tolist() == [0, 0]
    torch.testing.assert_close(pool(moments).mean, moments.mean[0])


def test_one_process_gathers_its_own():
    moments = stream(torch.rand(9, 2).double(), torch.arange(9) % 3, [4, 5], 3)
    for part, gathered in zip(moments.parts, moments.gathered().parts, strict=True):
        torch.testing.assert_close(part, gathered, rtol=1e-12, atol=1e-12)
