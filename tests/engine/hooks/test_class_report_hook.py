"""What a run, its test and its processes say of each class."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from senet_mm.engine import Runner
from senet_mm.engine.balance import list_values
from senet_mm.engine.hooks.class_report_hook import write_report
from senet_mm.evaluation.class_report import score_classes
from senet_mm.evaluation.class_tables import report_to_text

from ...conftest import ROOT
from ...forked import run_ranks
from ..test_class_weight import read_logs
from ..test_runner import digits

EVALUATOR = [dict(type='Accuracy'), dict(type='ClassReport')]
OPTIONS = {
    'train_dataloader.num_batch_per_epoch': 2,
    'val_evaluator': EVALUATOR,
    'test_evaluator': EVALUATOR,
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def finished(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('run')
    runner = Runner.from_cfg(digits(work_dir, **OPTIONS))
    runner.train()
    return runner, work_dir


def read(work_dir, name):
    (file,) = work_dir.glob(f'*/{name}')
    return file.read_text()


def test_files_and_last_lines(finished):
    """One table at the end, of the last validation; the files are of it, too."""
    _, work_dir = finished
    report = json.loads(read(work_dir, 'val_classes.json'))
    assert (report['epoch'], report['iter'], report['images']) == (2, 4, 540)
    assert [each['name'] for each in report['classes']] == list('0123456789')
    assert sum(each['images'] for each in report['classes']) == 540
    assert read(work_dir, 'val_confusion.csv').startswith('label \\ prediction,0,1,2,3,4,5,6,7,8,9')
    log = read_logs(work_dir)
    assert log.count('confusion matrix: a row per class') == 1
    line = f'validation after epoch 2, iteration 4: 540 images, accuracy {report["accuracy"]:.2f} %'
    assert line in log[log.rindex('Epoch(val)') :]


def test_names_that_are_no_utf8_and_no_line(tmp_path):
    """As folders of an unpacked archive have them: one line in the log, escapes in the files."""
    names = ['\udcfcbel', 'a\nb', 'süß']
    report = score_classes(np.array([0, 1, 2]), np.array([0, 1, 1]), names)
    runner = SimpleNamespace(log_dir=str(tmp_path), is_training=False)
    write_report(runner, report, 'test')
    written = json.loads((tmp_path / 'test_classes.json').read_text('utf-8'))
    assert [each['name'] for each in written['classes']] == names
    assert 'süß' in (tmp_path / 'test_confusion.csv').read_text('utf-8')
    text = report_to_text(report)
    assert '"a\\nb"' in text
    text.encode()
    assert list_values(np.array([3, 2, 1]), names) == '"\\udcfcbel": 3, "a\\nb": 2, süß: 1'


def test_a_finished_run_that_is_resumed_says_it_again(finished, tmp_path):
    """What a run says that was ended after its last validation."""
    _, work_dir = finished
    options = {'load_from': str(work_dir / 'epoch_2.pth'), 'resume': True, **OPTIONS}
    Runner.from_cfg(digits(tmp_path, **options)).train()
    # That checkpoint was saved before its validation, which is made up for.
    assert 'validation after epoch 2, iteration 4: 540 images' in read_logs(tmp_path)


def test_processes_find_what_one_finds(finished, tmp_path):
    """Of 101 images, which two processes cannot share evenly."""
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = '{ROOT}/configs/digits/seresnet8_1xb64_digits.py'\n"
        "test_evaluator = [dict(type='Accuracy'), dict(type='ClassReport')]\n"
        'test_dataloader = dict(batch_size=20, dataset=dict(indices=101))\n'
    )
    found = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        command = ['tools/test.py', config, finished[1] / 'epoch_2.pth', '--work-dir', folder]
        for run in run_ranks(command, processes):
            assert run.returncode == 0, run.stderr
        assert 'test: 101 images, accuracy' in run.stdout + read_logs(folder)
        names = ('test_classes.json', 'test_confusion.csv')
        found.append([read(folder, name) for name in names])
    assert found[0] == found[1]
    assert json.loads(found[0][0])['images'] == 101
