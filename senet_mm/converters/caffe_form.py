"""Weights of a Caffe network of any names: a prototxt says which layer is which of ours.

The network of the prototxt and ours must be the same operations on the same maps; only names
differ. So pooling, strides, padding and eps are compared, too, which names and shapes do not tell.
"""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from senet_mm.config.channels import COLOURS
from senet_mm.engine.weights.preprocessing import (
    NORMALISATION,
    count_channels,
    describe_preprocessing,
)
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import shorten

from .caffe import FIELDS, LayerMap, fill, read_blobs
from .caffe_graph import read_graph
from .caffe_phases import find_training_layers
from .caffe_transform import Transform, read_transform
from .format import Format
from .formats import CAFFE
from .network_graph import Graph, match_graphs
from .prototxt import read_prototxt
from .recognition import find_by_marks
from .se_modules import find_se
from .state_dicts import COUNTER
from .torch_graph import read_model

if TYPE_CHECKING:
    from .target import Target

# Operations with weights, by the layer that Caffe has for them.
TYPES = {'affine': 'Scale', 'convolution': 'Convolution', 'norm': 'BatchNorm'}


class ByForm(NamedTuple):
    """What was read: our state dict, whose network it is, and its modules of SE, a line each."""

    state: dict[str, Tensor]
    form: Format
    modules: list[str]


def read_by_form(src: str | os.PathLike, target: 'Target', prototxt: str | os.PathLike) -> ByForm:
    """Our state dict of a ``.caffemodel`` by the form of its layers.

    Args:
        src: The ``.caffemodel``.
        target: The network of ours.
        prototxt: The definition of the network.

    Raises:
        FileNotFoundError: A file does not exist.
        InputError: A file is damaged, a layer has no counterpart, or the blobs do not fit.
    """
    net = read_prototxt(prototxt)
    try:
        theirs = read_graph(net)
        ours = _read_ours(theirs, target)
        pairs = match_graphs(theirs, ours)
        maps = _layer_maps(theirs, ours, pairs, target)
        transform = read_transform(net, count_channels(target.cfg))
        in_training = find_training_layers(net)
    except InputError as error:
        raise InputError(f'prototxt {prototxt} for config {target.config}: {error}') from error
    blobs = read_blobs(src)
    left_out = {name: name.rpartition('[')[0] for name in blobs}
    left_out = {name: layer for name, layer in left_out.items() if layer in in_training}
    blobs = {name: blob for name, blob in blobs.items() if name not in left_out}
    try:
        state = fill(blobs, maps, target)
    except ValueError as error:
        raise InputError(f'{src}: {error}') from error
    known = find_by_marks(CAFFE.kind, blobs)
    form = _with_images(known, transform, target)
    notes = [
        *_note_training(left_out.values()),
        *_note_transform(known, transform),
        *_note_crop(form.images, transform),
    ]
    return ByForm(state, form, [*_describe_modules(theirs, ours, pairs), *notes])


def _read_ours(theirs: Graph, target: 'Target') -> Graph:
    """The graph of the target for the image of a prototxt."""
    shape = theirs.nodes[0].shape
    channels = count_channels(target.cfg)
    if shape[0] != channels:
        raise InputError(f'it is for images of {shape[0]} channels, the network for {channels}')
    try:
        return read_model(target.model, shape)
    except RuntimeError as error:
        reason = str(error).partition('\n')[0]
        raise InputError(f'the network takes no image of {shape}: {reason}') from error


def _layer_maps(
    theirs: Graph, ours: Graph, pairs: dict[int, int], target: 'Target'
) -> list[LayerMap]:
    """The layers with weights in their order; each tensor of ours belongs to one."""
    maps = [
        LayerMap(node.name, TYPES[node.op], list(ours.nodes[pairs[i]].tensors))
        for i, node in enumerate(theirs.nodes)
        if node.op in TYPES
    ]
    placed = [key for layer in maps for key in layer.ours]
    wanted = [key for key in target.tensors if not key.endswith(COUNTER)]
    if sorted(placed) != sorted(wanted):
        odd = min(key for key in {*placed, *wanted} if placed.count(key) != wanted.count(key))
        raise InputError(f'{odd} of the network has {placed.count(odd)} layers; allowed: one')
    assert all(len(layer.ours) <= len(FIELDS[layer.type]) for layer in maps)
    return maps


def _describe_modules(theirs: Graph, ours: Graph, pairs: dict[int, int]) -> list[str]:
    """How many modules of SE the network has, and a line for each of them."""
    modules = list(find_se(theirs))
    lines = []
    for module in modules:
        [path, *_] = ours.nodes[pairs[module.fc1]].tensors
        place = path.removesuffix('.weight').rpartition('.')[0]
        lines.append(module.describe(theirs.nodes, place))
    return [f'modules of SE in the prototxt: {len(modules)}', *lines]


def _with_images(known: Format | None, transform: Transform, target: 'Target') -> Format:
    """The format with the images that a prototxt states; Caffe's colours are BGR.

    Args:
        known: The format whose names the layers have. None for others: their images are as the
            config has them, with the mean of the released networks.
        transform: What the prototxt states, which comes first.
        target: The network of ours.
    """
    form = known or CAFFE._replace(class_order=None, images=_images_of_config(target))
    channels = count_channels(target.cfg)
    stated = transform.normalise(form.images['mean'] if channels == COLOURS else [0] * channels)
    return form._replace(find_images=lambda source, digest: stated)


def _images_of_config(target: 'Target') -> dict[str, Any]:
    """How a config prepares images, colours as Caffe does."""
    images = describe_preprocessing(target.cfg)
    if count_channels(target.cfg) != COLOURS:
        return images
    return images | {name: CAFFE.images[name] for name in NORMALISATION}


def _note_training(layers: Iterable[str]) -> list[str]:
    """A line for layers with weights that the prototxt has for training alone."""
    names = list(dict.fromkeys(layers))
    return [f'layers for training alone, left out: {", ".join(names)}'] if names else []


def _note_transform(known: Format | None, transform: Transform) -> list[str]:
    """A line for numbers that are not those of the known names, and for a mean in another file."""
    lines = []
    if known and transform.is_given:
        lines.append(f'mean_value and scale are those of the prototxt, not of {known.title}')
    if name := transform.mean_file:
        lines.append(
            f'mean_file {shorten(name)} of the prototxt is not read: --preprocessing mean=...'
        )
    return lines


def _note_crop(images: dict[str, Any], transform: Transform) -> list[str]:
    """A line for a crop that is not the one of the format or the config."""
    side, own = transform.crop_size, images.get('crop') or images.get('input_size', [None])[-1]
    if side is None or own in (None, side, [side, side]):
        return []
    return [f'crop_size {side} of the prototxt is not taken but {own}: --preprocessing crop=...']
