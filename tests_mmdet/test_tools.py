"""Training, testing and resuming by the tools, without compiled operators."""

import pytest

from tests.blocks import commands_run_by, words_of

CONFIG = 'configs/detection/faster-rcnn_seresnet18_fpn_sample.py'


@pytest.fixture
def options(sample):
    """Options that point a config at the small data set."""
    parts = [
        f'{split}_dataloader.dataset.data_root={sample}/' for split in ('train', 'val', 'test')
    ]
    annotations = sample / 'annotations/instances_val.json'
    return ['--cfg-options', *parts, f'val_evaluator.ann_file={annotations}',
            f'test_evaluator.ann_file={annotations}', 'randomness.seed=0']  # fmt: skip


def score(run):
    """AP in the last line that has one."""
    assert run.returncode == 0, run.stderr
    *_, line = (line for line in run.stdout.splitlines() if 'coco/bbox_mAP:' in line)
    return line[line.index('coco/bbox_mAP:') : line.index('data_time')]


def test_train_test_resume(run_tool, tmp_path, options):
    """As on the page, and on."""
    *_, command = commands_run_by('docs/detection.md', 'test_train_test_resume')
    train = [*words_of(command), '--work-dir', tmp_path]
    run = run_tool(*train, *options, 'train_cfg.max_epochs=1')
    validated = score(run)
    assert run.stdout.count("torchvision's nms, RoIAlign and focal loss serve") == 1
    checkpoint = tmp_path / 'epoch_1.pth'
    run = run_tool('tools/test.py', CONFIG, checkpoint, '--work-dir', tmp_path / 'test', *options)
    assert score(run) == validated
    run = run_tool(*train, '--resume', *options, 'train_cfg.max_epochs=2')
    score(run)
    assert 'resumed epoch: 1, iter: 2' in run.stdout
    assert (tmp_path / 'epoch_2.pth').exists()
