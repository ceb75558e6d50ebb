"""A small network of digits, and files of some digits."""

import pytest
import torch
from PIL import Image

from senet_mm.apis import get_model
from senet_mm.apis.explainer import Explainer
from senet_mm.datasets.digits import Digits
from senet_mm.engine.weights.record import record_of, to_meta

NAMES = ['<b>zero</b>', *map(str, range(1, 10))]


@pytest.fixture(scope='session')
def checkpoint(tmp_path_factory):
    """Random weights; the names of the classes are a stranger's."""
    torch.manual_seed(0)
    model = get_model('seresnet8_1xb64_digits')
    torch.nn.init.normal_(model.head.fc.weight)
    meta = to_meta(record_of(model) | dict(classes=NAMES))
    meta['cfg'] = model.cfg.pretty_text
    path = tmp_path_factory.mktemp('weights') / 'digits.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


@pytest.fixture
def explainer(checkpoint):
    return Explainer(checkpoint, device='cpu')


@pytest.fixture(scope='session')
def pictures(tmp_path_factory):
    """Twelve digits as files."""
    folder = tmp_path_factory.mktemp('pictures')
    digits = Digits(split='test')
    for number in range(12):
        img = digits.get_data_info(number)['img'].squeeze()
        Image.fromarray(img).save(folder / f'{number:02d}.png')
    return sorted(folder.iterdir())


@pytest.fixture
def page(explainer, pictures):
    """With the first three pictures as examples."""
    pytest.importorskip('gradio')
    from senet_mm.demo import Page
    from senet_mm.demo.data import open_examples

    examples, _ = open_examples(explainer.predictor, list(map(str, pictures[:3])))
    return Page(explainer, 'the <b>digits</b>', 'a <i>network</i>', examples)
