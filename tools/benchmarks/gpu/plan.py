"""What is run on a GPU, most important first: a plan as data."""

from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent


class Stage(NamedTuple):
    """A script of this folder, run in a process of its own.

    Attributes:
        name: Name of the stage.
        title: What it measures, in words.
        seconds: Time that it may take on one H100; what it leaves, the next stages may take.
        script: The script, ``SCRIPT --out FILE.json [--small]``.
        rows: Rows to measure, in this order; all by default.
        brings: File that it writes beside its results, and its place in the repository.
    """

    name: str
    title: str
    seconds: int
    script: str
    rows: tuple[str, ...] = ()
    brings: tuple[str, str] | None = None


STEPS = 'steps.py'
PLAN = (
    Stage('machine', 'Machine', 45, 'machine.py'),
    Stage(
        'kernels', 'Kernels', 110, 'kernels.py',
        brings=('tiles.json', 'senet_mm/ops/tiles.json'),
    ),
    Stage(
        'steps', 'Training steps', 90, STEPS,
        ('timm', 'reference', 'fused', 'lean', 'plain reference', 'plain fused', 'mmpretrain',
         'timm again'),
    ),
    Stage(
        'compiled', 'Training steps, compiled', 115, STEPS,
        ('algebra compiled', 'timm compiled', 'plain compiled', 'mmpretrain compiled'),
    ),
    Stage('digits', 'One epoch of the digits', 45, 'digits.py'),
    Stage('augmentation', 'Augmentation on the device', 14, 'augmentation.py'),
    Stage('inference', 'Inference', 60, 'inference.py'),
)  # fmt: skip
