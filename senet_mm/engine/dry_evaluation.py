"""An evaluation of one batch before a run starts, so that its errors come before work is lost."""

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from mmengine.evaluator import DumpResults, Evaluator
from mmengine.runner import BaseLoop, TestLoop, ValLoop
from mmengine.runner.amp import autocast
from mmengine.structures import BaseDataElement
from torch import nn

from senet_mm.datasets.batch import Batch
from senet_mm.datasets.seeding import own_random_numbers
from senet_mm.utils.errors import name_error
from senet_mm.utils.meta import evaluating, explain_head, unchanged
from senet_mm.utils.names import counted

from .dry_batch import check_statistics, draw_batch, explain_missing

if TYPE_CHECKING:
    from .runner import Runner


class Dry(NamedTuple):
    """What is evaluated: ``val`` or ``test``, its loop, a batch and its number of images."""

    name: str
    loop: BaseLoop
    batch: Batch
    images: int


@torch.no_grad()
def evaluate_dry(runner: 'Runner', name: str) -> dict[str, Any] | None:
    """The scores of a few images, spread over the data set; None if a metric gives none.

    A detector that is not trained finds nothing, of which COCO's metric computes nothing.

    The run does not change: random generators, and modes, buffers and attributes of the network are
    restored, metrics from a config are built anew, and no hook is called.

    Args:
        runner: With its model and its loop of validation or testing.
        name: ``val`` or ``test``.

    Raises:
        DamagedImageError: An image of the batch is damaged.
        ValueError: The pipeline fails, the network does not take the images, or a metric fails.
    """
    loop = getattr(runner, f'_{name}_loop')
    with (
        own_random_numbers(),
        torch.random.fork_rng(_devices()),
        unchanged(runner.model),
        evaluating(runner.model),
    ):
        dry = Dry(name, loop, *draw_batch(loop.dataloader, name))
        outputs = predict(runner, dry)
        evaluator = getattr(runner, f'_{name}_evaluator')
        evaluator = runner.build_evaluator(evaluator)
        evaluator.dataset_meta = getattr(loop.dataloader.dataset, 'metainfo', None)
        return score(evaluator, dry, outputs)


def _devices() -> list[int]:
    return [torch.cuda.current_device()] if torch.cuda.is_available() else []


def predict(runner: 'Runner', dry: Dry) -> list:
    """The network's predictions for the batch."""
    prepare = getattr(runner.bare_model, 'data_preprocessor', None)
    check_statistics(prepare, dry.batch, f'{dry.name}_dataloader')
    step = runner.model.test_step if dry.name == 'test' else runner.model.val_step
    try:
        with autocast(enabled=dry.loop.fp16):
            return step(dry.batch)
    except (RuntimeError, KeyError) as error:
        where = f'{dry.name}_dataloader'
        raise ValueError(f'{where}: {explain(runner.bare_model, dry.batch, error)}') from error


def explain(model: nn.Module, batch: Batch, error: RuntimeError | KeyError) -> str:
    """Why a network does not take the images of a batch."""
    if missing := explain_missing(batch, error):
        return missing
    inputs = batch.get('inputs') if isinstance(batch, dict) else None
    shape = tuple(inputs[0].shape) if inputs is not None and len(inputs) else ()
    return describe_mismatch(model, shape, error)


def describe_mismatch(model: nn.Module, shape: tuple[int, ...], error: Exception) -> str:
    """Why a network does not take images of a shape (C, H, W), as far as can be seen."""
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    if first is not None and len(shape) == 3 and shape[0] != first.in_channels:
        return (
            f'images of {counted(shape[0], "channel")}, and the network takes {first.in_channels}; '
            f'allowed: in_channels={shape[0]} (model.backbone.in_channels, LoadImage(color_type), '
            'mean and std follow)'
        )
    if line := explain_head(model, error):
        return line
    reason = f'KeyError: {error}' if isinstance(error, KeyError) else str(error)
    reason = (reason or type(error).__name__).splitlines()[0]
    return f'the network fails on images of {"x".join(map(str, shape))}: {reason}'


def score(evaluator: Evaluator, dry: Dry, outputs: list) -> dict[str, Any] | None:
    """The scores of all metrics, and the names of the losses; None if a metric gives none."""
    losses = {}
    # A network may predict anything; mmengine's loops append losses as such an element.
    if isinstance(outputs[-1], BaseDataElement) and outputs[-1].keys() == ['loss']:
        losses = {**dict.fromkeys(outputs[-1].loss, 0.0), f'{dry.name}_loss': 0.0}
        outputs = outputs[:-1]
    if type(evaluator) is not Evaluator:
        return _score(evaluator, dry, outputs, type(evaluator).__name__) | losses
    scores: dict[str, Any] = {}
    for metric in evaluator.metrics:
        if isinstance(metric, DumpResults):
            continue
        check_topk(metric, dry, outputs)
        alone = Evaluator([metric])
        alone.dataset_meta = evaluator.dataset_meta
        own = _score(alone, dry, outputs, type(metric).__name__)
        if not own:
            return None
        scores |= own
    return scores | losses


def check_topk(metric: object, dry: Dry, outputs: list) -> None:
    """Raise a ValueError for a metric of more classes than the network has."""
    topk, first = getattr(metric, 'topk', ()), outputs[0]
    scores = first.get('pred_score') if isinstance(first, BaseDataElement) else None
    if scores is None or not isinstance(topk, (tuple, list)):
        return
    if topk and max(topk) > (classes := scores.shape[-1]):
        raise ValueError(
            f'{dry.name}_evaluator: {type(metric).__name__}(topk={tuple(topk)}) of {classes} '
            f'classes; allowed: 1 to {classes}'
        )


def _score(evaluator: Evaluator, dry: Dry, outputs: list, metric: str) -> dict[str, Any]:
    where = f'{dry.name}_evaluator: {metric}'
    try:
        evaluator.process(data_samples=outputs, data_batch=dry.batch)
        return evaluator.evaluate(len(dry.loop.dataloader.dataset))
    except KeyError as error:
        hint = ', as of images without labels' if 'gt_label' in error.args else ''
        raise ValueError(
            f'{where} asks for {error}, which no sample of {dry.name}_dataloader has{hint}'
        ) from error
    except Exception as error:  # a metric of the user's may raise anything
        raise ValueError(
            f'{where} fails on {dry.images} images, spread over the data set: {name_error(error)} '
            '(dry_evaluation=False in the config leaves this check out)'
        ) from error


def is_checkable(loop: object) -> bool:
    """Whether a loop evaluates as mmengine's do; others need not have metrics of a batch."""
    return type(loop) in (ValLoop, TestLoop)
