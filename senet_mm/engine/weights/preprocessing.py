"""How images are prepared for a network, as plain data that travels with its weights.

``mean`` and ``std`` in the order of the channels that the network sees (None: not normalised),
``channel_order`` of what it sees (None for grey images), ``resize`` to a side (``edge``) or to
[width, height], by ``backend`` and ``interpolation``, then the central ``crop``, a side or
[width, height]; ``resize`` and ``crop`` are None where nothing is done. ``input_size`` is
[channels, height, width]. ``bits`` is 16 where images keep the fraction of samples of 16 bits, from
0 to 255. What a config does not tell is left out.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

from mmcv.image.geometric import cv2_interp_codes, pillow_interp_codes

from senet_mm.config.channels import use_own_preprocessor
from senet_mm.config.keys import name_of
from senet_mm.models.in_channels import get_in_channels
from senet_mm.utils.options import check_option

from .geometry import get_sides, is_inner, is_side, is_within, read_geometry, to_steps

NORMALISATION = ('mean', 'std', 'channel_order')
GEOMETRY = ('resize', 'edge', 'backend', 'interpolation', 'crop')
# Numbers of channels of which three are colours.
COLOURED = (3, 4)
# Their arguments are understood; another preprocessor may do something else with them.
PREPROCESSORS = ('ClsDataPreprocessor', 'BatchPreprocessor')
INTERPOLATIONS = {'cv2': tuple(cv2_interp_codes), 'pillow': tuple(pillow_interp_codes)}


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and 1 <= len(value) <= CHANNELS and all(map(_is_number, value))


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST


def _is_size(value: object) -> bool:
    sides = value if isinstance(value, list) and len(value) == 2 else [value]
    return value is None or all(map(is_side, sides))


PLAIN = (type(None), str, int, float, list)
# Of a mean or a deviation; images have 0 to 255.
LARGEST = 1e6
# Most of an image.
CHANNELS = 256

# Each with what it may be, in words and as a test.
FIELDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    'mean': ('a number per channel', lambda v: v is None or _is_numbers(v)),
    'std': (
        'a positive number per channel',
        lambda v: v is None or (_is_numbers(v) and min(v) > 0),
    ),
    'channel_order': ('RGB, BGR, None', lambda v: v in ('RGB', 'BGR', None)),
    'resize': ('a side, [width, height], None', _is_size),
    'edge': ('short, long, width, height', lambda v: v in ('short', 'long', 'width', 'height')),
    'backend': ('cv2, pillow', lambda v: v in ('cv2', 'pillow')),
    'interpolation': (
        'one of the backend: bilinear, bicubic, ...',
        lambda v: any(v in names for names in INTERPOLATIONS.values()),
    ),
    'crop': ('a side, [width, height], None', _is_size),
    'input_size': (
        '[channels, height, width]',
        lambda v: isinstance(v, list) and len(v) == 3 and all(map(is_side, v)),
    ),
    'bits': ('8, 16', lambda v: v in (8, 16) and type(v) is int),
}


def check_preprocessing(given: object, source: str) -> dict[str, Any]:
    """The fields of a description that somebody else wrote, tuples as lists.

    Args:
        given: The description.
        source: Where it is from, for the message.

    Raises:
        ValueError: A field is not known or cannot have its value.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f'{source}: preprocessing is {type(given).__name__}; allowed: a dict')
    checked: dict[str, Any] = {}
    for name, value in given.items():
        check_option(f'{source}: preprocessing', name, FIELDS)
        value = list(value) if isinstance(value, tuple) else value
        allowed, fits = FIELDS[name]
        if type(value) not in PLAIN or not fits(value):
            raise ValueError(f'{source}: preprocessing {name}={value!r}; allowed: {allowed}')
        checked[name] = value
    for group in (NORMALISATION, GEOMETRY if checked.get('resize') else ('resize', 'crop')):
        missing = set(group) - checked.keys()
        if missing and missing != set(group):
            raise ValueError(f'{source}: preprocessing lacks {", ".join(sorted(missing))}')
    if checked.get('resize'):
        names = INTERPOLATIONS[checked['backend']]
        check_option(f'{source}: preprocessing interpolation', checked['interpolation'], names)
        if not is_within(checked['crop'], checked['resize'], checked['edge']):
            raise ValueError(
                f'{source}: preprocessing crop={checked["crop"]} of images resized to '
                f'{checked["resize"]}; allowed: a crop within them'
            )
    lengths = {len(checked.get(name) or []) for name in ('mean', 'std')}
    if len(lengths) > 1:
        raise ValueError(f'{source}: preprocessing has mean and std of different lengths')
    _check_size(checked, lengths.pop(), source)
    return checked


def _check_size(checked: Mapping, numbers: int, source: str) -> None:
    """Compare ``input_size`` with the numbers of the mean and with the sides of the images."""
    size = checked.get('input_size')
    if size and numbers not in (0, size[0]):
        raise ValueError(
            f'{source}: preprocessing has mean or std of {numbers} numbers for input_size='
            f'{size}; allowed: one number per channel'
        )
    sides = get_sides(checked)
    if size and sides and size[1:] != sides:
        name = 'crop' if checked.get('crop') else 'resize'
        raise ValueError(
            f'{source}: preprocessing has input_size={size}, {name}={checked[name]}; allowed: '
            f'input_size={[size[0], *sides]}, or another {name}'
        )


def describe_preprocessing(cfg: Mapping, loader: str = 'test_dataloader') -> dict[str, Any]:
    """What a config does to the images of a loader; steps that are not known are left out.

    Args:
        cfg: A config, or its values.
        loader: Key of the loader.
    """
    parts = [_describe_normalisation(cfg), read_geometry(get_pipeline(cfg, loader)) or {}]
    if cfg.get('input_shape'):
        channels, *sides = cfg['input_shape']
        # The pipeline may have been changed without the shape.
        parts.append({'input_size': [channels, *(get_sides(parts[1]) or sides)]})
    if any(step.get('bits') == 16 for step in find_loading(cfg, loader)):
        parts.append({'bits': 16})
    fitting = (part for part in parts if all(FIELDS[name][1](part[name]) for name in part))
    return {name: value for part in fitting for name, value in part.items()}


def get_network(cfg: Mapping) -> MutableMapping:
    """The ``model`` of a config, or the one that test-time augmentation wraps."""
    model = cfg.get('model')
    if not isinstance(model, MutableMapping):
        return {}
    return model.get('module') or model


def get_dataset(cfg: Mapping, loader: str) -> MutableMapping | None:
    """The data set of a loader that has the pipeline; None where there is no single one."""
    dataset = (cfg.get(loader) or {}).get('dataset')
    while isinstance(dataset, Mapping) and 'pipeline' not in dataset:
        dataset = dataset.get('dataset')
    return dataset if isinstance(dataset, MutableMapping) else None


def get_pipeline(cfg: Mapping, loader: str) -> list[Mapping] | None:
    """The pipeline of a loader; None where there is no single one."""
    dataset = get_dataset(cfg, loader)
    return None if dataset is None else dataset['pipeline']


def is_decoded(cfg: Mapping) -> bool:
    """Whether images are decoded, to BGR; data sets of arrays are RGB."""
    loaders = ('test_dataloader', 'val_dataloader', 'train_dataloader')
    pipelines = (get_pipeline(cfg, loader) for loader in loaders)
    pipeline = next((p for p in pipelines if p is not None), None)
    return pipeline is None or any(name_of(step).startswith('LoadImage') for step in pipeline)


def get_preprocessor(cfg: Mapping) -> Mapping:
    """The ``data_preprocessor`` of a config: its network's, or its own."""
    return get_network(cfg).get('data_preprocessor') or cfg.get('data_preprocessor') or {}


def check_preprocessor(cfg: Mapping) -> None:
    """Refuse a part of a preprocessor in the model, which would take the place of the whole.

    Raises:
        ValueError: ``model.data_preprocessor`` has no type, and leaves out what the config's has.
    """
    part, whole = (owner.get('data_preprocessor') for owner in (get_network(cfg), cfg))
    if not (isinstance(part, Mapping) and isinstance(whole, Mapping)) or 'type' in part:
        return
    if left_out := sorted(whole.keys() - part.keys()):
        raise ValueError(
            f'model.data_preprocessor={dict(part)} takes the place of data_preprocessor, which has '
            f'{", ".join(left_out)} too; allowed: data_preprocessor.{next(iter(part), "KEY")}=..., '
            'or a whole one with a type'
        )


def _describe_normalisation(cfg: Mapping) -> dict[str, Any]:
    preprocessor = get_preprocessor(cfg)
    if name_of({'type': 'ClsDataPreprocessor', **preprocessor}) not in PREPROCESSORS:
        return {}
    swapped = bool(preprocessor.get('to_rgb', False))
    order = 'RGB' if is_decoded(cfg) == swapped else 'BGR'
    channels = count_channels(cfg)
    mean, std = (_per_channel(preprocessor.get(key), channels) for key in ('mean', 'std'))
    return dict(mean=mean, std=std, channel_order=order if channels in COLOURED else None)


def _per_channel(numbers: Sequence | None, channels: int) -> list | None:
    """Numbers of a preprocessor as a list, in which one number holds for all channels."""
    if numbers is None:
        return None
    return [*numbers] * (channels if len(numbers) == 1 else 1)


def count_channels(cfg: Mapping) -> int:
    """The channels of the images of a config; 3 where it does not say."""
    mean, shape = get_preprocessor(cfg).get('mean'), cfg.get('input_shape')
    own = get_in_channels(get_network(cfg))
    return int(own or (shape and shape[0]) or len(mean or []) or 3)


def find_loading(cfg: Mapping, loader: str) -> list[Any]:
    """The steps of ours that decode the images of a loader."""
    return [step for step in get_pipeline(cfg, loader) or [] if name_of(step) == 'LoadImage']


def set_normalisation(cfg: MutableMapping, described: Mapping) -> None:
    """Let a config normalise as described."""
    network = get_network(cfg)
    owner = network if network.get('data_preprocessor') else cfg
    preprocessor = dict(owner.get('data_preprocessor') or {})
    preprocessor |= {key: described[key] for key in ('mean', 'std')}
    if order := described['channel_order']:
        preprocessor['to_rgb'] = is_decoded(cfg) == (order == 'RGB')
    use_own_preprocessor(preprocessor, count_channels(cfg))
    owner['data_preprocessor'] = preprocessor
    if described.get('bits') == 16:
        for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
            for step in find_loading(cfg, loader):
                step['bits'] = 16


def set_geometry(cfg: MutableMapping, described: Mapping, loader: str = 'test_dataloader') -> None:
    """Let a loader with a pipeline resize and crop as described; other steps and channels stay."""
    dataset = get_dataset(cfg, loader)
    if dataset is None:
        return
    pipeline = dataset['pipeline']
    inner = [i for i, step in enumerate(pipeline) if is_inner(step)]
    first = inner[0] if inner else sum(name_of(step).startswith('LoadImage') for step in pipeline)
    rest = [step for step in pipeline[first:] if not is_inner(step)]
    dataset['pipeline'] = [*pipeline[:first], *to_steps(described), *rest]
    if described.get('input_size'):
        cfg['input_shape'] = (count_channels(cfg), *described['input_size'][1:])


def set_preprocessing(cfg: MutableMapping, described: Mapping) -> None:
    """Let a config prepare the images of its validation and its test as described."""
    set_normalisation(cfg, described)
    for loader in ('val_dataloader', 'test_dataloader'):
        if read_geometry(get_pipeline(cfg, loader)) is not None:
            set_geometry(cfg, described, loader)
