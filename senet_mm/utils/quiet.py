"""Silence for messages of upstream imports that a user can do nothing about."""

import contextlib
import io
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Swallow what mmcv and mmpretrain say while they are imported.

    mmcv warns that ``MultiScaleDeformableAttention`` is missing, mmpretrain prints that OneDL is;
    no SE network needs either. Exceptions pass through.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        yield
