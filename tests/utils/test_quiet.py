import subprocess
import sys

import pytest


@pytest.mark.parametrize('module', ['datasets.images.decoding', 'study.report.evaluation'])
def test_upstream_says_nothing_when_it_is_imported(module):
    """Whichever of our modules imports it first: a data set, or a head."""
    command = [sys.executable, '-c', f'import senet_mm.{module}']
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, '', '')
