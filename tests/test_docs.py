"""The README is short, points at what exists, and its commands work as they stand."""

import json
import re
import shlex
from pathlib import Path

import cv2
import modelindex
import numpy as np
import pytest
import torch

from senet_mm.apis import get_config, get_model
from senet_mm.config.names import DOWNSTREAM
from senet_mm.engine import Runner

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


@pytest.mark.slow
def test_fine_tuning_on_own_pictures_as_the_page_says(tmp_path, monkeypatch, capsys):
    """The config and the prediction of docs/weights.md, as they stand, on three classes."""
    page = (ROOT / 'docs/weights.md').read_text()
    config, predict = (
        next(block for block in re.findall(r'```python\n(.*?)```', page, re.S) if word in block)
        for word in ('# flowers.py', 'test_step')
    )
    monkeypatch.chdir(tmp_path)
    for i, name in enumerate(['daisy', 'red tulip', 'rose']):
        for split in ('train', 'val'):
            folder = Path('flowers', split, name)
            folder.mkdir(parents=True)
            for k in range(4):
                picture = np.full((40, 50, 3), 40 + 80 * i + k, np.uint8)
                cv2.imwrite(str(folder / f'{k}.png'), picture)
    torch.save(get_model('seresnet18_8xb32_in1k').state_dict(), 'weights.pth')
    Path('flowers.py').write_text(config)
    cfg = get_config('flowers.py', {'train_cfg.max_epochs': 1, 'train_dataloader.batch_size': 4})
    cfg.work_dir = 'work_dirs/flowers'
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.num_workers, loader.persistent_workers = 0, False
    Runner.from_cfg(cfg).train()
    capsys.readouterr()
    exec(compile(predict, 'docs/weights.md', 'exec'), {})
    name, score = capsys.readouterr().out.strip().splitlines()[-1].rsplit(' ', 1)
    assert name in ('daisy', 'red tulip', 'rose')
    assert 1 / 3 <= float(score) <= 1
