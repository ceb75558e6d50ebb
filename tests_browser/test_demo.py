"""The demo in a browser, on the digits' network, with the network cut."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from senet_mm.apis.explainer import Explainer
from senet_mm.datasets.digits import Digits
from tests.blocks import commands_run_by, words_of

ROOT = Path(__file__).parents[1]
MEGABYTE = 1_000_000


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The digits' network after three epochs, and ten digits."""
    folder = tmp_path_factory.mktemp('digits')
    options = ['train_cfg.max_epochs=3', 'default_hooks.checkpoint.max_keep_ckpts=1']
    command = [
        sys.executable, 'tools/train.py', 'configs/digits/seresnet8_1xb64_digits.py',
        '--work-dir', str(folder / 'run'), '--cfg-options', *options,
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True)
    (folder / 'pictures').mkdir()
    digits = Digits(split='test')
    for number in range(10):
        img = digits.get_data_info(number)['img'].squeeze()
        Image.fromarray(img).save(folder / f'pictures/{number}.png')
    return folder


@pytest.fixture(scope='module')
def demo(folder):
    """The running tool and its address; ended as by a service manager."""
    *_, start = commands_run_by('docs/demo.md', 'test_a_picture_is_explained')
    trained = {'work_dirs/seresnet8_1xb64_digits/best_*.pth': folder / 'run/epoch_3.pth'}
    command = [sys.executable, *words_of(start, trained), '--examples', str(folder / 'pictures')]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline(), process.stdout.readline()]
    assert lines[0] == 'average gates of 540 images of the validation set\n'
    yield re.search(r'http://127\.0\.0\.1:\d+/', lines[1])[0]
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


@pytest.fixture(scope='module')
def explainer(folder):
    return Explainer(folder / 'run/epoch_3.pth', device='cpu')


@pytest.fixture
def tab(browser, demo):
    tab = browser.new_page()
    said, asked = [], []
    tab.on('console', lambda message: said.append((message.type, message.text)))
    tab.on('pageerror', lambda error: said.append(('error', str(error))))
    tab.on('request', lambda request: asked.append(request.url))
    tab.goto(demo)
    tab.wait_for_selector('#picture input[type=file]', state='attached')
    yield tab
    tab.close()
    assert [text for kind, text in said if kind == 'error'] == []
    assert [url for url in asked if not url.startswith((demo, 'data:', 'blob:'))] == []


def drop(tab, path):
    tab.set_input_files('#picture input[type=file]', path)


def test_a_picture_is_explained(tab, folder, explainer):
    path = folder / 'pictures/4.png'
    drop(tab, path)
    tab.wait_for_selector('#look img')
    tab.wait_for_selector('#gates img')
    scores = explainer(str(path)).scores
    name, score = explainer.top(scores)[0]
    assert tab.locator('#message').inner_text().startswith(f'{name}, ')
    assert re.search(rf'^{name}\s+{score:.0%}$', tab.locator('#top').inner_text(), re.M)
    tab.get_by_label('SE_3', exact=True).check()
    name, score = explainer.top(explainer.open_stage(str(path), 'SE_3'))[0]
    tab.locator('#opened').get_by_text(f'{score:.0%}').first.wait_for()
    assert re.search(rf'^{name}\s+{score:.0%}$', tab.locator('#opened').inner_text(), re.M)


def test_an_example_is_chosen(tab, folder, explainer):
    tab.locator('#examples button img').nth(2).click()
    tab.wait_for_selector('#look img')
    scores = explainer(str(folder / 'pictures/2.png')).scores
    assert tab.locator('#message').inner_text().startswith(f'{explainer.top(scores)[0][0]}, ')


@pytest.mark.parametrize('name', ['cut.jpg', 'vector.svg'])
def test_a_file_that_cannot_be_used(tab, tmp_path, name):
    (tmp_path / name).write_bytes({'cut.jpg': b'\xff\xd8\xff', 'vector.svg': b'<svg/>'}[name])
    drop(tab, tmp_path / name)
    tab.locator('#message').get_by_text(f'{name} cannot be used').wait_for()


def test_a_large_file_is_refused(browser, demo, tmp_path):
    """Its refusal by the server is an error in the console."""
    with open(tmp_path / 'large.jpg', 'wb') as file:
        file.truncate(200 * MEGABYTE)
    tab = browser.new_page()
    tab.goto(demo)
    tab.wait_for_selector('#picture input[type=file]', state='attached')
    drop(tab, tmp_path / 'large.jpg')
    tab.get_by_text('exceed the maximum allowed size').first.wait_for()
    tab.close()
