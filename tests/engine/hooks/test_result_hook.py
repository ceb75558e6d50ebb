"""``result.json`` of loops by iteration; those by epoch are in tests/tools/test_ablate.py."""

import json

import pytest

from senet_mm.engine import Runner

from ..test_runner import digits


def by_iteration(work_dir, **options):
    cfg = digits(work_dir, **options)
    cfg.train_cfg = dict(by_epoch=False, max_iters=6, val_interval=3)
    cfg.param_scheduler = None
    cfg.log_processor.by_epoch = False
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', by_epoch=False, interval=1)
    cfg.default_hooks.result = dict(type='ResultHook', config_hash='sha256:0')
    return cfg


def test_resumed_at_any_iteration(tmp_path):
    Runner.from_cfg(by_iteration(tmp_path / 'whole')).train()
    whole = json.loads((tmp_path / 'whole/result.json').read_text())
    assert [validation['iter'] for validation in whole['validations']] == [3, 6]
    assert (whole['config_hash'], whole['seed']) == ('sha256:0', 0)
    (log,) = (tmp_path / 'whole').glob('*/*.log')
    assert 'validations' not in log.read_text()  # they would be on each line of a validation
    for start in (2, 3, 4, 6):
        work_dir = tmp_path / f'from_{start}'
        cfg = by_iteration(work_dir, resume=True, load_from=f'{tmp_path}/whole/iter_{start}.pth')
        Runner.from_cfg(cfg).train()
        resumed = json.loads((work_dir / 'result.json').read_text())
        assert [validation['iter'] for validation in resumed['validations']] == [3, 6]


def test_training_without_validation_is_refused(tmp_path):
    cfg = by_iteration(tmp_path)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    with pytest.raises(ValueError, match='ResultHook needs a validation; allowed: a config with'):
        Runner.from_cfg(cfg).train()
    assert not (tmp_path / 'result.json').exists()
