"""Networks of OpenVINO leave the process able to take signals."""

import subprocess
import sys

import pytest

# Two networks that end in the order in which they began, then a signal.
CODE = """
import os, signal
import numpy as np
from openvino import Model, opset13 as ops
from senet_mm.deploy.runtimes import start_openvino

def build():
    images = ops.parameter([-1, 3, 8, 8], np.float32)
    kernel = ops.constant(np.ones((4, 3, 3, 3), np.float32))
    found = ops.convolution(images, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
    return Model([found], [images], 'network')

first, second = start_openvino(build()), start_openvino(build())
del first
del second
signal.signal(signal.SIGUSR1, lambda *args: print('alive'))
os.kill(os.getpid(), signal.SIGUSR1)
"""


@pytest.mark.slow
def test_signal_after_two_networks():
    run = subprocess.run([sys.executable, '-c', CODE], capture_output=True, text=True)
    assert run.stdout == 'alive\n', (run.returncode, run.stderr)
