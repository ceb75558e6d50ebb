"""The weights of the Caffe networks as ours, and back."""

import json
import os
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from senet_mm.engine.weights.checkpoint import describe_misfit

from .caffe_names import CaffeNames, caffe_names, layer_type
from .caffemodel import CaffeLayer, CaffeModel, read_caffemodel
from .state_dicts import COUNTER

if TYPE_CHECKING:
    from .format import Format
    from .target import Target

# What the blobs of a layer are in our state dict. Those of a BatchNorm are stored times its last
# blob, the factor.
FIELDS = {
    'BatchNorm': ('running_mean', 'running_var'),
    'Convolution': ('weight', 'bias'),
    'InnerProduct': ('weight', 'bias'),
    'Scale': ('weight', 'bias'),
}
# Axes of the weight of a layer; ours has two or four.
AXES = {'Convolution': 4, 'InnerProduct': 2}


class LayerMap(NamedTuple):
    """A layer of the Caffe network and the names of our tensors that are its blobs, in order."""

    name: str
    type: str
    ours: list[str]


def layer_maps(target: 'Target', names: CaffeNames) -> list[LayerMap]:
    """All layers with weights of the Caffe network that is ``target``.

    Args:
        target: The network of ours.
        names: Whose names the layers have.

    Raises:
        ValueError: ``target`` is none of the Caffe networks: it has other blocks.
    """
    maps = []
    for name, prefix in caffe_names(target.model.backbone, names).items():
        kind = layer_type(name, names)
        ours = [f'{prefix}.{field}' for field in FIELDS[kind]]
        maps.append(LayerMap(name, kind, [key for key in ours if key in target.tensors]))
    placed = {key for layer in maps for key in layer.ours}
    spare = [key for key in target.tensors if key not in placed and not key.endswith(COUNTER)]
    spare += [layer.name for layer in maps if not layer.ours]
    if spare:
        raise ValueError(
            f'config {target.config} is no Caffe network: {spare[0]} has no counterpart; '
            'allowed: bottlenecks with norms and SELayers'
        )
    return maps


def read_blobs(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The blobs of a ``.caffemodel``: ``{'conv1/7x7_s2[0]': (64, 3, 7, 7), ...}``.

    See :func:`read_caffemodel` for errors.
    """
    layers = read_caffemodel(path).layers
    return {f'{layer.name}[{i}]': blob for layer in layers for i, blob in enumerate(layer.blobs)}


def from_caffe(
    blobs: dict[str, np.ndarray], form: 'Format', target: 'Target'
) -> tuple[dict[str, Tensor], list[str]]:
    """Our state dict with the blobs of a Caffe network; the weights are copied.

    Args:
        blobs: Weights (out, in, kernel, kernel) or (out, in), biases and norms (channels,).
        form: Their format.
        target: The network of ours.

    Returns:
        The state dict, and no names: every tensor is filled.

    Raises:
        ValueError: A blob is missing, has no place or another shape.
    """
    return fill(blobs, layer_maps(target, form.layers), target), []


def fill(blobs: dict[str, np.ndarray], maps: list[LayerMap], target: 'Target') -> dict[str, Tensor]:
    """Our state dict with the blobs of layers.

    Shapes are compared without their axes of length 1, of which legacy files have more.

    Args:
        blobs: Weights (out, in, kernel, kernel) or (out, in), biases and norms (channels,).
        maps: The layers.
        target: The network of ours.

    Raises:
        ValueError: A blob is missing, has no place or another shape.
    """
    wanted: dict[str, Tensor | np.generic] = {}
    for layer in maps:
        for i, key in enumerate(layer.ours):
            wanted[f'{layer.name}[{i}]'] = target.tensors[key].squeeze()
        if layer.type == 'BatchNorm':
            wanted[f'{layer.name}[2]'] = np.float32(1)
    given = {name: blob.squeeze() for name, blob in blobs.items()}
    if misfit := describe_misfit(given, wanted):
        raise ValueError(f'its blobs do not fit config {target.config}: {misfit}')

    weights = {}
    for layer in maps:
        for i, key in enumerate(layer.ours):
            blob = blobs[f'{layer.name}[{i}]'].reshape(target.tensors[key].shape)
            if layer.type == 'BatchNorm':
                blob = _divided(blob, blobs[f'{layer.name}[2]'].item())
            weights[key] = torch.tensor(blob)
    return {
        key: weights[key] if key in weights else torch.zeros_like(own, device='cpu')
        for key, own in target.tensors.items()
    }


def to_caffe(state: dict[str, Tensor], form: 'Format', target: 'Target') -> CaffeModel:
    """The Caffe network with the weights of our state dict, BatchNorm factors 1.

    It has the layers with weights alone; Caffe takes the others from the prototxt.

    Args:
        state: Our state dict: weights (out, in, kernel, kernel) or (out, in), others (channels,).
        form: Their format.
        target: The network of ours.

    Raises:
        ValueError: ``target`` is none of the Caffe networks.
    """
    layers = []
    for layer in layer_maps(target, form.layers):
        blobs = [state[name].numpy() for name in layer.ours]
        if axes := AXES.get(layer.type):
            shape = (*blobs[0].shape, 1, 1)[:axes]
            blobs[0] = blobs[0].reshape(shape)
        factor = [np.ones(1, np.float32)] if layer.type == 'BatchNorm' else []
        layers.append(CaffeLayer(layer.name, layer.type, blobs + factor))
    return CaffeModel(target.config, layers)


def _divided(statistics: np.ndarray, factor: float) -> np.ndarray:
    """As Caffe reads them: 0 for a factor of 0."""
    return statistics / np.float32(factor) if factor else np.zeros_like(statistics)


def sorted_to_caffe() -> Tensor:
    """Index in the Caffe networks of every class of ImageNet in sorted order, (1000,).

    Caffe's order is that of the ILSVRC development kit; all others sort by WordNet id. Source: the
    validation lists of hujie-frank/SENet and of soumith/imagenetloader.torch, image by image.
    """
    text = resources.files(__package__).joinpath('caffe_class_order.json').read_text()
    return torch.tensor(json.loads(text)['sorted_to_caffe'])


def reorder_classes(state: dict[str, Tensor], order: Tensor) -> dict[str, Tensor]:
    """The state dict with row ``order[i]`` of the classifier as row i; ``order`` is (classes,).

    Args:
        state: Ours; ``head.fc.weight`` is (classes, channels), ``head.fc.bias`` (classes,).
        order: Index of every class, (classes,).

    Raises:
        ValueError: The classes are not as many.
    """
    head = {name: state[name] for name in ('head.fc.weight', 'head.fc.bias')}
    for name, tensor in head.items():
        if len(tensor) != len(order):
            raise ValueError(
                f'{name} has {len(tensor)} classes, but the order of {len(order)} is known; '
                'allowed: --class-order source'
            )
    return {**state, **{name: tensor[order] for name, tensor in head.items()}}
