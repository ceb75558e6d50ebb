"""The README is short, points at what exists, and its commands work as they stand."""

import json
import re
import shlex

import modelindex
import pytest
import torch

from senet_mm.apis import get_config, get_model
from senet_mm.config.auto import Size, settle
from senet_mm.config.names import DOWNSTREAM

from .conftest import ROOT

README = (ROOT / 'README.md').read_text()
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *ROOT.glob('docs/*.md')]
PAGES += ROOT.glob('configs/*/README.md')


def test_readme_is_short():
    assert len(README.splitlines()) < 150


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_exists(page):
    text = page.read_text()
    links = re.findall(r'\]\((?!http)([^)#]+)', text)
    paths = re.findall(r'(?<![\w/])(?:\.dev_scripts|configs|senet_mm|tools|tests)/[\w./-]*\w', text)
    assert paths
    assert all((page.parent / link).exists() for link in links)
    assert all((ROOT / path).exists() for path in paths)


def test_every_config_is_in_the_results():
    results = (ROOT / 'docs/results.md').read_text()
    for path in ROOT.glob('configs/[!_]*/*.py'):
        if path.parent.name not in DOWNSTREAM:
            assert f'(../{path.relative_to(ROOT)})' in results


def test_model_index_is_read_by_its_library():
    """``mim`` reads this form; each model's numbers are the golden ones."""
    golden = json.loads((ROOT / 'tests/golden/complexity.json').read_text())
    index = modelindex.load(str(ROOT / 'model-index.yml'))
    assert index.check(silent=True) == []
    models = {model.config: model for model in index.models}
    assert sorted(models) == [f'configs/{name}' for name in golden]
    for name, counts in golden.items():
        metadata = models[f'configs/{name}'].metadata
        assert (metadata.flops, metadata.parameters) == (counts['macs'], counts['params'])
    [result] = models['configs/senet/senet154-caffe_64xb32-100e_in1k.py'].results
    assert result.metrics == {'Top 1 Accuracy': 81.32, 'Top 5 Accuracy': 95.53}


def commands():
    """The commands of the README's bash blocks, continued lines joined."""
    blocks = re.findall(r'```bash\n(.*?)```', README, re.S)
    lines = ''.join(blocks).replace('\\\n', '').splitlines()
    return [line for line in lines if line and not line.startswith('#')]


def test_commands_work(run_tool, tmp_path):
    """In order, from a folder that looks like the clone, with the environment's Python."""
    for name in ('configs', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    for command in commands():
        run = run_tool(*shlex.split(command.removeprefix('python ')), cwd=tmp_path)
        assert run.returncode == 0, f'{command}\n{run.stderr}'
    assert (tmp_path / 'work_dirs/ratio4/epoch_5.pth').exists()


# What makes a training short: 64 pixels, one epoch of 5 iterations, no trial of fast blocks.
SHORT = [
    'train_pipeline.1.scale=64',
    'test_pipeline.1.scale=72',
    'test_pipeline.2.crop_size=64',
    'input_shape=(3,64,64)',
    'train_cfg.max_epochs=1',
    'fuse_tails.implementation=reference',
]


def test_own_pictures_as_the_page_says(run_tool, tmp_path):
    """Its commands on a smaller network, from weights of other classes to the score of a test."""
    page = (ROOT / 'docs/own-pictures.md').read_text().replace('seresnet50', 'seresnet18')
    blocks = [block.replace('\\\n', '') for block in re.findall(r'```\n(.*?)```', page, re.S)]
    [test] = [line for block in blocks for line in block.splitlines() if 'test.py' in line]
    [train] = [line for block in blocks for line in block.splitlines() if 'load_from=' in line]
    sample = re.search(r'`python (tools/dataset_tools/make_sample.py .*?)`', page)[1]
    for name in ('configs', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    torch.save(get_model('seresnet18_8xb32_in1k').state_dict(), tmp_path / 'seresnet18.pth')
    runs = [run_tool(*sample.split(), cwd=tmp_path)]
    for command in (train, test.replace('epoch_20', 'epoch_1')):
        command = command.removeprefix('python ').replace('DIR', 'data/pictures')
        runs.append(run_tool(*shlex.split(command), *SHORT, cwd=tmp_path))
    assert [run.returncode for run in runs] == [0, 0, 0], runs[-1].stderr
    log = runs[1].stdout
    assert 'has a head of 1000 classes; the head of 3 classes is newly initialised' in log
    assert '41 training images in 3 classes: model.head.num_classes=3 ' in log
    pattern = r'accuracy/top1: \S+  loss/cross_entropy: \S+'
    scores = [re.search(pattern, run.stdout)[0] for run in runs[1:]]
    assert scores[0] == scores[1]


def test_page_has_the_values_that_follow_from_a_folder():
    """Its table of four sizes is made from the rules."""
    page = (ROOT / 'docs/own-pictures.md').read_text()
    for pictures in (30, 300, 3000, 30_000):
        cfg = get_config('seresnet50_1xb32_folder')
        images = pictures * 4 // 5
        settle(cfg, Size(3, images))
        batch, epochs = cfg.train_dataloader.batch_size, cfg.train_cfg.max_epochs
        every = cfg.train_cfg.val_interval
        row = (
            f'| {pictures:,} | {images:,} | {batch} | {images // batch} | {epochs} | {every} '
            f'epoch{"s" * (every > 1)} | {cfg.param_scheduler[0].end} iterations |'
        )
        assert row in page
