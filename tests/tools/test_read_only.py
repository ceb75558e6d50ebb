"""Data in folders that nobody may write are read all the same."""

import os
import shutil
import subprocess
import sys
from multiprocessing.pool import ThreadPool

import pytest

from ..conftest import ROOT, load_tool
from ..datasets.test_damage import make_set

pytestmark = pytest.mark.slow

# Root may write everywhere, unless it runs without these rights.
RIGHTS = '-dac_override,-dac_read_search'
WITHOUT_RIGHTS = (
    [] if os.getuid() else ['setpriv', f'--bounding-set={RIGHTS}', f'--inh-caps={RIGHTS}']
)

READ = """
import os, runpy, sys
from pathlib import Path

from senet_mm.datasets import CustomDataset, Digits, ImageNet, ShardedImageNet

root, tools = map(Path, sys.argv[1:])
assert not any(os.access(folder, os.W_OK) for folder in (root, root / 'train', root / 'shards'))
for cls in (ImageNet, ShardedImageNet):
    data_root = root / 'shards' if cls is ShardedImageNet else root
    dataset = cls(data_root=str(data_root), split='train', metainfo=dict(classes=[*'0123456789']))
    print(cls.__name__, len(dataset), dataset[0]['gt_label'] in range(10))
print('CustomDataset', len(CustomDataset(str(root), data_prefix='train', with_label=False)))
print('Digits', len(Digits('test')))
sys.argv = ['verify.py', str(root / 'train'), '--workers', '1']
runpy.run_path(str(tools / 'dataset_tools/verify.py'), run_name='__main__')
"""


@pytest.fixture
def read_only(tmp_path):
    """Images, and shards of them, in folders without the right to write."""
    root = tmp_path / 'set'
    make_set(root, 12, 0)
    tool = load_tool('tools/dataset_tools/pack.py')
    tool.main.__globals__['Pool'] = ThreadPool  # processes could not import what runpy has loaded
    args = dict(
        src=root,
        out=root / 'shards',
        splits=['train'],
        short_side=None,
        quality=90,
        unchanged=False,
    )
    tool.main(tool.argparse.Namespace(**args, shard_size=2**20, workers=1, seed=0, classes=None))
    folders = [root, *(path for path in root.rglob('*') if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    yield root
    for folder in folders:
        folder.chmod(0o755)


@pytest.mark.skipif(
    not os.getuid() and not shutil.which('setpriv'), reason='root writes everywhere'
)
def test_data_sets_and_verify(read_only, tmp_path):
    command = [*WITHOUT_RIGHTS, sys.executable, '-c', READ, str(read_only), str(ROOT / 'tools')]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    lines = run.stdout.replace('\r', '\n').splitlines()
    for line in ('ImageNet 12 True', 'ShardedImageNet 12 True', 'CustomDataset 12', 'Digits 540'):
        assert line in lines
    assert lines[-1].startswith('0 of 12 images are damaged, listed in work_dirs/verify/')
