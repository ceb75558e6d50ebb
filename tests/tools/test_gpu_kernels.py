"""The kernels' stage of the GPU benchmark in small, and what it measures against."""

import importlib
import importlib.util
import itertools
import json
from collections import Counter
from importlib.metadata import version

import numpy as np
import pytest
import torch
from packaging.version import Version

from senet_mm.models import SENet, SEResNet, SEResNeXt
from senet_mm.ops import conv_norm_pairs, kernels, plain, tiles
from senet_mm.ops.tiles import PASSES, read_tile
from senet_mm.utils.errors import InputError

from ..conftest import ROOT

STAGE = 'tools/benchmarks/gpu/kernels.py'


@pytest.fixture
def part(monkeypatch):
    """Imports a module of the stage."""
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks/gpu'))
    return lambda name: importlib.import_module(f'kernel_parts.{name}')


def test_the_stage_in_small(run_tool, tmp_path):
    """Every pass and node in Triton's interpreter, in all precisions and layouts."""
    assert importlib.util.find_spec('triton'), 'torch for Linux brings Triton'
    if Version(version('triton')) < Version('3.7') and Version(np.__version__) >= Version('2.4'):
        pytest.skip("Triton 3.6's interpreter takes int() of arrays of 1 axis, NumPy 2.4 refuses")
    run = run_tool(STAGE, '--small', '--out', tmp_path / 'kernels.json', OMP_NUM_THREADS='1')
    assert run.returncode == 0, run.stderr
    parts = json.loads((tmp_path / 'kernels.json').read_text())['parts']
    assert {name: result['status'] for name, result in parts.items()} == dict.fromkeys(parts, 'ok')
    for dtype in ('float32', 'bfloat16', 'float16'):
        rows = parts[f'values {dtype}']['rows']
        assert len(rows) == 16
        assert all(0 < row['part'] <= 1 for row in rows)
    assert {row['layout'] for row in parts['nodes']['rows']} == {
        'channels_last', 'contiguous', 'strided'
    }  # fmt: skip
    for name in PASSES:
        result = parts[f'tiles {name}']
        assert len(result['rows']) > 10
        assert read_tile('', result['best, channels_last'])
        assert read_tile('', result['best, contiguous'])
    assert not (tmp_path / 'tiles.json').exists()  # the interpreter's figures mean nothing


NETWORKS = {
    'seresnet50': lambda: SEResNet(50),
    'seresnet101': lambda: SEResNet(101),
    'seresnet152': lambda: SEResNet(152),
    'seresnext50': lambda: SEResNeXt(50),
    'seresnext101': lambda: SEResNeXt(101),
    'senet154': lambda: SENet(154),
}


@pytest.mark.parametrize('name', NETWORKS)
def test_the_maps_are_those_of_the_networks(name, part):
    shapes = part('shapes')
    with torch.device('meta'):
        network = NETWORKS[name]()
        x = torch.empty(1, 3, 224, 224)
    seen = Counter()
    for block in network.blocks:
        norms = [norm for _, norm in conv_norm_pairs(block)]
        for norm in norms:

            def see(module, args, tail=norm is norms[-1]):
                seen[shapes.Map(*args[0].shape[1:], tail)] += 1

            norm.register_forward_pre_hook(see)
    network.eval()(x)
    assert seen == shapes.maps_of(name)
    assert {m[:3] for m in seen} <= {m[:3] for m in shapes.all_maps()}


@pytest.fixture
def with_plain(monkeypatch):
    """PyTorch's passes in float64 for the kernels, times a factor, rounded as a kernel does."""

    def use(factor):
        def scaled(function):
            def run(*args):
                results = function(*(None if a is None else a.double() for a in args))
                results = results if isinstance(results, tuple) else (results,)
                return tuple(
                    (factor * r).to(args[0].dtype if r.ndim == 4 else torch.float32)
                    for r in results
                )

            return run

        for name in PASSES:
            monkeypatch.setattr(kernels, name, scaled(getattr(plain, name)))

    return use


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize('channels_last', [True, False])
def test_bounds_tell_rounding_from_a_fault(dtype, channels_last, part, with_plain):
    """A thousandth more in float32, or 1 % more in 16 bits, is a fault; NaN is one."""
    cases, truth, shapes = (part(name) for name in ('cases', 'truth', 'shapes'))
    torch.manual_seed(0)
    case = cases.make_case(shapes.Map(72, 9, 7, True), 3, dtype, channels_last, 'cpu')
    with_plain(1)
    assert all(truth.worst(name, case) <= 1 for name in cases.VARIANTS)
    with_plain(1.001 if dtype == torch.float32 else 1.01)
    assert all(truth.worst(name, case) > 1 for name in cases.VARIANTS)
    with_plain(float('nan'))
    assert all(truth.worst(name, case) == float('inf') for name in cases.VARIANTS)


def test_every_pass_is_measured_for_every_network(part):
    cases, shapes = part('cases'), part('shapes')
    assert {variant.function for variant in cases.VARIANTS.values()} == set(PASSES)
    for name in shapes.NETWORKS:
        called = {
            variant.function
            for size, variant in itertools.product(shapes.maps_of(name), cases.VARIANTS.values())
            if cases.handles(variant, size)
        }
        assert called == set(PASSES)


@pytest.mark.slow
@pytest.mark.parametrize('capability', [80, 90])
def test_kernels_compile_for_gpus(capability, part):
    """With accesses of 16 bytes, except where 49 positions follow each other.

    ``kernels.py --only compile`` does it for all maps and tiles.
    """
    cases, compiling, shapes = (part(name) for name in ('cases', 'compiling', 'shapes'))
    from senet_mm.ops.tiles import tile_for

    def calls(size, layouts):
        return [compiling.Calls(
            list(cases.VARIANTS), [size], [256], [torch.bfloat16], layouts, tile_for
        )]  # fmt: skip

    with compiling.absent_gpu(capability):
        wide = compiling.warm_up(calls(shapes.Map(256, 28, 28, True), [True, False]))
        assert len(wide) == 2 * len(cases.VARIANTS)
        assert compiling.narrow(wide) == []
        rest = compiling.warm_up(calls(shapes.Map(256, 7, 7, True), [False]))
        assert len(compiling.narrow(rest)) == len(rest) == len(cases.VARIANTS)


@pytest.mark.slow
@pytest.mark.parametrize('channels_last', [True, False])
def test_tiles_that_are_tried_compile(channels_last, part):
    """For a pass with a loop and for one without."""
    compiling, shapes, speed = (part(name) for name in ('compiling', 'shapes', 'speed'))
    calls = [
        compiling.Calls(
            [name], [shapes.Map(256, 28, 28, True)], [256], [torch.bfloat16], [channels_last],
            lambda *_, tile=tile: tile,
        )
        for name in ('moments', 'affine_relu')
        for tile in speed.changes(name, channels_last)
    ]  # fmt: skip
    with compiling.absent_gpu(90):
        assert compiling.narrow(compiling.warm_up(calls)) == []


def test_tiles_of_several_gpus_share_a_file(part, tmp_path, monkeypatch):
    """Other passes and other GPUs stay; what the package would refuse is refused."""
    part('shapes')
    stage = importlib.import_module('kernels')
    package, path = tmp_path / 'package.json', tmp_path / 'tiles.json'
    monkeypatch.setattr(tiles, 'FILE', package)
    tile = tiles.DEFAULTS['channels_last']._replace(stages=3)
    chosen = {'channels_last': tile._asdict()}
    package.write_text(json.dumps({'8.0': {'moments': chosen}}))
    stage.add_tiles(path, '9.0', 'moments', chosen)
    stage.add_tiles(path, '9.0', 'grad_sums', chosen)
    assert set(tiles.measured(path)) == {
        ('8.0', 'moments', 'channels_last'),
        ('9.0', 'moments', 'channels_last'),
        ('9.0', 'grad_sums', 'channels_last'),
    }
    assert set(tiles.measured(path).values()) == {tile}
    with pytest.raises(InputError, match='warps=3'):
        stage.add_tiles(
            path, '9.0', 'moments', {'contiguous': {**chosen['channels_last'], 'warps': 3}}
        )


def test_an_error_beyond_its_bound_fails_a_part(part):
    part('shapes')
    stage = importlib.import_module('kernels')
    rows = [dict(name='moments', part=p, at='2x3x4x5') for p in (0.5, 1.5, float('nan'))]
    assert stage.judge(rows)['error'] == (
        '2 of 3 beyond the bound: moments 1.5 at 2x3x4x5, moments nan at 2x3x4x5'
    )
    assert 'error' not in stage.judge(rows[:1])
