"""ONNX files that take images predict what the classifier predicts, without project and torch."""

import copy
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from PIL import Image
from skimage import data
from torch import nn

from senet_mm import Classifier
from senet_mm.apis import get_config, get_model
from senet_mm.deploy import check_with_images, compare_scores, deploy, read_record
from senet_mm.deploy.images import spread_evenly
from senet_mm.engine.weights.record import record_of, to_meta
from senet_mm.utils.errors import InputError

from ..blocks import texts_run_by
from ..models.plain import disturb

pytestmark = pytest.mark.slow  # it exports a network to ONNX
CLASSES = [f'class {i}' for i in range(8)] + ['süß & sauer', '猫']
NORMALISED = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
TEST = [
    dict(type='LoadImage'),
    dict(type='ResizeEdge', scale=40, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=32),
    dict(type='PackInputs'),
]
# What others have, the project has not, and a plain machine does not need.
BLOCKED = ('torch', 'senet_mm', 'mmengine', 'mmcv', 'mmpretrain', 'cv2', 'onnx', 'onnxscript')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Photographs of several sizes, as PNG and JPEG, in two folders."""
    folder = tmp_path_factory.mktemp('pictures')
    photographs = [data.astronaut(), data.coffee(), data.rocket(), data.chelsea(), data.camera()]
    sizes = [(512, 512), (333, 500), (60, 41), (33, 300), (31, 17), (400, 100)]
    for number, (height, width) in enumerate(sizes):
        photograph = photographs[number % 5][:height, :width]
        for suffix in ('.png', '.jpg'):
            path = folder / str(number % 2) / f'{number}{suffix}'
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(photograph).save(path)
    return folder


@pytest.fixture(scope='module')
def deployed(folder, tmp_path_factory):
    """A classifier of photographs, and its file."""
    torch.manual_seed(0)
    cfg = get_config('sesmallcnn_1xb128_cifar10')
    cfg.data_preprocessor.update(NORMALISED)
    cfg.test_dataloader.dataset = dict(type='CustomDataset', data_root=str(folder), pipeline=TEST)
    model = disturb(get_model(cfg)).eval()
    model.head.fc.weight.data.mul_(300)  # scores that differ from picture to picture
    model.dataset_meta = dict(classes=CLASSES)
    example = torch.randn(2, 3, 32, 32)
    out = tmp_path_factory.mktemp('deployed')
    return model, deploy(model, 'onnx', example, out, record_of(model), with_images=True).path


@torch.no_grad()
def predict(model, path):
    """Scores (classes,) of a picture, as in a test."""
    packed = Compose(TEST)(dict(img_path=str(path)))
    batch = dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
    [sample] = model.test_step(batch)
    return sample.pred_score


def run_script(script, folder, *args):
    """Run a script of a page where nothing but a plain machine's packages is found."""
    assert len([line for line in script.splitlines() if line]) <= 16
    name = script.split()[1]
    (folder / name).write_text(script)
    blocked = f'import sys, runpy; sys.modules.update(dict.fromkeys({BLOCKED}))'
    start = f"{blocked}; sys.argv.pop(0); runpy.run_path('{name}', run_name='__main__')"
    command = [sys.executable, '-c', start, name, *map(str, args)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_the_page_classifies_as_the_classifier(deployed, folder, tmp_path):
    model, path = deployed
    pictures = sorted(folder.rglob('*.*'))
    [script] = texts_run_by('docs/deploy.md', 'test_the_page_classifies_as_the_classifier')
    lines = [line.split('\t') for line in run_script(script, tmp_path, path, *pictures)]
    assert len(lines) == 5 * len(pictures)
    for picture in pictures:
        expected = predict(model, picture)
        order = expected.argsort(descending=True)[:5].tolist()
        given = [line[1:] for line in lines if line[0] == str(picture)]
        assert [name for name, _ in given] == [CLASSES[label] for label in order]
        scores = torch.tensor([float(score) for _, score in given])
        assert (scores - expected[order]).abs().max() < 1e-5


def test_the_page_agrees_with_predict(deployed, folder, tmp_path, run_tool):
    model, path = deployed
    checkpoint = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=to_meta(record_of(model))), checkpoint)
    run = run_tool('tools/predict.py', checkpoint, folder, '--out', tmp_path / 'predicted.csv')
    assert run.returncode == 0, run.stderr
    [script] = texts_run_by('docs/deploy.md', 'test_the_page_agrees_with_predict')
    [line] = run_script(script, tmp_path, path, tmp_path / 'predicted.csv')
    number, difference = re.fullmatch(r'(\d+) images, largest difference .* (\S+)', line).groups()
    assert int(number) == len([*folder.rglob('*.*')])
    assert float(difference) < 1e-5
    wrong = (tmp_path / 'predicted.csv').read_text().replace(',0.', ',0.0')
    (tmp_path / 'predicted.csv').write_text(wrong)
    [line] = run_script(script, tmp_path, path, tmp_path / 'predicted.csv')
    assert float(line.split()[-1]) > 0.01


def test_classifier_and_predict_take_the_file(deployed, folder):
    model, path = deployed
    pictures = sorted(folder.rglob('*.*'))
    for picture, result in zip(pictures, Classifier(path)(pictures), strict=True):
        expected = predict(model, picture)
        assert result['pred_class'] == CLASSES[expected.argmax()]
        assert np.abs(result['pred_scores'] - expected.numpy()).max() < 1e-5


def test_the_pictures_are_told_apart(deployed, folder):
    scores = torch.stack([predict(deployed[0], path) for path in sorted(folder.rglob('*.png'))])
    assert scores.std(0).max() > 0.05


def test_the_file_says_what_it_takes_and_names_classes(deployed):
    import onnxruntime

    _, path = deployed
    assert read_record(path)['input'] == 'uint8 (N, H, W, 3), RGB images'
    session = onnxruntime.InferenceSession(path)
    images = np.stack([data.coffee(), data.coffee()[::-1]])
    scores, labels, names = session.run(None, dict(images=images))
    assert names.tolist() == [CLASSES[label] for label in scores.argmax(1)]
    assert labels.tolist() == scores.argmax(1).tolist()
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)


def test_the_report_compares_image_by_image(deployed):
    model, path = deployed
    report = compare_scores(path, model, number=7)
    assert report['largest score difference, from images']['after'] < 1e-5
    assert report['same top-1, from images']['after'] == '7 of 7 images'
    other = copy.deepcopy(model)
    other.head.fc.weight.data.neg_()
    report = compare_scores(path, other, number=7)
    assert report['same top-1, from images']['after'] == '0 of 7 images'
    assert report['largest score difference, from images']['after'] > 0.1


def test_a_file_without_preparation_says_what_it_wants(tmp_path):
    """ImageNet's usual values are not the only ones."""
    model = get_model('seresnet8_1xb64_digits')
    path = deploy(model, 'fold', torch.randn(2, 1, 8, 8), tmp_path, record_of(model)).path
    record = read_record(path)
    assert record['input'] == (
        'float32 (N, 1, 8, 8), grey, (0 to 255 - mean) / std, resized and cropped as preprocessing '
        'says'
    )
    assert record['preprocessing']['mean'] == model.cfg.data_preprocessor['mean']


def test_other_targets_and_heads_are_refused(deployed):
    model, _ = deployed
    preprocessing = record_of(model)['preprocessing']
    check_with_images(model, 'onnx', preprocessing)
    for to in ('fold', 'compile', 'openvino'):
        with pytest.raises(InputError, match=f"--preprocessing: to='{to}' is not known; allowed: "):
            check_with_images(model, to, preprocessing)
    other = nn.Module()
    other.head = nn.Linear(1, 1)
    with pytest.raises(InputError, match='head Linear is not known; allowed: heads for one class'):
        check_with_images(other, 'onnx', preprocessing)


def test_images_of_a_check_lie_evenly_in_the_set():
    assert spread_evenly(10, 4) == [0, 2, 5, 7]
    assert spread_evenly(3, 4) == [0, 1, 2]
