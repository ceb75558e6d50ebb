"""Preprocessed images of a config's data sets, for calibration and for a report."""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor

from senet_mm.datasets import DamagedImageError
from senet_mm.datasets.collate import collate
from senet_mm.engine.weights.preprocessing import get_pipeline
from senet_mm.engine.weights.record import record_of
from senet_mm.registry import DATASETS
from senet_mm.utils.errors import InputError
from senet_mm.utils.progress import track

CHUNK = 32


class Images(NamedTuple):
    """Images of a data set.

    Attributes:
        inputs: As the network takes them, (N, C, H, W), float32, on its device.
        labels: Their classes, (N,); None where the set has none.
        total: Images of the whole set.
        damaged: What was left out, one line per image.
        missing: Why the images are random ones; empty for real images.
    """

    inputs: Tensor
    labels: Tensor | None
    total: int
    damaged: list[str]
    missing: str = ''


def spread_evenly(total: int, number: int) -> list[int]:
    """So many indices of a set of ``total`` images, evenly from all of it; all of a smaller one."""
    return [i * total // number for i in range(number)] if number < total else [*range(total)]


def read_test_images(model: Any, number: int, is_given: bool) -> Images:
    """Images of the test set of a classifier's config, or random ones where it does not exist.

    Args:
        model: The classifier of ``get_model``.
        number: How many.
        is_given: Whether the user names the test set, which then must exist.
    """
    dataset = (model.cfg.get('test_dataloader') or {}).get('dataset')
    if dataset is None:
        return make_random_images(model, number, 'the config has no test set')
    try:
        return read_images(dataset, model, number)
    except FileNotFoundError as error:
        if is_given:
            raise
        return make_random_images(model, number, f'the test set is not there ({error})')


def make_random_images(model: Any, number: int, missing: str) -> Images:
    """Normal noise of the size of prepared test images.

    Args:
        model: The classifier of ``get_model``.
        number: How many.
        missing: Why there are no others.
    """
    size = record_of(model)['preprocessing'].get('input_size')
    if size is None:
        raise InputError(f'{missing}, and no size of images is known; allowed: with input_shape')
    inputs = torch.randn(number, *size, generator=torch.Generator().manual_seed(0))
    return Images(inputs.to(next(model.parameters()).device), None, 0, [], missing)


def read_images(
    dataset: Mapping[str, Any], model: Any, number: int, skip_damaged: bool = False
) -> Images:
    """Images of a data set, evenly from all of it, preprocessed.

    Args:
        dataset: Config of the data set.
        model: The classifier; it has ``data_preprocessor``.
        number: How many; all images where the set has fewer.
        skip_damaged: Leave damaged images out.

    Raises:
        DamagedImageError: An image is damaged and not left out, or all are damaged.
    """
    built: Any = DATASETS.build(dataset)
    total = len(built)
    indices = spread_evenly(total, number)
    inputs, labels = [], []
    damaged: list[str] = []
    for start in track(range(0, len(indices), CHUNK), 'reading images', unit='batches'):
        samples = []
        for index in indices[start : start + CHUNK]:
            try:
                samples.append(built[index])
            except DamagedImageError as error:
                if not skip_damaged or len(damaged) + 1 == len(indices):
                    raise
                damaged.append(str(error))
        if samples:
            batch = model.data_preprocessor(collate(samples))
            labels += [sample.get('gt_label') for sample in batch['data_samples']]
            inputs.append(batch['inputs'])
    single = all(label is not None and label.numel() == 1 for label in labels)
    return Images(torch.cat(inputs), torch.cat(labels) if single else None, total, damaged)


def training_set(cfg: Config) -> dict[str, Any]:
    """Config of the training set, its images prepared as those of the test.

    Raises:
        InputError: The config has no training set.
    """
    dataset = copy.deepcopy((cfg.get('train_dataloader') or {}).get('dataset'))
    if not dataset:
        raise InputError(
            f'config {cfg.filename} has no training set, on which --int8 calibrates; allowed: one '
            'with train_dataloader.dataset'
        )
    _set_pipeline(dataset, get_pipeline(cfg, 'test_dataloader') or [])
    return dataset


def _set_pipeline(dataset: Any, pipeline: list) -> None:
    """Give a data set, or the data sets that it wraps, a pipeline."""
    if 'pipeline' in dataset:
        dataset['pipeline'] = pipeline
        return
    for inner in dataset.get('datasets') or [dataset['dataset']]:
        _set_pipeline(inner, pipeline)


def control_set(cfg: Config) -> Mapping[str, Any]:
    """Config of the data set for accuracy control: of the validation, else of the test."""
    loader = cfg.get('val_dataloader') or cfg.test_dataloader
    return loader['dataset']
