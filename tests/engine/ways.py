"""All ways by which a file of weights comes in: functions of the file and an empty folder."""

import functools
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import safetensors.torch
import timm
from mmengine.runner import load_checkpoint
from PIL import Image
from torch import nn

from senet_mm.apis import get_model
from senet_mm.converters import convert, convert_back
from senet_mm.datasets import CustomDataset, ShardedImageNet
from senet_mm.detection import torchvision_backbone
from senet_mm.engine import Runner, load_from_local
from senet_mm.registry import MODELS

from ..conftest import load_tool
from .test_runner import digits

NAME = 'seresnet8_1xb64_digits'
# Takes images of 3 channels, and its geometry is that of other projects.
LARGER = 'seresnet18_8xb32_in1k'


def run(path, *arguments):
    """A tool in this process, with its own arguments."""

    def way(file, folder):
        filled = [str(a).format(file=file, out=folder / 'out') for a in arguments]
        before, sys.argv = sys.argv, [path, *filled]
        try:
            module = load_tool(path)
            module.main(module.parse_args())
        finally:
            sys.argv = before

    return way


def train(file, folder, **options):
    options = {'load_from': str(file), 'train_cfg.max_epochs': 1, **options}
    Runner.from_cfg(digits(folder / 'out', **options)).train()


def resume(file, folder):
    train(file, folder, resume=True)


def resume_last(file, folder):
    """``--resume`` of a work directory that has no other checkpoint."""
    (folder / 'out').mkdir()
    shutil.copyfile(file, folder / 'out/epoch_1.pth')
    (folder / 'out/last_checkpoint').write_text('epoch_1.pth')
    train('', folder, load_from=None, resume='auto')


def pretrained(file, folder):
    init_cfg = dict(type='Pretrained', checkpoint=str(file))
    MODELS.build(dict(type='ResNet', depth=8, in_channels=1, init_cfg=init_cfg)).init_weights()


def predict(file, folder):
    """An image, by the checkpoint alone."""
    Image.new('L', (8, 8)).save(folder / 'a.png')
    run('tools/predict.py', '{file}', folder / 'a.png', '-j', 0)(file, folder)


def reproduce(file, folder):
    """A checkpoint by the name of a config, in a folder."""
    (folder / 'in').mkdir()
    shutil.copyfile(file, folder / 'in/seresnet50_8xb32-140e_in1k.pth')
    run(
        *(
            'tools/reproduce.py',
            'mmpretrain',
            '--data-root',
            'none',
            '--checkpoints',
            folder / 'in',
        ),
        *('--work-dir', '{out}'),
    )(file, folder)


TOOLS = {
    'train.py': run('tools/train.py', NAME, '--work-dir', '{out}', '--resume', '{file}'),
    'test.py': run('tools/test.py', NAME, '{file}', '--work-dir', '{out}'),
    'deploy.py': run('tools/deploy.py', NAME, '{file}', '--work-dir', '{out}', '--images', 2),
    'excitation.py': run(
        'tools/analysis_tools/excitation.py', NAME, '{file}', '--work-dir', '{out}'
    ),
    'publish_model.py': run(
        'tools/model_converters/publish_model.py', '{file}', '{out}', '--name', NAME
    ),
    'convert.py': run(
        *('tools/model_converters/convert.py', 'mmpretrain', '{file}', '{out}.pth'),
        *('--model', LARGER),
    ),
    'predict.py': predict,
    'reproduce.py': reproduce,
}


def hub_weights(file, folder):
    """Weights in a folder of timm's hub."""
    (folder / 'hub').mkdir()
    config = dict(architecture='senet_mm/x', num_classes=10, senet_mm={})
    (folder / 'hub/config.json').write_text(json.dumps(config))
    suffix = os.path.splitext(file)[1]
    name = 'model.safetensors' if suffix == '.safetensors' else 'pytorch_model.bin'
    (folder / 'hub' / name).symlink_to(file)
    get_model(NAME, folder / 'hub')


@functools.cache
def plain_weights():
    """A file with the weights of a ResNet-18 of timm."""
    file = Path(tempfile.mkdtemp(), 'net.safetensors')
    safetensors.torch.save_file(timm.create_model('resnet18').state_dict(), file)
    return file


def hub_config(file, folder):
    """The config of a folder of timm's hub, beside the weights of a ResNet-18."""
    (folder / 'hub').mkdir()
    shutil.copyfile(file, folder / 'hub/config.json')
    (folder / 'hub/model.safetensors').symlink_to(plain_weights())
    load_checkpoint(nn.Linear(1, 1), str(folder / 'hub'), strict=False)


FUNCTIONS = {
    'load_from_local': lambda file, _: load_from_local(str(file)),
    'mmengine.load_checkpoint': lambda file, _: load_checkpoint(nn.Linear(1, 1), str(file)),
    'get_model': lambda file, _: get_model(NAME, file),
    'weights of a hub': hub_weights,
    'get_model without a name': lambda file, _: get_model(checkpoint=file),
    'init_cfg': pretrained,
    'load_from': train,
    'resume': resume,
    'resume=auto': resume_last,
    'torchvision_backbone': lambda file, _: torchvision_backbone(LARGER, file),
    'convert': lambda file, folder: convert('mmpretrain', file, folder / 'o.pth', LARGER),
    'convert timm': lambda file, folder: convert('timm', file, folder / 'o.pth', LARGER),
    'convert_back': lambda file, folder: convert_back('timm', file, folder / 'o.pth', LARGER),
}
WAYS = {**FUNCTIONS, **TOOLS}

CAFFE, SMALL = 'seresnet50-caffe_8xb32_in1k', 'sesmallcnn_1xb128_cifar10'
CAFFE_WAYS = {
    'convert caffe': lambda file, folder: convert('caffe', file, folder / 'o.pth', CAFFE),
    'convert.py caffe': run(
        *('tools/model_converters/convert.py', 'caffe', '{file}', '{out}.pth', '--model', CAFFE)
    ),
}
PROTOTXT_WAYS = {
    'convert.py --prototxt': run(
        *('tools/model_converters/convert.py', 'caffe', '{file}', '{out}.pth', '--model', SMALL),
        *('--prototxt', '{file}'),
    ),
}


def detect(file, folder):
    """Training of a detector on annotations."""
    (folder / 'in/annotations').mkdir(parents=True)
    (folder / 'in/train').mkdir()
    Image.new('RGB', (8, 8)).save(folder / 'in/train/a.png')
    shutil.copyfile(file, folder / 'in/annotations/instances_train.json')
    run('tools/train_detector.py', folder / 'in', '--out', '{out}')(file, folder)


DATA_WAYS = {
    'train_detector.py': detect,
    'list of images': lambda file, folder: CustomDataset(str(folder), '', str(file)),
    'names of classes': lambda file, folder: CustomDataset(str(folder), classes=str(file)),
    'shards': lambda file, folder: (
        shutil.copyfile(file, folder / 'train.txt'),
        ShardedImageNet(str(folder), 'train'),
    ),
    'classes of shards': lambda file, folder: (
        (folder / 'a.tar').write_bytes(b'x'),
        (folder / 'train.txt').write_text('a.tar 0 1 0 a.jpg\n'),
        shutil.copyfile(file, folder / 'train-classes.json'),
        ShardedImageNet(str(folder), 'train'),
    ),
}
HUB_WAYS = {'config of a hub': hub_config}
ALL_WAYS = WAYS | CAFFE_WAYS | PROTOTXT_WAYS | DATA_WAYS | HUB_WAYS
