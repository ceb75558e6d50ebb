"""The networks of other projects, a row each."""

from senet_mm.models.backbones import BNInception, ResNet

from .caffe import from_caffe, read_blobs, sorted_to_caffe, to_caffe
from .caffe_names import SHICAI_NAMES
from .caffemodel import write_caffemodel
from .format import Files, Format
from .images import (
    IMAGENET,
    find_classes,
    find_style,
    images_in_checkpoint,
    images_in_hub,
    images_of_torchvision,
)
from .state_dicts import from_state_dict, their_name, to_state_dict
from .tensor_files import write_tensors

__all__ = [
    'CAFFE',
    'FORMATS',
    'MMPRETRAIN',
    'MOSKOMULE',
    'SHICAI',
    'TIMM',
    'TIMM_LEGACY',
    'TORCHVISION',
    'their_name',
]

TENSORS = Files(
    suffixes=('.pth', '.safetensors'),
    read=lambda source: source.tensors,
    to_ours=from_state_dict,
    to_theirs=to_state_dict,
    write=write_tensors,
    find_classes=find_classes,
)
CAFFEMODEL = Files(
    suffixes=('.caffemodel',),
    read=lambda source: read_blobs(source.path),
    to_ours=from_caffe,
    to_theirs=to_caffe,
    write=write_caffemodel,
    find_classes=lambda source: None,
)


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
    files=TENSORS,
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
    files=TENSORS,
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
    files=TENSORS,
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
    files=TENSORS,
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
    files=TENSORS,
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
