"""The origin of weights: config, images and classes, read from their file.

``meta`` of a checkpoint has ``cfg``, the text of the config as it was used, ``preprocessing``, see
:mod:`senet_mm.engine.weights.preprocessing`, ``dataset_meta`` with the names of the classes, and
``recipe`` (name of the config), ``license`` and ``source``, texts or None.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from senet_mm.config.text import read_config_text
from senet_mm.datasets.classes import is_names
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import shorten

from .contradictions import check_contradictions, describe_preparation
from .foreign import describe_conversion
from .notes import reading_record
from .preprocessing import check_preprocessing, get_network
from .same_network import ABSENT, Difference, compare_networks

TEXTS = ('recipe', 'license', 'source')
LONGEST_TEXT = 1000


class Origin(NamedTuple):
    """What a checkpoint says of its origin; empty where it says nothing.

    Attributes:
        filename: The checkpoint.
        config: Values of the config.
        preprocessing: How images are prepared.
        classes: Names of the classes, None where it has none.
        remark: What is wrong with that, for the log.
        recipe: Name of the config.
        license: Licence of the weights.
        source: Where they are from.
    """

    filename: str
    config: Mapping
    preprocessing: dict[str, Any]
    classes: tuple[str, ...] | None = None
    remark: str = ''
    recipe: str | None = None
    license: str | None = None
    source: str | None = None


def read_origin(checkpoint: object, filename: str) -> Origin:
    """What a checkpoint says of its origin.

    Raises:
        ValueError: ``preprocessing`` is none, a text or the classes are of another type, or parts
            contradict each other.
    """
    meta = checkpoint.get('meta') if isinstance(checkpoint, Mapping) else None
    meta = meta if isinstance(meta, Mapping) else {}
    config, remark = _read_config(meta)
    preprocessing = meta.get('preprocessing', describe_preparation(config) if 'cfg' in meta else {})
    preprocessing = check_preprocessing(preprocessing, f'checkpoint {filename}')
    if 'source_format' in meta and not preprocessing:
        remark = 'an older version converted it, which did not note its images; convert it again'
    texts = {name: _read_text(meta, name, filename) for name in TEXTS}
    classes = _read_classes(meta, filename)
    origin = Origin(filename, config, preprocessing, classes, remark, **texts)
    tensors = checkpoint.get('state_dict') if isinstance(checkpoint, Mapping) else None
    # A config by its name has the images of today's, and the file those of its own.
    stated = origin if 'cfg' in meta else origin._replace(config={})
    known = tensors if isinstance(tensors, Mapping) else None
    # Other fields of the images are taken from `preprocessing`, whatever the config has.
    check_contradictions(stated, f'checkpoint {filename}', known, fields=('bits',))
    return origin


def load_origin(filename: str) -> Origin:
    """What the checkpoint in a file, or at a URL, says of its origin."""
    with reading_record():
        checkpoint = CheckpointLoader.load_checkpoint(filename, 'cpu', logger='silent')
    return read_origin(checkpoint, filename)


def find_pretrained(cfg: Mapping) -> str | None:
    """The checkpoint that ``init_cfg=dict(type='Pretrained')`` of model or backbone names."""
    network = get_network(cfg)
    for part in (network, network.get('backbone') or {}):
        init_cfg = part.get('init_cfg') or []
        for rule in init_cfg if isinstance(init_cfg, (list, tuple)) else [init_cfg]:
            if rule.get('type') == 'Pretrained':
                return rule['checkpoint']
    return None


def _read_config(meta: Mapping) -> tuple[Mapping, str]:
    """The config by its text, or by its name in files that an older version converted."""
    if isinstance(meta.get('cfg'), str):
        try:
            config = read_config_text(meta['cfg'])
        except ValueError as error:
            return {}, f'its config is not compared, it cannot be read ({error})'
        if isinstance(config.get('model'), dict):
            return config, ''
        return {}, 'its config is not compared, it has no model'
    # Late: the public names are above the engine. A path would be executed.
    from senet_mm.config import get_config, list_models

    return (get_config(meta['config']) if meta.get('config') in list_models() else {}), ''


def _read_classes(meta: Mapping, filename: str) -> tuple[str, ...] | None:
    dataset_meta = meta.get('dataset_meta')
    if dataset_meta is not None and not isinstance(dataset_meta, Mapping):
        given = shorten(repr(dataset_meta))
        raise InputError(
            f'checkpoint {filename}: dataset_meta={given}; allowed: dict(classes=[...])'
        )
    classes = (dataset_meta or {}).get('classes', meta.get('CLASSES'))  # the latter is mmcls's
    if classes is None:
        return None
    if not is_names(classes):
        raise InputError(
            f'checkpoint {filename}: classes={shorten(repr(classes))}; allowed: a list of names, '
            'none of them empty'
        )
    return tuple(map(str, classes)) or None


def _read_text(meta: Mapping, name: str, filename: str) -> str | None:
    text = meta.get(name)
    if text is not None and not (isinstance(text, str) and len(text) <= LONGEST_TEXT):
        raise ValueError(
            f'checkpoint {filename}: {name} is {type(text).__name__}; allowed: a text of at most '
            f'{LONGEST_TEXT} characters, None'
        )
    return text


# Where a config has the number of channels of its images.
CHANNELS = ('model.in_channels', 'model.backbone.in_channels')


def check_network(
    cfg: Config, origin: Origin, new_head: bool = False, new_stem: bool = False
) -> None:
    """Raise a ValueError where weights were made for another network than that of a config.

    Args:
        cfg: The config.
        origin: Where the weights are from.
        new_head: The head may differ; it is to be trained.
        new_stem: The channels of the images may differ; the stem is adapted.
    """
    if not (origin.config.get('model') and isinstance(cfg.get('model'), Mapping)):
        return
    ours, theirs = (c.get('default_scope') or 'senet_mm' for c in (cfg, origin.config))
    networks = get_network(cfg), get_network(origin.config)
    differences = [
        difference
        for difference in compare_networks(*networks, (ours, theirs))
        if not (new_head and difference.key.startswith('model.head.'))
        and not (new_stem and difference.key in CHANNELS)
    ]
    if differences:
        raise ValueError(
            f'checkpoint {origin.filename} does not fit the model of the config: it was made with '
            f'{_join(differences, "other")}, the config has '
            f'{_join(differences, "given")}; {_remedy(differences, origin, theirs)}'
        )


def _join(differences: Sequence[Difference], side: str, limit: int = 3) -> str:
    """``key=value key=value ...`` of one side."""
    parts = []
    for difference in differences[:limit]:
        value = getattr(difference, side)
        parts.append(f'{difference.key}={"(none)" if value is ABSENT else value}')
    return ' '.join(parts) + (' ...' if len(differences) > limit else '')


def _remedy(differences: Sequence[Difference], origin: Origin, scope: str) -> str:
    """What makes the config that of the weights, or the weights those of the config."""
    has_others = any(difference.key.endswith('.type') for difference in differences)
    if has_others and (conversion := describe_conversion(origin.filename, scope=scope)):
        return conversion
    config = 'the config that it was made with'
    simple = all(isinstance(d.other, (str, int, float, bool)) for d in differences)
    if not simple or len(differences) > 3:
        return f'allowed: {config}'
    options = [d._replace(key='in_channels') if d.key in CHANNELS else d for d in differences]
    return f'allowed: --cfg-options {_join(options, "other")}, or {config}'
