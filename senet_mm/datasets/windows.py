"""Pipelines that crop an image right after it is loaded decode the crop alone.

It needs the extra ``windows``; the pixels are the same without, see :mod:`.images.turbojpeg`.
"""

from itertools import pairwise
from typing import Any

from torch.utils.data import Dataset

from .images.turbojpeg import can_decode_windows
from .seeding import find_owners
from .transforms import AntialiasedResizedCrop, LoadImage


def wait_for_crops(dataset: Dataset) -> None:
    """Let ``LoadImage`` leave JPEGs to a crop that follows it, in the pipelines of a data set."""
    if not can_decode_windows():
        return
    owners: list[Any] = find_owners(dataset, 'pipeline')
    for owner in owners:
        for load, crop in pairwise(getattr(owner.pipeline, 'transforms', [])):
            # Classes derived from these may look at the pixels in between.
            if type(load) is LoadImage and type(crop) is AntialiasedResizedCrop:
                load.waits = True
