"""Hides messages of upstream imports about which a user can do nothing."""

import contextlib
import io
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Hide the messages of mmcv and mmpretrain during their import.

    mmcv warns that ``MultiScaleDeformableAttention`` is missing, mmpretrain prints that OneDL is;
    no SE network needs either. Exceptions pass through.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        yield
