"""Loading of images, from files, shards or bytes."""

import numpy as np
from mmcv.transforms import BaseTransform

from senet_mm.datasets.damage import reported_damage
from senet_mm.datasets.images.colours import swap_red_and_blue, with_channels
from senet_mm.datasets.images.decoding import decode
from senet_mm.datasets.images.given import convert_decoded
from senet_mm.datasets.images.reading import read_file, read_shard
from senet_mm.datasets.images.undecoded import UndecodedJpeg, open_jpeg
from senet_mm.registry import TRANSFORMS
from senet_mm.utils.errors import InputError
from senet_mm.utils.names import counted, printable
from senet_mm.utils.options import check_integer, check_option


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Decode ``img_bytes``, or ``size`` bytes at ``offset`` of ``shard``, or the file ``img_path``.

    An image that is there already, ``img``, uint8 as decoded, is converted alone.
    Added keys: ``img``, uint8 BGR (H, W, 3), ``img_shape`` and ``ori_shape``, (H, W). See
    :mod:`senet_mm.datasets.images.decoding` for the rules of each kind of file.

    Args:
        color_type: ``color``; ``grayscale`` for (H, W, 1), the luma of a colour image;
            ``unchanged`` for the channels that the file has: 1, 3, or 4, BGR and alpha.
        bits: 8, or 16 for float32 from 0 to 255: samples of 16 bits are divided by 257, those of 8
            bits stay, so that both have the same mean and std.
        channels: The number that each image must have with ``unchanged``; None for any.
        to_rgb: RGB in the place of BGR, for a pipeline that was made for a data set of arrays.

    Raises:
        DamagedImageError: The image cannot be read or is not whole. In training another one is
            drawn in its place.
        InputError: It has another number of channels.
    """

    # Whether JPEGs are left undecoded; `wait_for_crops` sets it where the next transform takes a
    # part of them.
    waits = False

    def __init__(
        self,
        color_type: str = 'color',
        bits: int = 8,
        channels: int | None = None,
        to_rgb: bool = False,
    ) -> None:
        check_option('color_type', color_type, ('color', 'grayscale', 'unchanged'))
        check_option('bits', bits, (8, 16))
        if channels is not None:
            check_integer('channels', channels)
            if color_type != 'unchanged':
                raise InputError(
                    f"channels={channels} with color_type={color_type!r}; allowed: 'unchanged'"
                )
        self.color_type, self.bits, self.channels = color_type, bits, channels
        self.to_rgb = to_rgb

    def transform(self, results: dict) -> dict:
        """Load the image."""
        with reported_damage(results):
            img = self.decode(results)
        if self.channels not in (None, img.shape[2]):
            path = printable(results.get('img_path', 'an image'))
            raise InputError(
                f'{path} has {counted(img.shape[2], "channel")} and the network '
                f'takes {self.channels}; allowed: files with as many channels, or in_channels=3 or '
                '1, to which all files are converted'
            )
        if self.to_rgb and img.shape[2] > 1:
            img = swap_red_and_blue(np.asarray(img))
        results['img'] = img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results

    def decode(self, results: dict) -> np.ndarray | UndecodedJpeg:
        """The image (H, W, C): ``img`` if it is there, BGR, BGR and alpha or grey, uint8."""
        if 'img' in results:
            return convert_decoded(with_channels(results['img']), self.color_type, self.bits)
        data, how = self.read(results), (self.color_type, self.bits)
        jpeg = open_jpeg(data, *how) if self.waits else None
        return decode(data, *how) if jpeg is None else jpeg

    @staticmethod
    def read(results: dict) -> bytes:
        """The bytes of the image."""
        if 'img_bytes' in results:
            return results.pop('img_bytes')
        if 'shard' in results:
            return read_shard(results['shard'], results['offset'], results['size'])
        return read_file(results['img_path'])

    def __repr__(self) -> str:
        return f'{type(self).__name__}(color_type={self.color_type!r}, bits={self.bits})'
