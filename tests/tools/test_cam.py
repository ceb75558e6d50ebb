"""The tool that draws where a network looks: pictures, names, images that cannot be used."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from senet_mm.analysis import cam, cam_figure
from senet_mm.apis import get_model
from senet_mm.apis.predictor import open_predictor
from senet_mm.engine.weights.record import record_of, to_meta
from senet_mm.utils.errors import InputError

from ..blocks import commands_run_by, words_of
from ..conftest import load_tool

pytest.importorskip('pytorch_grad_cam')

TOOL = 'tools/visualization/cam.py'
CLASSES = ['rote Tulpe', *map(str, range(1, 10))]


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    model = get_model('seresnet8_1xb64_digits')
    meta = to_meta(record_of(model) | dict(classes=CLASSES))
    path = tmp_path_factory.mktemp('weights') / 'a.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


@pytest.fixture
def pictures(tmp_path):
    """Two pictures of one stem, and a damaged one."""
    folder = tmp_path / 'my pictures'
    (folder / 'sub').mkdir(parents=True)
    random = np.random.default_rng(0)
    for name in ('a.png', 'sub/a.bmp'):
        Image.fromarray(random.integers(0, 256, (8, 8), np.uint8)).save(folder / name)
    (folder / 'b.jpg').write_bytes(b'\xff\xd8broken')
    return folder


@pytest.fixture
def draw(monkeypatch, capsys):
    tool = load_tool(TOOL)

    def run(*arguments):
        monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, arguments)])
        code = tool.main(tool.parse_args())
        return code, *capsys.readouterr()

    return run


def test_every_image_gets_a_picture(checkpoint, pictures, tmp_path, draw):
    [command] = commands_run_by('docs/demo.md', 'test_every_image_gets_a_picture')
    out = tmp_path / 'out'
    meant = {
        'work_dirs/seresnet18_1xb32_folder/best_*.pth': checkpoint, 'data/pictures': pictures,
        'Katze': 'rote Tulpe', 'SE_4_2': 'SE_4_1', 'work_dirs/cam': out,
    }  # fmt: skip
    code, said, complained = draw(*words_of(command, meant)[1:])
    assert code == 65
    assert sorted(path.name for path in out.iterdir()) == ['a-2.png', 'a.png']
    for line, name in zip(said.splitlines(), ('a.png', 'a-2.png'), strict=True):
        assert line.startswith(f'{out / name}: class rote Tulpe, score 0.')
    assert 'b.jpg: ' in complained
    assert '1 of 3 images were skipped' in complained
    with Image.open(out / 'a.png') as image:
        assert image.width == 1200  # eight inches


@pytest.mark.parametrize('value', ['none', 'some', 'all'])
def test_a_map_without_a_place_is_told(checkpoint, pictures, tmp_path, draw, monkeypatch, value):
    """On the picture and in the line, which name the predicted class if another one is asked."""
    drawn, real = [], cam_figure.draw_cam

    def draw_cam(image, cam, title):
        drawn.append(real(image, cam, title))
        return drawn[-1]

    found = np.full((1, 8, 8), value == 'all', np.float32)
    found[0, 0, 0] = value != 'none'
    monkeypatch.setattr(cam, 'compute_cam', lambda *_: found)
    monkeypatch.setattr(cam_figure, 'draw_cam', draw_cam)
    scores = open_predictor(checkpoint, device='cpu').predict([pictures / 'a.png'], 1, 0)
    best = int(next(scores).argmax())
    other = (best + 1) % 10
    _, said, _ = draw(checkpoint, pictures / 'a.png', '--out', tmp_path, '--class', other)
    assert f'class {CLASSES[other]}, score ' in said
    assert f'; predicted: class {CLASSES[best]}, score ' in said
    assert (f'; no place speaks for {CLASSES[other]}' in said) == (value == 'none')
    assert (f'; all places speak alike for {CLASSES[other]}' in said) == (value == 'all')
    [figure] = drawn
    first, second = figure.get_suptitle().split('\n')
    assert first.startswith(f'a.png: class {CLASSES[other]}, score ')
    assert second.startswith(f'predicted: class {CLASSES[best]}, score ')
    saw, looked, _ = figure.axes
    assert looked.get_title() == cam.describe_look(found[0], 'the class')
    # No empty strip: the panels fill the figure below the captions.
    figure.draw_without_rendering()
    assert saw.get_position().y0 < 0.02
    assert saw.get_position().height > 0.8
    _, said, _ = draw(checkpoint, pictures / 'a.png', '--out', tmp_path)
    assert 'predicted' not in said


@pytest.mark.parametrize(
    ('options', 'allowed'),
    [
        (('--class', 'tulip'), "a name ('rote Tulpe', '1', '2', ...) or 0 to 9"),
        (('--layer', 'SE_9_9'), 'a block (SE_2_1, SE_3_1, SE_4_1, ...) or the path of a module'),
    ],
)
def test_mistakes_are_said_before_anything_is_written(
    checkpoint, pictures, tmp_path, draw, options, allowed
):
    with pytest.raises(InputError) as error:
        draw(checkpoint, pictures, '--out', tmp_path / 'out', *options)
    assert str(error.value).endswith(f'; allowed: {allowed}')
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'name', ['seresnet50_8xb32_in1k', 'seresnet50-caffe_8xb32_in1k', 'seresnet8_1xb64_digits']
)
def test_a_picture_has_its_own_colours(name, tmp_path):
    """Of networks that take RGB, BGR and grey."""
    model = get_model(name)
    torch.save(dict(state_dict=model.state_dict(), meta=to_meta(record_of(model))), tmp_path / 'a')
    predictor = open_predictor(tmp_path / 'a', device='cpu')
    sides = predictor.cfg.input_shape[1:]
    orange = np.full((*sides, 3), (255, 128, 0), np.uint8)
    [(batch, [error])] = predictor.load([orange], 1)
    assert error is None
    [shown] = predictor.show(batch)
    grey = [round(0.299 * 255 + 0.587 * 128)]
    assert shown[3, 3].tolist() == (grey if shown.shape[2] == 1 else [255, 128, 0])
