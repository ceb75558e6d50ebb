"""Loading of images, from files or from bytes of a shard."""

from mmcv.transforms import BaseTransform

from senet_mm.datasets.damage import DamagedImageError
from senet_mm.datasets.decoding import decode, read_file
from senet_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Decode ``img_bytes``, or the file ``img_path`` where a data set gives no bytes.

    Added keys: ``img``, uint8 BGR (H, W, 3), ``img_shape`` and ``ori_shape``, (H, W). See
    :mod:`senet_mm.datasets.decoding` for what becomes of each kind of file.

    Raises:
        DamagedImageError: The image cannot be read or is not whole. In training another one is
            drawn in its place.
    """

    def transform(self, results: dict) -> dict:
        """Load the image."""
        try:
            data = results.pop('img_bytes', None)
            img = decode(read_file(results['img_path']) if data is None else data)
        except ValueError as error:
            raise DamagedImageError(f'{results["img_path"]}: {error}') from error
        results['img'] = img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
