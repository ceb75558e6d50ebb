"""What other projects note of their networks beside the tensors: images, stride placement."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torchvision

from senet_mm.engine.weights.origin import Origin, load_origin
from senet_mm.engine.weights.preprocessing import check_preprocessing

from .formats import CAFFE, MMPRETRAIN, TIMM, TIMM_LEGACY, TORCHVISION, Format

# timm's, torchvision's and mmpretrain's.
IMAGENET = dict(
    mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], channel_order='RGB',
    resize=256, edge='short', backend='pillow', interpolation='bilinear', crop=224,
)  # fmt: skip

# By title of the format, where neither the file nor what lies beside it says more.
DEFAULTS: dict[str, dict[str, Any]] = {
    # README of hujie-frank/SENet: mean subtracted, the centre of a short side of 256.
    CAFFE.title: IMAGENET
    | dict(mean=[104, 117, 123], std=[1, 1, 1], channel_order='BGR', backend='cv2'),
    TIMM_LEGACY.title: IMAGENET,
    TIMM.title: IMAGENET | dict(interpolation='bicubic'),
    TORCHVISION.title: IMAGENET,
    # configs/seresnet and configs/resnext of mmpretrain.
    MMPRETRAIN.title: IMAGENET,
}
# And the first part of the config's name, where a network has another recipe.
BY_NETWORK: dict[tuple[str, str], dict[str, Any]] = {
    (TIMM.title, 'seresnet50'): dict(resize=235),  # crop_pct=0.95 of all its weights
    # configs/resnet of mmpretrain.
    **{(MMPRETRAIN.title, f'resnet{d}'): dict(backend='cv2') for d in (18, 34, 50, 101, 152)},
}


def find_preprocessing(
    form: Format,
    src: str | os.PathLike,
    digest: str,
    config: str,
    stated: Mapping,
) -> dict[str, Any]:
    """How images are prepared for the weights in a file of another project.

    Args:
        form: The format of the file.
        src: The file; what its project keeps beside it is read, too.
        digest: Its SHA-256.
        config: Name or path of our config for it.
        stated: What the user says, which comes first.

    Raises:
        ValueError: A statement cannot be.
    """
    network = Path(config).stem.partition('_')[0].partition('-')[0]
    default = DEFAULTS[form.title] | BY_NETWORK.get((form.title, network), {})
    finder = FINDERS.get(form.title)
    found = finder(Path(src), digest) if finder else {}
    prepared = {**default, **found, **stated}
    if isinstance(prepared['crop'], int):
        prepared = dict(input_size=[3, prepared['crop'], prepared['crop']]) | prepared
    return check_preprocessing(prepared, '--preprocessing')


def _from_hub(src: Path, digest: str) -> dict[str, Any]:
    """What ``config.json`` says, which the hub keeps beside the weights of timm."""
    file = src.with_name('config.json')
    cfg = json.loads(file.read_text()) if file.is_file() else {}
    if 'pretrained_cfg' not in cfg:
        return {}
    try:
        cfg = cfg['pretrained_cfg']
        size, interpolation = cfg['input_size'], cfg['interpolation']
        share, mode = cfg['crop_pct'], cfg.get('crop_mode', 'center')
        mean, std = ([round(255 * value, 6) for value in cfg[key]] for key in ('mean', 'std'))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{file} is no config of a network of timm: {error!r}') from error
    if mode != 'center' or size[1] != size[2]:
        raise ValueError(
            f'{file} has crop_mode={mode!r}, input_size={size}; allowed: center, a square'
        )
    return dict(
        mean=mean, std=std, resize=math.floor(size[1] / share), crop=size[1],
        interpolation=interpolation,
    )  # fmt: skip


def _from_torchvision(src: Path, digest: str) -> dict[str, Any]:
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


def _from_checkpoint(src: Path, digest: str) -> dict[str, Any]:
    """What the config in a checkpoint of mmpretrain says."""
    return _load_origin(src).preprocessing


def with_style(form: Format, src: str | os.PathLike) -> Format:
    """The format with the stride placement that the config in a checkpoint of mmpretrain says."""
    model = _load_origin(Path(src)).config.get('model', {})
    backbone = model.get('backbone')
    if not isinstance(backbone, Mapping):
        return form
    style = str(backbone.get('style', 'pytorch'))
    return form._replace(style=style, grouped_style=style)


def find_classes(src: str | os.PathLike) -> tuple[str, ...] | None:
    """The names of the classes in a checkpoint of another project; None where it has none."""
    return _load_origin(Path(src)).classes


def _load_origin(src: Path) -> Origin:
    """What a checkpoint says of its origin; of bare tensors nothing is known."""
    if src.suffix in ('.caffemodel', '.safetensors'):
        return Origin(str(src), {}, {})
    return load_origin(str(src))


FINDERS = {
    TIMM.title: _from_hub,
    TIMM_LEGACY.title: _from_hub,
    TORCHVISION.title: _from_torchvision,
    MMPRETRAIN.title: _from_checkpoint,
}
