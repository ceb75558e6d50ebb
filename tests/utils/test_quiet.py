import subprocess
import sys


def test_upstream_says_nothing_while_data_sets_are_imported():
    """The tools that look at images import them before anything else."""
    command = [sys.executable, '-c', 'import senet_mm.datasets.images.decoding']
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, '', '')
