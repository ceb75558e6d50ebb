"""The number of channels of images: one word sets it in all parts of a config, one check compares.

``in_channels=N`` of a config lets its loaders, preprocessor and network take images of N channels.
"""

import re
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from numbers import Real

from mmengine.config import Config

from senet_mm.models.in_channels import get_in_channels, set_in_channels
from senet_mm.registry import TRANSFORMS
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_integer

from .keys import name_of, walk
from .overriding import are_equal, get_child

COLOURS = 3
COLOR_TYPES = {1: 'grayscale', 3: 'color'}
PIPELINE = re.compile(r'(^|\.)\w*pipeline\.')
# Arguments of transforms that have a number per channel.
PER_CHANNEL = ('fill', 'fill_color', 'fill_std', 'mean', 'pad_val', 'std')
# Transforms that change the number of channels.
CHANGING = ('Grayscale', 'RandomGrayscale')
LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')


def adapt_numbers(numbers: Sequence, channels: int) -> list:
    """Three numbers, one per channel, for images of another number of channels.

    For one channel their mean; for n they are repeated, 0 1 2 0 1 ... A list of another length is
    returned as it is.
    """
    if len(numbers) != COLOURS or channels == COLOURS:
        return list(numbers)
    if channels == 1:
        return [round(sum(numbers) / COLOURS, 6)]
    return [numbers[i % COLOURS] for i in range(channels)]


def apply_in_channels(cfg: Config) -> None:
    """Let all parts of a config take images of ``in_channels`` channels, where it has that key.

    Sets the network, ``input_shape``, the decoding of files, mean and std, and what transforms have
    per channel. Numbers for three channels are adapted, see :func:`adapt_numbers`; others stay.

    Args:
        cfg: The config, changed in place.

    Raises:
        InputError: The number is none, or the config has no network.
    """
    channels = cfg.get('in_channels')
    if channels is None:
        return
    check_integer('in_channels', channels)
    network = _get_network(cfg)
    if not isinstance(network.get('backbone'), MutableMapping):
        raise InputError(f'in_channels={channels}: the config has no model.backbone')
    set_in_channels(network, channels)
    if cfg.get('input_shape'):
        cfg.input_shape = (channels, *cfg.input_shape[1:])
    for owner in (cfg, network):
        if isinstance(preprocessor := owner.get('data_preprocessor'), MutableMapping):
            _adapt(preprocessor, channels)
            use_own_preprocessor(preprocessor, channels)
    for path, step in walk(cfg._cfg_dict, ''):
        if PIPELINE.search(path):
            _adapt(step, channels)
            if name_of(step).startswith('LoadImage'):
                _set_loading(step, channels)


def apply_with_options(cfg: Config, options: Mapping) -> None:
    """:func:`apply_in_channels` for a config with options.

    Raises:
        InputError: ``in_channels`` would change what an option has set.
    """
    given = {key: _find(cfg, key) for key in options}
    apply_in_channels(cfg)
    for key, value in given.items():
        is_part = not isinstance(value, Mapping) and next(walk(value, '_'), None) is None
        if is_part and not are_equal(value, found := _find(cfg, key)):
            raise InputError(
                f'--cfg-options {key}={value!r}: in_channels={cfg.in_channels} makes it {found!r}; '
                'allowed: that, or in_channels alone'
            )


def _get_network(cfg: Config) -> MutableMapping:
    model = cfg.get('model')
    if not isinstance(model, MutableMapping):
        return {}
    return model.get('module') or model


def _find(cfg: Config, key: str) -> object:
    value: object = cfg
    for part in key.split('.'):
        value = get_child(value, part)
    return list(value) if isinstance(value, tuple) else value


def _adapt(part: MutableMapping, channels: int) -> None:
    for name in PER_CHANNEL:
        numbers = part.get(name)
        if isinstance(numbers, list | tuple) and all(isinstance(n, Real) for n in numbers):
            part[name] = type(numbers)(adapt_numbers(numbers, channels))


def use_own_preprocessor(preprocessor: MutableMapping, channels: int) -> None:
    """Let ours prepare images of four channels: upstream's swaps red and blue of three alone."""
    kind = name_of({'type': 'ClsDataPreprocessor', **preprocessor})
    if channels == COLOURS + 1 and kind == 'ClsDataPreprocessor':
        preprocessor['type'] = 'BatchPreprocessor'


def _set_loading(step: MutableMapping, channels: int) -> None:
    """How a step decodes files; ``unchanged`` stays, and checks the number."""
    given = step.get('color_type', 'color')
    wanted = 'unchanged' if given == 'unchanged' else COLOR_TYPES.get(channels, 'unchanged')
    if wanted != given:
        step['color_type'] = wanted
    if wanted == 'unchanged' and name_of(step) == 'LoadImage':
        step['channels'] = channels


def check_channels(cfg: Mapping) -> None:
    """Raise an InputError that names the parts of a config that want different channels.

    Args:
        cfg: The config.
    """
    parts: dict[int, list[str]] = {}
    for part, number in _find_channels(cfg):
        parts.setdefault(number, []).append(part)
    if len(parts) > 1:
        found = '; '.join(f'{number} in {", ".join(parts[number])}' for number in sorted(parts))
        raise InputError(
            f'the parts of the config differ in the number of channels: {found}; allowed: one '
            'number; in_channels=N sets all of them'
        )


def _find_channels(cfg: Mapping) -> Iterator[tuple[str, int]]:
    """What a config says of the channels of its images: the part, and the number."""
    network = _get_network(cfg)
    for loader in LOADERS:
        for number in _find_decoded((cfg.get(loader) or {}).get('dataset')):
            yield f'the images of {loader}', number
    if cfg.get('input_shape'):
        yield 'input_shape', cfg['input_shape'][0]
    for where, owner in (('', cfg), ('model.', network)):
        preprocessor = owner.get('data_preprocessor')
        for name in ('mean', 'std'):
            numbers = preprocessor.get(name) if isinstance(preprocessor, Mapping) else None
            # One number holds for all channels.
            if isinstance(numbers, list | tuple) and len(numbers) > 1:
                yield f'{where}data_preprocessor.{name}', len(numbers)
    if (own := get_in_channels(network)) is not None:
        where = 'model' if 'in_channels' in network else 'model.backbone'
        yield f'{where}.in_channels', own


def _find_decoded(dataset: object) -> Iterator[int]:
    """The channels of decoded files, for each pipeline of ours and upstream's steps alone."""
    for _, part in walk(dataset, '_'):
        pipeline = part.get('pipeline')
        steps = pipeline if isinstance(pipeline, list | tuple) else ()
        if steps and isinstance(steps[0], Mapping) and all(map(_keeps_channels, steps)):
            loading = steps[0]
            if name_of(loading) in ('LoadImage', 'LoadImageFromFile'):
                kinds = {kind: number for number, kind in COLOR_TYPES.items()}
                kind = loading.get('color_type', 'color')
                if number := kinds.get(kind, loading.get('channels')):
                    yield number


def _keeps_channels(step: object) -> bool:
    if not isinstance(step, Mapping) or not isinstance(step.get('type'), str):
        return False
    kind = TRANSFORMS.get(step['type'])
    module = getattr(kind, '__module__', '').partition('.')[0]
    return module in ('mmcv', 'mmpretrain', 'senet_mm') and name_of(step) not in CHANGING
