import pytest
import torch
import torch.nn.functional as F

from senet_mm.models import SmallCNN

from .plain import assert_gradients_flow, disturb


def test_is_a_chain_of_convolutions():
    model = disturb(SmallCNN(widths=(4, 6, 8), num_blocks=2)).double().eval()
    state = model.state_dict()
    x = image = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    names = [name[: -len('.conv.weight')] for name in state if name.endswith('.conv.weight')]
    assert len(names) == 7
    for name in names:
        stride = 2 if name in ('layer2.0.conv', 'layer3.0.conv') else 1
        keys = ('running_mean', 'running_var', 'weight', 'bias')
        x = F.conv2d(x, state[f'{name}.conv.weight'], stride=stride, padding=1)
        x = F.batch_norm(x, *(state[f'{name}.bn.{key}'] for key in keys)).relu()
    with torch.no_grad():
        torch.testing.assert_close(model(image)[-1], x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(('side', 'channels'), [(8, 1), (32, 3)])
def test_stages(side, channels):
    model = SmallCNN((8, 16, 32, 64), 1, channels, out_indices=range(4)).eval()
    shapes = [tuple(m.shape[1:]) for m in model(torch.rand(1, channels, side, side))]
    assert shapes == [(8 * 2**i, side >> i, side >> i) for i in range(4)]


def test_gradients_flow():
    assert_gradients_flow(SmallCNN(in_channels=1), torch.randn(4, 1, 8, 8))


@pytest.mark.parametrize('wrong', [dict(widths=()), dict(widths=(8, 0)), dict(num_blocks=0)])
def test_no_network_is_refused(wrong):
    with pytest.raises(ValueError, match=r'=.*; allowed: .*whole numbers from 1'):
        SmallCNN(**wrong)
