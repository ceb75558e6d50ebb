"""Checks names in a config that upstream ignores when nothing in the network matches them."""

from collections.abc import Iterator, Mapping

from mmengine.optim import OptimWrapper
from torch import nn

from senet_mm.config.keys import walk
from senet_mm.utils.options import suggest

DEFAULT = 'DefaultOptimWrapperConstructor'
LAYER_DECAY = 'LearningRateDecayOptimWrapperConstructor'

# Base classes of norms; an `init_cfg` may name them instead of each norm.
NORMS = {'_BatchNorm', '_InstanceNorm', '_NormBase'}

# mmpretrain's schedules set these keys for every transformer, with or without such parameters.
SHARED = {'absolute_pos_embed', 'cls_token', 'pos_embed', 'relative_position_bias_table'}


def check_names(
    optim_wrapper: OptimWrapper | Mapping, model_cfg: Mapping, model: nn.Module
) -> None:
    """Check the names by which parameters and layers are picked for training.

    Args:
        optim_wrapper: As in the config, or built.
        model_cfg: ``model`` of the config.
        model: The model.

    Raises:
        ValueError: A key of ``custom_keys``, or a layer of an ``init_cfg``, is not in the network.
    """
    if isinstance(optim_wrapper, Mapping):
        check_depths(optim_wrapper, model)
        check_custom_keys(optim_wrapper, model)
    classes = NORMS | {cls.__name__ for part in model.modules() for cls in type(part).__mro__}
    for path, layer in _initialised_layers(model_cfg):
        if layer not in classes and not hasattr(nn, layer):
            hint = suggest(layer, {*vars(nn), *classes}) or '; allowed: names of classes of layers'
            raise ValueError(f'{path}.layer={layer!r} is no layer of the network{hint}')


def check_depths(optim_wrapper: Mapping, model: nn.Module) -> None:
    """Raise a ValueError for learning rates by depth if the network does not tell depths."""
    constructor = str(optim_wrapper.get('constructor', DEFAULT)).rpartition('.')[2]
    backbone = getattr(model, 'backbone', model)
    if constructor == LAYER_DECAY and not hasattr(backbone, 'get_layer_depth'):
        raise ValueError(
            f'optim_wrapper.constructor={LAYER_DECAY!r}: {type(backbone).__name__} tells no depths '
            'of its parameters; allowed: backbones with get_layer_depth, such as ResNet'
        )


def check_custom_keys(optim_wrapper: Mapping, model: nn.Module) -> None:
    """Raise a ValueError for a key that no parameter's name contains, or an ignored setting."""
    constructor = str(optim_wrapper.get('constructor', DEFAULT)).rpartition('.')[2]
    if constructor not in (DEFAULT, LAYER_DECAY):
        return
    path = 'optim_wrapper.paramwise_cfg.custom_keys'
    keys = (optim_wrapper.get('paramwise_cfg') or {}).get('custom_keys') or {}
    if not isinstance(keys, Mapping):
        raise ValueError(f'{path}={keys!r}; allowed: a dict of dicts')
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    # Upstream matches keys against `PREFIX.NAME`; the default constructor's prefix may be empty.
    names = [name if '.' in name or constructor == LAYER_DECAY else f'.{name}' for name in names]
    for key, setting in keys.items():
        if not any(key in name for name in names) and key.strip('.') not in SHARED:
            hint = suggest(key, _pieces(names, key)) or f'; allowed: parts of names as {names[0]!r}'
            raise ValueError(f'{path}[{key!r}] matches no parameter{hint}')
        _check_setting(f'{path}[{key!r}]', setting, constructor)


def _check_setting(path: str, setting: object, constructor: str) -> None:
    """Raise a ValueError for a setting that the constructor would ignore."""
    # An option `custom_keys.head.fc.lr_mult` makes a dict within the one of `head`.
    nested = isinstance(setting, Mapping) and any(isinstance(v, Mapping) for v in setting.values())
    if not isinstance(setting, Mapping) or nested:
        dots = '; a key with dots can be given in a file alone' if nested else ''
        raise ValueError(f'{path}={setting}; allowed: a dict of numbers, such as lr_mult=2{dots}')
    if constructor == LAYER_DECAY and 'lr_mult' in setting:
        raise ValueError(f'{path}: {LAYER_DECAY} reads no lr_mult; allowed: decay_mult')


def _pieces(names: list[str], key: str) -> set[str]:
    """Parts of parameters' names, of as many words as a key."""
    count = len(key.strip('.').split('.'))
    pieces = set()
    for words in (name.strip('.').split('.') for name in names):
        pieces |= {'.'.join(words[i : i + count]) for i in range(len(words) - count + 1)}
    return pieces


def _initialised_layers(model_cfg: Mapping) -> Iterator[tuple[str, str]]:
    """Yields the path and each layer name of every initialisation rule."""
    for path, mapping in walk(dict(model=model_cfg), ''):
        if 'init_cfg' in path.split('.') and mapping.get('layer'):
            layers = mapping['layer']
            for layer in [layers] if isinstance(layers, str) else layers:
                yield path, layer
