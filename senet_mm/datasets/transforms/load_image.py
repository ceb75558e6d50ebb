"""Loading of images, from files, shards or bytes."""

from mmcv.transforms import BaseTransform

from senet_mm.datasets.damage import DamagedImageError
from senet_mm.datasets.decoding import decode, read_file, read_shard
from senet_mm.datasets.names import printable
from senet_mm.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Decode ``img_bytes``, or ``size`` bytes at ``offset`` of ``shard``, or the file ``img_path``.

    Added keys: ``img``, uint8 BGR (H, W, 3), ``img_shape`` and ``ori_shape``, (H, W). See
    :mod:`senet_mm.datasets.decoding` for what becomes of each kind of file.

    Raises:
        DamagedImageError: The image cannot be read or is not whole. In training another one is
            drawn in its place.
    """

    def transform(self, results: dict) -> dict:
        """Load the image."""
        try:
            img = decode(self.read(results))
        except ValueError as error:
            raise DamagedImageError(f'{printable(results["img_path"])}: {error}') from error
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
        return f'{type(self).__name__}()'
