import json
import shutil

import pytest
import torch

NETWORKS = ('seresnet8_1xb64_digits', 'resnet8_1xb64_digits')
CONFIG = (
    "train_cfg = dict(max_epochs=2)\nmodel = dict(type='{kind}')\nrandomness = dict(seed={seed})"
)


@pytest.fixture(scope='session')
def trained(run_tool, tmp_path_factory):
    """Two configs with two seeds, two epochs each; copied before a test changes them."""
    folder = tmp_path_factory.mktemp('ablation')
    run = run_tool(
        'tools/ablate.py', *NETWORKS, '--seeds', '2', '--jobs', '2', '--work-dir', folder,
        '--cfg-options', 'train_cfg.max_epochs=2', 'default_hooks.checkpoint.max_keep_ckpts=-1',
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture
def one_run(trained, tmp_path):
    """A copy of a run of an SE network."""
    return shutil.copytree(trained / NETWORKS[0] / 'seed-0', tmp_path / 'run')


def rename_classes(run, names):
    """Give the classes of all checkpoints of a run other names, as a data set would."""
    for file in run.glob('*.pth'):
        checkpoint = torch.load(file, weights_only=False)
        checkpoint['meta']['dataset_meta'] = dict(classes=list(names))
        torch.save(checkpoint, file)


def read_scalars(run):
    [file] = run.glob('*/vis_data/scalars.json')
    return [json.loads(line) for line in file.read_text().splitlines()]


def write_run(folder, *scores, seed=0, kind='A', **start):
    """A run of two epochs; an epoch has the given metrics."""
    log = folder / '20260101_000000/vis_data'
    log.mkdir(parents=True)
    lines = []
    for epoch, metrics in enumerate(scores, 1):
        lines += [dict(lr=0.1, loss=2.0, epoch=epoch, iter=7 * epoch, step=7 * epoch)]
        lines += [dict(metrics, time=1.0, step=epoch)]
    (log / 'scalars.json').write_text('\n'.join(map(json.dumps, lines)))
    (log / 'config.py').write_text(CONFIG.format(kind=kind, seed=seed))
    record = dict(time='2026-01-01 00:00:00 +0000', seed=seed, config='net.py', **start)
    (log.parent / 'run.json').write_text(json.dumps(record))
    return folder
