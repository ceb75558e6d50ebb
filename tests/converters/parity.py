"""Our classifiers with the blobs of the Caffe networks."""

import torch
from torch import Tensor

from senet_mm.converters.caffe_names import CAFFE_BACKBONES, caffe_names
from senet_mm.models import ImageClassifier

from .caffe_interpreter import Blobs, Layer

FIELDS = {
    'BatchNorm': ('running_mean', 'running_var'),
    'Convolution': ('weight', 'bias'),
    'InnerProduct': ('weight', 'bias'),
    'Scale': ('weight', 'bias'),
}


def build(net: str, layers: list[Layer]) -> ImageClassifier:
    """The classifier for a Caffe network, in eval mode."""
    [classifier] = [layer for layer in layers if layer.type == 'InnerProduct']
    num_classes, channels = classifier.blob_shapes[0]
    model = ImageClassifier(
        backbone=dict(CAFFE_BACKBONES[net]),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=num_classes, in_channels=channels),
    )
    return model.eval()


def state_dict(net: str, layers: list[Layer], blobs: Blobs) -> dict[str, Tensor]:
    """The blobs under our names, float64."""
    names = caffe_names(net)
    state = {}
    for layer in layers:
        values = [torch.as_tensor(blob, dtype=torch.float64) for blob in blobs.get(layer.name, [])]
        if layer.type == 'BatchNorm':
            *values, factor = values
            values = [value / factor for value in values]
        for value, field in zip(values, FIELDS.get(layer.type, ()), strict=False):
            state[f'{names[layer.name]}.{field}'] = value
    return state


def load(model: ImageClassifier, state: dict[str, Tensor]) -> None:
    """Make ``state`` the weights; only the batch counters, which Caffe has not, stay."""
    own = {name: value for name, value in model.state_dict().items() if name not in state}
    assert all(name.endswith('num_batches_tracked') for name in own), own.keys()
    model.load_state_dict(state | own, assign=True)
