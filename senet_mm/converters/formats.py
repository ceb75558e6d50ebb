"""The networks of other projects, a row each: files, names, geometry, classes and images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from senet_mm.models.backbones import BNInception, ResNet

from .caffe import from_caffe, read_blobs, sorted_to_caffe, to_caffe
from .caffe_names import RELEASED, SHICAI_NAMES, CaffeNames
from .caffemodel import write_caffemodel
from .images import (
    IMAGENET,
    find_classes,
    find_style,
    images_in_checkpoint,
    images_in_hub,
    images_of_torchvision,
)
from .state_dicts import from_state_dict, their_name, to_state_dict
from .tensor_files import read_tensors, write_tensors

__all__ = [
    'CAFFE',
    'FORMATS',
    'MMPRETRAIN',
    'MOSKOMULE',
    'SHICAI',
    'TIMM',
    'TIMM_LEGACY',
    'TORCHVISION',
    'Files',
    'Format',
    'Geometry',
    'their_name',
]

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
        read: Path -> weights by name.
        to_ours: Weights by name, format, target -> our state dict, and the names of those of our
            tensors that were initialised.
        to_theirs: Our state dict, format, target -> what ``write`` takes.
        write: Writes it to a path, completely or not at all.
        find_classes: Path -> names of the classes, None where the file has none.
    """

    suffixes: tuple[str, ...]
    read: Callable
    to_ours: Callable
    to_theirs: Callable
    write: Callable
    find_classes: Callable[[Path], tuple[str, ...] | None]


TENSORS = Files(
    suffixes=('.pth', '.safetensors'),
    read=read_tensors,
    to_ours=from_state_dict,
    to_theirs=to_state_dict,
    write=write_tensors,
    find_classes=find_classes,
)
CAFFEMODEL = Files(
    suffixes=('.caffemodel',),
    read=read_blobs,
    to_ours=from_caffe,
    to_theirs=to_caffe,
    write=write_caffemodel,
    find_classes=lambda path: None,
)


class Format(NamedTuple):
    """A project's networks.

    Attributes:
        kind: Name on the command line. A kind may have several formats.
        title: Who they are, for messages.
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
        files: Their files.
        scopes: Default scopes of the configs in their files.
        backbones: Those of our backbones that they have.
        basic_blocks: Whether their blocks of two convolutions are ours.
        class_order: Returns the index in theirs of every class of ImageNet in sorted order,
            (1000,); None where theirs are sorted.
        images_of: First part of our config's name -> what differs from ``images``.
        find_images: Path, SHA-256 -> what the file, or what lies beside it, says of its images.
        find_style: Path -> ``style`` of all bottlenecks where the file says it.
    """

    kind: str
    title: str
    pool: str
    style: str | None
    grouped_style: str | None
    images: dict[str, Any]
    marks: dict[str, bool]
    names: dict[str, str] = {}
    matrices: str | None = None
    layers: CaffeNames = RELEASED
    files: Files = TENSORS
    eps: float = DEFAULT_EPS
    small: bool = False
    scopes: tuple[str, ...] = ()
    backbones: tuple[type[nn.Module], ...] = (ResNet,)
    basic_blocks: bool = True
    class_order: Callable[[], Tensor] | None = None
    images_of: dict[str, dict[str, Any]] = {}
    find_images: Callable[[Path, str], dict[str, Any]] = lambda path, digest: {}
    find_style: Callable[[Path], str | None] = lambda path: None


CAFFE = Format(
    kind='caffe',
    title='Caffe',
    files=CAFFEMODEL,
    marks={r'^conv\d_\d_1x1_reduce\[0\]$|^inception_3a/': True},
    backbones=(ResNet, BNInception),
    pool='ceil',
    style='caffe',
    grouped_style='pytorch',
    class_order=sorted_to_caffe,
    # README of hujie-frank/SENet: mean subtracted, the centre of a short side of 256.
    images=IMAGENET | dict(mean=[104, 117, 123], std=[1, 1, 1], channel_order='BGR', backend='cv2'),
)
# shicai/SENet-Caffe: SE-ResNet-50, whose README has the images and the classes, sorted.
SHICAI = CAFFE._replace(
    title="shicai's SENet-Caffe",
    layers=SHICAI_NAMES,
    marks={r'^conv\d_\d+/x1\[0\]$': True, r'^fc\d_\d+/sqz\[0\]$': True},
    backbones=(ResNet,),
    style='pytorch',
    eps=1e-4,
    class_order=None,
    images=CAFFE.images | dict(mean=[103.94, 116.78, 123.68], std=[1 / 0.017] * 3),
)
TIMM_LEGACY = Format(
    kind='timm',
    title="timm's legacy networks",
    marks={r'^layer0\.|\.se_module\.|^last_linear\.': True},
    names={
        r'^backbone\.stem\.0\.(conv|bn)\.': r'layer0.\g<1>1.',
        r'^backbone\.stem\.1\.(conv|bn)\.': r'layer0.\g<1>2.',
        r'^backbone\.stem\.2\.(conv|bn)\.': r'layer0.\g<1>3.',
        r'^backbone\.(conv1|bn1)\.': r'layer0.\1.',
        r'^backbone\.': '',
        r'\.se\.': '.se_module.',
        r'^head\.fc\.': 'last_linear.',
    },
    pool='ceil',
    style='caffe',
    grouped_style='pytorch',
    basic_blocks=False,  # they have one more ReLU, before the layer of SE
    images=IMAGENET,
    find_images=images_in_hub,
)
TIMM = Format(
    kind='timm',
    title="today's timm",
    marks={r'^layer1\.': True, r'^fc\.': True, r'\.se\.fc\.': False},
    names={
        r'^backbone\.stem\.0\.conv\.': 'conv1.0.',
        r'^backbone\.stem\.0\.bn\.': 'conv1.1.',
        r'^backbone\.stem\.1\.conv\.': 'conv1.3.',
        r'^backbone\.stem\.1\.bn\.': 'conv1.4.',
        r'^backbone\.stem\.2\.conv\.': 'conv1.6.',
        r'^backbone\.stem\.2\.bn\.': 'bn1.',
        r'^(backbone|head)\.': '',
    },
    pool='pad1',
    style='pytorch',
    grouped_style='pytorch',
    images=IMAGENET | dict(interpolation='bicubic'),
    images_of={'seresnet50': dict(resize=235)},  # crop_pct=0.95 of all its weights
    find_images=images_in_hub,
)
MMPRETRAIN = Format(
    kind='mmpretrain',
    title='mmpretrain',
    marks={r'\.se_layer\.conv[12]\.': True},
    scopes=('mmpretrain', 'mmcls'),
    names={r'\.se\.fc([12])\.': r'.se_layer.conv\1.conv.'},
    pool='pad1',
    style=None,
    grouped_style=None,
    # configs/seresnet, configs/resnext and configs/resnet of mmpretrain.
    images=IMAGENET,
    images_of={f'resnet{depth}': dict(backend='cv2') for depth in (18, 34, 50, 101, 152)},
    find_images=images_in_checkpoint,
    find_style=find_style,
)
TORCHVISION = Format(
    kind='torchvision',
    title='torchvision',
    marks={r'^layer1\.': True, r'^fc\.': True, r'\.se\.': False},
    names={r'^.*\.se\..*$': '', r'^(backbone|head)\.': ''},
    pool='pad1',
    style='pytorch',
    grouped_style='pytorch',
    images=IMAGENET,
    find_images=images_of_torchvision,
)
# His data sets are those of moskomule/homura: torchvision's steps, and these numbers for CIFAR-10.
CIFAR_IMAGES = dict(
    mean=[125.307, 122.961, 113.8575], std=[51.5865, 50.847, 51.255], resize=None, crop=None,
)  # fmt: skip
MOSKOMULE = Format(
    kind='moskomule',
    title="moskomule's senet.pytorch",
    marks={r'\.se\.fc\.[02]\.': True},
    names={
        r'\.se\.fc1\.': '.se.fc.0.',
        r'\.se\.fc2\.': '.se.fc.2.',
        r'^(backbone|head)\.': '',
    },
    matrices=r'\.se\.fc\.[02]\.weight$',
    pool='pad1',
    style='pytorch',
    grouped_style='pytorch',
    small=True,
    images=IMAGENET,
    images_of={f'seresnet{depth}': CIFAR_IMAGES for depth in (20, 32, 56)},
)

# Of several of a kind the last is the one whose marks need not be there.
FORMATS = (SHICAI, CAFFE, TIMM_LEGACY, TIMM, MMPRETRAIN, TORCHVISION, MOSKOMULE)
