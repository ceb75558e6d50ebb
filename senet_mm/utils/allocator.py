"""How the C library keeps memory that is freed."""

import ctypes
import os
import sys
from functools import cache, partial

# Parameters of glibc's mallopt, and what they are in the environment.
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
# Settings of the user; GLIBC_TUNABLES is a list of name=value, separated by colons.
VARIABLES = ('MALLOC_MMAP_THRESHOLD_', 'MALLOC_MMAP_MAX_', 'MALLOC_TRIM_THRESHOLD_')
TUNABLES = (
    'glibc.malloc.mmap_threshold', 'glibc.malloc.mmap_max', 'glibc.malloc.trim_threshold',
)  # fmt: skip


def given_settings() -> list[str]:
    """Settings of freed memory in the environment, which have priority."""
    tunables = os.environ.get('GLIBC_TUNABLES', '').split(':')
    names = {tunable.partition('=')[0] for tunable in tunables}
    return [name for name in VARIABLES if name in os.environ] + [
        f'GLIBC_TUNABLES={name}' for name in TUNABLES if name in names
    ]


@cache
def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees, and reuse it, until it ends.

    glibc returns each freed block of more than 32 MiB to the kernel, which fills the next one with
    zeros, page by page. The maps of a batch on a CPU are that large: SE-ResNet-50 in float32 on 16
    images spent 40 % of its time there. Processes that are forked inherit the setting. Settings in
    the environment have priority.

    Returns:
        Whether it is set; False where the C library is another one.
    """
    if given_settings() or sys.platform != 'linux':
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, 'mallopt'):
        return False
    # No block is a mapping of its own, and the end of the heap is never given back.
    if not (library.mallopt(M_MMAP_MAX, 0) and library.mallopt(M_TRIM_THRESHOLD, -1)):
        return False
    # A worker would hold a copy of what its parent keeps, once the parent writes there.
    os.register_at_fork(before=partial(library.malloc_trim, 0))
    return True
