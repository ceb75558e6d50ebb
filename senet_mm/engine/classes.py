"""The runner's comparisons of classes: training, validation, testing, checkpoint."""

from typing import TYPE_CHECKING

from mmengine.runner import BaseLoop

from senet_mm.datasets.classes import align, compare

if TYPE_CHECKING:
    from .runner import Runner


def align_loop(loop: BaseLoop, reference: object, where: str, where_reference: str) -> None:
    """Give the data set of a validation or test loop the labels of training, by name.

    Raises:
        ValueError: It has a class that the reference does not have.
    """
    dataset = loop.dataloader.dataset
    if align(dataset, reference, where, where_reference):
        loop.evaluator.dataset_meta = loop.runner.visualizer.dataset_meta = dataset.metainfo


def align_with_training(runner: 'Runner', loop: BaseLoop, where: str) -> BaseLoop:
    """Compare the data set of a loop with the training set, if that is there; returns the loop."""
    if isinstance(runner._train_loop, BaseLoop):
        reference = getattr(runner.train_dataloader.dataset, 'metainfo', None)
        align_loop(loop, reference, where, 'the training set')
    return loop


def compare_checkpoint(runner: 'Runner', checkpoint: dict, filename: str) -> None:
    """Compare the classes of a checkpoint with those of the data that it is loaded for.

    Testing and validation take its labels by name. Training that starts from it may have other
    classes, and a line says so; training that resumes may not.

    Raises:
        ValueError: There is a class that the checkpoint does not have.
    """
    meta = checkpoint.get('meta')
    reference = meta.get('dataset_meta') if isinstance(meta, dict) else None
    where = f'checkpoint {filename}'
    if not isinstance(runner._train_loop, BaseLoop):
        for loop, name in ((runner._val_loop, 'validation'), (runner._test_loop, 'test')):
            if isinstance(loop, BaseLoop):
                align_loop(loop, reference, f'the {name} set', where)
        return
    given = getattr(runner.train_dataloader.dataset, 'metainfo', None)
    try:
        same = compare(given, reference, 'the training set', where) is None
        message = f'the training set has the classes of {where} in another order'
    except ValueError as error:
        same, message = False, str(error)
    if same:
        return
    if runner._resume:
        raise ValueError(f'{message}; resuming needs the same classes')
    runner.logger.info(f'{message}; training starts from its weights all the same')
