"""The benchmark of distributed training, and its model against cases computed by hand."""

import json
import math
import sys
from dataclasses import replace

import pytest

from ..conftest import ROOT, load_tool


@pytest.fixture(scope='module')
def model():
    """The module of the model, which the tool imports by its plain name."""
    sys.path.insert(0, str(ROOT / 'tools/benchmarks'))
    try:
        import scaling_model
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
        (8, 6.8 + 14 * 0.6, 8.4 + 14 * 3.4),
        (64, 6.8 + 14 * 0.6 + 6 * 5.0, 8.4 + 112 * 3.4 + 14 * 14),
        (512, 6.8 + 14 * 0.6 + 12 * 5.0, 8.4 + 896 * 3.4 + 126 * 14),
    ],
)
def test_all_reduce(model, gpus, small, large):
    """Small sizes by LL, large ones by a ring of Simple, at 400 bytes per microsecond."""
    cluster = model.Cluster(nvlink=400e6, network=50e6, attained=1.0)
    nothing, much = (1e6 * cluster.all_reduce(size, gpus) for size in (0, 40e9))
    assert nothing == pytest.approx(small)
    assert much == pytest.approx(large + 2 * (gpus - 1) / gpus * 100e6)
    assert replace(cluster, latency=3).all_reduce(0, gpus) == pytest.approx(3e-6 * small)
    assert cluster.all_reduce(400, 1) == 0


def test_middle_sizes_use_trees(model):
    """LL128 over 64 nodes: 0.92 of the bandwidth, and 0.9 of a ring's."""
    cluster = model.Cluster(nvlink=400e6, network=50e6, attained=1.0)
    expected = 14 + 14 * 1.25 + 12 * 8.5 + 2 * 4e4 / (400 * 0.92 * 0.9)
    assert 1e6 * cluster.all_reduce(4e4, 512) == pytest.approx(expected)


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
    hops = 15.2e-6  # LL: 6.8 and 14 times 0.6 microseconds
    # Three times 0.152 s, of which the last is exposed; the others slow down by a half.
    assert cost(latency=1e4, slowdown=0.5) == pytest.approx(1e4 * hops * (1 + 0.5 * 2))
    work = replace(work, gradients=(), synced_channels=(64, 128, 256))
    assert cost(latency=1e4) == pytest.approx(6e4 * hops)


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
    for words in (
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


def test_wrong_values_of_the_cluster(model, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / 'tools/benchmarks')
    read = load_tool('tools/benchmarks/scaling.py').read_cluster
    assert read(['jitter=0', 'network=25e9']) == model.Cluster(jitter=0.0, network=25e9)
    with pytest.raises(ValueError, match=r"--cluster='nvlnk' is not known; allowed: per_node, "):
        read(['nvlnk=1'])
    for text in ('jitter=x', 'jitter'):
        with pytest.raises(ValueError, match=r'--cluster jitter=x?; allowed: a number'):
            read([text])
