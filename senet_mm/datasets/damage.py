"""The one error for an image that cannot be used."""

from senet_mm.utils.errors import InputError


class DamagedImageError(InputError):
    """An image that is missing, cannot be decoded or is not whole: ``PATH: REASON``."""
