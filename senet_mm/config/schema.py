"""The keys that are read from dicts of a config that no constructor checks."""

import inspect
from collections.abc import Callable

import torch
from mmengine.dist import init_dist
from mmengine.runner import Runner
from mmengine.utils import import_modules_from_strings
from mmengine.utils.dl_utils import set_multi_processing
from torch.distributed import init_process_group
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.utils.data import DataLoader

from senet_mm.registry import HOOKS, MODELS

from .distributed import wrapper_class

Keys = set[str] | None  # None: any key


def parameters(function: Callable, *without: str) -> set[str]:
    """Names of the arguments of a function that can be given by name."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    names = inspect.signature(function).parameters.items()
    return {name for name, parameter in names if parameter.kind not in kinds} - {'self', *without}


RUNNER_KEYS = parameters(Runner.__init__, 'cfg')

# Top-level keys that are read besides the arguments of the runner.
OTHER_KEYS = {
    'activation_checkpointing', 'auto_scale_lr', 'channels_last', 'compile', 'custom_imports',
    'dry_evaluation', 'efficient_conv_bn_eval', 'find_unused_parameters', 'fuse_tails',
    'in_channels', 'input_shape', 'keep_resolution', 'license', 'model_wrapper_cfg', 'source',
    'sync_bn', 'tracker', 'tta_model', 'tta_pipeline',
}  # fmt: skip

LOADER = parameters(DataLoader) | {'num_batch_per_epoch', 'disable_subprocess_warning'}

# Default hooks of mmengine and of our configs; any other name adds a hook.
HOOK_NAMES = {
    'checkpoint', 'class_num_check', 'complexity', 'damaged_images', 'logger', 'non_finite',
    'param_scheduler', 'result', 'runtime_info', 'sampler_seed', 'stall', 'sync_buffers', 'timer',
    'visualization',
}  # fmt: skip

# What the constructors of optimizer wrappers read of ``paramwise_cfg``.
_DEFAULT_PARAMWISE = {
    'bias_decay_mult', 'bias_lr_mult', 'bypass_duplicate', 'custom_keys', 'dcn_offset_lr_mult',
    'dwconv_decay_mult', 'flat_decay_mult', 'norm_decay_mult',
}  # fmt: skip
_LAYER_DECAY_PARAMWISE = {
    'bias_decay_mult', 'custom_keys', 'flat_decay_mult', 'layer_decay_rate', 'norm_decay_mult',
}  # fmt: skip
PARAMWISE = {
    'DefaultOptimWrapperConstructor': _DEFAULT_PARAMWISE,
    'LearningRateDecayOptimWrapperConstructor': _LAYER_DECAY_PARAMWISE,
}


def _paramwise(mapping: dict, cfg: dict) -> Keys:
    constructor = cfg['optim_wrapper'].get('constructor', 'DefaultOptimWrapperConstructor')
    return PARAMWISE.get(str(constructor).rpartition('.')[2])


def _clip_grad(mapping: dict, cfg: dict) -> Keys:
    clips: dict[str, Callable] = {'norm': clip_grad_norm_, 'value': clip_grad_value_}
    clip = clips.get(mapping.get('type', 'norm'))
    return None if clip is None else parameters(clip, 'parameters') | {'type'}


def _model_wrapper(mapping: dict, cfg: dict) -> Keys:
    """Arguments of the wrappers of DDP, which pass on what they do not know."""
    kind = wrapper_class(mapping)
    if not (inspect.isclass(kind) and issubclass(kind, DistributedDataParallel)):
        return None
    wrappers = [wrapper for wrapper in kind.mro() if issubclass(wrapper, DistributedDataParallel)]
    return {'type'}.union(*(parameters(wrapper, 'module') for wrapper in wrappers))


def _model_train_cfg(mapping: dict, cfg: dict) -> Keys:
    """Batch augmentations; mmpretrain's classifiers pass the whole dict on or nothing."""
    # Late: imported before our registry it would print its messages.
    from mmpretrain.models import ImageClassifier

    model = cfg['model'].get('type')
    model = MODELS.get(model) if isinstance(model, str) else model
    is_classifier = inspect.isclass(model) and issubclass(model, ImageClassifier)
    return {'augments', 'probs'} if is_classifier else None


def _hook(mapping: dict, cfg: dict) -> Keys:
    """mmengine's CheckpointHook accepts any argument and fails at the first checkpoint."""
    if mapping.get('type') != 'CheckpointHook':
        return None
    return {'type', 'priority'}.union(*map(parameters, HOOKS.get('CheckpointHook').mro()[:-1]))


def _exactly(keys: set[str]) -> Callable[[dict, dict], Keys]:
    return lambda mapping, cfg: keys


# Path, with * for anything -> the keys that are read, by the dict there and the whole config.
CLOSED: dict[str, Callable[[dict, dict], Keys]] = {
    'auto_scale_lr': _exactly({'base_batch_size', 'enable'}),
    'compile': _exactly(parameters(torch.compile, 'model')),
    'custom_hooks.*': _hook,
    'custom_imports': _exactly(parameters(import_modules_from_strings)),
    'default_hooks.*': _hook,
    'env_cfg': _exactly(
        {'cudnn_benchmark', 'dist_cfg', 'keep_freed_memory', 'mp_cfg', 'num_threads'}
        | {'resource_limit', 'tf32'}
    ),
    'env_cfg.dist_cfg': _exactly(
        parameters(init_dist, 'launcher')
        | parameters(init_process_group, 'rank', 'world_size')
        | {'port'}
    ),
    'env_cfg.mp_cfg': _exactly(parameters(set_multi_processing, 'distributed')),
    'fuse_tails': _exactly({'implementation', 'lean'}),
    'model.train_cfg': _model_train_cfg,
    'model_wrapper_cfg': _model_wrapper,
    'optim_wrapper.clip_grad': _clip_grad,
    'optim_wrapper.paramwise_cfg': _paramwise,
    'randomness': _exactly(parameters(Runner.set_randomness)),
    'test_dataloader': _exactly(LOADER),
    'train_dataloader': _exactly(LOADER),
    'val_dataloader': _exactly(LOADER),
}

# Path -> known keys, of which a near miss is an error; others are the user's own.
OPEN: dict[str, set[str]] = {
    'default_hooks': HOOK_NAMES,
    '*_dataloader.*metainfo': {'classes'},
    # Others become settings of a group of parameters, which a hook may read.
    'optim_wrapper.paramwise_cfg.custom_keys.*': {'decay_mult', 'lr', 'lr_mult', 'weight_decay'},
}
