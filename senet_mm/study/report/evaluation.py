"""Checkpoints of a run on its validation set: classes, worst pictures, gates.

Config and checkpoint may be a stranger's: the network is built from known classes, see
:mod:`senet_mm.engine.weights.stored_config`, and the data set is one of ours.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from mmengine.device import get_device
from torch import Tensor

from senet_mm.analysis import BlockReport, GateRecorder, examine
from senet_mm.analysis.excitation_hook import get_labels
from senet_mm.apis import get_model
from senet_mm.config.image_shape import find_image_shape
from senet_mm.engine.classes import get_num_classes
from senet_mm.engine.resume import get_checkpoint_folder
from senet_mm.evaluation.class_report import Report, score_classes
from senet_mm.study.validation_set import open_validation
from senet_mm.utils.complexity import Complexity, get_complexity
from senet_mm.utils.errors import InputError, describe
from senet_mm.utils.progress import track

from .pictures import Picture, to_picture
from .runs import LoggedRun

if TYPE_CHECKING:
    from senet_mm.models import ImageClassifier

PLACE = re.compile(r'(?:^|_)(epoch|iter)_(\d+)\.pth$')
WORST = 24
# Checkpoints of a run whose gates are recorded.
MOST_CHECKPOINTS = 12


class Checkpoint(NamedTuple):
    """A checkpoint of a run.

    Attributes:
        path: The file.
        step: Epoch or iteration, by its name.
        is_best: Whether the run saved it as its best.
    """

    path: Path
    step: int
    is_best: bool


class RecordedGates(NamedTuple):
    """The gates of a network at a checkpoint.

    Attributes:
        step: Epoch or iteration.
        blocks: Of every block.
    """

    step: int
    blocks: list[BlockReport]


@dataclass
class Evaluation:
    """What the checkpoints of a run say.

    Attributes:
        run: The run.
        checkpoint: The one to which report and pictures belong; None where there is none.
        complexity: Of the network.
        report: Scores by class.
        worst: The pictures whose class has the lowest scores, the worst first.
        gates: By checkpoint, in the order of the training.
        without_gates: Why there are none, where that is known.
        remarks: What could not be made, a line each.
    """

    run: LoggedRun
    checkpoint: Checkpoint | None = None
    complexity: Complexity | None = None
    report: Report | None = None
    worst: list[Picture] = field(default_factory=list)
    gates: list[RecordedGates] = field(default_factory=list)
    without_gates: str = ''
    remarks: list[str] = field(default_factory=list)


def find_checkpoints(run: LoggedRun) -> list[Checkpoint]:
    """The checkpoints of a run in their order, one for each step: of two the best."""
    folders = {run.folder}
    hooks = run.part('default_hooks').get('checkpoint')
    if isinstance(hooks, Mapping) and isinstance(hooks.get('out_dir'), str):
        folders.add(get_checkpoint_folder({**run.config, 'work_dir': str(run.folder)}))
    found: dict[int, Checkpoint] = {}
    for path in sorted(path for folder in folders for path in folder.glob('*.pth')):
        if place := PLACE.search(path.name):
            one = Checkpoint(path, int(place[2]), path.name.startswith('best_'))
            if one.is_best or one.step not in found:
                found[one.step] = one
    return [found[step] for step in sorted(found)]


def evaluate(run: LoggedRun, evaluates: bool = True) -> Evaluation:
    """Run the checkpoints of a run on its validation set, each once.

    Args:
        run: The run.
        evaluates: Whether to; else only the network is counted.
    """
    result = Evaluation(run)
    checkpoints = find_checkpoints(run)
    if not checkpoints:
        result.remarks.append('no checkpoint is there: no network, classes, pictures, gates')
        return result
    best = [each for each in checkpoints if each.is_best]
    result.checkpoint = best[-1] if best else checkpoints[-1]
    others = [each for each in checkpoints if each is not result.checkpoint]
    used = sorted([*others[-MOST_CHECKPOINTS + 1 :], result.checkpoint], key=lambda c: c.step)
    try:
        model = get_model(checkpoint=result.checkpoint.path)
        result.complexity = get_complexity(model, find_image_shape(model.cfg))
        if not evaluates:
            result.remarks.append('not evaluated, as asked for by --no-evaluate')
            return result
        loader = open_validation(model.cfg)
        for checkpoint in used:
            _evaluate_one(result, checkpoint, loader)
    except Exception as error:
        result.remarks.append(f'not evaluated: {describe(error)}')
    return result


def _evaluate_one(result: Evaluation, checkpoint: Checkpoint, loader: Any) -> None:
    """Run one checkpoint; of the chosen one keep all, of the others the gates."""
    model = get_model(checkpoint=checkpoint.path, device=get_device())
    names = _names(model)
    recorder = None
    try:
        recorder = GateRecorder(model, names)
    except InputError as error:
        if checkpoint is not result.checkpoint:
            return
        result.without_gates = str(error).partition('; allowed')[0]
    is_chosen = checkpoint is result.checkpoint
    most = WORST if is_chosen else 0
    answers = _predict(model, loader, recorder, most, checkpoint.path.name)
    if recorder:
        recorder.remove()
        result.gates.append(RecordedGates(checkpoint.step, examine(recorder.excitation)))
    if is_chosen:
        result.report = score_classes(answers.labels, answers.predictions, names)
        result.worst = answers.worst


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
