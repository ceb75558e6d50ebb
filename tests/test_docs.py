"""The README is short, points at what exists, and its commands work as they stand."""

import json
import re
import shlex
from itertools import chain

import modelindex
import pytest
import torch

from senet_mm.apis import get_config, get_model
from senet_mm.config.auto import Size, settle
from senet_mm.config.names import DOWNSTREAM

from .blocks import commands_run_by, texts_run_by
from .conftest import ROOT

README = (ROOT / 'README.md').read_text()
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *ROOT.glob('docs/*.md')]
PAGES += ROOT.glob('configs/*/README.md')


def test_readme_is_short():
    """Comments, which say how its blocks are tested, do not show."""
    assert len([line for line in README.splitlines() if not line.startswith('<!--')]) < 150


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


def test_commands_work(run_tool, tmp_path):
    """In order, from a folder that looks like the clone, with the environment's Python."""
    for name in ('configs', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    commands = commands_run_by('README.md', 'test_commands_work')
    assert commands
    for command in commands:
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


def test_from_an_empty_machine_to_a_prediction_in_four_commands(run_tool, tmp_path):
    """Those of the README, but for pip's; then a test and a start from the weights."""
    commands = commands_run_by(
        'docs/own-pictures.md', 'test_from_an_empty_machine_to_a_prediction_in_four_commands'
    )
    first = commands_run_by(
        'README.md', 'test_from_an_empty_machine_to_a_prediction_in_four_commands'
    )
    assert first == commands[:4]
    install, sample, train, predict = commands[:4]
    assert install.startswith('pip install ')
    test = next(line for line in commands if '/test.py' in line)
    tune = next(line for line in commands if 'load_from=' in line)
    options = ['--cfg-options', *SHORT]
    for name in ('configs', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)

    def run(command, *options):
        command = command.removeprefix('python ').replace('DIR', 'data/pictures')
        words = shlex.split(command.replace('seresnet50', 'seresnet18'))
        [*words] = chain(*(sorted(tmp_path.glob(w)) if '*' in w else [w] for w in words))
        finished = run_tool(*words, *options, cwd=tmp_path)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    run(sample)
    trained = run(train, *options)
    assert '41 training images in 3 classes: model.head.num_classes=3 ' in trained
    lines = run(predict).splitlines()
    assert len([line for line in lines if 'rote Blüte/Bild ' in line]) == 40
    assert all(re.search(r'(rote Blüte|Katze|Kaffee) +[01]\.\d+$', line) for line in lines[-40:])

    tested = run(test.replace('epoch_100', 'epoch_1'), *SHORT)
    pattern = r'accuracy/top1: \S+ %  loss/cross_entropy: \S+'
    assert re.search(pattern, tested)[0] == re.search(pattern, trained)[0]
    torch.save(get_model('seresnet18_8xb32_in1k').state_dict(), tmp_path / 'seresnet18.pth')
    tuned = run(tune, *SHORT)
    [shown] = texts_run_by(
        'docs/own-pictures.md', 'test_from_an_empty_machine_to_a_prediction_in_four_commands'
    )
    for line in shown.replace('seresnet50', 'seresnet18').splitlines():
        assert line in tuned


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
