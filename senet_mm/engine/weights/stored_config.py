"""The config in a checkpoint, from which a network is built without another config.

The text may come from a stranger: it is read as data, its ``custom_imports`` import nothing, and
each ``type`` in what is built must be a class that is registered already and neither downloads nor
opens files.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import WEIGHT_INITIALIZERS, Registry
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import BATCH_AUGMENTS
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook

from senet_mm.config.values import check_values
from senet_mm.registry import MODELS, TRANSFORMS
from senet_mm.utils.building import find_registered
from senet_mm.utils.errors import InputError, describe

from .checkpoint import check_fits
from .foreign import describe_conversion
from .geometry import MAX_SIDE
from .origin import Origin
from .preprocessing import get_pipeline

# Our largest network has 1,440.
MAX_MODULES = 20_000
# Of mmpretrain, these read and download weights by themselves.
FETCHING = ('TIMMBackbone', 'TimmClassifier', 'HuggingFaceClassifier')
# What a network is built from, where others register it.
MODULES = (
    'mmcv.cnn.', 'mmengine.model.', 'mmpretrain.models.backbones.',
    'mmpretrain.models.classifiers.', 'mmpretrain.models.heads.', 'mmpretrain.models.losses.',
    'mmpretrain.models.necks.', 'mmpretrain.models.utils.data_preprocessor', 'senet_mm.',
    'torch.nn.',
)  # fmt: skip
ALLOWED = 'allowed: with the config that it was made with, by name or path'
STEPS = ('mmcv.transforms.', 'mmpretrain.datasets.transforms.', 'senet_mm.')


class Kinds(NamedTuple):
    """What a ``type`` may name in a part of a config.

    Attributes:
        registry: Where it is registered, or above.
        modules: How the name of its module begins, unless it is registered in ours.
    """

    registry: Registry
    modules: tuple[str, ...]


NETWORK = Kinds(MODELS, MODULES)
STEP = Kinds(TRANSFORMS, STEPS)
# By the key of the part.
OTHERS = {
    'batch_augments': Kinds(BATCH_AUGMENTS, ('mmpretrain.models.utils.',)),
    'init_cfg': Kinds(WEIGHT_INITIALIZERS, ('mmengine.model.',)),
    'override': Kinds(WEIGHT_INITIALIZERS, ('mmengine.model.',)),
    'train_cfg': Kinds(BATCH_AUGMENTS, ('mmpretrain.models.utils.',)),
}


def restore_config(origin: Origin, state_dict: Mapping[str, Tensor]) -> Config:
    """The config in a checkpoint, whose network has the tensors of the checkpoint.

    Args:
        origin: What the checkpoint says of itself.
        state_dict: Its tensors.

    Raises:
        InputError: It has no config, the config is another project's, or builds anything but the
            network of these tensors from classes that are known.
    """
    cfg, network = outline_config(origin, f'checkpoint {origin.filename}')
    check_fits(dict(state_dict), network, origin.filename)
    return cfg


def outline_config(origin: Origin, where: str) -> tuple[Config, nn.Module]:
    """The config in a file and its network on the meta device, without memory for its weights.

    Args:
        origin: What the file says of itself.
        where: The file, for messages.

    Raises:
        InputError: See :func:`restore_config`.
    """
    cfg = read_stored_config(origin, where)
    with _answering(where):
        return cfg, _outline(cfg)


def read_stored_config(origin: Origin, where: str) -> Config:
    """The config in a file, whose network, preprocessor and test pipelines may be built.

    Args:
        origin: What the file says of itself.
        where: The file, for messages.

    Raises:
        InputError: It has no config, the config is another project's, or names unknown classes.
    """
    if not isinstance(origin.config.get('model'), Mapping):
        reason = origin.remark or 'it has no config'
        raise InputError(f'{where} alone does not say its network: {reason}; {ALLOWED}')
    scope = origin.config.get('default_scope') or 'senet_mm'
    if scope != 'senet_mm':
        conversion = describe_conversion(origin.filename, scope=str(scope))
        raise InputError(f'{where} is of scope {scope!r}; {conversion or ALLOWED}')
    with _answering(where):
        cfg = Config(copy.deepcopy(dict(origin.config)))
        check_values(cfg.to_dict())
        _check_parts(cfg)
    return cfg


@contextmanager
def _answering(where: str) -> Iterator[None]:
    """Turns whatever a network raises for what a stranger wrote into one line."""
    try:
        yield
    except Exception as error:
        message = f'{where}: its config is not used: {describe(error)}; {ALLOWED}'
        raise InputError(message) from error


def _check_parts(cfg: Config) -> None:
    """Raise a ValueError for a type that may not be built; weights of other files are left out."""
    for name in ('model', 'data_preprocessor'):
        _drop_files(cfg.get(name))
        _check_types(cfg.get(name), name, NETWORK)
    kind = find_registered(cfg.model.get('type'), MODELS)
    if not (isinstance(kind, type) and issubclass(kind, ImageClassifier)):
        raise ValueError(f'model.type={cfg.model.get("type")!r}; allowed: ImageClassifier')
    for loader in ('test_dataloader', 'val_dataloader'):
        pipeline = get_pipeline(cfg, loader) or []
        _check_types(pipeline, f'{loader}.dataset.pipeline', STEP)
        _check_sizes(pipeline, f'{loader}.dataset.pipeline')


def _drop_files(part: object) -> None:
    """Remove what loads weights from other files, here or below."""
    if isinstance(part, (list, tuple)):
        for item in part:
            _drop_files(item)
    if not isinstance(part, dict):
        return
    part.pop('pretrained', None)
    rules = part.get('init_cfg')
    rules = rules if isinstance(rules, (list, tuple)) else [rules]
    if any(isinstance(rule, dict) and rule.get('type') == 'Pretrained' for rule in rules):
        del part['init_cfg']
    for item in part.values():
        _drop_files(item)


def _check_types(part: object, path: str, kinds: Kinds) -> None:
    """Raise a ValueError for a ``type`` that may not be built, here or below."""
    if isinstance(part, (list, tuple)):
        for i, item in enumerate(part):
            _check_types(item, f'{path}.{i}', kinds)
    if not isinstance(part, Mapping):
        return
    if part.get('_scope_', 'senet_mm') not in ('senet_mm', 'mmpretrain'):
        raise ValueError(f'{path}._scope_={part["_scope_"]!r}; allowed: senet_mm, mmpretrain')
    if 'type' in part and not _is_allowed(part['type'], kinds):
        raise ValueError(
            f'{path}.type={part["type"]!r:.80} is not known, or not built from a file alone'
        )
    for key, item in part.items():
        _check_types(item, f'{path}.{key}', OTHERS.get(key, kinds))


def _is_allowed(name: object, kinds: Kinds) -> bool:
    found = find_registered(name, kinds.registry)
    if found is None or getattr(found, '__name__', '') in FETCHING:
        return False
    # What this process has registered with us is the user's own.
    is_own = str(name).rpartition('.')[2] in kinds.registry.module_dict
    return is_own or f'{found.__module__}.'.startswith(kinds.modules)


def _check_sizes(part: object, path: str) -> None:
    """Raise a ValueError for a number that no side of an image has."""
    values = part.values() if isinstance(part, Mapping) else part
    if isinstance(values, int | float) and not abs(values) <= MAX_SIDE:
        raise ValueError(f'{path} has {values}; allowed: numbers up to {MAX_SIDE}')
    if isinstance(values, str | bytes) or not hasattr(values, '__iter__'):
        return
    for item in values:
        _check_sizes(item, path)


def _outline(cfg: Config) -> nn.Module:
    """The network of a config without memory for its weights."""
    from ..classifier import build_classifier

    cfg = copy.deepcopy(cfg)
    cfg.model.pop('train_cfg', None)  # how to train is no part of the network
    with torch.device('meta'), _few_modules():
        return build_classifier(cfg)


@contextmanager
def _few_modules() -> Iterator[None]:
    """Raise a ValueError where more modules are made than a network has."""
    count = 0

    def add(*_: object) -> None:
        nonlocal count
        count += 1
        if count > MAX_MODULES:
            raise ValueError(f'it has more than {MAX_MODULES} modules')

    handle = register_module_module_registration_hook(add)
    try:
        yield
    finally:
        handle.remove()
