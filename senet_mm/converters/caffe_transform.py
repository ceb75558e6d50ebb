"""How images are prepared for a Caffe network: what ``transform_param`` of a prototxt says."""

from typing import NamedTuple

from senet_mm.engine.weights.preprocessing import LARGEST
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import shorten

from .caffe_phases import list_layers
from .prototxt import Fields
from .text_format import Message


class Transform(NamedTuple):
    """What is done to the images at test time.

    Attributes:
        mean: A number per channel, or None where the prototxt has none.
        scale: What the images are multiplied by after that; None as above.
        mean_file: The file of a mean, which is not read; empty without one.
        crop_size: Side of the crop; None as above.
    """

    mean: list[float] | None = None
    scale: float | None = None
    mean_file: str = ''
    crop_size: int | None = None

    @property
    def is_given(self) -> bool:
        """Whether the prototxt says how the images are normalised."""
        return self.mean is not None or self.scale is not None

    def normalise(self, mean: list[float]) -> dict[str, list[float]]:
        """Mean and standard deviation per channel; empty where the prototxt says nothing.

        Args:
            mean: The mean where the prototxt has a scale alone.
        """
        mean = self.mean or mean
        return dict(mean=mean, std=[1 / (self.scale or 1)] * len(mean)) if self.is_given else {}


def read_transform(net: Message, channels: int) -> Transform:
    """What the layer that reads images says; empty where no layer has a ``transform_param``.

    Args:
        net: The definition.
        channels: Channels of the images.

    Raises:
        InputError: A number makes no sense.
    """
    for layer in list_layers(net):
        for message in layer.message.messages('transform_param'):
            try:
                return _read(message, channels)
            except InputError as error:
                raise InputError(
                    f'layer {shorten(layer.name)}: transform_param: {error}'
                ) from error
    return Transform()


def _read(message: Message, channels: int) -> Transform:
    fields = Fields(message)
    mean = fields.numbers('mean_value')
    if len(mean) not in (0, 1, channels):
        raise InputError(
            f'mean_value is given {len(mean)} times; allowed: once, or per channel ({channels})'
        )
    if any(abs(value) > LARGEST for value in mean):
        raise InputError(f'mean_value: {mean}; allowed: numbers up to {LARGEST:g}')
    scale = fields.number('scale', 1) if 'scale' in message else None
    if scale is not None and not 1 / LARGEST <= scale <= LARGEST:
        raise InputError(f'scale: {scale}; allowed: numbers from {1 / LARGEST:g} to {LARGEST:g}')
    mean = mean * channels if len(mean) == 1 else mean
    crop_size = fields.integer('crop_size', None, 1) if 'crop_size' in message else None
    return Transform(mean or None, scale, message.text('mean_file'), crop_size)
