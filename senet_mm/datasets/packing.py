"""What packing and verifying do to one image: transcoding and strict decoding."""

import os
import tempfile
from io import BytesIO
from os import PathLike

import cv2
import numpy as np
from PIL import Image

from .decoding import decode, read_file
from .transforms.antialiased_crop import resize

# libjpeg's limit, pixels.
LONGEST = 65500


def is_baseline(data: bytes) -> bool:
    """Whether the data are a JPEG that decodes fast: baseline, grey or three channels."""
    if not data.startswith(b'\xff\xd8'):
        return False
    with Image.open(BytesIO(data)) as image:
        return image.mode in ('L', 'RGB') and not image.info.get('progressive')


def transcode(path: str | PathLike, short_side: int | None = None, quality: int = 90) -> bytes:
    """A baseline JPEG of an image: the file's own bytes where they are one and stay as large.

    Args:
        path: The image.
        short_side: What a longer short side becomes, in pixels.
        quality: Quality where a JPEG is written.

    Raises:
        ValueError: The image is damaged or too long for a JPEG; the message is the reason.
    """
    data = read_file(path)
    img = decode(data)
    height, width = img.shape[:2]
    scale = 1 if short_side is None else short_side / min(height, width)
    if scale < 1:
        img = resize(img, (round(height * scale), round(width * scale)))
    elif is_baseline(data):
        return data
    if max(img.shape) > LONGEST:
        raise ValueError(
            f'{img.shape[1]} x {img.shape[0]} pixels; a JPEG holds at most {LONGEST} a side'
        )
    done, jpeg = cv2.imencode('.jpg', img, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return jpeg.tobytes()


def decode_strictly(data: bytes) -> np.ndarray:
    """Like ``decode``, but what the decoder complains of is an error too.

    libjpeg goes on after damaged data and says so on stderr alone, which is read here: not for
    threads.

    Raises:
        ValueError: The image is damaged; the message is the reason.
    """
    with tempfile.TemporaryFile() as said:
        stderr = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            img = decode(data)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
        said.seek(0)
        for line in said.read().decode(errors='replace').splitlines():
            # libpng's warnings are about colour profiles, its errors about the picture.
            if not line.startswith('libpng warning'):
                raise ValueError(f'the decoder says: {line.strip()}')
    return img
