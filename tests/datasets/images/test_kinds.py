"""Every kind of file: whole, cut off, with other bytes behind its end; large; of other depths."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from senet_mm.datasets.images.decoding import EXTENSIONS, decode, decode_strictly

from ..files import GOOD, KINDS, PHOTO, save

WITH_THUMBNAIL = b'\xff\xe1' + (len(KINDS['.jpg']) + 2).to_bytes(2, 'big') + KINDS['.jpg']
FILES = {
    **KINDS,
    'progressive': GOOD['progressive'],
    'restart markers': save(Image.fromarray(PHOTO), 'JPEG', restart_marker_blocks=3),
    'jpeg with a thumbnail': GOOD['jpeg'][:2] + WITH_THUMBNAIL + GOOD['jpeg'][2:],
    'uncompressed tiff': save(Image.fromarray(PHOTO), 'TIFF'),
    'lossless webp': save(Image.fromarray(PHOTO), 'WEBP', lossless=True),
}
NOISE = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
BEHIND = {
    'nothing': b'',
    '64 bytes': bytes(range(64)),
    'zeros to a block': bytes(4096),
    'a film': b'\0\0\0\x18ftypmp42' + np.random.default_rng(0).bytes(100_000),
    'another jpeg': GOOD['jpeg'],
    'a large jpeg': save(Image.fromarray(NOISE), 'JPEG', quality=95),
    'another png': GOOD['png'],
}
WALKED = ('.jpg', 'progressive', 'restart markers', 'jpeg with a thumbnail', '.png')


def decode_or_none(data):
    try:
        return decode(data)
    except ValueError:
        return None


def test_every_suffix_has_a_file():
    assert set(KINDS) == set(EXTENSIONS)


@pytest.mark.parametrize('suffix', EXTENSIONS)
def test_what_every_kind_becomes(suffix):
    """The photograph, in grey or in black and white where the kind has no more."""
    img = decode(KINDS[suffix])
    expected = PHOTO[..., ::-1].astype(float)
    if suffix in ('.pgm', '.pbm'):
        expected = (expected @ [0.114, 0.587, 0.299])[..., None].repeat(3, 2)
    if suffix == '.pbm':  # dithered
        assert set(np.unique(img)) == {0, 255}
        img, expected = (cv2.blur(each.astype(float), (15, 15)) for each in (img, expected))
    assert img.shape == expected.shape
    assert np.abs(img - expected).mean() < (8 if suffix in ('.gif', '.pbm') else 4)
    assert np.array_equal(decode_strictly(KINDS[suffix]), decode(KINDS[suffix]))


@pytest.mark.parametrize('name', FILES)
def test_bytes_behind_the_end_change_nothing(name):
    img = decode(FILES[name])
    for data in BEHIND.values():
        assert np.array_equal(decode(FILES[name] + data), img)


@pytest.mark.parametrize('name', FILES)
def test_what_is_cut_off_is_refused(name):
    """Anywhere: no picture with a grey rest. Bytes that are no part of it may be missing."""
    data = FILES[name]
    img = decode(data)
    whole = 0
    for end in [*range(1, len(data), len(data) // 40 + 1), *range(len(data) - 12, len(data))]:
        cut = decode_or_none(data[:end])
        assert cut is None or np.array_equal(cut, img), end
        whole += cut is not None
    assert whole <= {'.gif': 2, '.tga': 12}.get(name, 0)


@pytest.mark.parametrize('behind', BEHIND)
@pytest.mark.parametrize('name', WALKED)
def test_cut_off_and_filled_up(name, behind):
    """JPEG and PNG are walked: what stands behind the cut is not taken for their end."""
    data = FILES[name]
    for end in range(200, len(data) - 12, len(data) // 25 + 1):
        assert decode_or_none(data[:end] + BEHIND[behind]) is None, end


# Samples of other depths: values, the file, and what it becomes.
RNG = np.random.default_rng(0)
GREY, COLOUR = (RNG.integers(0, 65536, shape, np.uint16) for shape in ((20, 24), (20, 24, 3)))
ALPHA = RNG.integers(0, 256, (20, 24), np.uint8)


def upper8(img):
    return (img >> 8).astype(np.uint8)


def tiff(img, **kwargs):
    file = io.BytesIO()
    tifffile.imwrite(file, img, **kwargs)
    return file.getvalue()


def packed_tiff(img, bits, order='<'):
    """A grey TIFF of less than 8 or of 12 bits a sample, without compression."""
    rows = [''.join(f'{level:0{bits}b}' for level in row) for row in img.tolist()]
    data = b''.join(int(row, 2).to_bytes(len(row) // 8, 'big') for row in rows)
    height, width = img.shape
    tags = {256: width, 257: height, 258: bits, 259: 1, 262: 1, 273: 122, 277: 1, 278: height}
    tags[279] = len(data)
    entries = b''.join(struct.pack(f'{order}HHII', tag, 4, 1, value) for tag, value in tags.items())
    mark = b'II' if order == '<' else b'MM'
    return struct.pack(f'{order}2sHIH', mark, 42, 8, len(tags)) + entries + bytes(4) + data


def pixel_map(kind, img, maximum):
    head = b'%s\n%d %d\n%d\n' % (kind, img.shape[1], img.shape[0], maximum)
    if kind in (b'P2', b'P3'):
        return head + ' '.join(map(str, img.ravel().tolist())).encode() + b'\n'
    return head + img.astype('>u2' if maximum > 255 else 'u1').tobytes()


def mode(name):
    """An image of a Pillow mode from COLOUR."""
    image = Image.fromarray(upper8(COLOUR))
    if name in ('LA', 'RGBA'):
        image = image.convert(name)
        image.putalpha(Image.fromarray(ALPHA))
    return image.quantize(16) if name == 'P' else image.convert(name)


def expected_of(image):
    """BGR of a Pillow image, the alpha dropped."""
    return np.asarray(image.convert('RGB'))[..., ::-1]


DEPTHS = {
    'png 16 grey': (cv2.imencode('.png', GREY)[1].tobytes(), upper8(GREY)),
    'png 16 colour': (cv2.imencode('.png', COLOUR)[1].tobytes(), upper8(COLOUR)),
    'tiff 16 grey': (tiff(GREY), upper8(GREY)),
    'tiff 16 grey, big-endian': (tiff(GREY, byteorder='>'), upper8(GREY)),
    'tiff 16 colour': (tiff(COLOUR, photometric='rgb'), upper8(COLOUR)[..., ::-1]),
    'tiff 16 white is 0': (tiff(GREY, photometric='miniswhite'), 255 - upper8(GREY)),
    'bigtiff 16 grey': (tiff(GREY, bigtiff=True), upper8(GREY)),
    **{
        f'tiff {bits}': (
            packed_tiff(GREY >> (16 - bits), bits),
            ((GREY >> (16 - bits)) * (255 / (2**bits - 1))).astype(np.uint8),
        )
        for bits in (1, 2, 4, 12)
    },
    **{
        f'{kind.decode()} to {maximum}': (
            pixel_map(kind, img.astype(int) % (maximum + 1), maximum),
            (img.astype(int) % (maximum + 1) * (255 / maximum))[..., ::order].astype(np.uint8),
        )
        for kind, img in ((b'P2', GREY), (b'P3', COLOUR), (b'P5', GREY), (b'P6', COLOUR))
        for order in (1 if img.ndim == 2 else -1,)
        for maximum in (100, 255, 1000, 4095, 65535)
    },
    **{
        f'{name} in {kind}': (save(mode(name), kind, **options), expected_of(mode(name)))
        for kind, names, options in (
            ('PNG', ('1', 'L', 'LA', 'P', 'RGB', 'RGBA'), {}),
            ('TIFF', ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'CMYK'), {}),
            ('TIFF', ('RGBA',), dict(compression='tiff_lzw')),
            ('BMP', ('1', 'L', 'P', 'RGB', 'RGBA'), {}),
            ('GIF', ('1', 'L', 'P'), {}),
            ('WEBP', ('L', 'RGB', 'RGBA'), dict(lossless=True, exact=True)),
            ('JPEG2000', ('L', 'LA', 'RGB', 'RGBA', 'CMYK'), {}),
            ('TGA', ('1', 'L', 'LA', 'P', 'RGB', 'RGBA'), {}),
            ('PCX', ('1', 'L', 'P', 'RGB'), {}),
            ('PPM', ('1', 'L', 'RGB'), {}),
        )
        for name in names
    },
}


@pytest.mark.parametrize('name', DEPTHS)
def test_depths_and_modes(name):
    """Scaled to 8 bits by their range, whichever decoder reads them; one level of rounding."""
    data, expected = DEPTHS[name]
    if expected.ndim == 2:
        expected = expected[..., None].repeat(3, 2)
    img = decode(data)
    assert img.dtype == np.uint8
    assert img.shape == expected.shape
    assert np.abs(img.astype(int) - expected).max() <= 1
    assert np.array_equal(decode_strictly(data), img)


FLOAT = RNG.random((20, 24, 3)).astype(np.float32)
NO_RANGE = {
    'float samples of 16 bits': tiff(FLOAT.astype(np.float16), photometric='rgb'),
    'float samples of 32 bits': tiff(FLOAT, photometric='rgb'),
    'float samples of 32 bits ': save(Image.fromarray(FLOAT[..., 0]), 'TIFF'),
    'float samples of 64 bits': tiff(FLOAT[..., 0].astype(float)),
    'complex float samples of 64 bits': tiff(FLOAT[..., 0].astype(np.complex64)),
    'unsigned integer samples of 32 bits': tiff(GREY.astype(np.uint32)),
    'signed integer samples of 32 bits': tiff(GREY.astype(np.int32)),
    'signed integer samples of 16 bits': tiff(GREY.astype(np.int16), compression='zlib'),
    'signed integer samples of 8 bits': tiff(GREY.astype(np.int8)),
    'float samples': cv2.imencode('.pfm', FLOAT)[1].tobytes(),
    'float samples ': cv2.imencode('.hdr', FLOAT)[1].tobytes(),
}


@pytest.mark.parametrize('reason', NO_RANGE)
def test_samples_without_a_known_range_are_refused(reason):
    """Not guessed: black, white or what the range of the type would make of them."""
    with pytest.raises(ValueError, match=f'^{reason.strip()}; allowed: unsigned integers of at mo'):
        decode(NO_RANGE[reason])


@pytest.mark.parametrize('bits', [3, 6, 10, 14])
def test_tiffs_that_no_decoder_reads(bits):
    """The bits are the reason, not the file."""
    with pytest.raises(
        ValueError, match=f'^TIFF of {bits} bits a sample, which no decoder reads; '
    ):
        decode(packed_tiff(GREY >> (16 - bits), bits))


def test_12_bits_are_scaled_by_their_own_range():
    """By Pillow alone, and to 255, where 16 bits are wanted."""
    fine = decode(packed_tiff(GREY >> 4, 12), 'unchanged', 16)
    assert fine.dtype == np.float32
    assert np.abs(fine[..., 0] - (GREY >> 4) / 4095 * 255).max() < 5e-5


def test_12_bits_big_endian():
    with pytest.raises(ValueError, match=r'^big-endian TIFF of 12 bits a sample, which no decoder'):
        decode(packed_tiff(GREY >> 4, 12, '>'))


@pytest.mark.parametrize('kind', [8, 9, 10, 32803])
def test_colours_that_would_get_a_cast(kind):
    """LAB in its three variants, which OpenCV decodes to other colours, and a raw sensor's."""
    data = tiff(upper8(COLOUR), photometric='rgb')
    rgb, other = (struct.pack('<HHIHH', 262, 3, 1, value, 0) for value in (2, kind))
    assert rgb in data
    with pytest.raises(ValueError, match=r'^TIFF in (LAB colours|colours of a raw .*); allowed: g'):
        decode(data.replace(rgb, other))


def png_header(width, height):
    """A PNG whose header says a size; its data are missing."""
    chunks = [(b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0))]
    chunks += [(b'IDAT', zlib.compress(b'\0')), (b'IEND', b'')]
    parts = [
        struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in chunks
    ]
    return b'\x89PNG\r\n\x1a\n' + b''.join(parts)


def resized(data, place, size):
    return data[:place] + size + data[place + len(size) :]


FRAME = GOOD['jpeg'].index(b'\xff\xc0')
BOMBS = {
    'jpeg': resized(GOOD['jpeg'], FRAME + 5, struct.pack('>HH', 20000, 20000)),
    'png': png_header(20000, 20000),
    'gif': resized(KINDS['.gif'], 6, struct.pack('<HH', 20000, 20000)),
    'bmp': resized(KINDS['.bmp'], 18, struct.pack('<II', 20000, 20000)),
    'ppm': b'P6\n20000 20000\n255\n',
    'tiff': packed_tiff(GREY >> 12, 4).replace(
        struct.pack('<HHII', 256, 4, 1, 24), struct.pack('<HHII', 256, 4, 1, 2**25)
    ),
}


@pytest.mark.parametrize('kind', BOMBS)
def test_too_large_is_refused_before_memory_is_taken(kind):
    with pytest.raises(ValueError, match=r'allowed: (at most )?178956970'):
        decode(BOMBS[kind])


@pytest.mark.parametrize('seed', range(4))
def test_damaged_headers_end_in_one_line(seed):
    """Bytes changed at random: a picture or a reason, nothing else."""
    rng = np.random.default_rng(seed)
    for data in (*FILES.values(), *(data for data, _ in DEPTHS.values()), *NO_RANGE.values()):
        changed = bytearray(data)
        for place in rng.integers(0, min(300, len(data)), 4):
            changed[place] = rng.integers(256)
        reason = ''
        try:
            img = decode(bytes(changed))
        except ValueError as error:
            reason = str(error)
        if reason:
            assert reason.splitlines() == [reason]
        else:
            assert (img.dtype, img.ndim, img.shape[2]) == (np.uint8, 3, 3)


def test_tags_of_a_wrong_type():
    """The number of bits as text."""
    good = struct.pack('<HHII', 258, 4, 1, 12)
    text = struct.pack('<HHI4s', 258, 2, 4, b'abc')
    with pytest.raises(ValueError, match='not an image; it begins with'):
        decode(packed_tiff(GREY >> 4, 12).replace(good, text))


def test_a_long_picture_is_read():
    long = save(Image.new('RGB', (70_000, 1), (10, 20, 30)), 'PNG')
    assert np.array_equal(decode(long), np.full((1, 70_000, 3), (30, 20, 10)))


def test_portable_maps_are_scaled_by_their_maximum():
    values = np.arange(0, 1001, 8, np.uint16).reshape(6, 21)
    data = b'P5 21 6 1000\n' + values.astype('>u2').tobytes()
    fine = decode(data, 'unchanged', 16)[..., 0]
    assert np.abs(fine - values / 1000 * 255).max() < 0.01
