"""Run a Python script that ends with the process that started it, however that one ends.

python tools/benchmarks/gpu/bound.py PARENT SCRIPT [ARGUMENT ...]
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from senet_mm.utils.processes import end_with_parent

end_with_parent(int(sys.argv[1]))
# What the kernel was told outlasts exec.
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
