"""No call of a deployed network depends on the calls before it: their shapes, threads, results."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
from torch._dynamo.utils import counters

from senet_mm.deploy import fold, pack
from senet_mm.deploy.export import convert_to_openvino, write_onnx
from senet_mm.deploy.runtimes import (
    compile_frozen,
    per_threads,
    start_onnx,
    start_openvino,
    start_session,
)

from .test_deploy import digits as digits
from .test_deploy import threads_kept as threads_kept

# (images, threads): each is the first one of some process.
CALLS = [(1, 1), (5, 1), (5, 2), (2, 2), (1, 1)]


@pytest.fixture(scope='module')
def onnx_file(digits, tmp_path_factory):
    path = tmp_path_factory.mktemp('onnx') / 'a.onnx'
    return write_onnx(digits, torch.randn(2, 1, 8, 8), path)


@pytest.fixture
def start(request, digits, onnx_file):
    """A function that starts the digits' network in a library."""
    if request.param == 'fold':
        return lambda: torch.no_grad()(pack(fold(digits)))
    if request.param == 'onnx':
        return partial(start_onnx, onnx_file)
    network = convert_to_openvino(digits, torch.randn(2, 1, 8, 8))
    return lambda: start_openvino(network)[0]


@pytest.mark.parametrize('start', ['fold', 'onnx', 'openvino'], indirect=True)
def test_results_are_those_of_a_first_call(start, threads_kept):
    """Equal to the bit: with other kernels, or other layouts of the weights, they would round."""
    images = torch.randn(5, 1, 8, 8)
    used, pairs = start(), []
    for size, threads in CALLS:
        torch.set_num_threads(threads)
        pairs.append((used(images[:size]), start()(images[:size])))
    # Compared at the end: a later call must not write into an earlier result.
    for after, first in pairs:
        assert torch.equal(after, first)


@pytest.mark.parametrize('start', ['fold', 'onnx', 'openvino'], indirect=True)
def test_threads_get_their_own_results(start, threads_kept):
    """Also of other batch sizes at the same time."""
    torch.set_num_threads(1)
    run = start()
    images = torch.randn(20, 1, 8, 8)
    batches = [images[i : i + size] for i in range(12) for size in (1, 8)] * 6
    expected = [run(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(run, batches))
    for own, right in zip(found, expected, strict=True):
        assert torch.equal(own, right)


def test_libraries_have_the_threads_of_the_call(onnx_file, threads_kept):
    torch.set_num_threads(1)
    get_session = start_session(onnx_file)
    for threads in (2, 1, 2):
        torch.set_num_threads(threads)
        assert get_session().get_session_options().intra_op_num_threads == threads


def test_started_once_for_each_number_of_threads(threads_kept):
    started = []
    torch.set_num_threads(1)
    get = per_threads(lambda: started.append(torch.get_num_threads()) or len(started))
    assert started == [1]
    for threads, expected in ((2, 2), (1, 1), (2, 2)):
        torch.set_num_threads(threads)
        assert get() == expected
    assert started == [1, 2]


@pytest.mark.slow
def test_compiled_for_each_number_of_threads(threads_kept):
    """And each network for itself, though they share their code."""
    convs = [torch.nn.Conv2d(3, 4, 3).requires_grad_(False) for _ in range(2)]
    x = torch.randn(2, 3, 8, 8)
    runs = [compile_frozen(conv, 'cpu') for conv in convs]
    before = counters['frames']['ok']
    for run, conv in zip(runs, convs, strict=True):
        torch.testing.assert_close(run(x), conv(x))
    for threads in (2, 1, 2):
        torch.set_num_threads(threads)
        runs[0](x)
    assert counters['frames']['ok'] == before + 3
