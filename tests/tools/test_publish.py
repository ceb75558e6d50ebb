"""Publishing of a checkpoint: from a training run to a file for ``get_model``."""

import hashlib
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from senet_mm.apis import get_model
from senet_mm.engine import Runner
from senet_mm.engine.weights.download import split_url

from ..conftest import ROOT
from ..engine.test_runner import digits
from ..engine.weights.test_checkpoint import save_hostile

TOOL = 'tools/model_converters/publish_model.py'
NAME = 'seresnet8_1xb64_digits'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The checkpoint of an epoch on the digits, with averaged weights; the runner."""
    work_dir = tmp_path_factory.mktemp('run')
    hook = dict(type='EMAHook', momentum=0.1)
    cfg = digits(work_dir, **{'train_cfg.max_epochs': 1, 'custom_hooks': [hook]})
    runner = Runner.from_cfg(cfg)
    runner.train()
    return work_dir / 'epoch_1.pth', runner


@pytest.fixture(scope='module')
def publish():
    """The tool in this process: src, out_dir, then options; returns the path that it prints."""
    tool = runpy.run_path(str(ROOT / TOOL))

    def run(monkeypatch, capfd, *arguments):
        monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, arguments)])
        capfd.readouterr()
        tool['main'](tool['parse_args']())
        return Path(capfd.readouterr().out.splitlines()[-1])

    return run


@pytest.fixture
def run_publish(publish, monkeypatch, capfd):
    return lambda *arguments: publish(monkeypatch, capfd, *arguments)


def test_published_file(trained, tmp_path, run_tool):
    """As a user runs it: name, hash, contents, JSON, and the same bytes a second time."""
    src, _ = trained
    metrics = tmp_path / 'metrics.json'
    metrics.write_text('{"accuracy/top1": 71.5}')
    options = ['--name', NAME, '--metrics', metrics]
    run = run_tool(TOOL, src, tmp_path / 'a', *options, '--date', '20260102')
    assert run.returncode == 0, run.stderr
    assert run.stderr == ''
    file = Path(run.stdout.strip())
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert file == tmp_path / 'a' / f'{NAME}_20260102-{digest[:8]}.pth'
    assert split_url(f'https://x.org/{file.name}')[2] == digest[:8]
    assert sorted(path.name for path in file.parent.iterdir()) == [
        file.with_suffix('.json').name,
        file.name,
    ]

    published = torch.load(file, weights_only=True)
    assert published.keys() == {'meta', 'state_dict'}
    meta = published['meta']
    assert (meta['name'], meta['epoch'], meta['iter']) == (NAME, 1, 19)
    assert meta['metrics'] == {'accuracy/top1': 71.5}
    assert meta['dataset_meta'] == {'classes': [str(i) for i in range(10)]}
    assert "backbone=dict(depth=8, in_channels=1, type='ResNet')" in meta['cfg']
    for text in (str(tmp_path), str(src.parent), str(ROOT), 'work_dir', 'message_hub'):
        assert text.encode() not in content

    table = json.loads(file.with_suffix('.json').read_text())
    assert (table['file'], table['size'], table['sha256']) == (file.name, len(content), digest)
    assert (table['params'], table['macs']) == (75_793, 747_808)
    assert {key: table[key] for key in meta} == meta

    again = run_tool(TOOL, src, tmp_path / 'b', *options)
    other = Path(again.stdout.strip())
    assert other.name.endswith(f'-{digest[:8]}.pth')
    assert other.read_bytes() == content


def test_weights_are_the_averaged_ones(trained, tmp_path, run_publish):
    src, runner = trained
    model = get_model(NAME, run_publish(src, tmp_path, '--name', NAME))
    hooks = {type(hook).__name__: hook for hook in runner.hooks}
    averaged = hooks['EMAHook'].ema_model.module.state_dict()
    state = model.state_dict()
    assert all(torch.equal(state[name], averaged[name]) for name in state)
    trained_weight = runner.model.backbone.conv1.weight
    assert not torch.equal(state['backbone.conv1.weight'], trained_weight)


def test_half_precision_becomes_float32(trained, tmp_path, run_publish):
    state_dict = torch.load(trained[0], weights_only=False)['state_dict']
    half = {f'module.{k}': v.half() if v.is_floating_point() else v for k, v in state_dict.items()}
    torch.save(half, tmp_path / 'half.pth')
    file = run_publish(tmp_path / 'half.pth', tmp_path, '--name', NAME)
    published = torch.load(file, weights_only=True)['state_dict']
    assert list(published) == list(state_dict)
    dtypes = {name: value.dtype for name, value in published.items()}
    assert set(dtypes.values()) == {torch.float32, torch.int64}
    assert torch.equal(published['head.fc.weight'], half['module.head.fc.weight'].float())


def test_paths_of_a_config_are_cut_down(trained, tmp_path, run_publish):
    """A config of the user's may have paths of his machine."""
    config = tmp_path / 'mine.py'
    config.write_text(
        f"_base_ = '{ROOT}/configs/digits/{NAME}.py'\n"
        f"load_from = '{tmp_path}/start.pth'\n"
        f"init_cfg = dict(type='Pretrained', checkpoint='{tmp_path}/backbone.pth')\n"
        'model = dict(backbone=dict(init_cfg=init_cfg))\n'
    )
    file = run_publish(trained[0], tmp_path / 'out', '--name', config)
    assert file.name.startswith('mine_')
    assert str(tmp_path).encode() not in file.read_bytes()
    cfg = torch.load(file, weights_only=True)['meta']['cfg']
    assert "load_from = 'start.pth'" in cfg
    assert str(tmp_path) not in file.with_suffix('.json').read_text()


def test_existing_file_is_left_alone(trained, tmp_path, run_publish):
    arguments = (trained[0], tmp_path, '--name', NAME, '--date', '20260102')
    file = run_publish(*arguments)
    before = file.stat()
    with pytest.raises(FileExistsError, match=r'pth exists; allowed: another folder or --date$'):
        run_publish(*arguments)
    assert file.stat() == before
    file.unlink()
    with pytest.raises(FileExistsError, match=r'json exists'):
        run_publish(*arguments)
    assert not file.exists()


@pytest.mark.parametrize('recipe', ['../../up', '/abs/olute', 'a/b'])
def test_a_recipe_that_names_another_folder(trained, tmp_path, run_publish, recipe):
    """A stranger's checkpoint does not choose where a file is written."""
    checkpoint = torch.load(trained[0], weights_only=False)
    checkpoint['meta']['recipe'] = recipe
    torch.save(checkpoint, tmp_path / 'net.pth')
    with pytest.raises(ValueError, match=f'recipe={recipe!r}, which names no file; allowed: --na'):
        run_publish(tmp_path / 'net.pth', tmp_path / 'out' / 'deep')
    assert run_publish(tmp_path / 'net.pth', tmp_path / 'out', '--name', NAME).is_file()


@pytest.mark.parametrize('date', ['2026-01-02', '20261302', 'today', '262'])
def test_date(trained, tmp_path, run_publish, date):
    with pytest.raises(ValueError, match=f'--date {date}: allowed: YYYYMMDD'):
        run_publish(trained[0], tmp_path, '--name', NAME, '--date', date)


@pytest.mark.parametrize('name', ['resnet8_1xb64_digits', 'seresnet20_8xb16_cifar10'])
def test_weights_must_fit_the_config(trained, tmp_path, run_tool, name):
    run = run_tool(TOOL, trained[0], tmp_path / 'out', '--name', name)
    assert run.returncode == 1
    assert run.stderr.startswith(f'error: checkpoint {trained[0]} does not fit the model of the')
    assert len(run.stderr.splitlines()) == 1
    assert not (tmp_path / 'out').exists()


def test_broken_weights_are_refused(trained, tmp_path, run_publish):
    checkpoint = torch.load(trained[0], weights_only=False)
    checkpoint['state_dict']['head.fc.bias'][3] = float('nan')
    torch.save(checkpoint, tmp_path / 'nan.pth')
    with pytest.raises(ValueError, match=r'not finite in 1 tensors: head.fc.bias$'):
        run_publish(tmp_path / 'nan.pth', tmp_path / 'out', '--name', NAME)
    assert not (tmp_path / 'out').exists()


def test_hostile_file_is_refused_and_not_run(tmp_path, run_publish):
    file, proof = save_hostile(tmp_path, torch.save)
    with pytest.raises(ValueError, match='is refused: it refers to'):
        run_publish(file, tmp_path / 'out', '--name', NAME)
    assert not proof.exists()
    assert not (tmp_path / 'out').exists()
