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
        optional: Lack of time for its rows is no failure.
        brings: File that it writes beside its results, and its place in the repository.
    """

    name: str
    title: str
    seconds: int
    script: str
    rows: tuple[str, ...] = ()
    optional: bool = False
    brings: tuple[str, str] | None = None


STEPS = 'steps.py'
INFERENCE = ('mmpretrain', 'timm', 'ours', 'fold', 'compile', 'timm compiled')
EXTRA = ('TensorRT', 'compile, late squeeze', 'compile, plain network')


def in_batches(names: tuple[str, ...]) -> tuple[str, ...]:
    """Rows of inference."""
    return tuple(f'{name}, batch {batch}' for batch in (256, 1) for name in names)


PLAN = (
    Stage('machine', 'Machine', 25, 'machine.py'),
    Stage(
        'kernels', 'Kernels', 115, 'kernels.py',
        brings=('tiles.json', 'senet_mm/ops/tiles.json'),
    ),
    Stage(
        'steps', 'Training steps', 85, STEPS,
        ('timm', 'reference', 'fused', 'lean', 'plain reference', 'plain fused', 'mmpretrain',
         'timm again'),
    ),
    Stage(
        'compiled', 'Training steps, compiled', 105, STEPS,
        ('algebra compiled', 'timm compiled', 'plain compiled', 'mmpretrain compiled'),
    ),
    Stage('digits', 'One epoch of the digits', 45, 'digits.py'),
    Stage('augmentation', 'Augmentation on the device', 12, 'augmentation.py'),
    Stage('inference', 'Inference', 50, 'inference.py', in_batches(INFERENCE)),
    Stage('more', 'Inference, more rows', 15, 'inference.py', in_batches(EXTRA), optional=True),
)  # fmt: skip
