"""Fast blocks replace plain ones: the replacement, and the trial before it."""

import copy
import pickle
import re

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode

from senet_mm.models import SELayer, SEResNet, insert_se
from senet_mm.models.backbones import BasicBlock, ResNet
from senet_mm.ops import fuse, fuse_tails, trial
from senet_mm.ops.fuse import FusedBasicBlock, FusedBottleneck
from senet_mm.utils.measure import Timing

from ..models.plain import disturb


def bf16():
    return torch.autocast('cpu', torch.bfloat16)


@pytest.fixture
def batch():
    return torch.randn(6, 3, 32, 32)


@pytest.fixture
def model():
    return disturb(SEResNet(8)).train()


def kinds(model):
    return {type(block) for block in model.blocks}


def test_exchange_keeps_everything(model):
    """Names, tensors, hooks, children and the object itself; and the way back."""
    seen = []
    block = model.layer1[0]
    block.register_forward_hook(lambda *args: seen.append(args[-1]))
    before = model.state_dict(keep_vars=True)
    fuse_tails(model, None, 'fused')
    assert kinds(model) == {FusedBasicBlock}
    assert model.layer1[0] is block
    after = model.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[key] is value for key, value in before.items())
    model(torch.randn(2, 3, 32, 32))
    assert len(seen) == 1
    fuse_tails(model, None, 'reference')
    assert kinds(model) == {BasicBlock}


def test_survives_copies_and_takes_layers(model):
    plain = ResNet(50)
    fuse_tails(plain, None, 'fused', lean=True)
    insert_se(plain, dict(type='SELayer', ratio=16))
    assert kinds(plain) == {FusedBottleneck}
    for twin in (copy.deepcopy(plain), pickle.loads(pickle.dumps(plain))):
        x = torch.randn(2, 3, 32, 32)
        assert torch.equal(twin.eval()(x)[0], plain.eval()(x)[0])
        assert twin.blocks[0].lean


def test_drop_path_is_that_of_the_plain_block():
    model = SEResNet(8, drop_path_rate=0.5).train()
    twin = copy.deepcopy(model)
    fuse_tails(twin, None, 'fused')
    x = torch.randn(8, 3, 32, 32)
    outs = []
    for network in (model, twin):
        torch.manual_seed(0)
        outs.append(network(x)[0])
    torch.testing.assert_close(*outs)


def test_auto_leaves_float32_on_a_cpu_alone(model, batch):
    verdict = fuse_tails(model, batch)
    assert verdict.implementation == 'reference'
    assert 'torch.float32' in verdict.reason
    assert kinds(model) == {BasicBlock}


def times(monkeypatch, plain, fast):
    """Let the trial find these times."""

    def interleave(calls, rounds, warmup):
        for call in calls.values():
            call()
        values = dict(plain=plain, fast=fast)
        return {name: Timing(values[name], 0, 0) for name in calls}

    monkeypatch.setattr(trial, 'interleave', interleave)


@pytest.mark.parametrize('implementation', ['auto', 'fused'])
def test_takes_a_form_that_agrees_and_is_faster(model, batch, implementation, monkeypatch):
    times(monkeypatch, plain=2.0, fast=1.0)
    verdict = fuse_tails(model, batch, implementation, precision=bf16)
    assert verdict.implementation == 'fused'
    assert verdict.reason.startswith('2.00 times as fast as the plain blocks on cpu in bfloat16')
    assert kinds(model) == {FusedBasicBlock}


def test_leaves_a_form_that_is_slow(model, batch, monkeypatch, logged):
    times(monkeypatch, plain=1.0, fast=2.0)
    verdict = fuse_tails(model, batch, precision=bf16)
    [record] = logged.records
    assert record.levelname == 'WARNING'
    assert 'fused is 0.50 times as fast' in record.message
    assert verdict.implementation == 'reference'
    assert kinds(model) == {BasicBlock}
    assert fuse_tails(model, batch, 'fused', precision=bf16).implementation == 'fused'


def fails(self, x):
    raise RuntimeError('no kernel image is available')


def broken(scale_output=1.0, scale_gradient=1.0):
    """The right forward pass, except for a factor."""

    def forward(self, x):
        out = BasicBlock.forward(self, x)
        return scale_output * out + (scale_gradient - 1) * (out - out.detach())

    return forward


def forgets(self, x):
    """The right output and gradients, but running statistics that are not updated."""
    kept = {name: buffer.clone() for name, buffer in self.named_buffers()}
    out = BasicBlock.forward(self, x)
    for name, buffer in self.named_buffers():
        buffer.data = kept[name]
    return out


def wrong_in_evaluation(self, x):
    return BasicBlock.forward(self, x) * (1 if torch.is_grad_enabled() else 1.1)


def only_small_batches(self, x):
    return BasicBlock.forward(self, x) * (1.2 if len(x) > 4 else 1)


def only_channels_last(self, x):
    wrong = not x.is_contiguous(memory_format=torch.channels_last)
    return BasicBlock.forward(self, x) * (1.1 if wrong else 1)


FAULTS = {
    'fails': (fails, 'RuntimeError: no kernel image is available'),
    'output': (broken(1.1), 'the output is'),
    'gradient': (broken(1.0, 1.1), 'the gradient of '),
    'statistics': (forgets, 'bn1.running_mean is'),
    'evaluation': (wrong_in_evaluation, 'the output in evaluation is'),
    'large batch': (only_small_batches, 'the output for 6 images is'),
    'layout': (only_channels_last, r'the output is .*\(contiguous_format'),
    'nan': (broken(float('nan')), 'the output is nan from float64'),
}


@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
@pytest.mark.parametrize('name', FAULTS)
def test_leaves_a_form_that_is_wrong(model, batch, name, precision, monkeypatch, logged):
    """Even one that was asked for: one warning, and the plain blocks."""
    forward, message = FAULTS[name]
    monkeypatch.setattr(fuse.FusedForward, 'forward', forward)
    before = copy.deepcopy(model.state_dict())
    context = bf16 if precision == 'bfloat16' else trial.ExitStack
    verdict = fuse_tails(model, batch, 'fused', precision=context)
    [record] = logged.records
    assert record.levelname == 'WARNING'
    assert re.search(message, record.message)
    assert verdict.implementation == 'reference'
    assert kinds(model) == {BasicBlock}
    for key, value in model.state_dict().items():  # the trial has not touched the network
        assert torch.equal(value, before[key])


def test_the_trial_leaves_no_trace(model, batch):
    """Statistics, gradients, modes and random numbers are as before."""
    model.layer1.eval()
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    fuse_tails(model, batch, 'fused')
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert not model.layer1.training
    assert model.layer2.training


@pytest.mark.parametrize(('device', 'dtype', 'wanted'), [
    ('cuda', torch.bfloat16, 'fused'), ('cuda', torch.float32, 'fused'),
    ('cuda', torch.float64, None), ('cpu', torch.bfloat16, 'fused'), ('cpu', torch.float32, None),
])  # fmt: skip
def test_candidates(device, dtype, wanted):
    """Kernels where there is Triton, which Linux has."""
    with FakeTensorMode():
        x = torch.empty(1, device=device, dtype=dtype)
    assert fuse.candidate(x) == wanted


def test_refuses():
    with pytest.raises(
        ValueError, match="implementation='fast' is not known; allowed: auto, reference"
    ):
        fuse_tails(SEResNet(8), None, 'fast')
    with pytest.raises(ValueError, match='needs inputs'):
        fuse_tails(SEResNet(8))


def test_a_network_without_our_blocks(batch):
    model = nn.Conv2d(3, 4, 3)
    assert 'no blocks' in fuse_tails(model, batch).reason


def test_a_network_that_does_not_take_the_batch(model):
    verdict = fuse_tails(model, torch.randn(2, 1, 32, 32), 'fused')
    assert verdict.implementation == 'reference'
    assert verdict.reason.startswith('no trial on a batch (2, 1, 32, 32): Given groups=1')


@pytest.mark.parametrize('part', ['relu', 'drop_path', 'se', 'bn2'])
def test_whoever_watches_a_part_sees_it(part):
    """The fast blocks do not call these modules, so the block stays plain."""
    model = ResNet(8).eval()
    x, counts = torch.randn(2, 3, 32, 32), []
    handle = (
        model.layer1[0]
        .get_submodule(part)
        .register_forward_hook(lambda *args: counts.append(args[-1].shape))
    )
    model.train()(x)
    plain = len(counts)
    fuse_tails(model, None, 'fused')
    model(x)
    assert len(counts) == 2 * plain > 0
    handle.remove()


class Watcher:
    """Counts what it sees, by a method and by a function of its own."""

    def __init__(self, module):
        self.count = 0
        self.handles = [
            module.register_forward_hook(self.see),
            module.register_forward_pre_hook(lambda *args: self.see()),
            module.register_full_backward_hook(lambda *args: self.see()),
        ]

    def see(self, *args):
        self.count += 1

    def __deepcopy__(self, memo):
        raise AssertionError('a watcher is copied')


@pytest.mark.parametrize('path', ['conv1', 'layer1', 'layer1.0', 'layer1.0.conv1', 'layer1.0.se'])
def test_hooks_of_the_user_do_not_see_the_trial(model, batch, path, monkeypatch):
    """A layer that a hook applies acts in the trial."""
    insert_se(model, dict(type='SELayer', ratio=1), position='post')
    calls = []
    monkeypatch.setattr(type(model.layer1[0].post.se), 'scale', watch(calls))
    watcher = Watcher(model.get_submodule(path))
    times(monkeypatch, plain=2.0, fast=1.0)
    verdict = fuse_tails(model, batch, 'fused', precision=bf16)
    assert verdict.implementation == 'fused'
    assert watcher.count == 0
    assert calls
    with bf16():
        model(batch)[0].sum().backward()
    assert watcher.count == 3
    for handle in watcher.handles:
        handle.remove()
    with bf16():
        model(batch)[0].sum().backward()
    assert watcher.count == 3


def watch(calls):
    def scale(self, x, plain=SELayer.scale):
        calls.append(x.shape)
        return plain(self, x)

    return scale


@pytest.mark.parametrize('fused_first', [False, True])
def test_a_layer_at_any_port_acts(fused_first):
    port = dict(block=r'layer\d\.\d', path='drop_path', side='in')
    layer = dict(type='SELayer', ratio=4)
    model = ResNet(20)
    if fused_first:
        fuse_tails(model, None, 'fused')
    insert_se(model, layer, port=port)
    twin = copy.deepcopy(model)
    fuse_tails(model, None, 'fused')
    fuse_tails(twin, None, 'reference')
    x = torch.randn(2, 3, 32, 32)
    assert torch.equal(model.train()(x)[0], twin.train()(x)[0])


class MyBlock(BasicBlock):
    """A block of a user's."""


def test_other_blocks_stay_plain(batch):
    """Another activation, a subclass, stochastic depth: no error, and the same outputs."""
    model = disturb(SEResNet(8, drop_path_rate=0.3)).train()
    model.layer1[0].__class__ = MyBlock
    model.layer2[0].relu = nn.SiLU()
    twin = copy.deepcopy(model)
    assert fuse_tails(model, batch, 'fused').implementation == 'reference'
    assert fuse_tails(model, None, 'fused')
    outs = []
    for network in (model, twin):
        torch.manual_seed(0)
        outs.append(network(batch)[0])
    assert torch.equal(*outs)


def test_a_layer_that_keeps_a_tensor_is_no_error(batch):
    model = SEResNet(8).train()
    layer = model.layer1[0].se
    layer.last = layer.scale(torch.randn(2, 16, 4, 4))  # cannot be copied
    verdict = fuse_tails(model, batch, 'fused')
    assert verdict.implementation == 'reference'
    assert 'deepcopy' in verdict.reason


def test_a_gate_that_draws_random_numbers(batch):
    """Both forms draw the same ones, and the run's own stay."""
    model = disturb(SEResNet(8)).train()
    for block in model.blocks:
        block.se.act = nn.Sequential(nn.ReLU(), nn.Dropout(0.5))
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    assert fuse_tails(model, batch, 'fused').implementation == 'fused'
    assert torch.equal(torch.rand(1), expected)
