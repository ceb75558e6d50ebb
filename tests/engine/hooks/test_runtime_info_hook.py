"""The learning rates in a log: one of all groups, or the highest and the lowest."""

import re
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch import nn

from senet_mm.engine import Runner
from senet_mm.engine.hooks import RuntimeInfoHook

from ..test_runner import digits


def wrap(*rates):
    groups = [dict(params=[nn.Parameter(torch.zeros(1))], lr=rate) for rate in rates]
    return OptimWrapper(torch.optim.SGD(groups, lr=9.0))


@pytest.mark.parametrize(
    ('wrapper', 'logged'),
    [
        (wrap(0.1), {'lr': 0.1}),
        (wrap(0.1, 0.1), {'lr': 0.1}),
        (wrap(0.025, 0.1, 0.05), {'lr': 0.1, 'lowest_lr': 0.025}),
        (
            OptimWrapperDict(a=wrap(0.1), b=wrap(0.1, 0.2)),
            {'a.lr': 0.1, 'b.lr': 0.2, 'b.lowest_lr': 0.1},
        ),
    ],
)
def test_what_is_logged(wrapper, logged):
    hub = MessageHub(f'hub {id(wrapper)}')
    RuntimeInfoHook().before_train_iter(
        SimpleNamespace(message_hub=hub, iter=7, optim_wrapper=wrapper), 0
    )
    scalars = {name: buffer.current() for name, buffer in hub.log_scalars.items()}
    assert scalars == {f'train/{name}': rate for name, rate in logged.items()}
    assert hub.get_info('iter') == 7


def test_a_run_with_learning_rates_by_stage(tmp_path):
    """The head has the config's; four depths below it is the stem."""
    cfg = digits(tmp_path, **{'train_cfg.max_epochs': 1, 'default_hooks.logger.interval': 1})
    cfg.optim_wrapper.constructor = 'LearningRateDecayOptimWrapperConstructor'
    cfg.optim_wrapper.paramwise_cfg = dict(layer_decay_rate=0.5)
    runner = Runner.from_cfg(cfg)
    runner.train()
    [log] = tmp_path.glob('*/*.log')
    lines = re.findall(r' lr: (\S+) lowest_lr: (\S+) ', log.read_text())
    assert lines
    assert 'base_lr' not in log.read_text()
    groups = runner.optim_wrapper.optimizer.param_groups
    scale = min(group['lr_scale'] for group in groups)
    assert scale < 0.5
    for highest, lowest in lines:
        assert float(lowest) == pytest.approx(scale * float(highest), rel=1e-3)
