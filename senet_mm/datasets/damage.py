"""The one error for an image that cannot be used."""

from collections.abc import Iterator
from contextlib import contextmanager

from senet_mm.utils.errors import InputError
from senet_mm.utils.names import printable


class DamagedImageError(InputError):
    """An image that is missing, cannot be decoded or is not whole: ``PATH: REASON``."""


@contextmanager
def reported_damage(results: dict) -> Iterator[None]:
    """Make a decoder's ValueError, the reason, a DamagedImageError with ``img_path``."""
    try:
        yield
    except ValueError as error:
        path = printable(results.get('img_path', 'an image'))
        raise DamagedImageError(f'{path}: {error}') from error
