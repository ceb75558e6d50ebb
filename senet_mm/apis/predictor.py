"""A network with all that is needed to predict: of a checkpoint, or exported."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import DefaultScope
from mmengine.runner.amp import autocast
from mmpretrain.models.heads import ClsHead
from torch import Tensor

from senet_mm.datasets.given import GivenBatch, GivenImages, collate_given, with_loading
from senet_mm.datasets.images.colours import to_visible
from senet_mm.deploy.exported import open_exported
from senet_mm.engine.classes import get_num_classes
from senet_mm.engine.data_loader import build_data_loader
from senet_mm.engine.speed import use_channels_last, use_tf32
from senet_mm.engine.weights.geometry import find_fixed_size, to_steps
from senet_mm.engine.weights.preprocessing import (
    count_channels,
    get_pipeline,
    get_preprocessor,
    is_decoded,
)
from senet_mm.engine.weights.record import record_of
from senet_mm.models import ImageClassifier
from senet_mm.registry import MODELS
from senet_mm.utils.building import find_registered
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import is_exported

from .checks import check_options
from .models import get_model

# The most that a file may choose.
MAX_BATCH = 1024


class Predictor(NamedTuple):
    """What predicts.

    Attributes:
        score: Maps a batch of the pipeline to scores, (N, classes), on the CPU.
        cfg: The config.
        classes: Names of the classes.
        num_classes: Number of classes.
        describe: Gives the record, what the file says of itself; to format a config takes long.
        takes_images: Whether it prepares images itself, one at a time.
        model: The network of a checkpoint; None for an exported one.
    """

    score: Callable[[Any], Tensor]
    cfg: Config
    classes: tuple[str, ...] | None
    num_classes: int
    describe: Callable[[], Mapping[str, Any]]
    takes_images: bool = False
    model: ImageClassifier | None = None

    @property
    def batch_size(self) -> int:
        """Images of a batch of the test."""
        loader = self.cfg.get('test_dataloader') or self.cfg.get('val_dataloader') or {}
        return min(loader.get('batch_size') or 32, MAX_BATCH)

    @property
    def pipeline(self) -> Sequence[Mapping]:
        """Steps of the test, or of what the record says of it.

        Raises:
            InputError: Neither is known.
        """
        for loader in ('test_dataloader', 'val_dataloader'):
            if (steps := get_pipeline(self.cfg, loader)) is not None:
                return steps
        if 'resize' not in (described := self.describe()['preprocessing']):
            raise InputError(
                'the config has no test pipeline; allowed: one with test_dataloader.dataset'
            )
        return [dict(type='LoadImage'), *to_steps(described), dict(type='PackInputs')]

    @property
    def fixed_size(self) -> Sequence[int] | None:
        """Height and width of images that the pipeline does not resize; None where it does."""
        return find_fixed_size(self.pipeline, self.cfg.get('input_shape'))

    def predict(self, images: Sequence, batch_size: int, workers: int) -> Iterator[Tensor | str]:
        """Of each image the scores, (classes,), or what is wrong with it, in their order."""
        for batch, errors in self.load(images, batch_size, workers):
            scores = iter(() if batch is None else self.score(batch))
            for error in errors:
                yield next(scores) if error is None else error

    def load(self, images: Sequence, batch_size: int, workers: int = 0) -> Iterable[GivenBatch]:
        """Batches of images, prepared as for the test: uint8, not normalised."""
        with DefaultScope.overwrite_default_scope('senet_mm'):
            channels = count_channels(self.cfg) or 3
            steps = with_loading(self.pipeline, channels)
            if self.takes_images:
                batch_size = 1
                steps = [dict(steps[0], to_rgb=True), dict(type='PackInputs')]
            dataset = GivenImages(images, steps, channels, self.fixed_size)
            return build_data_loader(
                dict(
                    dataset=dataset, batch_size=batch_size, num_workers=workers,
                    persistent_workers=False, collate_fn=dict(type=collate_given),
                    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
                )
            )  # fmt: skip

    def show(self, batch: Mapping[str, Any]) -> np.ndarray:
        """Images of a batch to be looked at, uint8 (N, H, W, 3) RGB or (N, H, W, 1) grey.

        See :func:`.to_visible`.
        """
        is_bgr = is_decoded(self.cfg)
        images = (image.permute(1, 2, 0).numpy() for image in batch['inputs'])
        return np.stack([to_visible(image, is_bgr) for image in images])


def open_predictor(
    checkpoint: str | os.PathLike,
    config: str | Config | None = None,
    device: str | torch.device | None = None,
    amp: bool = False,
) -> Predictor:
    """The network of a checkpoint or of an exported file; see :class:`.Classifier`."""
    check_options(checkpoint, config, device, amp)
    if not is_exported(checkpoint):
        return _open_checkpoint(checkpoint, config, device, amp)
    return _open_exported(checkpoint)


def _open_checkpoint(
    checkpoint: str | os.PathLike,
    config: str | Config | None,
    device: str | torch.device | None,
    amp: bool,
) -> Predictor:
    try:
        device = torch.device(device or get_device())
        model = get_model(config, checkpoint).to(device)
    except RuntimeError as error:  # torch's, of a device
        if isinstance(error, InputError):
            raise
        reason = str(error).splitlines()[0]
        raise InputError(f'device={device}: {reason}; allowed: cpu, cuda, ...') from error
    _check_head(type(model.head), str(checkpoint))
    cfg = model.cfg
    if use_channels_last(cfg.get('channels_last', False)):
        model = model.to(memory_format=torch.channels_last)
    tf32 = (cfg.get('env_cfg') or {}).get('tf32', False)

    def score(batch: Any) -> Tensor:
        with torch.no_grad(), _tf32(tf32), autocast(enabled=amp):
            samples = model.test_step(batch)
        return torch.stack([sample.pred_score for sample in samples]).float().cpu()

    number = get_num_classes(model)
    if number is None:
        raise InputError(f'checkpoint {checkpoint}: the network does not say its number of classes')
    return Predictor(
        score,
        cfg,
        model.dataset_meta.get('classes'),
        number,
        lambda: record_of(model),
        model=model,
    )


@contextmanager
def _tf32(enabled: bool) -> Iterator[None]:
    """Multiply as the config says, and afterwards as before."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    use_tf32(enabled)
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def _open_exported(path: str | os.PathLike) -> Predictor:
    run, record, cfg, takes_images = open_exported(path)
    _check_head(find_registered(cfg.model.get('head', {}).get('type'), MODELS), str(path))
    with DefaultScope.overwrite_default_scope('senet_mm'):
        preprocessor = MODELS.build({'type': 'ClsDataPreprocessor', **get_preprocessor(cfg)})

    def score(batch: Any) -> Tensor:
        if takes_images:
            return run(batch['inputs'].permute(0, 2, 3, 1))
        return run(preprocessor(batch)['inputs'].contiguous()).float().softmax(1)

    sides = record['preprocessing'].get('input_size') or list(cfg.get('input_shape') or [])
    if len(sides) != 3:
        raise InputError(f'exported file {path} does not say the size of its images')
    blank = torch.zeros(2, *sides)
    number = run(blank.byte().permute(0, 2, 3, 1) if takes_images else blank).shape[1]
    names = record.get('classes')
    if names and len(names) != number:
        raise InputError(
            f'exported file {path} has the names of {len(names)} classes, its network has '
            f'{number}; allowed: as many'
        )
    classes = tuple(names) if names else None
    return Predictor(score, cfg, classes, number, lambda: record, takes_images)


def _check_head(kind: object, where: str) -> None:
    """Raise an InputError for a head that gives anything but one class an image."""
    is_one = isinstance(kind, type) and issubclass(kind, ClsHead)
    if not is_one:
        raise InputError(
            f'{where} has a head {getattr(kind, "__name__", kind)}; allowed: one class an image, '
            'such as LinearClsHead'
        )
