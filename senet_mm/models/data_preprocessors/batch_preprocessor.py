"""From the batch of a loader to the input of the network, batched on the device."""

import numpy as np
import torch
import torch.nn.functional as F
from mmpretrain.models.utils import ClsDataPreprocessor
from mmpretrain.structures import DataSample
from torch import Tensor

from senet_mm.datasets.batch import Batch, Input, is_tensor_batch
from senet_mm.datasets.images.batch_augmentation import augment_batch
from senet_mm.datasets.seeding import own_random_numbers, seed_generators
from senet_mm.registry import MODELS
from senet_mm.utils.errors import InputError


@MODELS.register_module()
class BatchPreprocessor(ClsDataPreprocessor):
    """mmpretrain's preprocessor that also takes batches without per-image objects.

    Batches of ``PackTensors`` are augmented with the numbers that ``RandomAugment`` drew,
    normalised and mixed (mixup, CutMix) on the device; images stay channels last in memory. The
    labels reach the head as one tensor, of classes (N,) or scores (N, num_classes);
    our heads take it. All other batches go mmpretrain's way. ``to_rgb`` swaps red and blue of
    images of four channels, BGR and alpha, too.

    Args:
        **kwargs: Arguments of ``ClsDataPreprocessor``: ``mean``, ``std``, ``to_rgb``,
            ``num_classes``, ``batch_augments``, ...
    """

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        # The loader pins its memory where there is a GPU.
        self._non_blocking = True

    def forward(self, data: Batch, training: bool = False) -> Input:
        """The normalised input (N, C, H, W); a :class:`.TensorBatch` is augmented and mixed too."""
        if not is_tensor_batch(data):
            inputs = data['inputs']
            swapped = (
                list(map(self.swap, inputs)) if isinstance(inputs, list) else self.swap(inputs)
            )
            return super().forward({**data, 'inputs': swapped}, training)
        inputs = self.swap(self.cast_data(data['inputs']))
        if 'augment' in data:
            augmentation, numbers = data['augment']
            inputs = augment_batch(inputs, numbers, augmentation)
        inputs = super().forward(dict(inputs=inputs))['inputs']
        given = data['gt_label']
        if not training:
            each = [torch.as_tensor(label, device=self.device) for label in given]
            samples = [DataSample().set_gt_label(label) for label in each]
            return Input(inputs=inputs, data_samples=samples)
        labels = self.get_scores(given) if isinstance(given, list) else torch.as_tensor(given)
        labels = labels.to(self.device, non_blocking=True)
        if self.batch_augments is None:
            return Input(inputs=inputs, data_samples=labels)
        return self.mix(inputs, labels, data['seed'])

    def swap(self, images: Tensor) -> Tensor:
        """Images (..., C, H, W) with red and blue swapped, where there are four and it is wanted.

        Those of three channels are swapped by mmpretrain.
        """
        if not self.to_rgb or images.shape[-3] != 4:
            return images
        return images[..., [2, 1, 0, 3], :, :]

    def get_scores(self, labels: list[np.ndarray]) -> Tensor:
        """Scores, float32 (N, num_classes): 1 for each class of an image, 0 for all others.

        Args:
            labels: The classes of each image.

        Raises:
            ValueError: The number of classes is not given.
        """
        if self.num_classes is None:
            raise InputError('images of several classes; data_preprocessor.num_classes is missing')
        scores = torch.zeros(len(labels), self.num_classes)
        for row, classes in zip(scores, labels, strict=True):
            row[torch.as_tensor(classes)] = 1
        return scores

    def mix(self, inputs: Tensor, labels: Tensor, seed: np.ndarray) -> Input:
        """Mix the images of a batch; the random numbers follow from those of the samples.

        Args:
            inputs: Preprocessed images, (N, C, H, W).
            labels: Classes (N,) or scores (N, num_classes).
            seed: A random number per image, (N,).
        """
        scores = labels if labels.ndim > 1 else F.one_hot(labels, self.num_classes).float()
        with own_random_numbers():
            seed_generators(tuple(map(int, seed)))
            inputs, scores = self.batch_augments(inputs, scores)
        return Input(inputs=inputs, data_samples=scores)
