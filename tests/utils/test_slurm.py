"""The environment of a process that Slurm has started; tests_slurm/ starts them."""

import os

import pytest

from senet_mm.utils.slurm import use_slurm

GIVEN = dict(
    SLURM_PROCID='5',
    SLURM_LOCALID='1',
    SLURM_JOB_ID='7',
    SLURM_STEP_ID='0',
    SLURM_STEP_NUM_TASKS='8',
    SLURM_STEP_NODELIST='node[1-2]',
    MASTER_ADDR='node1',
)
SET = ('RANK', 'LOCAL_RANK', 'WORLD_SIZE', 'MASTER_PORT')


@pytest.fixture
def port(monkeypatch):
    """Apply :func:`use_slurm`, and return the port."""

    def get(**env):
        for name in SET:
            monkeypatch.setenv(name, '')  # restored after the test
            monkeypatch.delenv(name)
        for name, value in {**GIVEN, **env}.items():
            monkeypatch.setenv(name, value)
        use_slurm()
        return int(os.environ['MASTER_PORT'])

    return get


def test_ranks(port):
    port()
    assert [os.environ[name] for name in SET[:3]] == ['5', '1', '8']
    assert os.environ['MASTER_ADDR'] == 'node1'


def test_two_jobs_on_a_node_have_two_ports(port):
    """So have two steps of a job; both processes of a step have one, and a user may choose it."""
    assert port() == port(SLURM_PROCID='0')
    assert len({port(), port(SLURM_JOB_ID='8'), port(SLURM_STEP_ID='1')}) == 3
    assert 1024 < port(SLURM_JOB_ID=str(2**31)) < 32768
    assert port(MASTER_PORT='1234') == 1234
    del os.environ['MASTER_PORT']


@pytest.mark.parametrize('name', ['SLURM_PROCID', 'SLURM_STEP_ID'])
def test_without_srun(port, monkeypatch, name):
    """In a batch script there is a rank, but no step."""
    port()
    monkeypatch.delenv(name)
    message = f"launcher='slurm': {name} is not set; allowed: start by srun, as tools/slurm_train"
    with pytest.raises(ValueError, match=message):
        use_slurm()
