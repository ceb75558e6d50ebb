"""Names of classes, and of what a file says of itself, through every writer of ours."""

import csv
import io
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import yaml

from senet_mm.analysis.excitation import BlockStats, Excitation
from senet_mm.analysis.excitation_figures import draw_gates
from senet_mm.analysis.excitation_report import write_csv
from senet_mm.converters.hub_config import read_hub_config
from senet_mm.converters.model_card import Results, make_card
from senet_mm.converters.share import CARD, Shared, write_shared
from senet_mm.datasets.classes import list_names
from senet_mm.datasets.split import read_split, write_split
from senet_mm.deploy.image_graph import build_prediction
from senet_mm.deploy.metadata import read_record, write_record
from senet_mm.deploy.report import compare_by_class
from senet_mm.engine.balance import describe_counts
from senet_mm.engine.runner.logs import make_plain
from senet_mm.engine.weights.origin import load_origin
from senet_mm.evaluation.class_report import score_classes
from senet_mm.evaluation.class_tables import confusion_to_csv, report_to_json, report_to_text
from senet_mm.utils.figures import save_figure
from senet_mm.utils.names import encodable, parse_name
from senet_mm.utils.predictions import WRITERS
from senet_mm.utils.tables import csv_table

from ..conftest import load_tool

NAMES = [
    'plain',
    'Kühe & Kälber 鵝 😀',
    ' two  spaces ',
    'line\nfeed',
    'carriage\rreturn',
    'tab\tx',
    'escape \x1b[31mred',
    'delete\x7f',
    'c1 \x9b31m next\x85line',
    'null\0x',
    'separator\u2028x',
    'turned \u202eround',
    'not \udcff\udce4 utf-8',
    '"quoted"',
    '"half',
    'a,b|c; <b>&amp;',
    '$x_{$ \\alpha $^$',
    '_hidden',
    '-o',
    '# x: {} %s',
]


class Written(NamedTuple):
    """What a writer made.

    Attributes:
        text: What a person or a terminal may read, by parts that have a name each; None for bytes.
        names: Names as they are read back; None where a text is for people alone.
    """

    text: list[str] | None
    names: list[str] | None


def predictions():
    results = []
    for i, name in enumerate(NAMES):
        others = [name, NAMES[i - 1]]
        results.append(
            dict(
                img_path=f'dir/{name}', pred_label=i, pred_class=name, pred_score=0.5,
                top_labels=[i, i - 1], top_scores=[0.5, 0.4], top_classes=others,
            )
        )  # fmt: skip
    return results


def predict(kind):
    WRITERS[kind](predictions(), file := io.StringIO())
    return file.getvalue()


def predicted_table(folder):
    header, *lines = predict('table').split('\n')[:-1]
    assert header.split('  ')[0] == 'image'
    return Written(lines, None)


def predicted_csv(folder):
    text = predict('csv')
    rows = list(csv.DictReader(io.StringIO(text, newline='')))
    assert [parse_name(row['img_path']) for row in rows] == [f'dir/{name}' for name in NAMES]
    assert [parse_name(row['class_2']) for row in rows] == [NAMES[-1], *NAMES[:-1]]
    return Written(text.split('\n')[1:-1], [parse_name(row['pred_class']) for row in rows])


def predicted_json(folder):
    text = predict('json')
    rows = json.loads(text)
    assert [row['img_path'] for row in rows] == [f'dir/{name}' for name in NAMES]
    return Written(text.split('\n')[1:-2], [row['pred_class'] for row in rows])


def report():
    labels = np.arange(len(NAMES))
    return score_classes(labels, labels[::-1], NAMES)


def report_in_log(folder):
    lines = report_to_text(report()).split('\n')
    assert len(lines) == 2 + len(NAMES) + 2 + len(NAMES)
    return Written(lines[2 : 2 + len(NAMES)], None)


def report_json(folder):
    text = report_to_json(report())
    return Written(text.split('\n'), [each['name'] for each in json.loads(text)['classes']])


def confusion_csv(folder):
    text = confusion_to_csv(NAMES, report().confusion)
    rows = list(csv.reader(io.StringIO(text, newline='')))
    assert list(map(parse_name, rows[0][1:])) == NAMES
    return Written(text.split('\n')[1:-1], [parse_name(row[0]) for row in rows[1:]])


def split_file(folder):
    names = [f'{name}/{name}.jpg' for name in NAMES]
    write_split(dict.fromkeys(names, 'train'), folder / 'split.txt')
    read = read_split(str(folder / 'split.txt'))
    text = (folder / 'split.txt').read_text()
    return Written(text.split('\n')[:-1], [name for name in NAMES if f'{name}/{name}.jpg' in read])


def excitation():
    stats = BlockStats.zeros(len(NAMES) + 1, 2)
    stats.classes.add(torch.rand(len(NAMES), 2).double(), torch.arange(len(NAMES)))
    return Excitation(dict(enumerate(NAMES)), {'SE_2_1': stats})


def excitation_csv(folder):
    write_csv(excitation(), folder / 'excitation.csv')
    text = (folder / 'excitation.csv').read_text()
    rows = [row for row in csv.DictReader(io.StringIO(text, newline='')) if row['channel'] == '0']
    assert rows.pop()['class'] == 'all'
    return Written(text.split('\n')[1:-3:2], [parse_name(row['class']) for row in rows])


def excitation_figure(folder):
    figure = draw_gates(excitation(), range(len(NAMES)), ['SE_2_1'])
    save_figure(figure, folder / 'gates.png')
    *names, last = [text.get_text() for text in figure.legends[0].get_texts()]
    assert last == 'all'
    return Written(names, None)


def int8_csv(folder):
    logits = torch.eye(len(NAMES))
    text = csv_table(compare_by_class(logits, logits, torch.arange(len(NAMES)), NAMES))
    rows = csv.DictReader(io.StringIO(text, newline=''))
    return Written(text.split('\n')[1:-1], [parse_name(row['class']) for row in rows])


def exported(suffix, write):
    def make(folder):
        path = folder / f'file{suffix}'
        write(path)
        given = dict(preprocessing={}, classes=NAMES, recipe=NAMES[12], config=NAMES[6])
        write_record(path, dict(given, license=NAMES[3], source=NAMES[7]))
        record = read_record(path)
        found = [record[name] for name in ('recipe', 'config', 'license', 'source')]
        assert found == [NAMES[i] for i in (12, 6, 3, 7)]
        return Written(None, record['classes'])

    return make


def write_archive(path):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('file/version', '1')


def names_in_onnx(folder):
    network = build_prediction(NAMES)
    session = onnxruntime.InferenceSession(network.SerializeToString())
    logits = np.eye(len(NAMES), dtype=np.float32)
    [names] = session.run(['pred_class'], {'logits': logits})
    assert list(names) == list(map(encodable, NAMES))
    return Written(None, None)


META = dict(
    name=NAMES[6], recipe=NAMES[7], license=NAMES[3], source=NAMES[12],
    cfg="model = dict(backbone=dict(type='ResNet'), head=dict())", preprocessing={},
    complexity=dict(params=1, macs=1, shape=(1,)), senet_mm_version='0',
    dataset_meta=dict(classes=NAMES),
)  # fmt: skip


def hub_folder(folder):
    config = dict(architecture=f'senet_mm/{NAMES[6]}', num_classes=len(NAMES), label_names=NAMES)
    shared = Shared({}, config, [])
    write_shared(folder / 'hub', shared, 'card')
    text = (folder / 'hub/config.json').read_text()
    return Written(text.split('\n'), read_hub_config(folder / 'hub/config.json').classes)


def model_card(folder):
    run = SimpleNamespace(
        commands=[f'train {name}' for name in NAMES], start={}, unit='epoch', validations=[]
    )
    loader = dict(dataset=dict(type='X', data_root=f'data/{NAMES[12]}'))
    shared = Shared({}, dict(architecture='senet_mm/x'), [])
    card = make_card(shared, META, Results({'accuracy/top1': 1.0}, loader), run, NAMES[6])
    write_shared(folder / 'hub', shared, card)
    text = (folder / 'hub' / CARD).read_text()
    head = yaml.safe_load(text.split('---\n')[1])
    assert head['model-index'][0]['name'] == NAMES[6]
    start = text.index('```\ntrain ') + 4
    commands = text[start : text.index('```', start)].split('\n')[:-1]
    assert len(commands) == len(NAMES)
    return Written([*commands, *text.split('\n')], None)


def published_json(folder):
    tool = load_tool('tools/model_converters/publish_model.py')
    file = tool.write_pair(folder, 'name', b'x', META)
    text = file.with_suffix('.json').read_text()
    return Written(text.split('\n'), json.loads(text)['dataset_meta']['classes'])


def checkpoint(folder):
    meta = {name: META[name] for name in ('recipe', 'license', 'source', 'dataset_meta')}
    torch.save(dict(state_dict={}, meta=meta), folder / 'net.pth')
    origin = load_origin(str(folder / 'net.pth'))
    assert (origin.recipe, origin.license, origin.source) == (NAMES[7], NAMES[3], NAMES[12])
    return Written(None, list(origin.classes))


def counts_in_log(folder):
    counts = np.arange(1, len(NAMES) + 1)
    return Written([describe_counts(counts, tuple(NAMES))], None)


def lists_in_log(folder):
    return Written([list_names(NAMES[i : i + 3]) for i in range(len(NAMES))], None)


def any_line_of_a_log(folder):
    lines = []
    for name in NAMES:
        record = logging.LogRecord('x', 20, '', 0, 'class %s', (name,), None)
        assert make_plain(record)
        lines += record.getMessage().replace('\t', ' ').split('\n')
    return Written(lines, None)


ALL: list[Callable[[Path], Written]] = [
    predicted_table, predicted_csv, predicted_json, report_in_log, report_json, confusion_csv,
    split_file, excitation_csv, excitation_figure, int8_csv, names_in_onnx, hub_folder, model_card,
    published_json, checkpoint, counts_in_log, lists_in_log, any_line_of_a_log,
]  # fmt: skip
EXPORTED = {
    '.onnx': lambda path: onnx.save(build_prediction(None), path),
    '.pt2': write_archive,
    '.xml': lambda path: path.write_text('<net><layers/></net>'),
}
# A line each has; the other texts have more lines than names.
LINES = (predicted_table, predicted_csv, predicted_json, report_in_log, confusion_csv, split_file,
         excitation_csv, excitation_figure, int8_csv)  # fmt: skip


@pytest.mark.parametrize(
    'write', [*ALL, *(exported(suffix, write) for suffix, write in EXPORTED.items())],
    ids=[*(write.__name__ for write in ALL), *EXPORTED],
)  # fmt: skip
def test_a_writer(write, tmp_path):
    """A name has one line on which a terminal acts on nothing, and a program reads it exactly."""
    written = write(tmp_path)
    for line in written.text or ():
        line.encode('utf-8')
        assert line.isprintable(), line
    if write in LINES:
        assert len(written.text) == len(NAMES)
    if written.names is not None:
        assert list(written.names) == NAMES
