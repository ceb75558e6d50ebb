"""Tile sizes of the kernels: those of a file, else defaults."""

import json
import re

import pytest
import torch

from senet_mm.ops import kernels, tiles
from senet_mm.utils.errors import InputError

SIZES = dict(values=4096, neighbours=32, warps=8, stages=3, programs=512)


@pytest.fixture
def file(tmp_path, monkeypatch):
    path = tmp_path / 'tiles.json'
    monkeypatch.setattr(tiles, 'FILE', path)
    monkeypatch.setattr(tiles, '_capability', lambda device: f'{device.index}.0')
    tile_for = tiles.tile_for
    # The meta device stands for a GPU.
    monkeypatch.setattr(
        kernels, 'tile_for', lambda name, last, _: tile_for(name, last, torch.device('cuda', 9))
    )
    return path


def test_the_packages_file_is_sound():
    assert isinstance(tiles.measured(tiles.FILE), dict)


def test_defaults_are_within_the_limits():
    for layout, tile in tiles.DEFAULTS.items():
        assert tiles.read_tile(layout, tile._asdict()) == tile


def test_a_measured_tile_is_taken_where_it_was_measured(file):
    """Another GPU, pass or layout has the default one."""
    file.write_text(json.dumps({'9.0': {'moments': {'channels_last': SIZES}}}))
    gpu, other = torch.device('cuda', 9), torch.device('cuda', 8)
    assert tiles.tile_for('moments', True, gpu) == tiles.Tile(**SIZES)
    default = tiles.DEFAULTS['channels_last']
    assert tiles.tile_for('moments', True, other) == default
    assert tiles.tile_for('grad_sums', True, gpu) == default
    assert tiles.tile_for('moments', False, gpu) == tiles.DEFAULTS['contiguous']
    assert tiles.tile_for('moments', True, torch.device('cpu')) == default
    z = torch.empty(64, 256, 28, 28, device='meta').to(memory_format=torch.channels_last)
    grid, _, options = kernels._launch('moments', z)
    assert options == dict(BC=32, BP=128, STAGES=3, num_warps=8)
    assert grid == (512,)


def test_a_missing_file_means_defaults(file):
    assert not file.exists()
    for layout, tile in tiles.DEFAULTS.items():
        is_last = layout == 'channels_last'
        assert tiles.tile_for('moments', is_last, torch.device('cuda', 9)) == tile


BROKEN = {
    'no JSON': ('{', 'no JSON: Expecting property name'),
    'a list': ('[]', r'\[\]; allowed: a dict by compute capability'),
    'a number': ('{"9.0": 1}', '9.0=1; allowed: a dict of moments, affine_relu'),
    'an unknown pass': ('{"9.0": {"moment": {}}}', "'moment' is not known; did you mean 'moments'"),
    'an unknown layout': (
        '{"9.0": {"moments": {"nhwc": {}}}}',
        "'nhwc' is not known; allowed: a dict of channels_last, contiguous",
    ),
    **{
        f'{field} {value!r}': (
            json.dumps({'9.0': {'moments': {'contiguous': {**SIZES, field: value}}}}),
            f'9.0.moments.contiguous: {field}={re.escape(repr(value))}; allowed: '
            f'{"whole numbers" if field == "stages" else "powers of two"} from',
        )
        for field in SIZES
        for value in (0, 3, 2**20, -8, 64.0, True, None, '64')
        if (field, value) != ('stages', 3)
    },
    'more neighbours than values': (
        json.dumps(
            {'9.0': {'moments': {'contiguous': {**SIZES, 'values': 1024, 'neighbours': 2048}}}}
        ),
        'neighbours=2048; allowed: at most values=1024',
    ),
    'a size is missing': (
        '{"9.0": {"moments": {"contiguous": {"values": 2048}}}}',
        'neighbours=None; allowed: powers of two from 16 to 4096',
    ),
}


@pytest.mark.parametrize('fault', BROKEN)
def test_a_broken_file_is_refused_in_one_line(file, fault):
    content, message = BROKEN[fault]
    file.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        kernels._launch('moments', torch.empty(2, 3, 4, 5, device='meta'))
    assert str(caught.value).startswith(str(file))
