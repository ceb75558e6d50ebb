"""Every implementation of the tail against ordinary code, in float64."""

import copy

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from senet_mm.models import SELayer, SEResNet
from senet_mm.models.layers import build_layer
from senet_mm.ops import fuse_tails, norm_relu_conv, se_tail
from senet_mm.ops import tail as tail_module

from ..models.plain import disturb

FAST = ('algebra', 'fused')
LAYOUTS = {'nchw': torch.contiguous_format, 'nhwc': torch.channels_last}


def make_norm(channels, mode):
    """A batch norm after some training: training, eval, without a part of its numbers; or none."""
    if mode == 'none':
        return nn.Identity()
    norm = nn.BatchNorm2d(
        channels,
        affine=mode != 'no_affine',
        track_running_stats=mode != 'no_memory',
        momentum=None if mode == 'cumulative' else 0.1,
    ).double()
    with torch.no_grad():
        for tensor in norm.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    if mode == 'no_bias':
        norm.bias = None
    if mode == 'no_counter':
        norm.num_batches_tracked = None
    return norm.train(mode != 'eval')


MODES = (
    'train',
    'eval',
    'no_affine',
    'no_bias',
    'no_memory',
    'no_counter',
    'cumulative',
    'none',
)


def make(mode='train', layout='nchw', channels=8, size=(3, 5)):
    z, r = (torch.randn(3, channels, *size, dtype=torch.float64) for _ in range(2))
    z, r = (x.contiguous(memory_format=LAYOUTS[layout]).requires_grad_() for x in (z, r))
    se = disturb(SELayer(channels, ratio=2)).double()
    return z, r, make_norm(channels, mode), se


@pytest.mark.parametrize('implementation', ['reference', *FAST])
@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('mode', ['train', 'eval'])
def test_gradcheck(implementation, layout, mode):
    z, r, norm, se = make(mode, layout, channels=4, size=(2, 3))

    def tail(z, r, *parameters):
        return se_tail(z, r, norm, se, implementation=implementation)

    assert gradcheck(tail, (z, r, *norm.parameters(), *se.parameters()))


def outcome(tail, inputs, modules):
    """Output, gradients of inputs and parameters, buffers afterwards."""
    modules = [copy.deepcopy(module) for module in modules]
    inputs = [x.detach().requires_grad_() for x in inputs]
    out = tail(*inputs, *modules)
    weights = torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)
    (out * weights).sum().backward()
    parameters = [p for module in modules if module for p in module.parameters()]
    buffers = [b for module in modules if module for b in module.buffers()]
    return [out.detach(), *(x.grad for x in (*inputs, *parameters)), *buffers]


def assert_close(ours, expected, tolerance):
    for a, b in zip(ours, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('implementation', FAST)
@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('with_se', [True, False])
def test_equals_the_reference(implementation, layout, mode, with_se):
    """Outputs, all gradients, running statistics."""
    z, r, norm, se = make(mode, layout)
    modules = [norm, se if with_se else None]

    def run(implementation):
        return outcome(
            lambda z, r, norm, se: se_tail(z, r, norm, se, implementation=implementation),
            (z, r),
            modules,
        )

    assert_close(run(implementation), run('reference'), 1e-12)


@pytest.mark.parametrize('layout', LAYOUTS)
@pytest.mark.parametrize('mode', MODES)
def test_norm_relu_equals_the_reference(layout, mode):
    z, _, norm, _ = make(mode, layout)
    conv = nn.Conv2d(8, 4, 3, padding=1).double()

    def run(implementation):
        return outcome(
            lambda z, norm, conv: norm_relu_conv(1 * z, norm, conv, implementation, lean=True),
            (z,),
            [norm, conv],
        )

    assert_close(run('fused'), run('reference'), 1e-12)


def kept(function):
    """Bytes of the distinct storages that a function saves for the backward pass."""
    storages = {}

    def pack(x):
        storages[x.untyped_storage().data_ptr()] = x
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        out = function()
    return sum(x.untyped_storage().nbytes() for x in storages.values()), out


def test_what_is_kept_for_the_backward_pass():
    """In maps: ordinary code three (z, norm(z), out), the fused tail two (z, out)."""
    z, r, norm, se = make(channels=16, size=(32, 32))
    bytes_of_map = z.numel() * 8
    maps = {
        name: round(
            kept(lambda n=name: se_tail(z, r, norm, se, implementation=n))[0] / bytes_of_map
        )
        for name in ('reference', 'fused')
    }
    assert maps == {'reference': 3, 'fused': 2}


GRADIENTS = {
    'plain': (),
    'fused': ('fused',),
    'lean': ('fused', True),
    'algebra': ('algebra',),
}


def network(*fused, **kwargs):
    model = SEResNet(50, **kwargs)
    if fused:
        fuse_tails(model, None, *fused)
    return model


def whole(name, state, x, **kwargs):
    model = network(*GRADIENTS[name], **kwargs).double()
    model.load_state_dict(state)
    out = model(x)[-1]
    (out * torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out)).mean().backward()
    return {name: p.grad for name, p in model.named_parameters()}, model.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize('with_cp', [False, True])
def test_whole_network(with_cp):
    """SE-ResNet-50: gradients, running statistics and names are the same in all implementations."""
    state = disturb(network()).double().state_dict()
    x = torch.randn(4, 3, 64, 64, dtype=torch.float64)
    expected, buffers = whole('plain', state, x)
    for name in GRADIENTS:
        grads, after = whole(name, state, x, with_cp=with_cp)
        assert list(after) == list(state)
        for key, grad in grads.items():
            assert (grad - expected[key]).norm() < 1e-12 * expected[key].norm(), (name, key)
        for key in buffers:
            torch.testing.assert_close(after[key], buffers[key], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('implementation', FAST)
def test_statistics_far_from_zero(implementation):
    """A mean of 1000 standard deviations in float32, where raw moments are wrong by a third."""
    z = 1000 + torch.randn(4, 8, 14, 14)
    norm, se, r = nn.BatchNorm2d(8), SELayer(8, ratio=2), torch.zeros_like(z)
    z.requires_grad_()
    out = se_tail(z, r, norm, se, implementation=implementation)
    norm64, se64 = nn.BatchNorm2d(8).double(), copy.deepcopy(se).double()
    expected = se_tail(z.double(), r.double(), norm64, se64, implementation='reference')
    assert (out - expected).abs().max() < 1e-3
    torch.testing.assert_close(norm.running_var.double(), norm64.running_var, rtol=1e-5, atol=0)


def test_the_gate_is_float32_under_autocast():
    z, r, norm, se = (x.float() if isinstance(x, nn.Module) else x.bfloat16() for x in make())
    seen = []
    se.gate.register_forward_hook(lambda *args: seen.append(args[-1].dtype))
    with torch.autocast('cpu', torch.bfloat16):
        out = se_tail(z, r, norm, se, 'fused')
    assert seen == [torch.float32]
    assert out.dtype == torch.bfloat16


def watch(module):
    module.register_forward_hook(lambda *args: None)
    return module


LAYERS = {
    'SELayer': (dict(type='SELayer', ratio=2), True),
    'ECALayer': (dict(type='ECALayer'), True),
    'max': (dict(type='SELayer', ratio=2, squeeze_cfg=dict(type='MaxSqueeze')), False),
    'no squeeze': (dict(type='SELayer', ratio=2, squeeze_cfg=dict(type='NoSqueeze')), False),
    'scSE': (dict(type='SCSELayer'), False),
    'GE': (dict(type='GatherExciteLayer', extent=2), False),
}


@pytest.mark.parametrize('name', LAYERS)
def test_which_layers_fit(name):
    """The output is the same, whether a layer fits or not."""
    cfg, fits = LAYERS[name]
    z, r, norm, _ = make()
    se = build_layer(cfg, 8).double()
    assert tail_module.fits(z, norm, se) == fits
    outs = [
        se_tail(z, r, copy.deepcopy(norm), se, implementation=implementation)
        for implementation in ('reference', *FAST)
    ]
    assert_close(outs[1:], [outs[0]] * 2, 1e-12)


def test_what_does_not_fit():
    z, _, norm, se = make()
    assert tail_module.fits(z, norm, se)
    assert not tail_module.fits(z, nn.GroupNorm(2, 8).double(), se)
    assert not tail_module.fits(z, norm, watch(copy.deepcopy(se)))
    assert not tail_module.fits(z, watch(copy.deepcopy(norm)), se)
    assert not tail_module.fits(z, norm, copy.deepcopy(se).bfloat16())
    assert not tail_module.fits(z.to('meta'), norm, se)


def test_what_is_chosen():
    """Ordinary code in evaluation on a CPU, and while a graph is traced."""
    z, _, norm, se = make()
    assert tail_module.choose('fused', z, norm, se) == 'fused'
    assert tail_module.choose('reference', z, norm, se) == 'reference'
    assert tail_module.choose('fused', z.detach(), norm, se) == 'reference'
    with torch.no_grad():
        assert tail_module.choose('fused', z, norm, se) == 'reference'
    assert tail_module.choose('fused', z, nn.GroupNorm(2, 8).double(), se) == 'reference'


def test_compiles_into_one_graph():
    """No graph break in training or evaluation, and what is compiled computes the same."""
    model = disturb(network()).double()
    block = model.layer2[0]
    twin = copy.deepcopy(model)
    fuse_tails(twin, None, 'fused')
    fast = twin.layer2[0]
    compiled = torch.compile(fast, fullgraph=True, backend='aot_eager')
    x = torch.randn(2, 256, 8, 8, dtype=torch.float64)
    for training in (True, False):
        for module in (block, fast):
            module.zero_grad()
            module.train(training)
        for module in (block, compiled):
            module(x).square().sum().backward()
        assert_close(
            [p.grad for p in fast.parameters()], [p.grad for p in block.parameters()], 1e-9
        )
        assert_close(fast.state_dict().values(), block.state_dict().values(), 1e-12)
