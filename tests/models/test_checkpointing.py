"""Blocks that are computed twice (``with_cp``) remember their batch once."""

import pytest
import torch
from torch import nn

from senet_mm.models import ResNet, SEBNInception, insert_se
from senet_mm.ops import fuse_tails

GE = dict(type='GatherExciteLayer', extent=2, parameters=True)  # with batch norms of its own


def plain_resnet(depth=8, with_cp=False, **kwargs):
    return ResNet(depth, block=dict(with_cp=with_cp), **kwargs)


def resnet(**kwargs):
    model = plain_resnet(**kwargs)
    insert_se(model, dict(type='SELayer', ratio=16))
    return model


def bottlenecks(**kwargs):
    return resnet(depth=50, **kwargs)


def synchronised(**kwargs):
    return nn.SyncBatchNorm.convert_sync_batchnorm(resnet(**kwargs))


def at(position):
    def build(**kwargs):
        model = plain_resnet(**kwargs)
        insert_se(model, GE, position=position)
        return model

    return build


def averaged(**kwargs):
    """Momentum None: the mean of all batches."""
    return resnet(norm_cfg=dict(type='BN', momentum=None), **kwargs)


def instances(**kwargs):
    return resnet(norm_cfg=dict(type='IN', track_running_stats=True), **kwargs)


NETWORKS = dict(
    resnet=resnet, bottlenecks=bottlenecks, inception=SEBNInception, synchronised=synchronised,
    averaged=averaged, instances=instances,
    gather_excite=at('standard'), pre=at('pre'), post=at('post'),
)  # fmt: skip
# Whether blocks are computed twice, and the arguments of fuse_tails.
WAYS = dict(
    checkpointed=(True, dict(implementation='reference')),
    fused=(True, dict(implementation='fused')),
    algebra=(True, dict(implementation='algebra')),
    lean=(True, dict(implementation='fused', lean=True)),
    lean_alone=(False, dict(implementation='fused', lean=True)),
)
CASES = [(name, 'checkpointed') for name in NETWORKS] + [('resnet', way) for way in WAYS]


@pytest.mark.parametrize(('name', 'way'), CASES)
def test_a_training_step_is_that_of_the_plain_network(name, way):
    torch.manual_seed(0)
    with_cp, form = WAYS[way]
    plain, again = NETWORKS[name](), NETWORKS[name](with_cp=with_cp)
    fuse_tails(again, **form)
    again.load_state_dict(plain.state_dict())
    x = torch.randn(4, 3, 64, 64)
    for model in (plain, again):
        model.train()
        for _ in range(2):
            model(x)[-1].square().mean().backward()
    exact = dict(rtol=0, atol=0) if way == 'checkpointed' else dict(rtol=1e-4, atol=1e-4)
    buffers = dict(again.named_buffers())
    assert [name for name in buffers if name.endswith('running_mean')]
    for key, value in plain.named_buffers():
        torch.testing.assert_close(buffers[key], value, **exact, msg=key)
    for ours, theirs in zip(again.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, **exact)
    if not name.startswith('instances'):
        assert {v.item() for k, v in buffers.items() if k.endswith('num_batches_tracked')} == {2}


def test_norms_in_evaluation_stay_as_they_are():
    model = resnet(with_cp=True, norm_eval=True)
    before = {name: value.clone() for name, value in model.named_buffers()}
    model.train()
    model(torch.randn(2, 3, 16, 16))[-1].square().mean().backward()
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())


def test_buffers_stay_the_same_objects():
    """Whoever holds a buffer (an average of the model, DDP) holds the network's own."""
    model = resnet(with_cp=True).train()
    before = dict(model.named_buffers())
    model(torch.randn(2, 3, 16, 16))[-1].square().mean().backward()
    assert all(value is before[name] for name, value in model.named_buffers())
