"""The page without a browser: many clients at once, files that cannot be used, what it shows."""

import struct
import time
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from senet_mm.analysis.cam import overlay
from senet_mm.apis.explainer import Explanation
from senet_mm.datasets.images.jpeg import encode_jpeg

from ..conftest import load_tool

gradio_client = pytest.importorskip('gradio_client')
pytest.importorskip('pytorch_grad_cam')

from senet_mm.demo import parts, served  # noqa: E402 it needs gradio
from senet_mm.demo.data import open_examples, stay_within  # noqa: E402
from senet_mm.demo.parts import format_share, show_gates, show_look, show_top, to_data  # noqa: E402

BENCHMARK = 'tools/benchmarks/demo.py'


def bomb():
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""
    parts = b'IHDR' + struct.pack('>IIBBBBB', 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [parts, b'IDAT' + zlib.compress(b'\0' * 1000), b'IEND']
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(chunk) - 4) + chunk + struct.pack('>I', zlib.crc32(chunk))
        for chunk in chunks
    )


# Name of a file, its bytes, and what the page says.
UNUSABLE = {
    'cut.jpg': (encode_jpeg(np.zeros((64, 64, 3), np.uint8), 90)[:-9], 'the file is cut off'),
    'vector.svg': (b'<svg xmlns="http://www.w3.org/2000/svg"/>', 'not an image'),
    'bomb.png': (bomb(), '60000 x 60000 pixels; allowed: at most'),
    '<i>.png': (b'text', '<b>&lt;i&gt;.png cannot be used:</b>'),
}


def test_many_clients_get_their_own_answers(page, pictures):
    with served(page, '127.0.0.1', None, 1_000_000) as address:
        paths = list(map(str, pictures))
        answers = load_tool(BENCHMARK).ask(page, address, paths, requests=24, clients=8)
    assert answers.wrong == []
    assert len(answers.seconds) == 24


def test_answers_come_in_the_order_of_the_questions(page, pictures, monkeypatch):
    """Else the scores with one stage open would stand below the choice of another."""
    ended, ask, open_ = [], page.ask, page.open

    def ask_slowly(path, stage):
        time.sleep(1)
        answer = ask(path, stage)
        ended.append(f'ask {stage}')
        return answer

    def note_opened(path, stage):
        answer = open_(path, stage)
        ended.append(f'open {stage}')
        return answer

    monkeypatch.setattr(page, 'ask', ask_slowly)
    monkeypatch.setattr(page, 'open', note_opened)
    with served(page, '127.0.0.1', None, 1_000_000) as address:
        client = gradio_client.Client(address, verbose=False)
        picture = gradio_client.handle_file(str(pictures[0]))
        jobs = [client.submit(picture, 'SE_2', api_name='/ask')]
        time.sleep(0.3)  # it is on its way
        jobs.append(client.submit(picture, 'SE_3', api_name='/open'))
        for job in jobs:
            job.result()
    assert ended[-2:] == ['ask SE_2', 'open SE_3']


@pytest.mark.parametrize('name', UNUSABLE)
def test_a_file_that_cannot_be_used_gets_a_message(page, tmp_path, name):
    data, said = UNUSABLE[name]
    path = tmp_path / name
    path.write_bytes(data)
    message, *rest = page.ask(str(path), 'as trained')
    assert said in message
    assert str(tmp_path) not in message
    assert rest == [''] * 4
    assert page.open(str(path), 'SE_3') == ''


def test_nothing_is_asked_without_a_file(page):
    assert page.ask(None, 'SE_3') == ('Drop a picture, or choose an example.', '', '', '', '')
    assert page.open(None, 'SE_3') == ''


def test_the_answer(page, explainer, pictures):
    path = str(pictures[0])
    message, look, gates, top, opened = page.ask(path, 'SE_3')
    explained = explainer(path)
    name = explainer.names[explained.label]
    assert f'<b>{name}</b> (the network took ' in message
    assert to_data(np.asarray(Image.open(path))[..., None]) in look
    assert to_data(overlay(explained.picture, explained.cam)) in look
    assert f'alt="where it looked for {name}"' in look
    assert 'No pictures of this class are known' in gates
    assert gates.count('<svg') == 3
    assert top == show_top('Best classes', explainer.top(explained.scores))
    scores = explainer.top(explainer.open_stage(path, 'SE_3'))
    assert opened == show_top('Best classes, all gates of SE_3 set to 1', scores)
    assert page.ask(path, 'as trained')[4] == ''


def test_scores_are_shown_in_order_and_are_not_rounded_to_0():
    shown = show_top('a', [('<i>', 0.99976), ('b', 0.00016), ('c', 0.00001)])
    assert shown.index('>&lt;i&gt;<') < shown.index('>b<') < shown.index('>c<')
    assert [format_share(share) for share in (1, 0.99976, 0.00016, 0.00001)] == [
        '100.00 %',
        '99.98 %',
        '0.02 %',
        '&lt; 0.01 %',
    ]


def test_a_map_without_a_place_is_no_map():
    picture = np.zeros((8, 6, 3), np.uint8)
    for values, said in (
        ((0, 1), 'where it looked for &lt;i&gt;'),
        ((1, 1), 'all places speak alike for &lt;i&gt;'),
        ((0, 0), 'no place speaks for &lt;i&gt;'),
    ):
        cam = np.full((8, 6), values[0], np.float32)
        cam[0, 0] = values[1]
        shown = show_look(Explanation(picture, cam, torch.ones(1), {}, 0.1), '<i>')
        assert said in shown
        assert ('most' in shown) == (values == (0, 1))
        assert 'as the network saw it, 6 x 8 pixels' in shown
        assert '<i>"' not in shown


def test_gates_have_one_axis_and_the_colour_of_the_page(monkeypatch):
    """Of all stages the axis goes up to the largest gate."""
    drawn, draw = [], parts.draw_panel
    monkeypatch.setattr(parts, 'draw_panel', lambda *args: drawn.append(args) or draw(*args))
    gates = dict(SE_2_1=torch.tensor([0.5, 0.1]), SE_3_2=torch.tensor([0.2, 1.8]))
    average = {name: gate.flip(0) for name, gate in gates.items()}
    stages = dict(SE_2=['SE_2_1'], SE_3=['SE_3_1', 'SE_3_2'])
    shown = show_gates(gates, average, stages, 'cat', 1)
    assert shown.count('<svg') == 2
    assert [(block, round(highest, 3)) for block, _, _, highest in drawn] == [
        ('SE_2_1', 1.8),
        ('SE_3_2', 1.8),
    ]
    assert 'average of cat (1 picture)' in shown
    assert 'currentColor' in shown
    assert '#010203' not in shown


def test_examples_that_cannot_be_used_are_named(explainer, pictures, tmp_path):
    for name, (data, _) in UNUSABLE.items():
        (tmp_path / name).write_bytes(data)
    paths = [str(pictures[0]), *(str(tmp_path / name) for name in sorted(UNUSABLE))]
    examples, lines = open_examples(explainer.predictor, paths)
    assert [example.path for example in examples] == paths[:1]
    assert (examples[0].picture[..., 0] == np.asarray(Image.open(paths[0]))).all()
    for path, line in zip(paths[1:], lines, strict=True):
        assert line.startswith(f'{path} is left out: ')


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    folder = tmp_path / 'pictures'
    (folder / 'sub').mkdir(parents=True)
    for path in (tmp_path / 'secret.png', folder / 'sub/a.png'):
        path.write_bytes(b'')
    (folder / 'out.png').symlink_to(tmp_path / 'secret.png')
    (folder / 'in.png').symlink_to('sub/a.png')
    (folder / 'up').symlink_to(tmp_path)
    names = ('in.png', 'sub/a.png', 'out.png', 'up/secret.png')
    paths = [str(folder / name) for name in names]
    assert stay_within(folder, paths) == paths[:2]
