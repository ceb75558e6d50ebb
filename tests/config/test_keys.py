"""A key that nobody reads is an error, at every level, with the nearest name."""

import inspect
import re
from fnmatch import fnmatchcase
from pathlib import Path

import mmpretrain
import pytest
from mmengine.optim import DefaultOptimWrapperConstructor
from mmengine.runner import Runner as MMRunner
from mmpretrain.engine import LearningRateDecayOptimWrapperConstructor

from senet_mm.apis import get_config
from senet_mm.config.keys import READ_KEYS, check_keys, walk
from senet_mm.config.schema import CLOSED, LOADER, PARAMWISE
from senet_mm.engine import Runner
from senet_mm.utils.errors import UserError, describe

DIGITS = 'seresnet8_1xb64_digits'

# Where the digits' config lacks a dict of the schema.
MORE = {
    'model_wrapper_cfg': dict(find_unused_parameters=True),
    'compile': dict(dynamic=False),
    'fuse_tails': dict(lean=True),
    'custom_hooks': [dict(type='CheckpointHook')],
    'custom_imports': dict(imports=[]),
    'model.train_cfg': dict(augments=[dict(type='Mixup', alpha=0.2)]),
    'optim_wrapper.paramwise_cfg': dict(norm_decay_mult=0.0, custom_keys=dict(fc=dict(lr_mult=2))),
    'optim_wrapper.clip_grad': dict(max_norm=1.0),
    'param_scheduler': [dict(type='LinearLR', start_factor=0.1, end=2)],
    'train_dataloader.dataset.metainfo': dict(classes=list('0123456789')),
}


def load():
    return get_config(DIGITS, MORE)


def get_paths():
    """All dicts in the config, the top level first."""
    return ['', *(path for path, _ in walk(load().to_dict(), ''))]


# Dicts whose keys are names of the user's own, or settings that a hook of his may read.
FREE = {
    'default_hooks',
    'optim_wrapper.paramwise_cfg.custom_keys',
    'optim_wrapper.paramwise_cfg.custom_keys.fc',
    'train_dataloader.dataset.metainfo',
}


def is_read(path):
    """Excludes values below a variable, which the loaders contain too."""
    return path not in FREE and not path.startswith(('train_pipeline', 'test_pipeline'))


@pytest.mark.parametrize('pattern', CLOSED)
def test_every_dict_of_the_schema_is_tried_below(pattern):
    assert any(fnmatchcase(path, pattern) for path in get_paths())


MISSPELT = [
    ('auto_scale_lr', 'enabled', 'enable'),
    ('env_cfg', 'tf23', 'tf32'),
    ('env_cfg', 'cudnn_benchmarks', 'cudnn_benchmark'),
    ('env_cfg', 'keep_freed', 'keep_freed_memory'),
    ('env_cfg.dist_cfg', 'bakend', 'backend'),
    ('env_cfg.dist_cfg', 'timeouts', 'timeout'),
    ('env_cfg.mp_cfg', 'mp_start_methd', 'mp_start_method'),
    ('randomness', 'sed', 'seed'),
    ('compile', 'mod', 'mode'),
    ('fuse_tails', 'implementaton', 'implementation'),
    ('custom_imports', 'import', 'imports'),
    ('model_wrapper_cfg', 'find_unused_parameter', 'find_unused_parameters'),
    ('model.train_cfg', 'augment', 'augments'),
    ('optim_wrapper.paramwise_cfg', 'norm_decay_mul', 'norm_decay_mult'),
    ('optim_wrapper.paramwise_cfg.custom_keys.fc', 'lr_mul', 'lr_mult'),
    ('optim_wrapper.clip_grad', 'max_nrm', 'max_norm'),
    ('train_dataloader', 'batchsize', 'batch_size'),
    ('val_dataloader', 'num_worker', 'num_workers'),
    ('test_dataloader', 'num_batches_per_epoch', 'num_batch_per_epoch'),
    ('train_dataloader.dataset.metainfo', 'clases', 'classes'),
    ('default_hooks', 'chekpoint', 'checkpoint'),
    ('default_hooks.checkpoint', 'max_keep_ckpt', 'max_keep_ckpts'),
    ('custom_hooks.0', 'save_bests', 'save_best'),
    ('', 'custom_hook', 'custom_hooks'),
    ('', 'channel_last', 'channels_last'),
    ('', 'find_unused_parameter', 'find_unused_parameters'),
]


def misspell(cfg, path, key):
    place = cfg
    for part in filter(None, path.split('.')):
        place = place[int(part)] if part.isdigit() else place[part]
    place[key] = dict(interval=1)


@pytest.mark.parametrize(('path', 'key', 'meant'), MISSPELT)
def test_misspelt_key(path, key, meant):
    cfg = load()
    misspell(cfg, path, key)
    name = f'{path}.{key}' if path else key
    message = f'config key {name!r} is not known; did you mean {meant!r}?'
    with pytest.raises(ValueError, match=re.escape(message)):
        check_keys(cfg)


def build_all(cfg):
    """Build all that a run builds before it starts."""
    runner = Runner.from_cfg(cfg)
    for loop in (runner.train_loop, runner.val_loop, runner.test_loop):
        assert len(loop.dataloader) > 0
    runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    runner.build_param_scheduler(runner.param_schedulers)


@pytest.mark.parametrize('path', list(filter(is_read, get_paths())))
def test_key_that_nobody_reads(path, tmp_path):
    """In every dict of a config, whether we or a constructor would read it."""
    cfg = load()
    cfg.work_dir = str(tmp_path)
    # Of a user's own variable at the top level, only a near miss is an error.
    key = 'modl' if path == '' else 'no_such_key'
    misspell(cfg, path, key)
    with pytest.raises((ValueError, TypeError), match=rf'{key}|Hook\(\) takes no arguments'):
        build_all(cfg)


NEAR = [
    ('model.backbone.dept', 'depth'),
    ('model.head.num_class', 'num_classes'),
    ('model.se.layer.ration', 'ratio'),
    ('model.se.positions', 'position'),
    ('train_cfg.max_epoch', 'max_epochs'),
    ('optim_wrapper.optimizer.momentu', 'momentum'),
    ('optim_wrapper.accumulative_count', 'accumulative_counts'),
    ('param_scheduler.0.start_facto', 'start_factor'),
    ('default_hooks.damaged_images.shares', 'share'),
    ('train_dataloader.dataset.pipeline.0.crop_siz', 'crop_size'),
    ('train_dataloader.sampler.shufle', 'shuffle'),
    ('train_dataloader.dataset.splits', 'split'),
    ('val_evaluator.0.top', 'topk'),
]


@pytest.mark.parametrize(('path', 'meant'), NEAR)
def test_error_of_a_constructor_names_the_nearest_argument(path, meant, tmp_path):
    """As the tools print it."""
    cfg = load()
    cfg.work_dir = str(tmp_path)
    misspell(cfg, *path.rsplit('.', 1))
    with pytest.raises(UserError) as raised:
        build_all(cfg)
    assert f'; did you mean {meant!r}?' in describe(raised.value)


@pytest.mark.parametrize(
    'constructor', [DefaultOptimWrapperConstructor, LearningRateDecayOptimWrapperConstructor]
)
def test_paramwise_keys_are_those_that_upstream_reads(constructor):
    read = set(re.findall(r"paramwise_cfg\.get\('(\w+)'", inspect.getsource(constructor)))
    assert PARAMWISE[constructor.__name__] == read


def test_loader_keys_are_those_that_upstream_reads():
    read = re.findall(
        r"dataloader_cfg\.pop\(\s*'(\w+)'", inspect.getsource(MMRunner.build_dataloader)
    )
    assert len(read) > 5
    assert set(read) <= LOADER


def test_keys_of_the_runner_that_upstream_reads():
    """Besides its arguments: what it looks up in the whole config."""
    read = set(re.findall(r"self\.cfg\.get\('(\w+)'", inspect.getsource(MMRunner)))
    assert len(read) > 4
    assert read <= READ_KEYS


def test_constructors_of_others_may_read_what_they_like():
    cfg = get_config(DIGITS, {**MORE, 'optim_wrapper.constructor': 'MyConstructor'})
    cfg.optim_wrapper.paramwise_cfg.my_key = 1
    cfg.model_wrapper_cfg = dict(type='MyWrapper', my_key=1)
    check_keys(cfg)


def test_variable_near_to_a_key_is_one_where_it_is_used():
    cfg = load()
    cfg.train_dataloaders = [cfg.train_dataloader.dataset]
    with pytest.raises(ValueError, match='train_dataloaders'):
        check_keys(cfg)
    cfg.model.train_cfg.augments = cfg.train_dataloaders
    check_keys(cfg)


# Those that mmengine itself cannot read.
BROKEN = {'replknet-31B', 'swinv2-base-w12_8xb128_in21k', 'swinv2-large-w12_8xb128_in21k'}
THEIRS = Path(mmpretrain.__file__).parent / '.mim/configs'


@pytest.mark.parametrize('folder', sorted(path.name for path in THEIRS.glob('[!_]*')))
def test_configs_of_mmpretrain_pass_as_they_are(folder):
    """Every third one; those of detectors need mmdet."""
    for path in sorted((THEIRS / folder).glob('[!_]*.py'))[::3]:
        if not path.name.startswith(tuple(BROKEN)):
            get_config(str(path))
