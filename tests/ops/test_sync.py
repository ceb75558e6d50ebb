"""SyncBN over two ranks with batches of 1 and 3."""

import sys
from concurrent.futures import ThreadPoolExecutor

from ..conftest import ROOT


def test_two_uneven_ranks_equal_the_whole_batch(run_tool, tmp_path):
    """Outputs, gradients, running statistics, with the fused tail and with the algebra."""

    def rank(number):
        command = [sys.executable, '-m', 'tests.ops.sync_ranks', number, tmp_path / 'store']
        return run_tool(*command, PYTHONPATH=str(ROOT))

    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(rank, range(2)))
    for run in runs:
        assert run.returncode == 0, run.stderr
        rows = [line.split() for line in run.stdout.splitlines()]
        assert [name for name, _ in rows] == ['fused', 'algebra']
        assert all(float(error) < 1e-14 for _, error in rows), rows
