"""Writes a folder in the layout of timm's hub: ``config.json``, weights, model card."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import safetensors.torch
from torch import Tensor

from senet_mm.engine.weights.checkpoint import find_not_finite
from senet_mm.utils.files import atomic_file, check_empty
from senet_mm.utils.names import to_json

from .hub import OURS, REVERSED, WEIGHTS, reverse_channels
from .hub_config import CONFIG, SECTION
from .hub_images import to_hub
from .networks import describe_nearest, find_architecture
from .recognition import fitting
from .state_dicts import to_state_dict
from .target import Target

if TYPE_CHECKING:
    from senet_mm.models import ImageClassifier

CARD = 'README.md'


class Shared(NamedTuple):
    """What a folder is to hold.

    Attributes:
        tensors: Weights by the names of timm, or of ours where timm has no such network.
        config: ``config.json``.
        lines: What timm cannot do, or does otherwise.
    """

    tensors: dict[str, Tensor]
    config: dict[str, Any]
    lines: list[str]

    @property
    def is_timm(self) -> bool:
        """Whether timm has the network."""
        return not self.config['architecture'].startswith(OURS)


def make_shared(model: 'ImageClassifier', meta: Mapping[str, Any]) -> Shared:
    """The content of the folder of a classifier of ``get_model``.

    Args:
        model: The classifier.
        meta: What is published of it, the meta of a checkpoint, with ``name``.
    """
    state = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
    described = meta['preprocessing']
    channels = next(value for value in state.values() if value.dim() == 4).shape[1]
    section, tensors = dict(meta), state
    if architecture := find_architecture(model.cfg):
        target = Target(meta['name'], model.cfg)
        form = fitting('timm', target)
        if described.get('channel_order') == 'BGR':
            state, section[REVERSED] = reverse_channels(state), True
        tensors = to_state_dict(state, form, target)
        images, lines = to_hub(described, channels)
    else:
        architecture, images = OURS + meta['name'], {}
        lines = [
            'no network of timm is known to be this one: it cannot load this folder, senet_mm can',
            *filter(None, [describe_nearest(model.cfg)]),
        ]
    number = count_classes(model)
    weights = [name for name, value in tensors.items() if value.dim() > 1]
    config = dict(
        architecture=architecture,
        num_classes=number,
        **_describe_classes(meta),
        pretrained_cfg=dict(
            num_classes=number,
            **images,
            first_conv=weights[0].removesuffix('.weight'),
            classifier=weights[-1].removesuffix('.weight'),
            **{key: meta[key] for key in ('license',) if meta.get(key)},
        ),
    )
    return Shared(tensors, config | {SECTION: section}, lines)


def count_classes(model: 'ImageClassifier') -> int:
    """The number of classes, which the head knows, or a backbone that classifies."""
    counts = (getattr(part, 'num_classes', None) for part in (model.head, model.backbone))
    return next(count for count in counts if count)


def _describe_classes(meta: Mapping) -> dict[str, list[str]]:
    """timm's ``label_names``, if names are known."""
    classes = meta.get('dataset_meta', {}).get('classes')
    return dict(label_names=list(classes)) if classes else {}


def write_shared(folder: Path, shared: Shared, card: str) -> None:
    """Write the files into a new or empty folder, the config last.

    Raises:
        ValueError: The folder is not empty, or a weight is not finite.
    """
    broken = find_not_finite(shared.tensors)
    if broken:
        raise ValueError(f'not finite in {len(broken)} tensors: {", ".join(broken[:3])}')
    check_empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        WEIGHTS[0]: safetensors.torch.save(shared.tensors, metadata={'format': 'pt'}),
        CARD: card.encode(),
        CONFIG: (to_json(shared.config, indent=2) + '\n').encode(),
    }
    for name, content in files.items():
        with atomic_file(folder / name) as file:
            file.write(content)
