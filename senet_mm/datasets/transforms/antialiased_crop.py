"""Random crop, resized with antialiasing."""

from mmpretrain.datasets.transforms import RandomResizedCrop

from senet_mm.datasets.damage import reported_damage
from senet_mm.datasets.images.colours import with_channels
from senet_mm.datasets.images.resizing import resize
from senet_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class AntialiasedResizedCrop(RandomResizedCrop):
    """mmpretrain's ``RandomResizedCrop`` with Pillow's bilinear resize, on uint8 and fast.

    cv2's bilinear resize, the parent's, takes four pixels however far it shrinks a crop.

    Required and modified key: ``img``, uint8 (H, W, C), or an :class:`.UndecodedJpeg`.

    Args:
        scale: Side of the result, or (height, width).
        crop_ratio_range: Range of the crop's area, as part of the image's.
        aspect_ratio_range: Range of width / height of the crop.
        max_attempts: Draws that may not fit before the centre is taken.
    """

    def __init__(
        self,
        scale: int | tuple[int, int],
        crop_ratio_range: tuple[float, float] = (0.08, 1.0),
        aspect_ratio_range: tuple[float, float] = (3 / 4, 4 / 3),
        max_attempts: int = 10,
    ) -> None:
        super().__init__(scale, crop_ratio_range, aspect_ratio_range, max_attempts)

    def transform(self, results: dict) -> dict:
        """Crop and resize ``results['img']``."""
        top, left, height, width = self.rand_crop_params(results['img'])
        with reported_damage(results):
            crop = results['img'][top : top + height, left : left + width]
        results['img'] = resize(with_channels(crop), tuple(self.scale))
        results['img_shape'] = results['img'].shape[:2]
        return results
