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
    assert tab.locator('#gates svg').count() == 3
    assert tab.locator('#message').inner_text().startswith(f'{best(tab, "top")} (the network took')
    assert best(tab, 'top', True) == expect(explainer, explainer(str(path)).scores)
    tab.get_by_label('SE_3', exact=True).check()
    tab.wait_for_selector('#opened table')
    assert best(tab, 'opened', True) == expect(explainer, explainer.open_stage(str(path), 'SE_3'))
    pictures = tab.locator('img').all()
    assert all(picture.get_attribute('alt') for picture in pictures)
    assert all(picture.evaluate('i => i.naturalWidth') for picture in pictures)


def best(tab, part, scored=False):
    """The best class that a part of the page shows, or also its score."""
    name, score = tab.locator(f'#{part} tr').first.locator('td').all_inner_texts()
    return (name.strip(), score) if scored else name.strip()


def expect(explainer, scores):
    name, score = explainer.top(scores)[0]
    return name, f'{100 * score:.2f} %'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_the_page_fits_a_phone(browser, demo, folder, scheme):
    """Nothing is cut off, letters of figures are readable, and nothing is a sheet of white."""
    tab = browser.new_page(viewport=dict(width=375, height=740), color_scheme=scheme)
    tab.goto(demo)
    tab.wait_for_selector('#picture input[type=file]', state='attached')
    drop(tab, folder / 'pictures/4.png')
    tab.wait_for_selector('#gates svg')
    assert tab.evaluate('document.documentElement.scrollWidth') <= 375
    for name in ('#heading h1', '#look img', '#gates svg', '#top table', '#examples button img'):
        for part in tab.locator(name).all():
            box = part.bounding_box()
            assert box['x'] >= 0, name
            assert box['x'] + box['width'] <= 375, name
    examples = tab.locator('#examples .grid-wrap')
    assert examples.evaluate('e => e.scrollHeight <= e.clientHeight')
    images = tab.locator('#examples img').all()
    bottom = max(each.bounding_box()['y'] + each.bounding_box()['height'] for each in images)
    box = examples.bounding_box()
    assert box['y'] + box['height'] - bottom < 20
    heading = tab.locator('#heading h1')
    assert heading.evaluate('h => h.scrollWidth <= h.clientWidth')
    assert heading.inner_text() == 'seresnet8_1xb64_digits'
    letters = tab.locator('#gates svg text').first
    assert letters.bounding_box()['height'] > 8
    ink = letters.evaluate('t => getComputedStyle(t).fill')
    assert ink == tab.locator('#gates p').evaluate('p => getComputedStyle(p).color')
    tab.close()


def test_an_example_is_chosen(tab, folder, explainer):
    tab.locator('#examples button img').nth(2).click()
    tab.wait_for_selector('#look img')
    scores = explainer(str(folder / 'pictures/2.png')).scores
    assert best(tab, 'top', True) == expect(explainer, scores)


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
