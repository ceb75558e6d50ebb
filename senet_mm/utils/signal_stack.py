"""The alternate stack on which this thread handles signals."""

import contextlib
import ctypes
from collections.abc import Iterator


class _Stack(ctypes.Structure):
    """``stack_t`` of the C library; empty where there is no such stack."""

    _fields_ = (
        ('address', ctypes.c_void_p),
        ('flags', ctypes.c_int),
        ('size', ctypes.c_size_t),
    )


@contextlib.contextmanager
def same_signal_stack() -> Iterator[None]:
    """Put back the stack at the end.

    A network that OpenVINO compiles sets one, and its end sets the earlier one again, which may be
    that of a network that has ended before: the next signal would kill the process. Within this
    context each finds the same one.
    """
    sigaltstack = getattr(ctypes.CDLL(None), 'sigaltstack', None)
    if sigaltstack is None:
        yield
        return
    before = _Stack()
    sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        sigaltstack(ctypes.byref(before), None)
