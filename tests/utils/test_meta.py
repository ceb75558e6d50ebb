"""State that is restored after a network was probed."""

import pytest
import torch
from torch import nn

from senet_mm.apis import get_config
from senet_mm.engine.classifier import build_classifier
from senet_mm.utils.errors import InputError
from senet_mm.utils.meta import explain_head, run_on_meta, unchanged


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


@pytest.mark.parametrize('run', [run_on_meta, lambda model, shape: model(torch.zeros(1, *shape))])
def test_a_head_that_does_not_fit_is_named(run):
    cfg = get_config('seresnet8_1xb64_digits', {'model.head.in_channels': 77})
    model = build_classifier(cfg)
    with pytest.raises((InputError, RuntimeError)) as raised:
        run(model, (1, 8, 8))
    line = 'model.head.in_channels=77; allowed: 64, the features that it is given'
    assert line in (str(raised.value), explain_head(model, raised.value))
    assert explain_head(model, RuntimeError('in_channels 64 and 78')) is None
