"""Lighting noise along the principal components of ImageNet's colours."""

import numpy as np
from mmpretrain.datasets.transforms import Lighting

from senet_mm.datasets.images.colours import with_channels
from senet_mm.registry import TRANSFORMS
from senet_mm.utils.errors import InputError
from senet_mm.utils.names import counted

# fb.resnet.torch (datasets/imagenet.lua), in grey levels; a component is a column of B, G, R.
EIGENVALUES = (55.4625, 4.794, 1.1475)
EIGENVECTORS = (
    (-0.5836, -0.6948, 0.4203),
    (-0.5808, -0.0045, -0.8140),
    (-0.5675, 0.7192, 0.4009),
)


@TRANSFORMS.register_module()
class PcaLighting(Lighting):
    """mmpretrain's ``Lighting`` with ImageNet's components, clipped to 0..255.

    The parent casts to uint8 without clipping: white that gets lighter becomes black.

    Source: Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks",
    section 4.1.

    Required and modified key: ``img``, BGR, (H, W, 3) of uint8, or float32 from 0 to 255.

    Args:
        std: Standard deviation of the factor of each component.

    Raises:
        ValueError: The image is none of three channels.
    """

    def __init__(self, std: float = 0.1) -> None:
        super().__init__(EIGENVALUES, EIGENVECTORS, alphastd=float(std))

    def transform(self, results: dict) -> dict:
        """Add one colour to ``results['img']``."""
        img = with_channels(results['img'])
        if img.shape[2] != 3:
            raise InputError(
                f'PcaLighting: an image of {counted(img.shape[2], "channel")}; allowed: colours, 3'
            )
        changed = super().transform({'img': img.astype(np.float32)})['img']
        if img.dtype == np.uint8:
            changed = changed.round()
        results['img'] = changed.clip(0, 255).astype(img.dtype)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(std={self.alphastd})'
