"""Processes with different configs or versions are refused."""

import os

import pytest
import torch.distributed as dist
from mmengine.config import Config

from senet_mm.engine import agreement
from senet_mm.engine.agreement import check_agreement


def compare(tmp_path, monkeypatch, *configs):
    """Errors of processes with these configs, None for those that agree."""
    monkeypatch.setenv('WORLD_SIZE', str(len(configs)))
    pids = []
    for rank, config in enumerate(configs):
        pids.append(os.fork())
        if pids[-1]:
            continue
        try:
            store = f'file://{tmp_path}/store'
            dist.init_process_group('gloo', store, rank=rank, world_size=len(configs))
            version = config.pop('version', agreement.__version__)
            monkeypatch.setattr(agreement, '__version__', version)
            check_agreement(Config(config))
            dist.barrier()
        except ValueError as error:
            (tmp_path / f'{rank}').write_text(str(error))
        finally:
            os._exit(0)
    for pid in pids:
        os.waitpid(pid, 0)
    files = [tmp_path / str(rank) for rank in range(len(configs))]
    return [file.read_text() if file.exists() else None for file in files]


def shape():
    """Something of a config that is no data."""


CASES = [
    ({'a': {'lr': 0.1}}, {'a': {'lr': 0.2}}, 'a.lr is 0.1 in rank 0, 0.2 in rank 1'),
    ({'a': [dict(b=1)]}, {'a': [dict(b=1), dict(b=2)]}, 'a.1.b is nothing in rank 0, 2 in rank 1'),
    ({'a': ''}, {'a': {}}, "a is '' in rank 0, {} in rank 1"),
    ({'a': 1}, {'a': 1, 'version': '0'}, 'version of senet_mm is .* in rank 0, 0 in rank 1'),
]


@pytest.mark.parametrize(('first', 'second', 'difference'), CASES)
def test_differences(tmp_path, monkeypatch, first, second, difference):
    """Each process says which."""
    errors = compare(tmp_path, monkeypatch, dict(first), dict(second))
    message = f'the processes differ: {difference}; allowed: the same config'
    for error in errors:
        with pytest.raises(ValueError, match=message):
            raise ValueError(error)


def test_the_same_is_no_difference(tmp_path, monkeypatch):
    """Objects are compared by their names: their addresses differ."""
    configs = [{'a': [1, (2, None)], 'f': shape, 'b': True} for _ in range(2)]
    assert compare(tmp_path, monkeypatch, *configs) == [None, None]
