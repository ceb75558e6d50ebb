import pytest
import torch

from senet_mm.apis import list_models
from senet_mm.config.names import get_config
from senet_mm.engine import Runner
from senet_mm.engine.speed import use_threads


@pytest.fixture
def threads(monkeypatch):
    """Three threads, none asked for by the environment."""
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(('count', 'used'), [(None, 3), (1, 1), (2, 2)])
def test_use_threads(threads, count, used):
    use_threads(count)
    assert torch.get_num_threads() == used


def test_the_environment_goes_first(threads, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    use_threads(1)
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize('count', [0, -1, 1.5, '2', True])
def test_a_count_of_threads_is_a_positive_whole_number(threads, count):
    with pytest.raises(ValueError, match=rf'env_cfg.num_threads={count!r}; allowed: whole numbers'):
        use_threads(count)


@pytest.mark.parametrize('name', list_models('*digits'))
def test_digits_are_trained_with_one_thread(threads, tmp_path, name):
    cfg = get_config(name)
    cfg.work_dir = str(tmp_path)
    Runner.from_cfg(cfg)
    assert torch.get_num_threads() == 1
