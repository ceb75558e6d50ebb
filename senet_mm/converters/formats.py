"""How other projects name the tensors of our networks, and what their networks take for granted."""

import re
from collections.abc import Iterable
from typing import NamedTuple


class Geometry(NamedTuple):
    """Pooling and stride placement, which tensor names and shapes do not reveal.

    Attributes:
        pool: Pooling of the stem, see ``ResNet``.
        style: ``style`` of the bottlenecks; None where there are none, or where either will do.
    """

    pool: str | None
    style: str | None


class Format(NamedTuple):
    """A project's networks.

    Attributes:
        title: Who they are, for messages.
        pool: Pooling of the stem.
        style: ``style`` of bottlenecks, None for either.
        grouped_style: ``style`` of bottlenecks with groups, None for either.
        names: Our names -> theirs, as patterns and replacements, each applied in turn to every
            name. The empty name says that they have no such tensor.
    """

    title: str
    pool: str
    style: str | None
    grouped_style: str | None
    names: dict[str, str]


# The Caffe networks are named by layer, see `caffe_names`.
CAFFE = Format('Caffe', pool='ceil', style='caffe', grouped_style='pytorch', names={})
TIMM_LEGACY = Format(
    "timm's legacy networks",
    pool='ceil',
    style='caffe',
    grouped_style='pytorch',
    names={
        r'^backbone\.stem\.0\.(conv|bn)\.': r'layer0.\g<1>1.',
        r'^backbone\.stem\.1\.(conv|bn)\.': r'layer0.\g<1>2.',
        r'^backbone\.stem\.2\.(conv|bn)\.': r'layer0.\g<1>3.',
        r'^backbone\.(conv1|bn1)\.': r'layer0.\1.',
        r'^backbone\.': '',
        r'\.se\.': '.se_module.',
        r'^head\.fc\.': 'last_linear.',
    },
)
TIMM = Format(
    "today's timm",
    pool='pad1',
    style='pytorch',
    grouped_style='pytorch',
    names={
        r'^backbone\.stem\.0\.conv\.': 'conv1.0.',
        r'^backbone\.stem\.0\.bn\.': 'conv1.1.',
        r'^backbone\.stem\.1\.conv\.': 'conv1.3.',
        r'^backbone\.stem\.1\.bn\.': 'conv1.4.',
        r'^backbone\.stem\.2\.conv\.': 'conv1.6.',
        r'^backbone\.stem\.2\.bn\.': 'bn1.',
        r'^(backbone|head)\.': '',
    },
)
MMPRETRAIN = Format(
    'mmpretrain',
    pool='pad1',
    style=None,
    grouped_style=None,
    names={r'\.se\.fc([12])\.': r'.se_layer.conv\1.conv.'},
)
TORCHVISION = Format(
    'torchvision',
    pool='pad1',
    style='pytorch',
    grouped_style='pytorch',
    names={r'^.*\.se\..*$': '', r'^(backbone|head)\.': ''},
)

# By the name of the command line. timm has two: the marks of the first tell its files.
FORMATS: dict[str, tuple[Format, ...]] = {
    'caffe': (CAFFE,),
    'timm': (TIMM_LEGACY, TIMM),
    'mmpretrain': (MMPRETRAIN,),
    'torchvision': (TORCHVISION,),
}
LEGACY_MARKS = re.compile(r'^layer0\.|\.se_module\.|^last_linear\.')


def fitting(kind: str, pool: str | None) -> Format:
    """The format of this kind, a key of ``FORMATS``, for networks with a pooling, or the last."""
    formats = FORMATS[kind]
    return next((form for form in formats if form.pool == pool), formats[-1])


def recognise(kind: str, names: Iterable[str]) -> Format:
    """The format of this kind, a key of ``FORMATS``, of a file with tensors of these names."""
    formats = FORMATS[kind]
    return formats[0] if any(map(LEGACY_MARKS.search, names)) else formats[-1]


def their_name(ours: str, form: Format) -> str:
    """The name of one of our tensors in another project; empty where that has none."""
    for pattern, replacement in form.names.items():
        ours = re.sub(pattern, replacement, ours)
    return ours
