import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from torch import nn

from senet_mm.models import ShakeShake, ShakeSum

from .plain import assert_gradients_flow, disturb

IMAGES = 2000


class Times(nn.Module):
    """A branch whose output and gradient tell the two branches apart."""

    def __init__(self, factor):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(float(factor)))
        self.seen = None

    def forward(self, x):
        out = x * self.weight
        if out.requires_grad:
            out.register_hook(lambda grad: setattr(self, 'seen', grad[:, 0, 0, 0].clone()))
        return out


def weights(forward_mode, backward_mode, images=IMAGES):
    """Alpha and beta of every image, from a forward and a backward pass."""
    module = ShakeSum([Times(1), Times(0)], forward_mode, backward_mode).train()
    out = module(torch.ones(images, 3, 2, 2))
    assert torch.equal(out[:, :1, :1, :1].expand_as(out), out)
    out.sum().backward()
    beta, rest = (branch.seen for branch in module.branches)
    torch.testing.assert_close(beta + rest, torch.ones(images))
    return out[:, 0, 0, 0].detach(), beta


def is_uniform(values):
    return stats.kstest(values.numpy(), stats.uniform.cdf).pvalue > 1e-3


def test_shake_shake_draws_uniform_numbers_per_image_and_anew_in_the_backward_pass():
    alpha, beta = weights('shake', 'shake')
    assert len(alpha.unique()) > IMAGES * 0.99
    assert is_uniform(alpha)
    assert is_uniform(beta)
    assert abs(torch.corrcoef(torch.stack([alpha, beta]))[0, 1]) < 0.1
    assert not torch.equal(alpha, weights('shake', 'shake')[0])


def test_shake_even_and_keep():
    alpha, beta = weights('shake', 'even')
    assert is_uniform(alpha)
    assert (beta == 0.5).all()
    alpha, beta = weights('shake', 'keep')
    assert is_uniform(alpha)
    assert torch.equal(alpha, beta)


def test_even_shake_and_even_even():
    alpha, beta = weights('even', 'shake')
    assert (alpha == 0.5).all()
    assert is_uniform(beta)
    alpha, beta = weights('even', 'even')
    assert (alpha == 0.5).all()
    assert (beta == 0.5).all()


def test_evaluation_is_the_mean_with_true_gradients():
    module = ShakeSum([nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)]).double().eval()
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    a, b = module.branches
    torch.testing.assert_close(module(x), (a(x) + b(x)) / 2)
    assert torch.equal(module(x), module(x))
    assert torch.autograd.gradcheck(module, x)


def test_keep_has_the_gradient_of_its_own_output():
    module = ShakeSum([nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)], backward_mode='keep').double()
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)

    def seeded(x):
        torch.manual_seed(0)
        return module(x)

    assert torch.autograd.gradcheck(seeded, x)


@pytest.mark.parametrize('mode', ['half', 'bfloat16'])
def test_autocast_keeps_the_low_precision(mode):
    module = ShakeSum([nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)])
    with torch.autocast('cpu', getattr(torch, mode)):
        assert module(torch.randn(2, 3, 4, 4)).dtype == getattr(torch, mode)


def branch_by_formula(state, name, x, kernels, stride, groups):
    for i, kernel in enumerate(kernels):
        weight = state[f'{name}.{3 * i}.weight']
        step = stride if i == kernels.index(3) else 1
        x = F.conv2d(x, weight, None, step, kernel // 2, groups=groups if kernel == 3 else 1)
        x = norm(state, f'{name}.{3 * i + 1}', x)
        x = x.relu() if i < len(kernels) - 1 else x
    return x


def norm(state, name, x):
    keys = ('running_mean', 'running_var', 'weight', 'bias')
    return F.batch_norm(x, *(state[f'{name}.{key}'] for key in keys))


def shortcut_26(state, name, x, stride):
    """The authors' shortcut, pixel by pixel: the second path sees the one above and to the left."""
    size = -(-x.shape[-1] // stride)
    shifted = torch.zeros(*x.shape[:2], size, size, dtype=x.dtype)
    for i in range(size):
        for j in range(size):
            if i and j:
                shifted[:, :, i, j] = x[:, :, i * stride - 1, j * stride - 1]
    first = F.conv2d(x[:, :, ::stride, ::stride], state[f'{name}.conv1.weight'])
    second = F.conv2d(shifted, state[f'{name}.conv2.weight'])
    return norm(state, f'{name}.bn', torch.cat([first, second], 1))


def shortcut_29(state, name, x, stride):
    return norm(state, f'{name}.1', F.conv2d(x, state[f'{name}.0.weight'], stride=stride))


@pytest.mark.parametrize(
    ('depth', 'groups', 'kernels', 'blocks'), [(26, 1, (3, 3), 4), (29, 4, (1, 3, 1), 3)]
)
def test_equals_the_formula(depth, groups, kernels, blocks):
    """In evaluation, from the state dict, written as in the authors' code and the paper."""
    model = disturb(ShakeShake(depth, 8, groups)).double().eval()
    state, preact = model.state_dict(), depth == 26
    x = image = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    x = norm(state, 'stem.1', F.conv2d(x, state['stem.0.weight'], padding=1))
    x = x if preact else x.relu()
    for stage in range(3):
        for block in range(blocks):
            name, stride = f'layer{stage + 1}.{block}', 2 if stage and not block else 1
            y = x.relu() if preact else x
            residuals = [
                branch_by_formula(
                    state, f'{name}.residual.branches.{i}', y, kernels, stride, groups
                )
                for i in (0, 1)
            ]
            if block == 0:
                shortcut = shortcut_26 if preact else shortcut_29
                x = shortcut(state, f'{name}.downsample', y, stride)
            x = x + sum(residuals) / 2
            x = x if preact else x.relu()
    with torch.no_grad():
        torch.testing.assert_close(model(image)[-1], x.relu(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ('kwargs', 'channels', 'millions'),
    [
        (dict(width=32), 128, 2.9),
        (dict(width=64), 256, 11.7),
        (dict(width=96), 384, 26.2),
        (dict(depth=29, width=64, groups=4), 1024, 34.4),
    ],
)
def test_parameters_are_the_published_ones(kwargs, channels, millions):
    """Paper, tables 1 to 3, with ten classes (34.5 million with a hundred)."""
    params = sum(p.numel() for p in ShakeShake(**kwargs).parameters()) + (channels + 1) * 10
    assert round(params / 1e6, 1) == millions


@pytest.mark.parametrize('kwargs', [dict(width=8), dict(depth=29, width=8, groups=4)])
def test_gradients_flow(kwargs):
    assert_gradients_flow(ShakeShake(**kwargs), torch.randn(2, 3, 16, 16))


def test_training_is_random_and_evaluation_is_not():
    model, x = ShakeShake(width=8, norm_eval=True), torch.randn(2, 3, 16, 16)
    assert not torch.equal(model.train()(x)[0], model(x)[0])
    assert torch.equal(model.eval()(x)[0], model(x)[0])


@pytest.mark.parametrize(('depth', 'widths'), [(26, (8, 16, 32)), (29, (256, 512, 1024))])
def test_stages(depth, widths):
    model = ShakeShake(depth, 8, in_channels=1, out_indices=(0, 1, 2)).eval()
    shapes = [tuple(m.shape[1:]) for m in model(torch.rand(1, 1, 16, 8))]
    assert shapes == [(w, 16 // s, 8 // s) for w, s in zip(widths, (1, 2, 4), strict=True)]


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(depth=20), 'depth=20 is not known; allowed: 26, 29'),
        (dict(groups=4), 'groups=4 need bottlenecks; allowed at depth 26: 1'),
        (dict(forward_mode='keep'), "forward_mode='keep' is not known; allowed: shake, even"),
        (dict(backward_mode='no'), "backward_mode='no' is not known; allowed: shake, even, keep"),
    ],
)
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ShakeShake(**kwargs)
