"""What every plain backbone must do, and helpers to compare it with a peer."""

import torch
from torch import nn

from senet_mm.models import ImageClassifier
from senet_mm.utils.complexity import get_complexity


def disturb(model):
    """Batch norm statistics and biases as after training, not as after initialisation."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.normal_(module.bias)
    return model


def give_weights(model, peer):
    """Give ``peer`` the weights of ``model``; both have their layers in the same order."""
    ours = {name: value for name, value in peer.state_dict().items() if 'num_batches' not in name}
    values = [v for name, v in model.state_dict().items() if 'num_batches' not in name]
    state = dict(zip(ours, values, strict=True))
    peer.load_state_dict(peer.state_dict() | state)


def assert_equal(model, peer, x, tolerance=1e-12):
    """Relative differences of outputs (float64) and of all gradients, in evaluation."""
    model, peer = model.double().eval(), peer.double().eval()
    give_weights(model, peer)
    outs = [model(x)[-1], peer(x)]
    for out in outs:
        (out * torch.linspace(-1, 1, out[0].numel()).view_as(out[0]).double()).mean().backward()
    grads = ([p.grad for p in m.parameters()] for m in (model, peer))
    differences = [((a - b).norm() / b.norm()).item() for a, b in [outs, *zip(*grads, strict=True)]]
    assert all(difference < tolerance for difference in differences)  # false for nan


def complexity(backbone, channels, num_classes, side):
    """Parameters and multiply-adds with a linear head."""
    model = ImageClassifier(
        backbone,
        dict(type='GlobalAveragePooling'),
        dict(type='LinearClsHead', num_classes=num_classes, in_channels=channels),
    )
    counted = get_complexity(model, (3, side, side))
    return counted.params, counted.macs


def assert_gradients_flow(model, x):
    """Initialised, every parameter gets a gradient that is finite and not all zero."""
    model.init_weights()
    model.train()
    out = model(x)[-1]
    (out * torch.randn_like(out)).mean().backward()
    for name, parameter in model.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name
