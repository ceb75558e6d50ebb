"""The tool that classifies images: formats, order, images that cannot be used, mistakes."""

import csv
import io
import json
import os
import re
import sys
import threading

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from PIL import Image

from senet_mm.apis import Classifier, get_model
from senet_mm.engine.weights.record import record_of, to_meta
from senet_mm.utils.errors import UserError
from senet_mm.utils.names import parse_name
from senet_mm.utils.predictions import WRITERS

from ..conftest import load_tool

TOOL = 'tools/predict.py'
NAME = 'seresnet8_1xb64_digits'
CLASSES = ['rote Tulpe', 'Gänseblümchen', 'c,"d"', *map(str, range(3, 10))]


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    model = get_model(NAME)
    record = record_of(model) | dict(classes=CLASSES)
    path = tmp_path_factory.mktemp('weights') / 'a.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=to_meta(record)), path)
    return path


@pytest.fixture
def pictures(tmp_path):
    """Four pictures, one of them damaged, and a stray file."""
    folder = tmp_path / 'my pictures'
    (folder / 'sub').mkdir(parents=True)
    random = np.random.default_rng(0)
    for name in ('b.png', 'ä.PNG', 'sub/c.bmp'):
        Image.fromarray(random.integers(0, 256, (8, 8), np.uint8)).save(folder / name)
    (folder / 'a.jpg').write_bytes(b'\xff\xd8broken')
    (folder / '.DS_Store').write_text('x')
    return folder


@pytest.fixture
def predict(monkeypatch, capsys):
    """The tool in this process: code, stdout and stderr."""
    tool = load_tool(TOOL)

    def run(*arguments, stdin=''):
        monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, arguments), '-j', '0'])
        monkeypatch.setattr(sys, 'stdin', io.StringIO(stdin))
        logger = MMLogger.get_current_instance()
        monkeypatch.setattr(logger, 'handlers', [*logger.handlers])
        capsys.readouterr()
        code = tool.main(tool.parse_args())
        return code, *capsys.readouterr()

    return run


def test_as_a_user_runs_it(checkpoint, pictures, tmp_path, run_tool):
    """Results on stdout alone, images that cannot be used on stderr and in the exit code."""
    out = tmp_path / 'results.json'
    run = run_tool(TOOL, checkpoint, pictures, '--topk', '2', '--out', out)
    assert run.returncode == 65
    assert run.stdout == ''
    assert run.stderr.splitlines() == [
        f'skipped {pictures / "a.jpg"}: the file is cut off',
        '1 of 4 images were skipped',
    ]
    results = json.loads(out.read_text())
    names = ['b.png', 'sub/c.bmp', 'ä.PNG']
    assert [result['img_path'] for result in results] == [str(pictures / n) for n in names]
    expected = Classifier(checkpoint)([pictures / name for name in names], topk=2)
    for result, other in zip(results, expected, strict=True):
        assert result == {key: other[key] for key in result}
        assert set(other) - set(result) == {'pred_scores'}


def test_formats(checkpoint, pictures, predict):
    files = [pictures / 'b.png', pictures / 'ä.PNG']
    expected = Classifier(checkpoint)(files, topk=2)
    code, out, err = predict(checkpoint, *files, '--topk', 2, '--format', 'csv')
    assert (code, err) == (0, '')
    rows = list(csv.DictReader(io.StringIO(out)))
    for row, other in zip(rows, expected, strict=True):
        assert row['img_path'] == other['img_path']
        assert int(row['pred_label']) == other['pred_label']
        assert float(row['pred_score']) == other['pred_score']
        assert [row['pred_class'], row['class_2']] == other['top_classes']
        assert float(row['score_2']) == other['top_scores'][1]
    _, out, _ = predict(checkpoint, *files)
    head, *lines = out.splitlines()
    assert head.split() == ['image', 'class', 'score']
    assert lines[0].startswith(f'{files[0]}  {expected[0]["pred_class"]}')
    assert lines[0].endswith(f'{expected[0]["pred_score"]:.4f}')
    assert lines[0].index(f'{expected[0]["pred_score"]:.4f}') == head.index('score')


def test_list_on_stdin_in_its_order(checkpoint, pictures, predict):
    files = [str(pictures / name) for name in ('ä.PNG', 'b.png', 'sub/c.bmp', 'b.png')]
    _, out, _ = predict(checkpoint, '-', '--format', 'json', '-b', 3, stdin='\n'.join(files))
    assert [result['img_path'] for result in json.loads(out)] == files


def test_all_images_damaged(checkpoint, pictures, predict):
    for kind, text in (('table', ''), ('csv', ''), ('json', '[]\n')):
        code, out, _ = predict(checkpoint, pictures / 'a.jpg', '--format', kind)
        assert (code, out) == (65, text)


def test_network_without_names_of_classes(pictures, tmp_path, predict):
    torch.save(get_model(NAME).state_dict(), tmp_path / 'a.pth')
    code, out, err = predict(tmp_path / 'a.pth', pictures / 'b.png', '--config', NAME)
    assert code == 0
    assert err.splitlines()[-1] == (
        f'{tmp_path / "a.pth"} has no names of classes: numbers are printed'
    )
    assert re.fullmatch(r'.*b\.png +\d +0\.\d{4}', out.splitlines()[1])
    (tmp_path / 'names.txt').write_text('\n'.join('abcdefghij'))
    options = ['--config', NAME, '--class-map', tmp_path / 'names.txt']
    _, out, err = predict(tmp_path / 'a.pth', pictures / 'b.png', *options)
    assert 'no names' not in err
    assert re.fullmatch(r'.*b\.png +[a-j] +0\.\d{4}', out.splitlines()[1])


MISTAKES = {
    'no checkpoint': (['nowhere.pth', 'b.png'], 'checkpoint nowhere.pth does not exist'),
    'no exported file': (['nowhere.onnx', 'b.png'], 'exported file nowhere.onnx does not exist'),
    'no names': (
        ['CHECKPOINT', 'b.png', '--class-map', 'nowhere.txt'],
        '--class-map nowhere.txt: there is no such file; allowed: ',
    ),
    'no image': (['CHECKPOINT', 'nowhere.png'], 'image nowhere.png does not exist; allowed: files'),
    'pattern': (['CHECKPOINT', '*.gif'], r'\*.gif fits no image; allowed: files'),
    'empty folder': (['CHECKPOINT', 'empty'], r'folder empty has no image \(it is empty\)'),
    'empty list': (['CHECKPOINT', '-'], 'there is no image; allowed: files'),
    'topk': (['CHECKPOINT', 'b.png', '--topk', 11], 'topk=11; allowed: 1 to 10, the number of cl'),
    'batch': (['CHECKPOINT', 'b.png', '-b', 0], 'batch_size=0; allowed: whole numbers from 1'),
    'suffix': (['CHECKPOINT', 'b.png', '--out', 'a.xlsx'], '--out a.xlsx: allowed: .csv, .json'),
    'out': (['CHECKPOINT', 'b.png', '--out', 'none/a.csv'], 'folder none does not exist'),
    'folder out': (['CHECKPOINT', 'b.png', '--out', 'empty'], 'empty is a folder; allowed: a file'),
    'options': (
        ['CHECKPOINT', 'b.png', '--cfg-options', 'a=1'],
        '--cfg-options changes a config; allowed: with --config',
    ),
    'mean': (
        ['CHECKPOINT', 'b.png', '--config', NAME, '--cfg-options', 'data_preprocessor.mean=[1]'],
        r'was made with mean=\[78.0\], the config or an option says mean=\[1\]; allowed: that of',
    ),
    'other network': (
        ['CHECKPOINT', 'b.png', '--config', 'sesmallcnn_1xb64_digits'],
        'does not fit the model of the config',
    ),
    'device': (['CHECKPOINT', 'b.png', '--device', 'none'], r'device=none: .*; allowed: cpu, cuda'),
    'hostile file': (['hostile.pth', 'b.png'], 'checkpoint hostile.pth is refused: it refers to'),
    'second checkpoint': (
        ['best_1.pth', 'best_2.pth', 'b.png'],
        '^two checkpoints: best_1.pth, best_2.pth; allowed: one, and then images$',
    ),
    'exported files': (['a.onnx', 'b.png', 'c.ONNX', 'd.xml'], '^3 checkpoints: a.onnx, c.ONNX, d'),
    'order': (['b.png', 'a.pth'], '^a.pth after b.png; allowed: the checkpoint first$'),
    'contradiction': (
        ['CHECKPOINT', 'b.png', '--out', 'a.CSV', '--format', 'json'],
        '^--format json contradicts --out a.CSV; allowed: one of both$',
    ),
    'image out': (
        ['CHECKPOINT', 'sub', '--out', 'b.png', '--format', 'csv'],
        '^--out b.png exists, and is no file of results; allowed: another name$',
    ),
    'list out': (
        ['CHECKPOINT', 'b.png', '--class-map', 'names.txt', '--out', 'names.txt'],
        '^--out names.txt is read, as names.txt; allowed: another name$',
    ),
    'meta': (['CHECKPOINT', 'b.png', '--device', 'meta'], '^device=meta holds no values; allowed'),
    'config of an exported file': (
        ['text.onnx', 'b.png', '--config', NAME],
        f'^config={NAME} with the exported file text.onnx; allowed: a checkpoint',
    ),
    'text': (['text.onnx', 'b.png'], 'exported file text.onnx is damaged or no .onnx'),
}


@pytest.mark.parametrize('name', MISTAKES)
def test_mistakes(name, checkpoint, pictures, predict, monkeypatch):
    from ..engine.weights.test_checkpoint import save_hostile

    monkeypatch.chdir(pictures)
    (pictures / 'empty').mkdir()
    (pictures / 'text.onnx').write_text('text')
    (pictures / 'names.txt').write_text('a')
    file, proof = save_hostile(pictures, torch.save)
    file.rename('hostile.pth')
    arguments, message = MISTAKES[name]
    arguments = [checkpoint if each == 'CHECKPOINT' else each for each in arguments]
    with pytest.raises((ValueError, FileNotFoundError), match=message) as raised:
        predict(*arguments)
    assert '\n' not in str(raised.value)
    assert not proof.exists()
    assert (pictures / 'names.txt').read_text() == 'a'
    assert Image.open(pictures / 'b.png').size == (8, 8)
    assert not (pictures / 'a.xlsx').exists()


def test_checkpoint_is_not_overwritten(checkpoint, pictures, tmp_path, predict):
    """Under any name: a link to it with the suffix of a table."""
    before = checkpoint.read_bytes()
    (tmp_path / 'a.csv').symlink_to(checkpoint)
    with pytest.raises(ValueError, match=r'a\.csv is read, as .*a\.pth; allowed: another name'):
        predict(checkpoint, pictures / 'b.png', '--out', tmp_path / 'a.csv')
    assert checkpoint.read_bytes() == before


def test_fifo_is_written(checkpoint, pictures, tmp_path, predict):
    os.mkfifo(tmp_path / 'fifo')
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / 'fifo').read_text()))
    reader.start()
    predict(checkpoint, pictures / 'b.png', '--format', 'csv', '--out', tmp_path / 'fifo')
    reader.join()
    assert read[0].startswith('img_path,')
    assert (tmp_path / 'fifo').is_fifo()


def test_pattern_that_fits_folders(checkpoint, pictures, predict):
    """Folders are read, once, and those without images are passed over."""
    (pictures / 'empty').mkdir()
    (pictures / 'a.jpg').unlink()
    expected = [str(pictures / name) for name in ('b.png', 'sub/c.bmp', 'ä.PNG')]
    for pattern in ('*', '**', '../my*'):
        _, out, _ = predict(checkpoint, pictures / pattern, '--format', 'json')
        paths = [os.path.normpath(result['img_path']) for result in json.loads(out)]
        assert paths == expected
    with pytest.raises(ValueError, match='fits no image'):
        predict(checkpoint, pictures / 'em*')


def test_list_with_a_byte_order_mark(checkpoint, pictures, predict):
    name = str(pictures / 'b.png')
    _, out, _ = predict(checkpoint, '-', '--format', 'json', stdin=f'\ufeff{name}\r\n')
    assert [result['img_path'] for result in json.loads(out)] == [name]


def test_arguments_of_classifier(checkpoint):
    with pytest.raises(UserError, match=r'^config=5; allowed: name or path of a config, or a conf'):
        Classifier(checkpoint, config=5)


@pytest.mark.parametrize('is_terminal', [False, True])
def test_bar_on_a_terminal_alone(is_terminal, checkpoint, pictures, predict, monkeypatch, capsys):
    monkeypatch.setattr(type(sys.stderr), 'isatty', lambda _: is_terminal)
    monkeypatch.setenv('TERM', 'xterm')
    _, out, err = predict(checkpoint, pictures / 'b.png', '--format', 'csv')
    assert len(out.splitlines()) == 2
    assert ('images' in err) == is_terminal


def test_unknown_format(checkpoint, predict, capsys):
    with pytest.raises(SystemExit):
        predict(checkpoint, 'b.png', '--format', 'xml')
    assert "argument --format/--results-format: invalid choice: 'xml'" in capsys.readouterr().err


@pytest.mark.parametrize('encoding', ['utf-8', 'latin-1'])
def test_letters_in_json(encoding):
    """They stay letters in UTF-8; other encodings have them escaped."""
    result = dict(img_path='b\udce4.png', pred_label=0, pred_class='Gänse 鵝', pred_score=0.5)
    file = io.TextIOWrapper(io.BytesIO(), encoding, 'backslashreplace')
    WRITERS['json']([result], file)
    file.flush()
    data = file.buffer.getvalue()
    assert json.loads(data)[0] == result
    assert ('Gänse 鵝'.encode() in data) == (encoding == 'utf-8')


def test_results_of_a_file_with_odd_names():
    odd = 'a\nb\udce4.png'
    results = [dict(img_path=odd, pred_label=0, pred_class='x,"\n', pred_score=0.5)]
    texts = {}
    for kind, write in WRITERS.items():
        write(results, file := io.StringIO())
        texts[kind] = file.getvalue()
    assert len(texts['table'].splitlines()) == 2
    assert json.loads(texts['json'])[0]['img_path'] == odd
    assert 'b\\udce4.png' in texts['json']
    [row] = csv.DictReader(io.StringIO(texts['csv']))
    assert [parse_name(row[key]) for key in ('img_path', 'pred_class')] == [odd, 'x,"\n']
    assert len(texts['csv'].splitlines()) == 2
