"""Data in the place of the numpy and mmengine objects that a checkpoint names.

The names of a pickle are called with what the file gives. numpy's own would build types with
fields at any address of memory, and ``getattr`` leads from any function to ``eval``. The classes
here keep their arguments; :func:`to_plain` builds the real objects.
"""

import contextlib
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from torch import Tensor, nn

from .pickle_outline import RefusedError

CODE = re.compile(r'[biufcSU]\d{1,4}|\?')
# The methods of a HistoryBuffer that its pickle names.
STATISTICS = ('current', 'max', 'mean', 'min')
LEAVES = (
    *(bool, bytes, complex, float, int, str, type(None)),
    *(Tensor, nn.Parameter, torch.Size, torch.device, torch.dtype),
)


class Dtype:
    """Stands for ``numpy.dtype``: numbers and text of a fixed length."""

    def __init__(self, code: str, *_: object) -> None:
        if not CODE.fullmatch(code):
            raise RefusedError(f'it holds an array of type {code!r}')
        self.value = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.value = self.value.newbyteorder(state[1])


class Array:
    """Stands for ``numpy.ndarray``."""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, fortran, data = state
        flat = np.frombuffer(data, dtype.value)
        self.value = flat.reshape(shape, order='F' if fortran else 'C').copy('K')


class History:
    """Stands for mmengine's ``HistoryBuffer``."""

    def __setstate__(self, state: dict) -> None:
        self.state = state

    def build(self) -> HistoryBuffer:
        """The buffer, with mmengine's own statistics."""
        log, count = (self.state[key].value for key in ('_log_history', '_count_history'))
        rows = all(a.ndim == 1 and a.dtype.kind in 'biuf' for a in (log, count))
        if not rows or len(log) != len(count) or type(self.state['max_length']) is not int:
            raise RefusedError('it holds a history that is no row of numbers')
        return HistoryBuffer(log, count, self.state['max_length'])


def new_array(*_: object) -> Array:
    """Stands for numpy's ``_reconstruct``."""
    return Array()


def new_scalar(dtype: Dtype, data: bytes) -> np.generic:
    """Stands for numpy's ``scalar``."""
    [value] = np.frombuffer(data, dtype.value)
    return value


def no_bytes() -> bytes:
    """Stands for ``bytes``, which pickles for Python 2 name where there are none."""
    return b''


def get_statistic(owner: object, name: str) -> str:
    """Stands for ``getattr``: a method of a ``HistoryBuffer``, of which the name is kept."""
    if owner is not History or name not in STATISTICS:
        raise RefusedError(f'it takes the attribute {name!r}')
    return name


STAND_INS: list[Callable | tuple[Callable, str]] = [
    (no_bytes, 'builtins.bytes'),
    (get_statistic, 'builtins.getattr'),
    (History, 'mmengine.logging.history_buffer.HistoryBuffer'),
    (Array, 'numpy.ndarray'),
    (Dtype, 'numpy.dtype'),
    *((new_array, f'numpy.{core}.multiarray._reconstruct') for core in ('core', '_core')),
    *((new_scalar, f'numpy.{core}.multiarray.scalar') for core in ('core', '_core')),
]


@contextlib.contextmanager
def only_stand_ins() -> Iterator[None]:
    """Allow ``torch.load`` these names alone; what other packages marked as safe is put aside."""
    marked = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(STAND_INS)
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(marked)


def to_plain(value: object, most: int) -> object:
    """Replaces stand-ins in a value by real objects.

    Args:
        value: What ``torch.load`` gives.
        most: Bytes that a tensor may have. One that repeats its storage takes none in the file.

    Raises:
        RefusedError: There is something else than data in it, or a larger tensor.
    """
    kind = type(value)
    if isinstance(value, Tensor) and value.nbytes > most:
        raise RefusedError(f'it holds a tensor of {value.nbytes} bytes, the file has {most}')
    if kind in LEAVES or isinstance(value, np.generic):
        return value
    if isinstance(value, list | tuple | set) and kind in (list, tuple, set):
        return type(value)(to_plain(item, most) for item in value)
    if isinstance(value, dict) and kind in (dict, Counter, OrderedDict):
        plain = type(value)(
            {to_plain(key, most): to_plain(item, most) for key, item in dict.items(value)}
        )
        return _with_attributes(plain, value, most)
    if type(value) is Array:
        return value.value
    if type(value) is History:
        return value.build()
    raise RefusedError(f'it holds a value of type {kind.__name__}')


def _with_attributes(plain: dict, value: dict, most: int) -> dict:
    """Module versions are an attribute of a state dict; others could hide its methods."""
    attributes = vars(value) if type(value) is not dict else {}
    if other := attributes.keys() - {'_metadata'}:
        raise RefusedError(f'it sets the attribute {min(other)!r} of a dict')
    for name, item in attributes.items():
        setattr(plain, name, to_plain(item, most))
    return plain
