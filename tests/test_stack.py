"""An environment in which the originals overwrote the maintained distributions is recognised."""

import subprocess
import sys

import pytest

from senet_mm.utils.stack import check_stack

from .conftest import ROOT

# A tool in an environment that has torch alone.
TOOL_WITHOUT_STACK = """
import importlib.metadata, runpy, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {'mmengine', 'mmcv', 'mmpretrain', 'rich'}:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

def find_version(name, find=importlib.metadata.version):
    if name.startswith('onedl-'):
        raise importlib.metadata.PackageNotFoundError(name)
    return find(name)

sys.meta_path.insert(0, Absent())
importlib.metadata.version = find_version
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def install(folder, name, version='0.10.7'):
    """What pip leaves of a distribution, as far as Python's metadata go."""
    info = folder / f'{name.replace("-", "_")}-{version}.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text(f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n')


def test_this_environment_is_sound():
    check_stack()


@pytest.mark.parametrize('original', ['mmengine', 'mmcv', 'mmcv-lite', 'mmpretrain'])
def test_an_original_is_recognised_at_import(tmp_path, original):
    install(tmp_path, original)
    run = subprocess.run(
        [sys.executable, '-c', f'import sys; sys.path.append({str(tmp_path)!r}); import senet_mm'],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == (
        f'ImportError: senet_mm: {original} overwrites files of the maintained distributions; '
        f'mend it with: pip uninstall -y {original} && pip install --force-reinstall --no-deps '
        'onedl-mmengine onedl-mmcv onedl-mmpretrain'
    )


def test_a_missing_distribution_is_named(monkeypatch):
    present = {'onedl-mmengine': '0.10.12', 'onedl-mmpretrain': '1.3.6'}
    monkeypatch.setattr('senet_mm.utils.stack.installed_version', present.get)
    with pytest.raises(ImportError, match=r'onedl-mmcv not installed; .*: pip install onedl-mmcv$'):
        check_stack()


@pytest.mark.parametrize('options', [(), ('--cfg-options', 'train_cfg.max_epochs=1')])
def test_a_tool_without_the_stack_says_what_to_install(options):
    command = [sys.executable, '-c', TOOL_WITHOUT_STACK, 'tools/train.py', 'configs/x.py', *options]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stderr == (
        'error: onedl-mmengine, onedl-mmcv, onedl-mmpretrain not installed; '
        'mend it with: pip install onedl-mmengine onedl-mmcv onedl-mmpretrain\n'
    )
