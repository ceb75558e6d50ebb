"""The state of any optimizer is taken as it was saved, and refused where a part is missing."""

import copy

import mmpretrain.engine  # noqa: F401 registers its optimizers
import pytest
import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from senet_mm.engine.weights.optimizer_state import check_optimizer
from senet_mm.registry import OPTIMIZERS

KINDS = {
    'ASGD': {}, 'Adadelta': {}, 'TorchAdafactor': {}, 'Adagrad': {}, 'Adam': dict(amsgrad=True),
    'AdamW': {}, 'Adamax': {}, 'Lamb': {}, 'NAdam': {}, 'RAdam': {}, 'RMSprop': dict(momentum=0.9),
    'Rprop': {}, 'SGD': dict(momentum=0.9),
}  # fmt: skip


def make(kind, wrapper=OptimWrapper, **options):
    """A wrapper of an optimizer of a small network that has made two steps."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    model[1].bias.requires_grad_(False)
    cfg = dict(type=kind, lr=0.01, params=model.parameters(), **KINDS[kind], **options)
    optimizer = OPTIMIZERS.build(cfg)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(8, 3)).square().mean().backward()
        optimizer.step()
    return wrapper(optimizer=optimizer)


@pytest.mark.parametrize('kind', KINDS)
def test_own_states_are_taken(kind):
    saved = copy.deepcopy(make(kind).state_dict())
    check_optimizer(saved, make(kind))
    check_optimizer({**saved, 'state': {}}, make(kind))


# A step of the other two needs values, so that what it keeps is not known before.
@pytest.mark.parametrize('kind', sorted(KINDS.keys() - {'ASGD', 'TorchAdafactor'}))
def test_a_part_of_the_state_is_another(kind):
    """Each part of the state of each optimizer, of another type and in another shape."""
    saved = make(kind).state_dict()
    for name in saved['state'][0]:
        for other in ({}, 'x', None, torch.zeros(7, 7)):
            changed = copy.deepcopy(saved)
            changed['state'][0][name] = other
            with pytest.raises(ValueError, match=rf'has {name} .* for parameter 0'):
                check_optimizer(changed, make(kind))


def test_a_part_of_the_state_is_missing():
    saved = make('AdamW').state_dict()
    del saved['state'][0]['exp_avg']
    with pytest.raises(ValueError, match='another optimizer, without exp_avg for parameter 0'):
        check_optimizer(saved, make('AdamW'))


def test_several_optimizers():
    several = OptimWrapperDict(a=make('SGD'), b=make('AdamW'))
    saved = several.state_dict()
    check_optimizer(saved, several)
    with pytest.raises(ValueError, match='is of another optimizer, with'):
        check_optimizer({**saved, 'a': saved['b']}, several)
    with pytest.raises(ValueError, match='has no optimizer b'):
        check_optimizer({'a': saved['a']}, several)


def test_checking_changes_nothing():
    wrapper = make('AdamW')
    before = copy.deepcopy(wrapper.state_dict())
    check_optimizer(before, wrapper)
    after = wrapper.state_dict()
    assert after['param_groups'] == before['param_groups']
    for key, state in after['state'].items():
        assert all(torch.equal(value, before['state'][key][name]) for name, value in state.items())
