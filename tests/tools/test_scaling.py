"""The benchmark of distributed training, and its model against cases computed by hand."""

import json
import math
import sys
from dataclasses import replace

import pytest

from senet_mm.utils.measure import Timing

from ..conftest import ROOT, load_tool


@pytest.fixture(scope='module')
def model():
    """The module of the model, which the tool imports as it does."""
    sys.path.insert(0, str(ROOT / 'tools/benchmarks'))
    try:
        from helpers import scaling_model
    finally:
        sys.path.pop(0)
    return scaling_model


def make_work(model, ready=(0.25, 0.5, 1.0), size=60.0):
    """A step of 3 s, of which 2 s are the backward pass."""
    gradients = [model.Gradient(size, moment) for moment in ready]
    return model.Work(seconds=3.0, images=4, gradients=gradients)


def per_byte(model, seconds):
    """Two GPUs of a node that sum a byte in so many seconds, by a ring: 2 * (2 - 1) / 2 = 1."""
    return replace(model.IDEAL, nvlink=1 / seconds, attained=1.0)


EACH = 1.0  # bytes of a bucket that is smaller than any gradient: one bucket each


@pytest.mark.parametrize(
    ('gpus', 'small', 'large'),
    [
        # A ring has 2 (n - m) hops in nodes and 2 (m - 1) between, a tree 14 and 2 log2(m).
        (8, 6.6 + 14 * 0.6, 8.4 + 14 * 3.4),
        (64, 6.8 + 14 * 0.6 + 6 * 5.0, 1.4 * (8.4 + 112 * 3.4 + 14 * 14)),
        (512, 6.8 + 14 * 0.6 + 12 * 5.0, 1.4 * (8.4 + 896 * 3.4 + 126 * 14)),
    ],
)
def test_all_reduce(model, gpus, small, large):
    """Small sizes by LL, large ones by a ring of Simple, at 400,000 bytes per microsecond."""
    nothing, much = (1e6 * fast(model).all_reduce(size, gpus) for size in (0, 40e9))
    assert nothing == pytest.approx(small)
    assert much == pytest.approx(large + 2 * (gpus - 1) / gpus * 1e5)
    slow = replace(fast(model), latency=3)
    assert slow.all_reduce(0, gpus) == pytest.approx(3e-6 * small)
    assert slow.all_reduce(400, 1) == 0


def fast(model):
    return model.Cluster(nvlink=400e9, network=50e9, attained=1.0)


@pytest.mark.parametrize(
    ('size', 'gpus', 'expected'),
    [
        # LL: at most 20,400 bytes per microsecond over nodes. 64 kB: 2**10 times 64 bytes, 0.6.
        (2**16, 512, 6.8 + 14 * 0.6 + 12 * 5 + 2 * 2**16 / (20400 * 0.6)),
        # LL128 over nodes: 120 / 128 of 0.92. 2**14 times 64 bytes: 0.6.
        (2**20, 512, 14 + 14 * 1.25 + 12 * 8.5 + 2 * 2**20 / (4e5 * 0.92 * 120 / 128 * 0.6)),
        (2**20 - 1, 512, 14 + 14 * 1.25 + 12 * 8.5 + 2 * 2**20 / (4e5 * 0.92 * 120 / 128 * 0.6)),
        # 2**15: again 0.6; 2**16: 0.8.
        (2**22, 512, 14 + 14 * 1.25 + 12 * 8.5 + 2 * 2**22 / (4e5 * 0.92 * 120 / 128 * 0.8)),
        # Six nodes are a tree of depth 2.
        (0, 48, 6.8 + 14 * 0.6 + 2 * 2 * 5),
        # One node: a ring of LL at 141,000 bytes per microsecond, and one of LL128.
        (2**16, 8, 6.6 + 14 * 0.6 + 7 / 4 * 2**16 / 141000),
        (2**22, 8, 14 + 14 * 1.9 + 7 / 4 * 2**22 / (4e5 * 0.92)),
    ],
)
def test_middle_sizes(model, size, gpus, expected):
    assert 1e6 * fast(model).all_reduce(size, gpus) == pytest.approx(expected, rel=1e-5)


def test_a_tree_on_one_node(model):
    """7 / 9 of a tree's bandwidth in LL128: never faster than the ring, so asked for itself."""
    sys.path.insert(0, str(ROOT / 'tools/benchmarks'))
    from helpers import nccl_model

    sys.path.pop(0)
    group = nccl_model.Group(gpus=8, nodes=1, bandwidth=400e9)
    seconds = group._tree(nccl_model.PROTOCOLS['LL128'], 2**22)
    expected = 14 + 14 * 1.25 + 2 * 2**22 / (4e5 * 0.92 * 7 / 9 * 0.8)
    assert 1e6 * seconds == pytest.approx(expected)
    assert {len(one.correction) for one in nccl_model.PROTOCOLS.values()} == {23}


def test_a_ring_is_slower_from_a_size_on(model):
    """From 64 bytes per channel and GPU on; LL and LL128 have no share in it here."""
    sys.path.insert(0, str(ROOT / 'tools/benchmarks'))
    from helpers import nccl_model

    sys.path.pop(0)
    group = nccl_model.Group(gpus=16, nodes=2, bandwidth=math.inf)
    simple = nccl_model.PROTOCOLS['Simple']
    limit, hops = 64 * 16 * 16, 8.4 + 28 * 3.4 + 2 * 14
    for size, factor in ((limit - 1, 1.0), (limit, 1.4)):
        seconds = group._ring(simple, size, rounds=2, reduces=True)
        assert 1e6 * seconds == pytest.approx(factor * hops)


@pytest.mark.parametrize(
    ('gpus', 'expected'),
    [
        (8, 6.6 + 7 * 0.6),
        (64, 6.6 + 56 * 1.0 + 7 * 2.7),  # the network's overhead is above 0.6
        (512, 6.6 + 448 * 1.0 + 63 * 2.7),  # 624.7
    ],
)
def test_all_gather(model, gpus, expected):
    """A ring of n - 1 hops, never a tree; every GPU receives what the others have."""
    assert 1e6 * fast(model).all_gather(0, gpus) == pytest.approx(expected)
    much = 8.4 + (gpus - gpus / 8) * 3.4 + (gpus / 8 - 1) * 14 + (gpus - 1) * 1e9 / 4e5
    assert 1e6 * fast(model).all_gather(1e9, gpus) == pytest.approx(much)
    assert fast(model).all_gather(1e9, 1) == 0


def test_one_gpu_per_node(model):
    """The whole latency of the network, as in a tree."""
    cluster = replace(fast(model), per_node=1)
    assert 1e6 * cluster.all_gather(0, 4) == pytest.approx(6.6 + 3 * 5.0)


def test_the_slower_of_node_and_network_counts(model):
    cluster = replace(model.IDEAL, nvlink=80.0, network=5.0, attained=0.5)
    assert cluster.all_reduce(20, 8) == pytest.approx(2 * 7 / 8 * 20 / 40)
    assert cluster.all_reduce(20, 16) == pytest.approx(2 * 15 / 16 * 20 / 20)
    assert replace(cluster, network=100.0).all_reduce(20, 16) == pytest.approx(2 * 15 / 16 * 0.5)


@pytest.mark.parametrize(
    ('seconds', 'exposed'),
    [
        (0.0, 0.0),
        # Ready after 0.5, 1 and 2 s of a backward pass of 2 s.
        (0.4, 0.4),  # 0.9, 1.4, then from 2 on
        (0.8, 0.9),  # 1.3, 2.1, 2.9: the second ends late
        (3.0, 7.5),  # 3.5, 6.5, 9.5
    ],
)
def test_buckets_queue(model, seconds, exposed):
    cluster = per_byte(model, seconds / 60) if seconds else model.IDEAL
    step = model.model_step(make_work(model), 2, cluster, model.Settings(bucket=EACH))
    assert step.exposed == pytest.approx(exposed)
    assert step.reducing == pytest.approx(3 * seconds)
    assert step.time == pytest.approx(3 + exposed)
    assert step.overlap == pytest.approx(1 - exposed / (3 * seconds) if seconds else 1)


def test_without_overlap_all_is_added(model):
    work = model.without_overlap(make_work(model))
    step = model.model_step(work, 2, per_byte(model, 0.01), model.Settings(bucket=EACH))
    assert (step.exposed, step.reducing) == pytest.approx((1.8, 1.8))
    assert step.overlap == pytest.approx(0)


@pytest.mark.parametrize('gpus', [1, 8, 64, 512])
def test_limits(model, gpus):
    """Free communication costs nothing; one GPU does not communicate."""
    assert model.model_step(make_work(model), gpus, model.IDEAL, model.Settings()).time == 3
    norms = replace(make_work(model), synced_channels=(64, 64))
    assert model.model_step(norms, gpus, model.IDEAL, model.Settings()).time == 3
    assert model.model_step(norms, 1, model.Cluster(), model.Settings()).time == 3


def test_other_costs(model):
    work, plain = make_work(model, size=1000.0), model.Settings(bucket=EACH)

    def cost(settings=plain, **cluster):
        return model.model_step(work, 8, replace(model.IDEAL, **cluster), settings).time - 3

    # Three kernels, each at 0.1 s; 6000 bytes are read and written.
    assert cost(launch=0.1) == pytest.approx(0.3)
    assert cost(memory=1e4) == pytest.approx(0.6)
    assert cost(replace(plain, view=False), launch=0.1, memory=1e4) == pytest.approx(1.8)
    whole = replace(plain, bucket=1e9, batched=True)  # one bucket: a copy and a division
    assert cost(whole, launch=0.1) == pytest.approx(0.2)
    assert cost(replace(whole, compressed=True), launch=0.1) == pytest.approx(0.4)
    assert cost(jitter=0.01) == pytest.approx(0.03 * math.sqrt(2 * math.log(8)))
    hops, gather = 15e-6, 10.8e-6  # LL: 6.6 and 14 or 7 times 0.6 microseconds
    # Three times 0.15 s, of which the last is exposed; the others slow down by a half.
    assert cost(latency=1e4, slowdown=0.5) == pytest.approx(1e4 * hops * (1 + 0.5 * 2))
    work = replace(work, gradients=(), synced_channels=(64, 128, 256))
    assert cost(latency=1e4) == pytest.approx(3e4 * (hops + gather))


def test_compression_halves_bytes(model):
    work, cluster = model.without_overlap(make_work(model)), per_byte(model, 0.01)
    settings = model.Settings(bucket=EACH, compressed=True)
    assert model.model_step(work, 2, cluster, settings).reducing == pytest.approx(0.9)


def test_buckets(model):
    """As torch fills them: until the limit is reached; the first one is smaller by default."""
    mib = 2**20
    gradients = [model.Gradient(size * mib, 0.1 * i) for i, size in enumerate((0.5, 0.6, 20, 6, 1))]
    assert model.make_buckets(gradients) == [(1.1 * mib, 0.1), (26 * mib, 0.1 * 3), (mib, 0.4)]
    sizes = [bucket.size / mib for bucket in model.make_buckets(gradients, 5 * mib)]
    assert sizes == pytest.approx([21.1, 6, 1])
    assert len(model.make_buckets(gradients, math.inf)) == 1


@pytest.mark.slow
def test_measures_and_models(run_tool, tmp_path):
    """Settings of DDP change no gradient, compression by the rounding of its format."""
    out = tmp_path / 'out.json'
    command = ['tools/benchmarks/scaling.py', '--small', '--processes', 2, '--json', out]
    run = run_tool(*command, '--cluster', 'jitter=0', 'network=25e9')
    assert run.returncode == 0, run.stderr
    assert 'find_unused_parameters=True was specified' not in run.stderr
    for words in (
        ', of the small network\n',
        '| processes | step without exchange | all-reduce alone | GB/s | step | overlap |',
        '| static_graph | ', 'jitter=0', '| 32 | 512 | ', '| SyncBN | ', '| without overlap | ',
    ):  # fmt: skip
        assert words in run.stdout
    found = json.loads(out.read_text())['2']
    errors, doubled = found['errors'], found['doubled']
    assert 2**-11 < errors.pop('compression bf16') < 2**-7
    assert 2**-14 < errors.pop('compression fp16') < 2**-10
    assert {'mmengine', 'ours', 'static_graph', 'batched_grad_copy'} < set(errors)
    assert set(errors.values()) == {0}
    sizes, moments = zip(*found['profile'], strict=True)
    assert doubled.pop('mmengine') == sum(sizes)
    assert set(doubled.values()) == {0}
    assert list(moments) == sorted(moments)
    assert 0 < moments[0] < moments[-1] <= 1


def test_overlap_is_a_share(model, monkeypatch):
    """Noise can make a step longer or shorter than its parts allow."""
    monkeypatch.syspath_prepend(ROOT / 'tools/benchmarks')
    share = load_tool('tools/benchmarks/scaling.py').hidden_share
    alone, reduce = (Timing(value, value, value) for value in (10.0, 4.0))
    for whole, expected in ((9.0, 1), (10.0, 1), (13.0, 0.25), (14.0, 0), (15.0, 0)):
        assert share(alone, reduce, Timing(whole, whole, whole)) == expected
    step = model.Step(1.0, reducing=0.1, exposed=0.1 + 1e-12, copying=0, norms=0, waiting=0)
    assert f'{step.overlap:.0%}' == '0%'


def test_wrong_values_of_the_cluster(model, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools/benchmarks')
    read = load_tool('tools/benchmarks/scaling.py').read_cluster
    assert read(['jitter=0', 'network=25e9']) == model.Cluster(jitter=0.0, network=25e9)
    with pytest.raises(ValueError, match=r"--cluster='nvlnk' is not known; allowed: per_node, "):
        read(['nvlnk=1'])
    for text in ('jitter=x', 'jitter'):
        with pytest.raises(ValueError, match=r'--cluster jitter=x?; allowed: a number'):
            read([text])
