"""Why a network gives a picture its class: where it looks, and what its gates do."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor

from senet_mm.analysis.cam import compute_cam
from senet_mm.analysis.gates import opened_gates, stages_of, watched_gates
from senet_mm.analysis.names import find_gates
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_option

from .checks import check_finite
from .predictor import open_predictor


class Explanation(NamedTuple):
    """What a network makes of a picture.

    Attributes:
        picture: What it saw, uint8 RGB (H, W, 3) or grey (H, W, 1).
        cam: How much places speak for the predicted class, float32 (H, W) from 0 to 1; all 0 if
            none does.
        scores: Scores of all classes, (K,).
        gates: Gates by block, (C,); empty for a network without gates.
        seconds: Time of the network, with normalisation.
    """

    picture: np.ndarray
    cam: np.ndarray
    scores: Tensor
    gates: dict[str, Tensor]
    seconds: float

    @property
    def label(self) -> int:
        """The predicted class."""
        return int(self.scores.argmax())


class Explainer:
    """Explains a network's predictions: ``Explainer('weights.pth')('a.jpg')``.

    Threads may share it: one picture after the other goes through the network.

    Args:
        checkpoint: A checkpoint; exported networks cannot be looked into.
        config: Name or path of the config, or a config, for a checkpoint that has none.
        device: Device, by default a GPU if there is one.

    Attributes:
        names: Names of the classes, or their numbers; of equal names each with its number.
        stages: Blocks with gates by stage; empty for a network without gates.

    Raises:
        UserError: As :class:`.Classifier`, for an exported network, and for weights that are NaN.
    """

    def __init__(
        self,
        checkpoint: str | os.PathLike,
        config: str | Config | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.predictor = open_predictor(checkpoint, config, device)
        if self.predictor.model is None:
            raise InputError(f'{checkpoint} is an exported network; allowed: a checkpoint')
        self.model = self.predictor.model
        check_finite(self.model, checkpoint)
        self.names = tuple(tell_apart(self._name_classes()))
        self.stages = stages_of(self._find_blocks())
        self._sums: dict[str, Tensor] = {}
        self._counts = torch.zeros(len(self.names))
        self._lock = Lock()

    def __call__(self, image: object) -> Explanation:
        """Explain a picture: a path, an image of Pillow, an array uint8 RGB (H, W, 3) or (H, W).

        Raises:
            InputError: It cannot be used; the message is the reason.
        """
        batch = self._load(image)
        with self._lock:
            start = time.perf_counter()
            [scores] = self._score(batch)
            seconds = time.perf_counter() - start
            inputs = self.model.data_preprocessor(dict(batch))['inputs']
            [cam] = compute_cam(self.model, inputs, [int(scores.argmax())])
            _, gates = self._watch(batch)
        own = {name: gate[0].cpu() for name, gate in gates.items()}
        return Explanation(self.predictor.show(batch)[0], cam, scores, own, seconds)

    def open_stage(self, image: object, stage: str) -> Tensor:
        """Scores (K,) of a picture if all gates of a stage are 1.

        Raises:
            InputError: There is no such stage, or the picture cannot be used.
        """
        check_option('stage', stage, self.stages)
        batch = self._load(image)
        with self._lock, opened_gates(self.model, self.stages[stage]):
            return self._score(batch)[0]

    def learn(self, batches: Iterable[Mapping[str, Any]]) -> int:
        """Average the gates over pictures, by the class that the network gives them.

        What was learnt before is forgotten, unless an error ends this.

        Args:
            batches: Of a data loader of the test, or of the predictor.

        Returns:
            Number of pictures.
        """
        number = len(self.names)
        counts = torch.zeros(number)
        sums: dict[str, Tensor] = {}
        for batch in batches:
            with self._lock:
                scores, gates = self._watch(batch)
            labels = scores.argmax(1)
            counts += labels.bincount(minlength=number)
            for name, gate in gates.items():
                each = sums.setdefault(name, torch.zeros(number, gate.shape[1]))
                each.index_add_(0, labels, gate.cpu())
        self._counts, self._sums = counts, sums
        return int(counts.sum())

    def average(self, label: int) -> tuple[dict[str, Tensor], int]:
        """Mean gates (C,) by block over the learnt pictures of a class, and how many these are."""
        count = int(self._counts[label])
        means = {name: sums[label] / count for name, sums in self._sums.items()} if count else {}
        return means, count

    def top(self, scores: Tensor, number: int = 5) -> list[tuple[str, float]]:
        """The best classes with their scores (K,)."""
        values, labels = scores.sort(descending=True, stable=True)
        pairs = zip(labels[:number].tolist(), values[:number].tolist(), strict=True)
        return [(self.names[label], score) for label, score in pairs]

    def _name_classes(self) -> Sequence[str]:
        return self.predictor.classes or list(map(str, range(self.predictor.num_classes)))

    def _find_blocks(self) -> Sequence[str]:
        try:
            return list(find_gates(self.model))
        except InputError:  # a plain network
            return []

    def _load(self, image: object) -> Mapping[str, Any]:
        [(batch, [error])] = self.predictor.load([image], 1)
        if batch is None:
            raise InputError(error)
        return batch

    def _watch(self, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """Scores (N, K) of a batch, and gates (N, C) by block."""
        if not self.stages:
            return self._score(batch), {}
        with watched_gates(self.model) as gates:
            return self._score(batch), gates

    def _score(self, batch: Mapping[str, Any]) -> Tensor:
        """Scores (N, K) of a batch."""
        scores = self.predictor.score(batch)
        if not scores.isfinite().all():
            raise InputError('the network gives scores that are not finite')
        return scores


def tell_apart(names: Sequence[str]) -> list[str]:
    """Names of classes; equal ones, as ImageNet's cranes, get their numbers: ``crane (134)``."""
    times = Counter(names)
    told = [f'{name} ({i})' if times[name] > 1 else name for i, name in enumerate(names)]
    return told if len({*told}) == len(told) else [f'{name} ({i})' for i, name in enumerate(names)]
