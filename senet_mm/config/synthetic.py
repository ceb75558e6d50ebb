"""A training config without its data, to time the network alone."""

from collections.abc import Mapping

from mmengine.config import Config

from senet_mm.datasets.subset import check_batches

from .auto import Size, settle
from .keys import walk

# For what a config leaves to its data set.
SIZE = Size(classes=1000, images=30_000)


def use_synthetic(cfg: Config, num_batches: int = 100) -> None:
    """Let a config train on :class:`SyntheticBatches` of its own shape and batch size.

    ``num_batch_per_epoch`` of its loader, or ``num_batches``, is the length of an epoch. What the
    config leaves to its data set is that of ``SIZE``; class weights by its labels are left out.
    """
    settle(cfg, SIZE)
    for _, part in walk(cfg.model, 'model'):
        if isinstance(part.get('class_weight'), str | Mapping):
            part['class_weight'] = None
    loader = cfg.train_dataloader
    if (given := loader.get('num_batch_per_epoch')) is not None:
        check_batches(given)
        num_batches = given
    dataset = dict(
        type='SyntheticBatches',
        shape=tuple(cfg.input_shape),
        batch_size=loader.batch_size,
        num_classes=cfg.data_preprocessor.num_classes,
        num_batches=num_batches,
    )
    cfg.data_preprocessor.type = 'senet_mm.BatchPreprocessor'  # a base may be of another scope
    cfg.train_dataloader = dict(
        batch_size=1,
        dataset=dataset,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='only_batch'),
    )
