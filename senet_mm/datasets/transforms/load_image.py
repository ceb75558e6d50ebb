"""Loading of images, from files, shards or bytes."""

from mmcv.transforms import BaseTransform

from senet_mm.datasets.damage import DamagedImageError
from senet_mm.datasets.images.colours import to_grey
from senet_mm.datasets.images.decoding import decode
from senet_mm.datasets.images.reading import read_file, read_shard
from senet_mm.datasets.names import printable
from senet_mm.registry import TRANSFORMS
from senet_mm.utils.options import check_option


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Decode ``img_bytes``, or ``size`` bytes at ``offset`` of ``shard``, or the file ``img_path``.

    Added keys: ``img``, uint8 BGR (H, W, 3), ``img_shape`` and ``ori_shape``, (H, W). See
    :mod:`senet_mm.datasets.images.decoding` for the rules of each kind of file.

    Args:
        color_type: ``color``, or ``grayscale`` for uint8 (H, W, 1), the luma of a colour image.

    Raises:
        DamagedImageError: The image cannot be read or is not whole. In training another one is
            drawn in its place.
    """

    def __init__(self, color_type: str = 'color') -> None:
        check_option('color_type', color_type, ('color', 'grayscale'))
        self.color_type = color_type

    def transform(self, results: dict) -> dict:
        """Load the image."""
        try:
            img = decode(self.read(results))
        except ValueError as error:
            raise DamagedImageError(f'{printable(results["img_path"])}: {error}') from error
        if self.color_type == 'grayscale':
            img = to_grey(img)
        results['img'] = img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    @staticmethod
    def read(results: dict) -> bytes:
        """The bytes of the image."""
        if 'img_bytes' in results:
            return results.pop('img_bytes')
        if 'shard' in results:
            return read_shard(results['shard'], results['offset'], results['size'])
        return read_file(results['img_path'])

    def __repr__(self) -> str:
        return f'{type(self).__name__}(color_type={self.color_type!r})'
