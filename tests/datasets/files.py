"""Files of every kind that lies in a data set, made from one photograph."""

import io

import cv2
import numpy as np
from PIL import Image
from skimage import data

# How far pixels of a picture that OpenCV rotated are from exact ones, at most and on average:
# OpenCV 4 rounds positions to 1/32 of a pixel.
ROTATED_MAX, ROTATED_MEAN = (8, 0.2) if cv2.__version__ < '5' else (1, 1e-3)
# RGB (120, 160, 3)
PHOTO = cv2.resize(data.astronaut(), (160, 120), interpolation=cv2.INTER_AREA)


def save(image, kind, **kwargs):
    """The bytes of a Pillow image in a format."""
    file = io.BytesIO()
    image.save(file, kind, **kwargs)
    return file.getvalue()


def make_files():
    """Bytes by name: those that are images, and those that are damaged."""
    photo = Image.fromarray(PHOTO)
    turned = Image.Exif()
    turned[0x0112] = 6
    thumbnail = save(photo.resize((16, 12)), 'JPEG')
    jpeg, png, webp = save(photo, 'JPEG', quality=95), save(photo, 'PNG'), save(photo, 'WEBP')
    deep = PHOTO[..., ::-1].astype(np.uint16) * 257
    good = {
        'jpeg': jpeg,
        'progressive': save(photo, 'JPEG', quality=95, progressive=True),
        'cmyk': save(photo.convert('CMYK'), 'JPEG', quality=95),
        'grey': save(photo.convert('L'), 'JPEG', quality=95),
        'palette': save(photo.quantize(256), 'PNG'),
        'png': png,
        'png of 16 bits': cv2.imencode('.png', deep)[1].tobytes(),
        'grey png of 16 bits': cv2.imencode('.png', deep[..., 1])[1].tobytes(),
        'alpha': save(photo.convert('RGBA'), 'PNG'),
        'webp': save(photo, 'WEBP', quality=95),
        'gif': save(photo.quantize(256), 'GIF'),
        'pcx, which cv2 does not read': save(photo, 'PCX'),
        'turned by EXIF': save(photo, 'JPEG', quality=95, exif=turned),
        'bytes behind the end': jpeg + b'\0' * 500,
    }
    header = jpeg.index(b'\xff\xda')
    with_thumbnail = jpeg[:2] + b'\xff\xe2' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    damaged = {
        'empty': b'',
        'html': b'<!DOCTYPE html><html><body>404 Not Found</body></html>',
        'zeros': bytes(5000),
        'half a jpeg': jpeg[: len(jpeg) // 2],
        'jpeg without its last byte': jpeg[:-1],
        'header of a jpeg': jpeg[:header],
        'half a jpeg with a thumbnail': with_thumbnail + jpeg[2 : len(jpeg) // 2],
        'half a png': png[: len(png) // 2],
        'half a webp': webp[: len(webp) // 2],
        'noise in a png': png[:200] + bytes(range(256)) + png[456:],
    }
    return good, damaged


GOOD, DAMAGED = make_files()


def make_kinds():
    """Bytes of PHOTO by suffix, for every suffix that the decoder reads."""
    photo = Image.fromarray(PHOTO)
    jpeg, jp2 = save(photo, 'JPEG', quality=95), save(photo, 'JPEG2000')
    codestream = save(photo, 'JPEG2000', no_jp2=True)
    tiff, ppm = save(photo, 'TIFF', compression='tiff_lzw'), save(photo, 'PPM')
    return {
        **dict.fromkeys(('.jpg', '.jpeg', '.jpe', '.jfif'), jpeg),
        '.png': save(photo, 'PNG'),
        '.webp': save(photo, 'WEBP', quality=95),
        '.gif': save(photo.quantize(256), 'GIF'),
        '.bmp': save(photo, 'BMP'),
        '.dib': save(photo, 'DIB'),
        **dict.fromkeys(('.tif', '.tiff'), tiff),
        **dict.fromkeys(('.jp2', '.jpf', '.jpx'), jp2),
        **dict.fromkeys(('.j2k', '.j2c'), codestream),
        **dict.fromkeys(('.ppm', '.pnm'), ppm),
        '.pgm': save(photo.convert('L'), 'PPM'),
        '.pbm': save(photo.convert('1'), 'PPM'),
        '.avif': save(photo, 'AVIF', quality=90),
        '.tga': save(photo, 'TGA'),
        '.pcx': save(photo, 'PCX'),
    }


KINDS = make_kinds()
