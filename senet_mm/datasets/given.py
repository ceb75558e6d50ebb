"""Images that somebody wants to have classified, in the order in which they were given."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mmcv.transforms import Compose
from mmengine.dataset import default_collate
from torch.utils.data import Dataset

from senet_mm.registry import TRANSFORMS
from senet_mm.utils.errors import describe
from senet_mm.utils.names import printable

from .images.given import to_array
from .transforms import LoadImage
from .transforms.check_decoded import describe_size


class GivenBatch(NamedTuple):
    """A batch of images of which some cannot be used.

    Attributes:
        batch: A :class:`.SampleBatch` of those that can; None for none.
        errors: For each given image None, or what is wrong with it.
    """

    batch: dict | None
    errors: list[str | None]


class GivenImages(Dataset):
    """Paths, arrays, tensors and images of Pillow, prepared by the pipeline of a test.

    Args:
        images: The images; see :func:`.to_array`.
        pipeline: Steps of the pipeline, of which the first loads images. If it does not, as those
            for data sets of arrays, a ``LoadImage`` comes first.
        channels: Channels of the images that the network takes.
        size: Height and width that an image must have where the pipeline does not resize.
    """

    def __init__(
        self,
        images: Sequence,
        pipeline: Sequence[Mapping],
        channels: int,
        size: Sequence[int] | None = None,
    ) -> None:
        self.images = images
        self.size = size
        first, *steps = with_loading(pipeline, channels)
        self.load = self.convert = TRANSFORMS.build(first)
        self.is_own = isinstance(self.load, LoadImage)
        if not self.is_own:  # mmcv's, which takes files alone
            self.convert = LoadImage(first.get('color_type', 'color'))
        self.prepare = Compose([TRANSFORMS.build(step) for step in steps])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> dict | str:
        """The sample of an image, or what is wrong with the image."""
        image = self.images[index]
        is_path = isinstance(image, str | os.PathLike)
        try:
            if is_path:
                results = self.load(dict(img_path=os.fspath(image)))
            else:
                results = self.convert(dict(img=to_array(image, self.convert.bits)))
        except ValueError as error:  # of a damaged image, too
            path = f'{printable(image)}: ' if is_path else ''
            return str(error).removeprefix(path)
        except Exception as error:
            if self.is_own:
                raise
            return f'cannot be loaded ({describe(error)})'
        return describe_size(results['img'].shape, self.size) or self.prepare(results)


def with_loading(pipeline: Sequence[Mapping], channels: int) -> list[dict]:
    """Steps of which the first loads images, as a pipeline for a data set of arrays has none.

    Args:
        pipeline: The steps.
        channels: Channels of the images that the network takes.
    """
    steps = [dict(step) for step in pipeline]
    if steps and str(steps[0].get('type')).rpartition('.')[2].startswith('LoadImage'):
        return steps
    color_type = {1: 'grayscale', 3: 'color'}.get(channels, 'unchanged')
    # Arrays of data sets are RGB.
    return [dict(type='LoadImage', color_type=color_type, to_rgb=True), *steps]


def collate_given(samples: Sequence[dict | str]) -> GivenBatch:
    """A batch of what :class:`GivenImages` gives."""
    good = [sample for sample in samples if not isinstance(sample, str)]
    errors = [sample if isinstance(sample, str) else None for sample in samples]
    return GivenBatch(default_collate(good) if good else None, errors)
