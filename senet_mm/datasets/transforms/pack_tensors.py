"""What training needs of a sample, without an object per image."""

import numpy as np
import torch
from mmcv.transforms import BaseTransform

from senet_mm.datasets.batch import TensorSample
from senet_mm.datasets.images.colours import with_channels
from senet_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class PackTensors(BaseTransform):
    """Keep image and label, a :class:`.TensorSample`.

    Metrics and visualisers need ``PackInputs``; this is for training, with ``BatchPreprocessor``.
    """

    def transform(self, results: dict) -> TensorSample:
        """Pack ``img``, ``gt_label`` and ``augment``."""
        img = with_channels(results['img'])
        packed = TensorSample(
            inputs=torch.from_numpy(np.ascontiguousarray(img).transpose(2, 0, 1)),
            gt_label=get_label(results),
            seed=int(np.random.randint(2**31)),
        )
        if 'augment' in results:
            packed['augment'] = results['augment']
        return packed

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def get_label(results: dict) -> int | np.ndarray:
    """The class of an image; of one with a list of classes an array, int64 (number of classes,).

    Raises:
        ValueError: There is none.
    """
    if 'gt_label' not in results:
        raise ValueError(f'{results.get("img_path")} has no gt_label; training needs one')
    label = np.asarray(results['gt_label'], dtype=np.int64)
    return label if label.ndim else int(label)
