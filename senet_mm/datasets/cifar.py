"""CIFAR-10 and CIFAR-100 with a clear word where there is no network."""

from pathlib import Path

from mmpretrain.datasets import CIFAR10 as _CIFAR10
from mmpretrain.datasets import CIFAR100 as _CIFAR100

from senet_mm.registry import DATASETS


class _ClearDownload(_CIFAR10):
    """What both data sets do where their files are missing."""

    def load_data_list(self) -> list[dict]:
        """One dict per image: ``img``, uint8 RGB (32, 32, 3), and ``gt_label``."""
        try:
            return super().load_data_list()
        except OSError as error:  # no network, or a folder that is read-only
            if Path(error.filename or '').is_file():
                raise  # it is there and cannot be read
            root, reason = self.data_prefix['root'], getattr(error, 'reason', error.strerror)
            raise FileNotFoundError(
                f'{type(self).__name__} is not in {root} and cannot be downloaded '
                f'({reason or error}); unpack {self.url} there'
            ) from error


@DATASETS.register_module()
class CIFAR10(_ClearDownload, _CIFAR10):
    """mmpretrain's CIFAR-10, which downloads itself into ``data_root``.

    Raises:
        FileNotFoundError: The data are not there and cannot be downloaded.
    """


@DATASETS.register_module()
class CIFAR100(_ClearDownload, _CIFAR100):
    """mmpretrain's CIFAR-100 with its fine labels, which downloads itself into ``data_root``.

    Raises:
        FileNotFoundError: The data are not there and cannot be downloaded.
    """
