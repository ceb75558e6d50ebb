"""Damage to a checkpoint file is noticed, whichever byte it meets."""

import os
import shutil
import zipfile

import pytest
import torch
from torch import nn

from senet_mm.engine import load_from_local
from senet_mm.utils.errors import UserError

from ..hostile import rewrite


@pytest.fixture(scope='module')
def saved(tmp_path_factory):
    """A small checkpoint, its content and where its records lie: first and last byte."""
    file = tmp_path_factory.mktemp('saved') / 'saved.pth'
    content = dict(state_dict=nn.Linear(100, 100).state_dict(), meta=dict(epoch=3))
    torch.save(content, file)
    with zipfile.ZipFile(file) as archive, file.open('rb') as opened:
        places = {}
        for record in archive.infolist():
            opened.seek(record.header_offset + 26)
            header = 30 + sum(int.from_bytes(opened.read(2), 'little') for _ in range(2))
            start = record.header_offset + header
            places[record.filename.partition('/')[2]] = (start, start + record.file_size - 1)
    return file, content, places


RECORDS = ['data.pkl', 'byteorder', 'version', 'data/0', 'data/1', '.data/serialization_id']


@pytest.mark.parametrize('end', [0, 1])
@pytest.mark.parametrize('record', RECORDS)
def test_a_flipped_bit_is_noticed(saved, tmp_path, record, end):
    file, _, places = saved
    data = bytearray(file.read_bytes())
    data[places[record][end]] ^= 4
    (tmp_path / 'flipped.pth').write_bytes(data)
    message = rf'flipped.pth is damaged or no checkpoint: record saved/{record} is damaged, its CRC'
    with pytest.raises(ValueError, match=message):
        load_from_local(str(tmp_path / 'flipped.pth'))


def test_records_above_are_all(saved):
    """Without those of newer versions of torch, which have nothing in them."""
    assert set(RECORDS) <= saved[2].keys()


def test_a_flipped_bit_anywhere_else_changes_nothing(saved, tmp_path):
    """What loads in spite of a flipped bit loads as it was: padding, dates."""
    file, content, _ = saved
    whole, loaded = file.read_bytes(), 0
    for place in [*range(0, len(whole), 997), *range(len(whole) - 1200, len(whole), 11)]:
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        (tmp_path / 'flipped.pth').write_bytes(data)
        try:
            read = load_from_local(str(tmp_path / 'flipped.pth'))
        except ValueError:
            continue
        loaded += 1
        assert read['meta'] == content['meta']
        for name, value in content['state_dict'].items():
            assert torch.equal(read['state_dict'][name], value)
    assert loaded > 0


def test_a_block_of_zeros_is_noticed(saved, tmp_path):
    file, _, places = saved
    data = bytearray(file.read_bytes())
    start = places['data/0'][0] + 8192
    data[start : start + 4096] = bytes(4096)
    (tmp_path / 'zeros.pth').write_bytes(data)
    with pytest.raises(ValueError, match='record saved/data/0 is damaged'):
        load_from_local(str(tmp_path / 'zeros.pth'))


def compressed(file, out):
    rewrite(file, out, kind=zipfile.ZIP_DEFLATED)


def bomb(file, out):
    """A pickle of 100 MB in 100 kB."""
    rewrite(
        file,
        out,
        lambda name, data: data[:-1] + bytes(10**8) if name.endswith('.pkl') else data,
        zipfile.ZIP_DEFLATED,
    )


def twice(file, out):
    rewrite(file, out)
    with zipfile.ZipFile(out, 'a') as archive, pytest.warns(UserWarning, match='Duplicate'):
        archive.writestr('saved/data.pkl', b'\x80\x02N.')


def other_case(file, out):
    rewrite(file, out)
    with zipfile.ZipFile(out, 'a') as archive:
        archive.writestr('saved/DATA.pkl', b'\x80\x02N.')


def comment(file, out):
    rewrite(file, out)
    with zipfile.ZipFile(out, 'a') as archive:
        archive.comment = b'x' * 100


def before(file, out):
    out.write_bytes(b'PK\x03\x04' + bytes(100) + file.read_bytes())


def behind(file, out):
    out.write_bytes(file.read_bytes() + b'\n')


def cut(file, out):
    out.write_bytes(file.read_bytes()[:-1])


def without_pickle(file, out):
    with zipfile.ZipFile(out, 'w') as archive:
        archive.writestr('saved/version', b'3')


def with_large_directory(file, out):
    """Where torch says it, before the end: the directory has 2^31 bytes."""
    data = bytearray(file.read_bytes())
    assert data[-98:-94] == b'PK\x06\x06'
    data[-58:-50] = (1 << 31).to_bytes(8, 'little')
    out.write_bytes(data)


def with_large_directory_alone(file, out):
    """Where zipfile says it."""
    rewrite(file, out)
    data = bytearray(out.read_bytes())
    data[-10:-6] = (1 << 31).to_bytes(4, 'little')
    out.write_bytes(data)


def no_records(file, out):
    out.write_bytes(b'PK\x03\x04' + bytes(26) + b'PK\x05\x06' + bytes(18))


def overlapping(file, out):
    """The directory says for every record that it is the largest one."""
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        size = max(record.file_size for record in archive.infolist())
    place = data.find(b'PK\x01\x02')
    while place >= 0:
        data[place + 20 : place + 28] = size.to_bytes(4, 'little') * 2
        place = data.find(b'PK\x01\x02', place + 1)
    out.write_bytes(data)


KINDS = {
    compressed: r'record saved/data.pkl is compressed; torch stores records as they are$',
    bomb: 'is compressed',
    twice: 'two records have the same name$',
    other_case: 'two records have the same name$',
    comment: 'it is cut off, or something stands behind its end$',
    before: 'no record is at its beginning$',
    behind: 'something stands behind its end$',
    cut: 'it is cut off',
    without_pickle: 'no item named',
    with_large_directory: r'its directory has 2147483648 bytes; allowed: 8388608$',
    with_large_directory_alone: r'its directory has 2147483648 bytes; allowed: 8388608$',
    no_records: 'no record is at its beginning$',
    overlapping: r'its records have \d+ bytes, the file has \d+$',
}


@pytest.mark.parametrize('make', KINDS, ids=lambda make: make.__name__)
def test_archives_that_torch_does_not_write(saved, tmp_path, make):
    make(saved[0], tmp_path / 'odd.pth')
    with pytest.raises(ValueError, match=r'odd.pth is damaged or no checkpoint: .*' + KINDS[make]):
        load_from_local(str(tmp_path / 'odd.pth'))


def test_a_tensor_repeats_its_storage(saved, tmp_path):
    """It takes 4 bytes in the file; the first copy of it would take all memory."""
    content = {**saved[1], 'state_dict': dict(weight=torch.zeros(1).expand(1 << 40))}
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(UserError, match=rf'a.pth is refused: it holds a tensor of {1 << 42} bytes'):
        load_from_local(str(tmp_path / 'a.pth'))
    torch.save({'state_dict': dict(weight=torch.zeros(1).expand(9))}, tmp_path / 'small.pth')
    assert load_from_local(str(tmp_path / 'small.pth'))['state_dict']['weight'].shape == (9,)


def test_a_file_larger_than_memory_is_not_read(saved, tmp_path):
    shutil.copyfile(saved[0], tmp_path / 'sparse.pth')
    os.truncate(tmp_path / 'sparse.pth', 1 << 43)
    with pytest.raises(UserError, match=r'sparse.pth has 8.8e\+03 GB; allowed: less than the mem'):
        load_from_local(str(tmp_path / 'sparse.pth'))


def test_a_rewritten_archive_loads(saved, tmp_path):
    """The cases above are refused for what was changed."""
    file = rewrite(saved[0], tmp_path / 'same.pth')
    weight = load_from_local(str(file))['state_dict']['weight']
    assert torch.equal(weight, saved[1]['state_dict']['weight'])


def test_the_format_before_torch_1_6(saved, tmp_path, logged):
    """It has no checksums, which a line says; a storage larger than the file is refused."""
    file = tmp_path / 'old.pth'
    torch.save(saved[1], file, _use_new_zipfile_serialization=False)
    weight = load_from_local(str(file))['state_dict']['weight']
    assert torch.equal(weight, saved[1]['state_dict']['weight'])
    [line] = logged.messages
    assert line.startswith(f'checkpoint {file} has the format of torch before 1.6, without checks')
    data = file.read_bytes()
    assert b'M\x10\x27' in data  # 10,000
    (tmp_path / 'large.pth').write_bytes(data.replace(b'M\x10\x27', b'J\0\0\0\x40'))
    with pytest.raises(ValueError, match='its storages are larger than the file'):
        load_from_local(str(tmp_path / 'large.pth'))
    (tmp_path / 'cut.pth').write_bytes(data[:-100])
    with pytest.raises(ValueError, match=r'cut.pth is damaged'):
        load_from_local(str(tmp_path / 'cut.pth'))
