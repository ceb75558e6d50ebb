"""The one error for an image that cannot be used."""

from senet_mm.utils.errors import InputError


class DamagedImageError(InputError):
    """An image that is missing, cannot be decoded or is not whole.

    Args:
        message: ``PATH: REASON`` on one line.
    """

    def __init__(self, message: str) -> None:
        # A data loader raises a worker's error anew with the worker's traceback as its message.
        super().__init__(message.rpartition('DamagedImageError: ')[2].strip())
