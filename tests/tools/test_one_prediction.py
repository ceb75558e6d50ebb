"""The same pictures through every door: testing, prediction, Python, ONNX, OpenVINO, timm."""

import json
import pickle

import numpy as np
import pytest
import timm
import torch
from mmcv.transforms import Compose
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from PIL import Image
from skimage import data

from senet_mm import Classifier
from senet_mm.apis import get_config, get_model
from senet_mm.deploy import deploy, runtimes
from senet_mm.engine.weights.record import record_of, to_meta

from ..conftest import load_tool
from ..converters.parity import image, randomise

pytestmark = pytest.mark.slow  # it exports a network twice
NUMBER = 20
CONFIG = 'seresnet18_1xb32_folder'
# timm's seresnet18, on small images.
OPTIONS = {
    'model.se.layer.divisor': 8,
    'input_shape': (3, 64, 64),
    'test_pipeline.1.scale': 72,
    'test_pipeline.1.interpolation': 'bicubic',
    'test_pipeline.2.crop_size': 64,
    'test_dataloader.batch_size': 8,
    'test_dataloader.dataset.split': 'all',
}
CLASSES = ('Astronautin', 'Kaffee, süß', 'cat', 'rocket')


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Twenty parts of photographs, of many sizes, in a folder per class."""
    folder = tmp_path_factory.mktemp('pictures')
    photographs = (data.astronaut(), data.coffee(), data.chelsea(), data.rocket())
    for number in range(NUMBER):
        name, photograph = CLASSES[number % 4], photographs[number % 4]
        top, left = 7 * number, 11 * number
        part = photograph[top : top + 90 + 5 * number, left : left + 170 - 4 * number]
        (folder / name).mkdir(exist_ok=True)
        Image.fromarray(part).save(folder / name / f'{number:02}.{("png", "jpg")[number % 2]}')
    return folder


@torch.no_grad()
def tell_apart(model, paths):
    """Let the head look where the features of pictures differ most."""
    with DefaultScope.overwrite_default_scope('senet_mm'):
        load = Compose(model.cfg.test_dataloader.dataset.pipeline)
    batch = pseudo_collate([load(dict(img_path=str(path), gt_label=0)) for path in paths])
    [features] = model.extract_feat(model.data_preprocessor(batch)['inputs'])
    centred = features - features.mean(0)
    directions = torch.linalg.svd(centred).Vh[: len(CLASSES)]
    weight = 2 * directions / (centred @ directions.T).std(0)[:, None]
    model.head.fc.weight.copy_(weight)
    model.head.fc.bias.copy_(-weight @ features.mean(0))


@pytest.fixture(scope='module')
def trained(pictures, tmp_path_factory):
    """Options of the config, network and checkpoint."""
    options = {**OPTIONS, 'data_root': str(pictures)}
    model = get_model(get_config(CONFIG, options), num_classes=len(CLASSES))
    randomise(model, image(64))
    tell_apart(model, sorted(pictures.rglob('*.*')))
    model.dataset_meta = dict(classes=CLASSES)
    checkpoint = tmp_path_factory.mktemp('trained') / 'weights.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=to_meta(record_of(model))), checkpoint)
    return options, model, checkpoint


def run(name, *arguments):
    """A tool in this process."""
    tool = load_tool(f'tools/{name}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('sys.argv', [name, *map(str, arguments)])
        tool.main(tool.parse_args())


@pytest.fixture(scope='module')
def tested(trained, tmp_path_factory):
    """Scores (N, classes) of ``tools/test.py``."""
    options, _, checkpoint = trained
    folder = tmp_path_factory.mktemp('tested')
    given = [CONFIG, checkpoint, '--out', folder / 'out.pkl', '--work-dir', folder]
    run('test.py', *given, '--cfg-options', *(f'{key}={value}' for key, value in options.items()))
    results = pickle.loads((folder / 'out.pkl').read_bytes())
    assert len(results) == NUMBER
    return np.stack([result['pred_score'].numpy() for result in results])


def by_predict(trained, pictures, folder):
    out = folder / 'out.json'
    options = ['--topk', 4, '--format', 'json', '--out', out, '--batch-size', 8]
    run('predict.py', trained[2], pictures, *options)
    return [
        [dict(zip(row['top_classes'], row['top_scores'], strict=True))[name] for name in CLASSES]
        for row in json.loads(out.read_text())
    ]


def by_classifier(trained, pictures, folder):
    classifier = Classifier(trained[2], batch_size=8)
    return [result['pred_scores'] for result in classifier(pictures)]


def by_onnx(trained, pictures, folder):
    example, record = torch.randn(2, 3, 64, 64), record_of(trained[1])
    path = deploy(trained[1], 'onnx', example, folder, record, with_images=True).path
    return [result['pred_scores'] for result in Classifier(path)(pictures)]


def by_openvino(trained, pictures, folder):
    example, record = torch.randn(2, 3, 64, 64), record_of(trained[1])
    path = deploy(trained[1], 'openvino', example, folder, record).path
    return [result['pred_scores'] for result in Classifier(path)(pictures)]


@torch.no_grad()
def by_timm(trained, pictures, folder):
    run('model_converters/publish_model.py', trained[2], '--hub', folder / 'hub')
    model = timm.create_model(f'local-dir:{folder / "hub"}', pretrained=True).eval()
    assert model.pretrained_cfg['label_names'] == list(CLASSES)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    paths = sorted(pictures.rglob('*.*'))
    images = [transform(Image.open(path).convert('RGB')) for path in paths]
    return model(torch.stack(images)).softmax(1)


# Largest difference of a score; predict.py writes six digits.
DOORS = {by_predict: 1e-6, by_classifier: 0, by_onnx: 5e-4, by_openvino: 5e-4, by_timm: 5e-4}


@pytest.mark.parametrize('door', DOORS)
def test_scores_are_those_of_the_test(door, trained, tested, pictures, tmp_path, monkeypatch):
    """The folder for timm is made as docs/coming-from-timm.md says."""
    # In float32: bfloat16 moves the scores of a network that was not trained by 0.5.
    monkeypatch.setattr(runtimes, 'has_fast_bf16', lambda device: False)
    assert tested.std(0).min() > 0.05  # the pictures are told apart
    scores = np.stack([np.asarray(row) for row in door(trained, pictures, tmp_path)])
    assert np.abs(scores - tested).max() <= DOORS[door]
    assert (scores.argsort(1) == tested.argsort(1)).all()
