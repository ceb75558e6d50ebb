"""JPEGs whose pixels are decoded when a part of them is taken."""

import numpy as np

from .decoding import decode
from .given import convert_decoded
from .kinds import JPEG, check_file
from .turbojpeg import Header, can_decode_windows, decode_window, read_header


class UndecodedJpeg:
    """A JPEG of which ``image[top:bottom, left:right]`` decodes a part, as :func:`.decode` does.

    Args:
        data: The file, whole.
        header: Its header.
        color_type: As for :func:`.decode`.
        bits: As for :func:`.decode`.

    Attributes:
        shape: (H, W, C).
    """

    ndim = 3

    def __init__(self, data: bytes, header: Header, color_type: str, bits: int) -> None:
        self.data, self.header, self.color_type, self.bits = data, header, color_type, bits
        one = color_type == 'grayscale' or (color_type == 'unchanged' and header.is_grey)
        self.shape = (header.height, header.width, 1 if one else 3)

    def __getitem__(self, window: tuple[slice, slice]) -> np.ndarray:
        """Part of the image, (rows, columns, C).

        Raises:
            ValueError: As of :func:`.decode`.
        """
        rows, columns = (
            range(*part.indices(side)) for part, side in zip(window, self.shape[:2], strict=True)
        )
        one = self.color_type == 'unchanged' and self.header.is_grey
        img = decode_window(self.data, self.header, rows, columns, 1 if one else 3)
        if img is None:  # damaged: what the usual decoder makes of it
            return decode(self.data, self.color_type, self.bits)[window]
        return convert_decoded(img, self.color_type, self.bits)

    def __array__(self, dtype: type | None = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:, :], dtype)


def open_jpeg(data: bytes, color_type: str = 'color', bits: int = 8) -> UndecodedJpeg | None:
    """A JPEG to take parts of; None for other files and where only whole ones are decoded.

    Raises:
        ValueError: As of :func:`.decode`, for a file that is cut off or too large.
    """
    if not (data.startswith(JPEG) and can_decode_windows()):
        return None
    check_file(data)
    header = read_header(data)
    return None if header is None else UndecodedJpeg(data, header, color_type, bits)
