"""Weights of a Caffe network of any names: a prototxt says which layer is which of ours.

The network of the prototxt and ours must be the same operations on the same maps; only names
differ. So pooling, strides, padding and eps are compared, too, which names and shapes do not tell.
"""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from senet_mm.engine.weights.preprocessing import count_channels, describe_preprocessing
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import shorten

from .caffe import FIELDS, LayerMap, fill, read_blobs
from .caffe_graph import read_graph
from .format import Format
from .formats import CAFFE
from .network_graph import Graph, match_graphs
from .prototxt import Fields, list_layers, read_prototxt
from .recognition import find_by_marks
from .se_modules import find_se
from .state_dicts import COUNTER
from .text_format import Message
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
    except InputError as error:
        raise InputError(f'prototxt {prototxt} for config {target.config}: {error}') from error
    blobs = read_blobs(src)
    try:
        state = fill(blobs, maps, target)
    except ValueError as error:
        raise InputError(f'{src}: {error}') from error
    form = find_by_marks(CAFFE.kind, blobs) or CAFFE._replace(
        class_order=None,
        images={},
        find_images=partial(_find_images, net, target),
    )
    return ByForm(state, form, [*_describe_modules(theirs, ours, pairs), *_note_mean_file(net)])


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


def _find_images(net: Message, target: 'Target', src: Path, digest: str) -> dict[str, Any]:
    """How images are prepared: as the config does, with mean and scale of the prototxt.

    Caffe reads colours in the order BGR. The released networks subtract 104, 117, 123.
    """
    images = describe_preprocessing(target.cfg)
    transform = Fields(_transform_of(net))
    mean, scale = transform.numbers('mean_value'), transform.number('scale', 1)
    if count_channels(target.cfg) == len(CAFFE.images['mean']):
        own = dict(mean=mean or CAFFE.images['mean'], std=[1 / scale] * 3, channel_order='BGR')
        return images | own
    if mean or scale != 1:
        channels = count_channels(target.cfg)
        return images | dict(mean=mean or [0] * channels, std=[1 / scale] * channels)
    return images


def _transform_of(net: Message) -> Message:
    """What the layer that reads files does to images at test time; empty without one."""
    found = (layer.message.messages('transform_param') for layer in list_layers(net))
    return next((transforms[0] for transforms in found if transforms), Message())


def _note_mean_file(net: Message) -> list[str]:
    """A line for a mean that stands in another file."""
    if name := _transform_of(net).text('mean_file'):
        return [f'mean_file {shorten(name)} of the prototxt is not read: --preprocessing mean=...']
    return []
