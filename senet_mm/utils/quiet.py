"""Hides messages of upstream imports about which a user can do nothing."""

import contextlib
import io
import warnings
from collections.abc import Iterator


def hide_advice() -> None:
    """Hide mmcv's warning, at its import, that ``MultiScaleDeformableAttention`` is missing.

    No SE network needs it, and any of our modules may be the one that imports mmcv first.
    """
    warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Hide the messages of mmpretrain during its import: it prints that OneDL is missing.

    Exceptions pass through.
    """
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter('ignore')
        yield
