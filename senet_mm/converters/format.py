"""What is known of the networks of another project: files, names, geometry, classes and images."""

from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn

from senet_mm.models.backbones import ResNet

from .caffe_names import RELEASED, CaffeNames
from .source import Source

# PyTorch's, Caffe's and TensorFlow's ResNets have it.
DEFAULT_EPS = 1e-5


class Geometry(NamedTuple):
    """What tensor names and shapes do not reveal: pooling, stride placement, eps of the norms.

    Attributes:
        pool: Pooling of the stem, see ``ResNet``.
        style: ``style`` of the bottlenecks; None where there are none, or where either will do.
        eps: What the norms add to the variance; None without batch norms, or where theirs differ.
    """

    pool: str | None
    style: str | None
    eps: float | None


class Files(NamedTuple):
    """A kind of files.

    Attributes:
        suffixes: File names that are written.
        read: File -> weights by name.
        to_ours: Weights by name, format, target -> our state dict, and the names of those of our
            tensors that were initialised.
        to_theirs: Our state dict, format, target -> what ``write`` takes.
        write: Writes it to a path, completely or not at all.
        find_classes: File -> names of the classes, None where the file has none.
    """

    suffixes: tuple[str, ...]
    read: Callable
    to_ours: Callable
    to_theirs: Callable
    write: Callable
    find_classes: Callable[[Source], tuple[str, ...] | None]


class Format(NamedTuple):
    """A project's networks.

    Attributes:
        kind: Name on the command line. A kind may have several formats.
        title: Who they are, for messages.
        files: Their files.
        pool: Pooling of the stem.
        style: ``style`` of bottlenecks, None for either.
        grouped_style: ``style`` of bottlenecks with groups, None for either.
        eps: What their norms add to the variance.
        small: Whether they have networks for small images as well, without a pooling in the stem.
        images: How images are prepared where neither the file nor what lies beside it says more:
            fields of :mod:`senet_mm.engine.weights.preprocessing`.
        marks: Patterns -> whether a file has a tensor with such a name. A file with other marks is
            of another format.
        names: Our names -> theirs, as patterns and replacements, each applied in turn to every
            name. The empty name says that they have no such tensor. Unused for Caffe.
        matrices: Names, theirs, of weights (out, in) that are 1x1 kernels in ours, as a pattern.
        layers: Names of the layers of a Caffe network.
        scopes: Default scopes of the configs in their files.
        backbones: Those of our backbones that they have.
        basic_blocks: Whether their blocks of two convolutions are ours.
        class_order: Returns the index in theirs of every class of ImageNet in sorted order,
            (1000,); None where theirs are sorted.
        images_of: First part of our config's name -> what differs from ``images``.
        find_images: File, SHA-256 -> what the file, or what lies beside it, says of its images.
        find_style: File -> ``style`` of all bottlenecks where the file says it.
    """

    kind: str
    title: str
    files: Files
    pool: str
    style: str | None
    grouped_style: str | None
    images: dict[str, Any]
    marks: dict[str, bool]
    names: dict[str, str] = {}
    matrices: str | None = None
    layers: CaffeNames = RELEASED
    eps: float = DEFAULT_EPS
    small: bool = False
    scopes: tuple[str, ...] = ()
    backbones: tuple[type[nn.Module], ...] = (ResNet,)
    basic_blocks: bool = True
    class_order: Callable[[], Tensor] | None = None
    images_of: dict[str, dict[str, Any]] = {}
    find_images: Callable[[Source, str], dict[str, Any]] = lambda source, digest: {}
    find_style: Callable[[Source], str | None] = lambda source: None
