"""What the checkpoints of a run say: classes, pictures, gates, and what is damaged."""

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix

from senet_mm import get_model
from senet_mm.apis import Classifier
from senet_mm.datasets.digits import Digits
from senet_mm.study.report import report_runs
from senet_mm.study.report.evaluation import evaluate
from senet_mm.study.report.reading import read_run

from .conftest import NETWORKS
from .test_report import text_of

pytestmark = pytest.mark.slow


def test_classes_gates_and_pictures(trained):
    run = read_run(trained / NETWORKS[0] / 'seed-0')
    found = evaluate(run)
    images = Digits(split='test', pipeline=[])
    labels = [images[i]['gt_label'] for i in range(len(images))]
    arrays = [np.asarray(images[i]['img']).astype('uint8').squeeze() for i in range(len(images))]
    classifier = Classifier(found.checkpoint.path)
    predictions = classifier(arrays, topk=10)
    predicted = [prediction['pred_label'] for prediction in predictions]
    assert (found.report.confusion == confusion_matrix(labels, predicted)).all()
    own = [float(prediction['pred_scores'][label])
           for prediction, label in zip(predictions, labels, strict=True)
           if prediction['pred_label'] != label]  # fmt: skip
    assert [p.label_score for p in found.worst] == pytest.approx(sorted(own)[:24], abs=1e-4)
    assert [gates.step for gates in found.gates] == [1, 2]
    assert [block.block for block in found.gates[0].blocks] == ['SE_2_1', 'SE_3_1', 'SE_4_1']
    assert found.gates[0].blocks[0].mean != found.gates[1].blocks[0].mean
    model = get_model(checkpoint=found.checkpoint.path)
    assert found.complexity.params == sum(p.numel() for p in model.parameters())
    assert found.remarks == []


def test_missing_data_is_a_remark(one_run):
    change_config(one_run, "type='Digits'", "type='ImageNet', data_root='no'")
    found = evaluate(read_run(one_run))
    assert found.report is None
    assert found.complexity is not None
    assert len(found.remarks) == 1
    assert found.remarks[0].startswith('not evaluated: ')
    assert '--data-root DIR' in found.remarks[0]


def change_config(run, old, new):
    """Replace a text in the configs of all checkpoints of a run."""
    for file in run.glob('*.pth'):
        loaded = torch.load(file, weights_only=False)
        assert old in loaded['meta']['cfg']
        loaded['meta']['cfg'] = loaded['meta']['cfg'].replace(old, new)
        torch.save(loaded, file)


def test_a_test_set_is_named(one_run, tmp_path):
    change_config(one_run, 'val_dataloader = dict(', 'val_dataloader = None\nother = dict(')
    out = tmp_path / 'report.html'
    report_runs([one_run], out, charts='svg')
    text = text_of(out.read_text())
    assert 'no validation set: classes and gates are of its test set' in text
    assert 'Classes, on the test set' in text
    assert '540 images of the test set' in text
    assert 'on the validation set' not in text


def test_a_damaged_checkpoint(one_run, tmp_path):
    """One beside the best is left out; of a damaged best the last good one is taken."""
    [best] = one_run.glob('best_*')
    others = [one_run / f'epoch_{n}.pth' for n in (1, 2) if not best.stem.endswith(f'_{n}')]
    cut_off(others[0])
    out = tmp_path / 'report.html'
    report_runs([one_run], out, charts='svg')
    text = text_of(out.read_text())
    assert f'{others[0].name} is left out: ' in text
    assert f'{best.name}: 540 images of the validation set' in text
    cut_off(best)
    found = evaluate(read_run(one_run))
    assert found.checkpoint.path.name == f'epoch_{best.stem[-1]}.pth'
    assert found.report is not None
    assert [line.partition(':')[0] for line in found.remarks] == [
        f'{best.name} is not used', f'{others[0].name} is left out'
    ]  # fmt: skip


def cut_off(file):
    file.write_bytes(file.read_bytes()[:3000])


def test_the_network_of_a_run_without_checkpoints(one_run):
    expected = evaluate(read_run(one_run), evaluates=False).complexity
    for file in one_run.glob('*.pth'):
        file.unlink()
    assert evaluate(read_run(one_run)).complexity == expected
    [config] = one_run.glob('*/vis_data/config.py')
    config.write_text(config.read_text().replace('ImageClassifier', 'TimmClassifier'))
    found = evaluate(read_run(one_run))
    assert found.complexity is None
    assert found.remarks[1].startswith('the network is not known: ')


def test_checkpoints_of_an_earlier_training(one_run):
    """They are in the folder where the new one was killed before its first checkpoint."""
    for file in [*one_run.glob('best_*'), one_run / 'epoch_2.pth']:
        loaded = torch.load(file, weights_only=False)
        loaded['meta']['experiment_name'] = 'digits_20200101_000000'
        torch.save(loaded, file)
    found = evaluate(read_run(one_run))
    assert found.checkpoint.path.name == 'epoch_1.pth'
    assert [gates.step for gates in found.gates] == [1]
    assert all("of an earlier training, 'digits_2020" in line for line in found.remarks)
    assert found.remarks


def test_networks_of_several_labels(one_run, capfd):
    change_config(one_run, "type='LinearClsHead'", "type='MultiLabelLinearClsHead'")
    found = evaluate(read_run(one_run))
    assert found.report is None
    assert found.remarks == [
        'not evaluated: its head may give an image several labels; allowed: one label'
    ]
    assert 'Init' not in ''.join(capfd.readouterr())  # mmengine's lines on each parameter
