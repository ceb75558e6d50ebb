import json

import pytest
import torch
from mmengine import Config

from senet_mm.apis import find_config
from senet_mm.registry import MODELS

from ..blocks import commands_run_by, words_of

CONFIG = 'se-bn-inception-caffe_8xb32_in1k'


def test_measured_beside_published(run_tool, tmp_path):
    """A checkpoint, data, and the score that tools/test.py gives."""
    data, checkpoints = tmp_path / 'data', tmp_path / 'checkpoints'
    run_tool('tools/dataset_tools/make_sample.py', data, '--train', 1, '--val', 2)
    checkpoints.mkdir()
    model = MODELS.build(Config.fromfile(find_config(CONFIG)).model)
    model.init_weights()
    with torch.no_grad():  # one class for all images: a score that is neither 0 nor 100
        model.head.fc.bias[3] = 100
    torch.save(model.state_dict(), checkpoints / f'{CONFIG}.pth')
    options = ['--cfg-options', 'test_dataloader.num_workers=0', 'test_dataloader.batch_size=7']

    [command] = commands_run_by('docs/reproduce.md', 'test_measured_beside_published')
    out = [tmp_path / f'table.{kind}' for kind in ('json', 'csv', 'md')]
    meant = {'data/imagenet': data, 'checkpoints': checkpoints, 'released.md': out[2]}
    run = run_tool(
        *words_of(command, meant), *out[:2], '--work-dir', tmp_path / 'work', *options,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    first, *others = json.loads(out[0].read_text())
    assert first['measured_top1'] == pytest.approx(100 - 100 / 7, abs=1e-2)
    assert first['difference_top1'] == pytest.approx(100 - 100 / 7 - 23.62, abs=1e-2)
    assert all(row['measured_top1'] is None for row in others)
    assert '85.71 / ' in out[2].read_text()
    assert run.stdout.endswith(out[2].read_text())
    assert len(out[1].read_text().splitlines()) == 8

    metrics = tmp_path / 'metrics.json'
    run = run_tool(
        'tools/test.py', CONFIG, checkpoints / f'{CONFIG}.pth', '--work-dir', tmp_path / 'test',
        '--out', metrics, '--out-item', 'metrics', *options,
        f'test_dataloader.dataset.data_root={data}',
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    tested = json.loads(metrics.read_text())
    assert 100 - tested['accuracy/top1'] == pytest.approx(first['measured_top1'], abs=1e-3)
    assert 100 - tested['accuracy/top5'] == pytest.approx(first['measured_top5'], abs=1e-3)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['table1'], "table='table1' is not known; allowed: released, mmpretrain, table2"),
        (['released', '--out', 'table.xls'], '--out table.xls: allowed: .md, .json, .csv'),
        (['released', '--data-root', 'x'], '--data-root and --checkpoints belong together'),
        (['table7', '--data-root', 'x', '--checkpoints', '.'], 'table7 has AP of detectors, which'),
        (['released', '--cfg-options', 'a=1'], '--cfg-options: allowed with --checkpoints, whose'),
        (['released', '--data-root', 'x', '--checkpoints', 'y'], '--checkpoints y is not a folder'),
    ],
)
def test_a_mistake_is_one_line(run_tool, arguments, message):
    run = run_tool('tools/reproduce.py', *arguments)
    assert run.returncode == 1
    assert run.stderr.startswith(f'error: {message}')
    assert len(run.stderr.splitlines()) == 1
