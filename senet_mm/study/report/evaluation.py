"""Checkpoints of a run on its validation set: classes, worst pictures, gates.

Config and checkpoint may be a stranger's: the network is built from known classes, see
:mod:`senet_mm.engine.weights.stored_config`, and the data set is one of ours in folders that may be
shown, see :mod:`senet_mm.study.places`.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from mmengine.device import get_device
from mmpretrain.models.heads import MultiLabelClsHead
from torch import Tensor

from senet_mm.analysis import BlockReport, GateRecorder, examine
from senet_mm.analysis.excitation_hook import get_labels
from senet_mm.apis import get_model
from senet_mm.config.image_shape import find_image_shape
from senet_mm.engine.classes import get_num_classes
from senet_mm.engine.weights.origin import Origin
from senet_mm.engine.weights.stored_config import outline_config
from senet_mm.evaluation.class_report import Report, score_classes
from senet_mm.utils.complexity import Complexity, count_params, get_complexity
from senet_mm.utils.errors import InputError, describe
from senet_mm.utils.progress import track

from ..places import Places
from ..validation_set import SETS, find_dataset, open_validation
from .checkpoints import (
    Checkpoint,
    check_training,
    choose_others,
    find_checkpoints,
    order_by_choice,
)
from .pictures import Picture, to_picture
from .runs import LoggedRun

if TYPE_CHECKING:
    from senet_mm.models import ImageClassifier

WORST = 24
# Of a network that is known by a stranger's config alone; SENet-154 has 115 million.
MOST_PARAMS = 1_000_000_000


class RecordedGates(NamedTuple):
    """The gates of a network at a checkpoint.

    Attributes:
        step: Epoch or iteration.
        blocks: Of every block.
    """

    step: float
    blocks: list[BlockReport]


@dataclass
class Evaluation:
    """What the checkpoints of a run say.

    Attributes:
        run: The run.
        checkpoint: The one to which report and pictures belong; None where none can be read.
        side: What they are of, ``validation set`` or ``test set``.
        complexity: Of the network.
        report: Scores by class.
        worst: The pictures whose class has the lowest scores, the worst first.
        gates: By checkpoint, in the order of the training.
        without_gates: Why there are none, where that is known.
        remarks: What could not be made, a line each.
    """

    run: LoggedRun
    checkpoint: Checkpoint | None = None
    side: str = SETS['val_dataloader']
    complexity: Complexity | None = None
    report: Report | None = None
    worst: list[Picture] = field(default_factory=list)
    gates: list[RecordedGates] = field(default_factory=list)
    without_gates: str = ''
    remarks: list[str] = field(default_factory=list)


def evaluate(
    run: LoggedRun, evaluates: bool = True, data_roots: Sequence[str | os.PathLike] = ()
) -> Evaluation:
    """Run the checkpoints of a run on its validation set, each once.

    The best checkpoint that can be read is the one whose classes and pictures are kept.

    Args:
        run: The run.
        evaluates: Whether to; else only the network is counted.
        data_roots: Folders that may be read beside that of the run and the current one.
    """
    result = Evaluation(run)
    started = run.starts[0].get('folder') if run.starts else None
    started = started if isinstance(started, str) else None
    places = Places([run.folder, Path.cwd()], data_roots, started)
    checkpoints = find_checkpoints(run, places, result.remarks)
    model = _open_best(result, checkpoints)
    try:
        if model is None or result.checkpoint is None:
            result.complexity = _count_by_config(run)
            return result
        result.complexity = get_complexity(model, find_image_shape(model.cfg))
        if not evaluates:
            result.remarks.append('not evaluated, as asked for by --no-evaluate')
            return result
        if isinstance(model.head, MultiLabelClsHead):
            raise InputError('its head may give an image several labels; allowed: one label')
        result.side = find_dataset(model.cfg, places).name
        loader = open_validation(model.cfg, places)
        _evaluate_chosen(result, model, loader)
    except Exception as error:
        what = 'the network is not known' if model is None else 'not evaluated'
        result.remarks.append(f'{what}: {describe(error)}')
        return result
    if result.side != SETS['val_dataloader']:
        result.remarks.append(f'no validation set: classes and gates are of its {result.side}')
    others = choose_others(checkpoints, result.checkpoint) if result.gates else []
    for checkpoint in others:
        try:
            _record_gates(result, checkpoint, loader)
        except Exception as error:
            result.remarks.append(f'{checkpoint.path.name} is left out: {describe(error)}')
    result.gates.sort(key=lambda each: each.step)
    return result


def _open_best(result: Evaluation, checkpoints: list[Checkpoint]) -> 'ImageClassifier | None':
    """Open the best checkpoint that can be read; the others are remarks."""
    for checkpoint in order_by_choice(checkpoints):
        try:
            check_training(checkpoint, result.run)
            model = get_model(checkpoint=checkpoint.path, device=get_device())
        except Exception as error:
            result.remarks.append(f'{checkpoint.path.name} is not used: {describe(error)}')
        else:
            result.checkpoint = checkpoint
            return model
    if not checkpoints:
        result.remarks.append('no checkpoint is there: no classes, pictures, gates')
    return None


def _count_by_config(run: LoggedRun) -> Complexity | None:
    """What the network of a config costs; None without a config."""
    if not run.config:
        return None
    origin = Origin(str(run.folder), run.config, {})
    where = f'the config of {run.folder.name}'
    cfg, network = outline_config(origin, where)
    if (params := count_params(network)) > MOST_PARAMS:
        raise InputError(f'{where} has {params:,} parameters; allowed: up to {MOST_PARAMS:,}')
    # The values do not matter, memory does: mmengine counts operations by a run.
    return get_complexity(network.to_empty(device='cpu'), find_image_shape(cfg))


def _evaluate_chosen(result: Evaluation, model: 'ImageClassifier', loader: Any) -> None:
    """Keep classes, worst pictures and gates of a network on a data set."""
    assert result.checkpoint is not None
    names = _names(model)
    recorder = None
    try:
        recorder = GateRecorder(model, names)
    except InputError as error:
        result.without_gates = str(error).partition('; allowed')[0]
    answers = _predict(model, loader, recorder, WORST, result.checkpoint.path.name)
    if recorder:
        recorder.remove()
        result.gates.append(RecordedGates(result.checkpoint.step, examine(recorder.excitation)))
    result.report = score_classes(answers.labels, answers.predictions, names)
    result.worst = answers.worst


def _record_gates(result: Evaluation, checkpoint: Checkpoint, loader: Any) -> None:
    """Keep the gates of another checkpoint."""
    check_training(checkpoint, result.run)
    model = get_model(checkpoint=checkpoint.path, device=get_device())
    recorder = GateRecorder(model, _names(model))
    _predict(model, loader, recorder, 0, checkpoint.path.name)
    result.gates.append(RecordedGates(checkpoint.step, examine(recorder.excitation)))


def _names(model: 'ImageClassifier') -> list[str]:
    """Names of the classes, or their numbers."""
    return list(map(str, model.dataset_meta.get('classes') or range(get_num_classes(model) or 0)))


class Answers(NamedTuple):
    """What a network says of a data set.

    Attributes:
        labels: Labels (N,).
        predictions: Predicted labels (N,).
        worst: The wrongly classified pictures with the lowest scores of their class.
    """

    labels: np.ndarray
    predictions: np.ndarray
    worst: list[Picture]


@torch.no_grad()
def _predict(
    model: 'ImageClassifier', loader: Any, recorder: GateRecorder | None, most: int, name: str
) -> Answers:
    labels, predictions = [], []
    worst: list[tuple[float, tuple]] = []
    for batch in track(loader, f'evaluating {name}', unit='batches'):
        truth = get_labels(batch['data_samples'])
        if recorder:
            recorder.labels = truth
        inputs = batch['inputs']  # kept: the preprocessor may replace it
        samples = model.test_step(dict(batch))
        scores = torch.stack([sample.pred_score for sample in samples]).float().cpu()
        predicted = scores.argmax(1)
        labels.append(truth)
        predictions.append(predicted)
        if most:
            worst += list(_wrong(inputs, batch['data_samples'], truth, predicted, scores))
            worst = sorted(worst, key=lambda pair: pair[0])[:most]
    pictures = [to_picture(model, *parts) for _, parts in worst]
    return Answers(torch.cat(labels).numpy(), torch.cat(predictions).numpy(), pictures)


def _wrong(
    inputs: Sequence[Tensor], samples: Sequence, truth: Tensor, predicted: Tensor, scores: Tensor
) -> Iterator[tuple[float, tuple]]:
    """The score of its class, and image, label, prediction, its score, path of each mistake."""
    for i in torch.nonzero(truth != predicted).flatten().tolist():
        label, taken = int(truth[i]), int(predicted[i])
        path = samples[i].get('img_path')
        own, other = float(scores[i, label]), float(scores[i, taken])
        yield own, (inputs[i].cpu().clone(), label, taken, own, other, path)
