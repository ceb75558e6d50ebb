"""The runner's comparisons of classes: training, validation, testing, checkpoint, network."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmengine.runner import BaseLoop
from mmpretrain.engine import ClassNumCheckHook
from torch import nn

from senet_mm.datasets.alignment import Reference, align, check_numbers, describe_place
from senet_mm.datasets.classes import compare, get_names, is_named, list_names

from .weights.origin import Origin
from .weights.preprocessing import get_dataset

if TYPE_CHECKING:
    from .runner import Runner


def align_loop(loop: BaseLoop, metainfo: object, where: str, where_reference: str) -> None:
    """Give the data set of a validation or test loop the labels of training, by name.

    Raises:
        ValueError: It has a class that the reference does not have.
    """
    dataset = loop.dataloader.dataset
    number = get_num_classes(loop.runner.bare_model)
    if align(dataset, Reference(metainfo, where_reference, number), where):
        loop.evaluator.dataset_meta = loop.runner.visualizer.dataset_meta = dataset.metainfo


def align_with_training(runner: 'Runner', loop: BaseLoop, where: str) -> BaseLoop:
    """Compare the data set of a loop with the training set, if that is there; returns the loop."""
    if runner.is_training:
        dataset = runner.train_dataloader.dataset
        reference = f'the training set{describe_place(dataset)}'
        align_loop(loop, getattr(dataset, 'metainfo', None), where, reference)
    return loop


def get_num_classes(model: nn.Module) -> int | None:
    """Number of classes of a network's head; None where it does not tell.

    Of a network whose head has no weights, as VGG and Inception-v3 of mmpretrain, the last layer of
    the backbone tells.
    """
    head = getattr(model, 'head', None)
    number = getattr(head, 'num_classes', None)
    if isinstance(number, int) and number > 0:
        return number
    backbone, neck = getattr(model, 'backbone', None), getattr(model, 'neck', None)
    if not isinstance(head, nn.Module) or not isinstance(backbone, nn.Module) or neck is not None:
        return None
    if next(head.parameters(), None) is not None:
        return None
    sizes = [part.out_features for part in backbone.modules() if isinstance(part, nn.Linear)]
    return sizes[-1] if sizes else None


def check_class_names(cfg: Mapping, origin: Origin, number: int | None) -> None:
    """Compare the names of classes in a checkpoint with its network and with those of a config.

    Args:
        cfg: The config.
        origin: What the checkpoint says of itself.
        number: Classes of the network; None where it does not tell.

    Raises:
        ValueError: They are not as many as the network has classes, or the config's test set has a
            class that is not among them.
    """
    if origin.classes is None:
        return
    where = f'checkpoint {origin.filename}'
    if number is not None and len(origin.classes) != number:
        raise ValueError(
            f'{where} has the names of {len(origin.classes)} classes '
            f'({list_names(origin.classes)}), its network has {number}; allowed: as many'
        )
    dataset = get_dataset(cfg, 'test_dataloader') or {}
    compare(dataset.get('metainfo'), dict(classes=origin.classes), 'the config', where)


def check_class_numbers(runner: 'Runner') -> None:
    """Check the classes of all data sets against the network, before any of them is used.

    mmpretrain's hook checks a data set when its loop begins, validation after an epoch.

    Raises:
        ValueError: A data set has other classes than the network.
    """
    hooks = [hook for hook in runner.hooks if isinstance(hook, ClassNumCheckHook)]
    number = get_num_classes(runner.bare_model)
    for name in ('train', 'val', 'test'):
        loop = getattr(runner, f'_{name}_loop')
        if not isinstance(loop, BaseLoop):
            continue
        dataset = loop.dataloader.dataset
        place = f'{name}_dataloader{describe_place(dataset)}'
        metainfo = getattr(dataset, 'metainfo', None)
        if not is_named(metainfo):
            check_numbers(dataset, number, place)
            continue
        names = get_names(metainfo, 'classes') or ()
        for hook in hooks:
            try:
                hook._check_head(runner, dataset)
            except AssertionError as error:
                if number in (None, len(names)):
                    raise ValueError(f'{place}: {error}') from error
                raise ValueError(
                    f'{place} has {len(names)} classes ({list_names(names)}), the network '
                    f'{number}; allowed: as many (model.head.num_classes={len(names)}, or '
                    f'metainfo=dict(classes=[...]) with the names of all {number})'
                ) from error


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
    if not runner.is_training:
        for loop, name in ((runner._val_loop, 'validation'), (runner._test_loop, 'test')):
            if isinstance(loop, BaseLoop):
                align_loop(loop, reference, f'the {name} set', where)
        return
    given = getattr(runner.train_dataloader.dataset, 'metainfo', None)
    if runner._resume and is_named(given) != is_named(reference):
        sides = ('the training set', where) if is_named(given) else (where, 'the training set')
        runner.logger.warning(
            f'{sides[0]} has names of classes, {sides[1]} has none: compared by number'
        )
    try:
        same = compare(given, reference, 'the training set', where) is None
        own, others = (get_names(info, 'classes') or () for info in (given, reference))
        message = (
            f'the training set has the classes of {where} in another order'
            if len(own) == len(others)
            else f'the training set has {len(own)} of the {len(others)} classes of {where}'
        )
    except ValueError as error:
        same, message = False, str(error).partition('; allowed')[0]
    if same:
        return
    if runner._resume:
        raise ValueError(f'{message}; resuming needs the same classes')
    runner.logger.info(f'{message}; training starts from its weights all the same')
