"""mmpretrain's tools of analysis on our runs, and ours where theirs know no data set of ours."""

import json
import pickle
import runpy
from pathlib import Path

import mmengine
import mmpretrain
import pytest
import torch
from mmengine import Config
from PIL import Image

from senet_mm.engine import Runner

from ..conftest import ROOT, load_tool

THEIRS = Path(mmpretrain.__file__).parent / '.mim/tools/analysis_tools'
CONFIG = ROOT / 'configs/digits/seresnet8_1xb64_digits.py'


@pytest.fixture(scope='module')
def work_dir(tmp_path_factory):
    """A training of two epochs."""
    folder = tmp_path_factory.mktemp('run')
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({'train_cfg.max_epochs': 2, 'default_hooks.logger.interval': 5})
    cfg.work_dir = str(folder)
    Runner.from_cfg(cfg).train()
    return folder


def run_theirs(monkeypatch, tool, *args):
    """Run a tool of mmpretrain in this process."""
    monkeypatch.setenv('MPLBACKEND', 'agg')
    monkeypatch.setattr('sys.argv', ['x', *map(str, args)])
    runpy.run_path(str(THEIRS / f'{tool}.py'), run_name='__main__')


@pytest.mark.parametrize('keys', [['loss'], ['accuracy/top1', 'loss'], ['lr']])
def test_their_curves(keys, work_dir, tmp_path, monkeypatch):
    [log] = work_dir.glob('*/vis_data/scalars.json')
    run_theirs(
        monkeypatch, 'analyze_logs', 'plot_curve', log, '--keys', *keys, '--out', tmp_path / 'a.png'
    )
    assert (tmp_path / 'a.png').stat().st_size > 1000


def test_their_times(work_dir, monkeypatch, capsys):
    [log] = work_dir.glob('*/vis_data/scalars.json')
    run_theirs(monkeypatch, 'analyze_logs', 'cal_train_time', log)
    assert 'slowest epoch' in (printed := capsys.readouterr().out)
    assert 'nan' not in printed


@pytest.fixture(scope='module')
def predictions(work_dir):
    """What tools/test.py writes of the last checkpoint."""
    tool = load_tool('tools/test.py')
    out = work_dir / 'predictions.pkl'
    with pytest.MonkeyPatch.context() as patch:
        args = [CONFIG, work_dir / 'epoch_2.pth', '--out', out, '--work-dir', work_dir / 'test']
        patch.setattr('sys.argv', ['x', *map(str, args)])
        tool.main(tool.parse_args())
    return out


def analyze(monkeypatch, *args):
    tool = load_tool('tools/analysis_tools/analyze_results.py')
    monkeypatch.setattr('sys.argv', ['x', *map(str, args)])
    tool.main(tool.parse_args())


def test_our_pictures_of_results(predictions, tmp_path, monkeypatch):
    """The surest misses and the least sure hits, by number."""
    analyze(monkeypatch, CONFIG, predictions, '--out-dir', tmp_path, '--topk', 4)
    assert len(list(tmp_path.glob('success/*.png'))) == len(list(tmp_path.glob('fail/*.png'))) == 4
    hits, misses = (
        json.loads((tmp_path / f'{name}.json').read_text()) for name in ('success', 'fail')
    )
    assert all(row['gt_label'] == row['pred_label'] for row in hits)
    assert all(row['gt_class'] != row['pred_class'] for row in misses)
    assert [row['score'] for row in hits] == sorted(row['score'] for row in hits)
    assert [row['score'] for row in misses] == sorted(
        (row['score'] for row in misses), reverse=True
    )
    name = tmp_path / f'fail/001_{misses[0]["sample_idx"]}.png'
    assert name.is_file()


def test_pictures_are_scaled(predictions, tmp_path, monkeypatch):
    for factor in ('0.5', '2'):
        out = tmp_path / factor
        analyze(monkeypatch, CONFIG, predictions, '--out-dir', out, '--topk', 1, '-r', factor)
    small, large = (Image.open(next(tmp_path.glob(f'{f}/fail/*.png'))) for f in ('0.5', '2'))
    assert large.width == 4 * small.width
    with pytest.raises(ValueError, match=r'--rescale-factor 0\.0; allowed: above 0'):
        analyze(monkeypatch, CONFIG, predictions, '--out-dir', tmp_path, '-r', 0)


class Bomb:
    def __reduce__(self):
        return eval, ('1/0',)


@pytest.mark.parametrize(
    ('given', 'message'),
    [(b'no pickle', 'cannot be read'), ([], 'holds no list'),
     ([dict(sample_idx=1)], 'holds no list'),
     ([Bomb()], 'names builtins.eval')],
)  # fmt: skip
def test_other_files_are_refused(given, message, tmp_path, monkeypatch):
    path = tmp_path / 'a.pkl'
    path.write_bytes(given if isinstance(given, bytes) else pickle.dumps(given))
    with pytest.raises(ValueError, match=message):
        analyze(monkeypatch, CONFIG, path, '--out-dir', tmp_path / 'out')


def test_results_of_a_larger_data_set(predictions, tmp_path, monkeypatch):
    one = dict(sample_idx=9999, gt_label=torch.tensor([1]), pred_label=torch.tensor([2]),
               pred_score=torch.tensor([0.1] * 10))  # fmt: skip
    path = tmp_path / 'a.pkl'
    mmengine.dump([one], path)
    with pytest.raises(ValueError, match='image 9999 of a test set of 540'):
        analyze(monkeypatch, CONFIG, path, '--out-dir', tmp_path / 'out')
