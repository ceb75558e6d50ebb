"""Configs of the user's own in a folder of their own: bases, modules beside them, errors."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from senet_mm.apis import get_config, get_model
from senet_mm.config.names import CONFIGS, find_config
from senet_mm.config.own_modules import copy_modules
from senet_mm.models import ImageClassifier
from senet_mm.models.layers import recalibration_layers
from senet_mm.study import ablation

from ..blocks import texts_run_by

BASE = 'seresnet/seresnet50_8xb32_in1k.py'

LAYER = """
from torch import nn

from senet_mm.registry import MODELS


@MODELS.register_module(force=True)
class {name}(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return x * self.fc(x).sigmoid()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder outside of the project, which is the current one; imports are undone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', [*sys.path])
    modules = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], '__file__', '')):
            del sys.modules[name]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return str(path)


@pytest.mark.parametrize(
    'base',
    [
        f'configs/{BASE}',
        BASE,
        'seresnet50_8xb32_in1k',
        'seresnet50_8xb32_in1k.py',
        f'senet_mm::{BASE}',
        str(CONFIGS / BASE),
    ],
)
def test_base_by_name_from_any_folder(folder, base):
    text = f"_base_ = '{base}'\nmodel = dict(backbone=dict(depth=34), head=dict(in_channels=512))\n"
    cfg = get_config(write(folder / 'own.py', text))
    assert cfg.model.backbone == {**get_config(BASE).model.backbone, 'depth': 34}
    assert cfg.train_dataloader == get_config(BASE).train_dataloader


def test_bases_of_the_project_with_an_underscore(folder):
    bases = ['_base_/models/resnet50.py', 'configs/_base_/default_runtime.py']
    cfg = get_config(write(folder / 'own.py', f'_base_ = {bases}\n'))
    assert cfg.model.backbone.depth == 50


def test_file_beside_the_config_comes_first(folder):
    write(folder / BASE, "model = dict(backbone=dict(type='VGG', depth=11))")
    cfg = get_config(write(folder / 'own.py', f"_base_ = '{BASE}'"))
    assert cfg.model.backbone.type == 'VGG'


def test_base_of_another_package(folder):
    cfg = get_config(
        write(folder / 'own.py', "_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'")
    )
    assert cfg.model.backbone.type == 'ResNet'


def test_a_base_of_mmpretrain_takes_se_in_one_line(folder):
    lines = (
        "_base_ = 'mmpretrain::resnet/resnet50_8xb32_in1k.py'",
        "default_scope = 'senet_mm'",
        "model = dict(type='senet_mm.ImageClassifier', se=dict(layer=dict(type='SELayer')))",
    )
    model = get_model(str(write(folder / 'own.py', '\n'.join(lines))))
    assert type(model) is ImageClassifier
    assert len(recalibration_layers(model)) == 16


@pytest.mark.parametrize('name', [f'configs/{BASE}', BASE, 'seresnet50_8xb32_in1k'])
def test_config_by_name_from_any_folder(folder, name):
    assert find_config(name) == str(CONFIGS / BASE)


def test_no_name_leads_out_of_the_project(folder):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        find_config('configs/../setup.cfg')


BAD = {
    'syntax.py': ('x = 1\ny = (\n', "syntax.py, line 2: SyntaxError: '\\(' was never closed"),
    'name.py': ('x = 1\n\ny = z\n', "name.py, line 3: NameError: name 'z' is not defined"),
    'base.py': ("_base_ = 'name.py'\n", "name.py, line 3: NameError: name 'z' is not defined"),
    'bad_base.py': ("_base_ = 'syntax.py'\n", 'syntax.py, line 2: SyntaxError'),
    'text.txt': ('hello', 'config text.txt; allowed: files that end with .py, .json'),
    'list.yml': ('a: [1', 'config list.yml, line 1: expected'),
    'no_base.py': ("_base_ = 'none.py'\n", "no_base.py: _base_ 'none.py' does not exist; allowed"),
    'key.py': ('model = dict()\nenv_cfg = dict(tf23=True)\n', "'env_cfg.tf23' is not known"),
    'import.py': ("custom_imports = dict(imports=['none_such'])\n", 'none_such cannot be imported'),
}


@pytest.mark.parametrize('name', BAD)
def test_error_names_file_and_line(folder, name):
    for file, (text, _) in BAD.items():
        write(folder / file, text)
    with pytest.raises((ValueError, FileNotFoundError, ImportError), match=BAD[name][1]):
        get_config(name)


def own_layer(folder, name='MyLayer', module='my_layer', base=BASE):
    """A config with a layer in a module beside it."""
    write(folder / f'{module}.py', LAYER.format(name=name))
    return write(
        folder / 'own.py',
        f"""
        _base_ = '{base}'
        custom_imports = dict(imports=['{module}'])
        model = dict(se=dict(layer=dict(_delete_=True, type='{name}')))
        """,
    )


DIGITS = 'seresnet8_1xb64_digits'


def test_module_beside_the_config(folder):
    model = get_model(own_layer(folder / 'a', base=DIGITS))
    assert type(model.backbone.layer1[0].se).__name__ == 'MyLayer'


def test_module_beside_the_base(folder):
    own_layer(folder / 'a', base=DIGITS)
    config = write(folder / 'b/other.py', "_base_ = '../a/own.py'\n")
    assert type(get_model(config).backbone.layer1[0].se).__name__ == 'MyLayer'


def test_module_beside_a_config_that_is_no_python(folder):
    own_layer(folder / 'a', base=DIGITS)
    text = 'custom_imports: {imports: [my_layer]}\nmodel: {type: ImageClassifier}\n'
    get_config(write(folder / 'a/own.yml', text))
    assert 'my_layer' in sys.modules


@pytest.mark.slow
def test_module_of_a_lazy_config(folder):
    write(folder / 'a/lazy_layer.py', LAYER.format(name='LazyLayer'))
    config = write(
        folder / 'a/lazy.py',
        """
        from lazy_layer import LazyLayer
        from senet_mm.models import ImageClassifier

        model = dict(
            type=ImageClassifier,
            backbone=dict(type='PreActResNet', depth=110, in_channels=1),
            se=dict(layer=dict(type=LazyLayer)),
            head=dict(type='LinearClsHead', num_classes=10, in_channels=256),
        )
        """,
    )
    assert type(get_model(config).backbone.layer1[0].se).__name__ == 'LazyLayer'
    # Written to a file, it names `lazy_layer.LazyLayer`.
    copy_modules(folder / 'b')
    get_config(config).dump(folder / 'b/lazy.py')
    shutil.rmtree(folder / 'a')
    read = "print(get_model('b/lazy.py').backbone.layer1[0].se)"
    run = run_python(folder, 'from senet_mm.apis import get_model', read)
    assert run.stdout.startswith('LazyLayer('), run.stderr


def test_two_modules_of_one_name_are_told_apart(folder):
    get_config(own_layer(folder / 'a', 'LayerA'))
    with pytest.raises(ImportError, match=r'my_layer is .*/a/my_layer.py, not .*/b/my_layer.py'):
        get_config(own_layer(folder / 'b', 'LayerB'))


def test_two_modules_of_one_name_and_text_are_one(folder):
    get_config(own_layer(folder / 'a'))
    get_config(own_layer(folder / 'b'))


def run_python(folder, *lines):
    """In another process, in which nothing is imported yet."""
    command = [sys.executable, '-c', '\n'.join(lines)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


MODULES = {
    'module': ('my_layer', ['my_layer.py']),
    'package': ('layers', ['layers/__init__.py', 'layers/more.py']),
    'module of a package': ('layers.mine', ['layers/__init__.py', 'layers/mine.py']),
    'module in a folder': ('layers.mine', ['layers/mine.py']),
}


def own_modules(folder, kind):
    """A config with a layer, and a helper of the layer's, in files beside it."""
    module, files = MODULES[kind]
    config = own_layer(folder, module=module.replace('.', '/'), base=DIGITS)
    text = Path(config).read_text().replace(f"['{module.replace('.', '/')}']", f"['{module}']")
    Path(config).write_text(text)
    (folder / f'{module.replace(".", "/")}.py').unlink()
    for file in files:
        write(folder / file, '')
    file = folder / files[0] if kind == 'package' else folder / files[-1]
    write(file, 'from my_helper import NUMBER\n' + LAYER.format(name='MyLayer'))
    write(folder / 'my_helper.py', 'NUMBER = 3\n')
    return config, {*files, 'my_helper.py'}


def get_files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob('*.py')}


@pytest.mark.parametrize('kind', MODULES)
def test_modules_are_copied_with_a_config(folder, kind):
    config, files = own_modules(folder / 'a', kind)
    write(folder / 'a/unused.py', '')
    configs = ablation.resolve([config], {})
    ablation.write_configs(configs, folder / 'work')
    assert get_files(folder / 'work/own') == {'own.py', *files}
    copy_modules(folder / 'a')  # onto themselves
    assert ablation.plan(configs, 1, folder / 'work')[0].get_state() == 'new'


def test_config_of_a_training_can_be_used_without_the_original(folder, run_tool):
    """In a work directory that was moved, by another process."""
    config = own_layer(folder / 'a', base=DIGITS)
    options = ['train_cfg.max_epochs=1', 'train_dataloader.num_batch_per_epoch=1']
    work = ['--work-dir', folder / 'work', '--no-validate', '--cfg-options', *options]
    run = run_tool('tools/train.py', config, *work)
    assert run.returncode == 0, run.stderr
    assert (folder / 'work/my_layer.py').read_text() == (folder / 'a/my_layer.py').read_text()
    folders = {file.parent for file in folder.glob('work/**/*.py')}
    assert len(folders) == 2  # the second is the visualizer's
    assert all((path / 'my_layer.py').exists() for path in folders)
    (folder / 'work').rename(folder / 'moved')
    shutil.rmtree(folder / 'a')
    run = run_python(
        folder,
        'from senet_mm.apis import get_model',
        "model = get_model('moved/own.py', 'moved/epoch_1.pth')",
        'print(type(model.backbone.layer1[0].se).__name__)',
    )
    assert run.stdout.split()[-1:] == ['MyLayer'], run.stderr


[SHOWN] = texts_run_by('docs/configs.md', 'test_error_in_a_module_names_file_and_line')
START = 'error: module my_layer: /home/me/own/'
BROKEN = {
    'syntax': ('x = 1\ny = (\n', "my_layer.py, line 2: SyntaxError: '\\(' was never closed"),
    'name': ('x = 1\n' * 11 + 'y = nm\n', SHOWN.strip().removeprefix(START)),
    'attribute': ('import torch\ntorch.x = torch.zzz\n', 'my_layer.py, line 2: AttributeError'),
    'below': ('import math\n\nmath.sqrt("a")\n', 'my_layer.py, line 3: TypeError: must be real'),
    'import': (
        'import none_such\n',
        "my_layer.py, line 1: ModuleNotFoundError: No module named 'no",
    ),
    'helper': ('import my_helper\n', 'my_helper.py, line 1: ZeroDivisionError: division by zero'),
}


@pytest.mark.parametrize('kind', BROKEN)
def test_error_in_a_module_names_file_and_line(folder, kind):
    text, message = BROKEN[kind]
    config = own_layer(folder / 'a', base=DIGITS)
    write(folder / 'a/my_layer.py', text)
    write(folder / 'a/my_helper.py', '1 / 0\n')
    with pytest.raises(ImportError, match=f'module my_layer: .*{message}'):
        get_config(config)
    # As mmengine writes a class of a config that imports it.
    named = write(folder / 'a/named.py', "model = dict(type='my_layer.MyLayer')\n")
    with pytest.raises(ImportError, match=f'module my_layer: .*{message}'):
        get_config(named)


def test_imports_that_may_fail(folder):
    config = own_layer(folder / 'a', base=DIGITS)
    with open(config, 'a') as file:
        file.write("custom_imports = dict(imports=['none_such'], allow_failed_imports=True)\n")
    get_config(config)


def test_module_is_found_by_workers_that_are_spawned(folder, run_tool):
    """As under a launcher: another process reads the config; its workers are new ones."""
    transform = """
    from mmcv.transforms import BaseTransform

    from senet_mm.registry import TRANSFORMS


    @TRANSFORMS.register_module()
    class MyTransform(BaseTransform):
        def transform(self, results):
            return results
    """
    write(folder / 'my_transform.py', transform)
    config = write(
        folder / 'own.py',
        f"""
        _base_ = '{DIGITS}'
        custom_imports = dict(imports=['my_transform'])
        train_pipeline = [dict(type='MyTransform'), dict(type='PackInputs')]
        train_dataloader = dict(
            num_workers=1,
            multiprocessing_context='spawn',
            num_batch_per_epoch=1,
            dataset=dict(pipeline=train_pipeline),
        )
        """,
    )
    options = ['--no-validate', '--cfg-options', 'train_cfg.max_epochs=1']
    run = run_tool('tools/train.py', config, '--work-dir', folder / 'work', *options)
    assert run.returncode == 0, run.stderr
    assert (folder / 'work/epoch_1.pth').exists()
