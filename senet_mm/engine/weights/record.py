"""The record: what is needed to use weights, as plain data that travels with them.

``preprocessing`` as :mod:`senet_mm.engine.weights.preprocessing` describes it, ``classes`` (names
in the order of the outputs), ``config`` (the config's text), ``recipe`` (the config's name),
``license``, ``source``. All but ``preprocessing`` may be None. In a checkpoint it is spread over
``meta``, see :mod:`senet_mm.engine.weights.origin`.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from .origin import LONGEST_TEXT, Origin
from .preprocessing import describe_preprocessing


def record_of(model: Any) -> dict[str, Any]:
    """The record of a model of ``get_model``; paths in its config are reduced to their last part.

    Args:
        model: It has ``cfg``, ``dataset_meta``, and ``origin``, which is None without a checkpoint.
    """
    cfg, origin = model.cfg, getattr(model, 'origin', None)
    classes = model.dataset_meta.get('classes')
    known = origin.preprocessing if origin else {}
    return dict(
        preprocessing={**known, **describe_preprocessing(cfg)},
        classes=list(classes) if classes else None,
        config=Config(without_folders(cfg.to_dict())).pretty_text,
        **describe_source(cfg, origin),
    )


def describe_source(cfg: Config, origin: Origin | None) -> dict[str, str | None]:
    """``recipe``, ``license`` and ``source`` of weights, as strings or None.

    Args:
        cfg: The config; its keys ``license`` and ``source`` go before those of the origin.
        origin: The checkpoint that the weights are from, if there is one.
    """
    return dict(
        recipe=(origin and origin.recipe) or name_recipe(cfg),
        license=cfg.get('license') or (origin and origin.license),
        source=cfg.get('source') or (origin and origin.source),
    )


def describe_training(cfg: Config, origin: Origin | None, resumes: bool) -> dict[str, str | None]:
    """The same of weights that are trained.

    Args:
        cfg: The config of the training.
        origin: The checkpoint that it starts from, if there is one.
        resumes: Whether the training resumes from it.
    """
    described = dict(describe_source(cfg, origin), recipe=name_recipe(cfg))
    if origin is not None and not resumes and not cfg.get('source'):
        steps = filter(None, [os.path.basename(origin.filename), origin.source])
        described['source'] = ', from '.join(steps)[:LONGEST_TEXT]
    return described


def name_recipe(cfg: Config) -> str | None:
    """Name of a config without its folder; None for one that was not read from a file."""
    filename = getattr(cfg, 'filename', None)
    return Path(filename).stem if filename else None


def to_meta(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record under the names that it has in ``meta`` of a checkpoint; what is None is left out.

    ``cfg`` and ``dataset_meta`` are OpenMMLab's names.
    """
    meta = dict(record, cfg=record['config'])
    del meta['config']
    if classes := meta.pop('classes'):
        meta['dataset_meta'] = dict(classes=list(classes))
    return {name: value for name, value in meta.items() if value is not None}


def without_folders(value: object) -> Any:
    """Plain data in which each absolute path is reduced to its last part."""
    if isinstance(value, Mapping):
        return {key: without_folders(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_folders(item) for item in value]
    if isinstance(value, str) and os.path.isabs(value):
        return Path(value).name
    return value
