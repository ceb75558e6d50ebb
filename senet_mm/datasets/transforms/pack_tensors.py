"""What training needs of a sample, without an object per image."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from senet_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackTensors(BaseTransform):
    """Keep image and label, which :func:`senet_mm.datasets.collate.collate` makes a batch of.

    Metrics and visualisers need ``PackInputs``; this is for training, with ``BatchPreprocessor``.

    Result: ``inputs``, uint8 (C, H, W) whose channels lie together in memory; ``gt_label``;
    ``seed``, a random number for what is done to the batch; ``augment`` where one was drawn.
    """

    def transform(self, results: dict) -> dict:
        """Pack ``img``, ``gt_label`` and ``augment``."""
        packed = dict(
            inputs=torch.from_numpy(np.ascontiguousarray(results['img'])).permute(2, 0, 1),
            gt_label=int(results['gt_label']),
            seed=int(np.random.randint(2**31)),
        )
        if 'augment' in results:
            packed['augment'] = results['augment']
        return packed

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
