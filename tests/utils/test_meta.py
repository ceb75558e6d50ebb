"""State that is restored after a network was probed."""

import pytest
import torch
from torch import nn

from senet_mm.utils.meta import unchanged


class Learning(nn.Module):
    """Changes all that a module has when it runs."""

    def __init__(self):
        super().__init__()
        self.register_buffer('count', torch.zeros(()))
        self.known = False

    def forward(self, x):
        self.count += 1
        self.known, self.new = True, 1
        self.register_buffer('queue', x, persistent=False)
        self.fc = nn.Linear(2, 2)
        self.scale = nn.Parameter(x)
        return x


@pytest.mark.parametrize('fails', [False, True])
def test_buffers_children_and_attributes_are_as_before(fails):
    model = nn.Sequential(Learning())
    (inner,) = model

    def state():
        names = sorted(vars(inner)), list(inner._modules), list(inner._parameters)
        return names, inner.known, list(inner._buffers), inner._non_persistent_buffers_set

    before, buffer = repr(state()), inner.count
    try:
        with unchanged(model):
            model(torch.ones(2))
            assert repr(state()) != before
            assert inner.count == 1
            if fails:
                raise KeyError
    except KeyError:
        assert fails
    assert repr(state()) == before
    assert inner.count is buffer
    assert buffer == 0
