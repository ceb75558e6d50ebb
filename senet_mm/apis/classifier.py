"""Classes of images by a checkpoint or an exported network alone."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from senet_mm.utils.errors import InputError, answering
from senet_mm.utils.options import check_integer

if TYPE_CHECKING:
    import torch
    from mmengine.config import Config
    from torch import Tensor


class Classifier:
    """Classifies images: ``Classifier('weights.pth')(['a.jpg', array])``.

    Images are prepared as the record in the file says, see :mod:`senet_mm.engine.weights.record`.

    Args:
        checkpoint: A checkpoint, or an exported network of ``tools/deploy.py`` (``.pt2``,
            ``.onnx``, ``.xml``, which run on the CPU).
        config: Name or path of the config, or a config, for a checkpoint that has none.
        device: Device, by default a GPU if there is one.
        batch_size: Images of a batch, by default that of the test in the config.
        workers: Processes that read images.
        amp: Mixed precision.
        classes: Names of the classes, or a text file with a name per line, for a file that has
            none.

    Attributes:
        classes: Names of the classes in the order of the outputs; None where the file has none.
        num_classes: Number of classes.

    Raises:
        UserError: As :func:`.get_model`; or the exported file has no record, or other names of
            classes than those that are given.
    """

    @answering
    def __init__(
        self,
        checkpoint: str | os.PathLike,
        config: 'str | Config | None' = None,
        device: 'str | torch.device | None' = None,
        batch_size: int | None = None,
        workers: int = 0,
        amp: bool = False,
        classes: Sequence[str] | str | None = None,
    ) -> None:
        from senet_mm.datasets.custom import read_names

        from .predictor import open_predictor

        if batch_size is not None:
            check_integer('batch_size', batch_size)
        check_integer('workers', workers, least=0)
        self._predictor = open_predictor(checkpoint, config, device, amp)
        self.num_classes: int = self._predictor.num_classes
        self.classes = self._choose_classes(read_names(classes), str(checkpoint))
        self.batch_size = batch_size or self._predictor.batch_size
        self.workers = workers

    @property
    def record(self) -> Mapping[str, Any]:
        """What the file says of itself."""
        return self._predictor.describe()

    def _choose_classes(
        self, given: tuple[str, ...] | None, filename: str
    ) -> tuple[str, ...] | None:
        """The names of the file, or given ones, which must not contradict them."""
        own = self._predictor.classes
        if given is None or given == own:
            return own
        if len(given) != self.num_classes:
            raise InputError(
                f'classes: {len(given)} names; allowed: {self.num_classes}, one for each class of '
                f'{filename}'
            )
        if own is not None:
            first = next(i for i, name in enumerate(given) if name != own[i])
            raise InputError(
                f'classes: number {first} is {given[first]!r}, {filename} has {own[first]!r}; '
                'allowed: the names of the file'
            )
        return given

    @answering
    def __call__(self, images: object, topk: int = 1) -> list[dict[str, Any]]:
        """The prediction of each image, in the order in which they were given.

        Args:
            images: Paths (files, folders, patterns), images of Pillow, arrays uint8 (H, W, 3) in
                RGB order or grey (H, W), tensors uint8 (C, H, W), batches or lists of these.
            topk: Number of best classes.

        Returns:
            A dict an image: ``pred_label``, ``pred_score``, ``pred_class`` where the classes have
            names, ``pred_scores`` of all classes, float32 (classes,); with ``topk`` above 1 also
            ``top_labels``, ``top_scores``, ``top_classes``; ``img_path`` of a file. One that cannot
            be used has ``error``, the reason, in place of all these, and a warning in the log.

        Raises:
            UserError: There is no image, or ``topk`` is not from 1 to the number of classes.
        """
        import logging

        from mmengine.logging import print_log

        from senet_mm.utils.names import printable

        results = list(self.stream(images, topk))
        for number, result in enumerate(results):
            if 'error' in result:
                where = printable(result.get('img_path', f'image {number}'))
                print_log(f'{where}: {result["error"]}', 'current', logging.WARNING)
        return results

    @answering
    def find(self, images: object) -> list:
        """Given images as a list: folders and patterns are read, batches taken apart."""
        from senet_mm.datasets.image_paths import find_images
        from senet_mm.datasets.images.given import split

        found: list = []
        for image in split(images):
            found += find_images([image]) if isinstance(image, str | os.PathLike) else [image]
        if not found:
            raise InputError('there is no image; allowed: one or more')
        return found

    def stream(self, images: object, topk: int = 1) -> Iterator[dict[str, Any]]:
        """The predictions one after the other, as soon as their batch is done; see the call."""
        self.check_topk(topk)
        found = self.find(images)
        scores = self._predictor.predict(found, self.batch_size, self.workers)
        for image, given in zip(found, scores, strict=True):
            result = dict(img_path=os.fspath(image)) if isinstance(image, str | os.PathLike) else {}
            if isinstance(given, str):
                yield dict(result, error=given)
            elif not given.isfinite().all():
                yield dict(result, error='the scores of the network are not finite')
            else:
                yield dict(result, **describe_scores(given, self.classes, topk))

    def check_topk(self, topk: int) -> None:
        """Raise an InputError for a number that is not from 1 to the number of classes."""
        check_integer('topk', topk)
        if topk > self.num_classes:
            raise InputError(
                f'topk={topk}; allowed: 1 to {self.num_classes}, the number of classes'
            )


def describe_scores(scores: 'Tensor', classes: Sequence[str] | None, topk: int) -> dict[str, Any]:
    """A prediction under mmpretrain's names.

    Args:
        scores: Scores of all classes, (classes,).
        classes: Their names, if they have some.
        topk: Number of best classes; the lower label goes first among equals.
    """
    values, labels = scores.sort(descending=True, stable=True)
    top_labels, top_scores = labels[:topk].tolist(), values[:topk].tolist()
    result: dict[str, Any] = dict(pred_label=top_labels[0], pred_score=top_scores[0])
    names = [classes[label] for label in top_labels] if classes else []
    if names:
        result['pred_class'] = names[0]
    result['pred_scores'] = scores.numpy()
    if topk > 1:
        result |= dict(top_labels=top_labels, top_scores=top_scores)
        if names:
            result['top_classes'] = names
    return result
