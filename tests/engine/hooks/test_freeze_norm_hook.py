"""Batch norms at the end of training."""

import pytest
import torch
from mmengine import Config

from senet_mm.engine import Runner

from ...conftest import ROOT


def make_runner(work_dir, last_epochs, **options):
    cfg = Config.fromfile(ROOT / 'configs/digits/seresnet8_1xb64_digits.py')
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'randomness.seed': 0,
            'train_cfg.max_epochs': 3,
            'custom_hooks': [dict(type='FreezeNormHook', last_epochs=last_epochs)],
            **options,
        }
    )
    return Runner.from_cfg(cfg)


def states(work_dir):
    """Norms and other tensors of the checkpoints, by epoch."""
    for epoch in (1, 2, 3):
        state = torch.load(work_dir / f'epoch_{epoch}.pth', weights_only=False)['state_dict']
        yield tuple(
            {name: value for name, value in state.items() if ('bn' in name) == norms}
            for norms in (True, False)
        )


def equal(a, b):
    return {name: torch.equal(value, b[name]) for name, value in a.items()}


def test_norms_stand_still_in_the_last_epoch(tmp_path):
    make_runner(tmp_path, last_epochs=1).train()
    (norms1, _), (norms2, others2), (norms3, others3) = states(tmp_path)
    assert not any(equal(norms1, norms2).values())
    assert all(equal(norms2, norms3).values())
    assert not any(equal(others2, others3).values())


def test_resumed_training_is_frozen_as_well(tmp_path):
    whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
    make_runner(whole, last_epochs=2).train()
    make_runner(resumed, last_epochs=2, load_from=str(whole / 'epoch_2.pth'), resume=True).train()
    states = (
        torch.load(folder / 'epoch_3.pth', weights_only=False)['state_dict']
        for folder in (whole, resumed)
    )
    assert all(equal(*states).values())


@pytest.mark.parametrize('last_epochs', [0, 4])
def test_mistakes(tmp_path, last_epochs):
    runner = make_runner(tmp_path, last_epochs)
    with pytest.raises(ValueError, match=f'last_epochs={last_epochs}; allowed: 1 to 3, the number'):
        runner.train()
