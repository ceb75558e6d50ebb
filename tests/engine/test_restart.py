"""Which start of a run is a restart by its launcher."""

import pytest

from senet_mm.engine.restart import note_saved, resumes_by_itself

JOB = dict(SLURM_JOB_ID='7', SLURM_STEP_ID='0')
PLAIN = dict(TORCHELASTIC_RUN_ID='a', TORCHELASTIC_RESTART_COUNT='0', GROUP_WORLD_SIZE='1')
OURS = {**PLAIN, 'SENET_MM_LAUNCH': 'b'}
SEVERAL = {**PLAIN, 'GROUP_WORLD_SIZE': '2'}
RESTARTED = dict(TORCHELASTIC_RESTART_COUNT='1')
AGAIN = dict(SLURM_RESTART_COUNT='1')
# First start, second start, whether that resumes by itself.
STARTS = [
    ({}, {}, False),
    (OURS, OURS, True),
    (OURS, {**OURS, 'SENET_MM_LAUNCH': 'c'}, False),
    (PLAIN, PLAIN, False),  # another launch with the same --rdzv-id
    (PLAIN, {**PLAIN, **RESTARTED}, True),
    (PLAIN, {**PLAIN, **RESTARTED, 'TORCHELASTIC_RUN_ID': 'b'}, False),
    (SEVERAL, {**SEVERAL, **RESTARTED}, False),  # of the machines only one counts a restart
    (JOB, JOB, False),  # a shell in a job, which has a step
    (JOB, {**JOB, **AGAIN}, True),
    ({**JOB, **AGAIN}, {**JOB, **AGAIN}, True),
    (JOB, {**JOB, **AGAIN, 'SLURM_JOB_ID': '8'}, False),
    (JOB, {**JOB, **AGAIN, 'SLURM_STEP_ID': '1'}, False),  # a test after the training
]


@pytest.mark.parametrize(('first', 'second', 'resumes'), STARTS)
def test_restarts(tmp_path, monkeypatch, first, second, resumes):
    for name in (*JOB, *AGAIN, *OURS):
        monkeypatch.delenv(name, raising=False)
    with monkeypatch.context() as start:
        for name, value in first.items():
            start.setenv(name, value)
        assert not resumes_by_itself(dict(work_dir=tmp_path))
        note_saved(tmp_path)
    for name, value in second.items():
        monkeypatch.setenv(name, value)
    assert resumes_by_itself(dict(work_dir=tmp_path)) is resumes
