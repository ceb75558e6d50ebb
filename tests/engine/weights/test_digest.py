"""A hash in the name of a file is compared with its SHA-256, wherever the file is read."""

import hashlib

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from senet_mm.apis import get_model
from senet_mm.converters import CaffeLayer, CaffeModel, convert, read_caffemodel, write_caffemodel
from senet_mm.engine import load_from_local
from senet_mm.engine.weights.digest import find_hash
from senet_mm.utils.errors import UserError

NAME = 'seresnet8_1xb64_digits'


def write_torch(path):
    torch.save(nn.Linear(2, 3).state_dict(), path)


def write_safetensors(path):
    safetensors.torch.save_file(nn.Linear(2, 3).state_dict(), path)


def write_caffe(path):
    write_caffemodel(path, CaffeModel('a', [CaffeLayer('b', 'c', [np.ones(2, np.float32)])]))


KINDS = {
    '.pth': (write_torch, load_from_local),
    '.safetensors': (write_safetensors, load_from_local),
    '.caffemodel': (write_caffe, read_caffemodel),
}


@pytest.mark.parametrize('suffix', KINDS)
@pytest.mark.parametrize('digits', [8, 64])
def test_a_hash_is_compared(tmp_path, suffix, digits):
    write, read = KINDS[suffix]
    file = tmp_path / f'a{suffix}'
    write(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    right = file.rename(tmp_path / f'net_20260101-{digest[:digits]}{suffix}')
    read(right)
    wrong = right.rename(tmp_path / f'net_20260101-{"0" * digits}{suffix}')
    with pytest.raises(
        UserError, match=rf'{wrong} is damaged or another .*with {digest[:digits]};'
    ):
        read(wrong)


def test_the_line_is_that_of_the_api(tmp_path):
    write_torch(tmp_path / 'a-01234567.pth')
    with pytest.raises(UserError, match=r'a-01234567.pth is damaged or another file'):
        get_model(NAME, tmp_path / 'a-01234567.pth')


@pytest.mark.parametrize(
    ('name', 'digest'),
    [
        ('resnet50-0676ba61.pth', '0676ba61'),
        ('net-20264361.pth', '20264361'),  # no month has this number
        ('net-20260131.pth', None),
        ('se-resnet-50.pth', None),
        ('net-0676BA61.pth', None),
        ('epoch_1.pth', None),
    ],
)
def test_dates_are_no_hashes(name, digest):
    assert find_hash(name) == digest


def test_a_conversion_is_not_written_under_the_hash_of_another_file(tmp_path):
    with pytest.raises(UserError, match='its hash will not be 0676ba61; allowed: a name without'):
        convert('timm', tmp_path / 'a.pth', tmp_path / 'resnet50-0676ba61.pth', NAME)
