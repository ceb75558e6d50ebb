"""CIFAR-10 with a clear word where there is no network."""

from urllib.error import URLError

from mmpretrain.datasets import CIFAR10 as _CIFAR10

from senet_mm.registry import DATASETS


@DATASETS.register_module()
class CIFAR10(_CIFAR10):
    """mmpretrain's CIFAR-10, which downloads itself into ``data_root``.

    Raises:
        FileNotFoundError: The data are not there and cannot be downloaded.
    """

    def load_data_list(self) -> list[dict]:
        """One dict per image: ``img``, uint8 RGB (32, 32, 3), and ``gt_label``."""
        try:
            return super().load_data_list()
        except URLError as error:
            root = self.data_prefix['root']
            raise FileNotFoundError(
                f'{type(self).__name__} is not in {root} and cannot be downloaded '
                f'({error.reason}); unpack {self.url} there'
            ) from error
