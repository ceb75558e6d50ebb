"""What other projects record beside the tensors: images, stride placement, classes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torchvision

from senet_mm.config.channels import COLOURS
from senet_mm.engine.weights.origin import LONGEST_TEXT
from senet_mm.engine.weights.preprocessing import check_preprocessing
from senet_mm.engine.weights.stem import adapt_preprocessing

from .hub_config import describe_images, find_hub_config
from .source import Source

if TYPE_CHECKING:
    from .format import Format

# timm's, torchvision's and mmpretrain's.
IMAGENET = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], channel_order='RGB',
    resize=256, edge='short', backend='pillow', interpolation='bilinear', crop=224,
)  # fmt: skip


def find_preprocessing(
    form: 'Format',
    source: Source,
    digest: str,
    config: str,
    stated: Mapping,
    channels: int = COLOURS,
) -> dict[str, Any]:
    """How images are prepared for the weights in a file of another project.

    Args:
        form: The format of the file.
        source: The file. A file that its project keeps beside it is read, too.
        digest: Its SHA-256.
        config: Name or path of our config for it.
        stated: What the user states; it overrides the rest.
        channels: Channels of the images; what is not stated is adapted to them.

    Raises:
        ValueError: A field is not known or cannot have its value.
    """
    network = Path(config).stem.partition('_')[0].partition('-')[0]
    default = form.images | form.images_of.get(network, {})
    found = form.find_images(source, digest)
    prepared = {**adapt_preprocessing({**default, **found}, channels), **stated}
    if stated.keys() & {'crop', 'resize'} and 'input_size' not in stated:
        prepared.pop('input_size', None)  # it follows
    if isinstance(prepared['crop'], int):
        prepared = dict(input_size=[channels, prepared['crop'], prepared['crop']]) | prepared
    return check_preprocessing(prepared, '--preprocessing')


def find_license(form: 'Format', src: str | os.PathLike) -> str | None:
    """The licence that timm's ``config.json`` beside a file of its weights states, if it does."""
    config = find_hub_config(src) if form.kind == 'timm' else None
    found = config and config.fields.get('license')
    return found if isinstance(found, str) and 0 < len(found) <= LONGEST_TEXT else None


def find_hub_classes(form: 'Format', src: str | os.PathLike) -> tuple[str, ...] | None:
    """The names of the classes in timm's ``config.json`` beside a file of its weights, if any."""
    config = find_hub_config(src) if form.kind == 'timm' else None
    return config.classes if config else None


def images_in_hub(source: Source, digest: str) -> dict[str, Any]:
    """What ``config.json`` says, which the hub keeps beside the weights of timm."""
    config = find_hub_config(source.path)
    return describe_images(config) if config else {}


def images_of_torchvision(source: Source, digest: str) -> dict[str, Any]:
    """The transforms of the weights of torchvision whose hash a file has."""
    for name in torchvision.models.list_models(torchvision.models):
        for weights in torchvision.models.get_model_weights(name):
            if weights.url.endswith(f'-{digest[:8]}.pth'):
                return _from_transforms(weights.transforms())
    return {}


def _from_transforms(transforms: Any) -> dict[str, Any]:
    """A description of torchvision's ``ImageClassification``."""
    [crop], [resize] = transforms.crop_size, transforms.resize_size
    return dict(
        mean=[round(255 * value, 6) for value in transforms.mean],
        std=[round(255 * value, 6) for value in transforms.std],
        resize=resize, crop=crop, interpolation=transforms.interpolation.value,
    )  # fmt: skip


def images_in_checkpoint(source: Source, digest: str) -> dict[str, Any]:
    """What the config in a checkpoint of mmpretrain says."""
    return source.origin.preprocessing


def find_style(source: Source) -> str | None:
    """The stride placement that the config in a checkpoint of mmpretrain says; None without."""
    backbone = source.origin.config.get('model', {}).get('backbone')
    return str(backbone.get('style', 'pytorch')) if isinstance(backbone, Mapping) else None


def find_classes(source: Source) -> tuple[str, ...] | None:
    """The names of the classes in a checkpoint of another project; None where it has none."""
    return source.origin.classes
