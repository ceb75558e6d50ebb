import pytest

from tests.conftest import run_tool  # noqa: F401

from .controller import running, why_not


@pytest.fixture(autouse=True, scope='session')
def _slurm(tmp_path_factory):
    if reason := why_not():
        pytest.skip(reason)
    with running(tmp_path_factory.mktemp('slurm')):
        yield
