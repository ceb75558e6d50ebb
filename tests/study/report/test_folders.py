"""What folders of runs have that is missing, damaged, too large or a stranger's."""

import os

import pytest
import torch

from senet_mm.study.places import Places
from senet_mm.study.report.checkpoints import choose_others, find_checkpoints, order_by_choice
from senet_mm.study.report.groups import group_runs
from senet_mm.study.report.page import report_runs
from senet_mm.study.report.reading import find_runs, read_run
from senet_mm.study.report.sections import remarks_section, runs_section, scores_section
from senet_mm.utils.errors import InputError

from .conftest import write_run
from .test_report import text_of

NAN = float('nan')


def top(first, second):
    return {'accuracy/top1': first, 'accuracy/top5': second}


def texts_of(runs, evaluations=()):
    groups = group_runs(runs)
    parts = (remarks_section(groups, evaluations), scores_section(groups), runs_section(groups))
    return [' '.join(text_of(part).split()) for part in parts]


def test_a_metric_that_is_not_finite(tmp_path):
    """The diverged run is no best run, and its other metrics do not take the place of this one."""
    write_run(tmp_path / 'a/good', top(50.0, 90.0), top(60.0, 95.0))
    write_run(tmp_path / 'a/nan', top(40.0, 100.0), top(NAN, 100.0), seed=1)
    runs = find_runs([tmp_path / 'a'])
    [group] = group_runs(runs)
    assert group.metrics == ['accuracy/top1', 'accuracy/top5']
    assert group.best_run.folder.name == 'good'
    remarks, scores, table = texts_of(runs)
    assert 'nan: accuracy/top1 is not finite at epoch 2' in remarks
    assert 'no validation' not in remarks
    assert 'accuracy/top1 (%) 60.00 of 1 of 2 runs ' in scores
    assert 'accuracy/top1 (%) not finite 40.00 epoch 1' in table
    assert 'accuracy/top1 (%) 60.00 60.00 epoch 2' in table


def test_a_validation_without_a_finite_number(tmp_path):
    run = read_run(write_run(tmp_path / 'a', top(NAN, float('inf')), top(1.0, 10**400)))
    assert [each.broken for each in run.validations] == [
        ('accuracy/top1', 'accuracy/top5'), ('accuracy/top5',)
    ]  # fmt: skip
    assert run.remarks[:2] == [
        'accuracy/top1 is not finite at epoch 1', 'accuracy/top5 is not finite at epoch 1, 2'
    ]  # fmt: skip
    assert run.last('accuracy/top1') == 1.0
    none = read_run(write_run(tmp_path / 'b', top(NAN, NAN)))
    [group] = group_runs([none])
    assert group.best_run is None
    assert 'no validation was logged' not in none.remarks


def test_runs_of_different_length(tmp_path):
    write_run(tmp_path / 'a/long', top(50.0, 90.0), top(60.0, 95.0))
    write_run(tmp_path / 'a/short', top(40.0, 90.0), seed=1)
    remarks, scores, _ = texts_of(find_runs([tmp_path / 'a']))
    assert 'the last scores are of runs of different length, epoch 1, 2' in remarks
    assert 'epoch 1, 2' in scores


def test_metrics_of_different_configs(tmp_path):
    """Each run has its own, and is compared with the first config that has it, too."""
    write_run(tmp_path / 'a', {'coco/bbox_mAP': 0.25}, kind='Detector')
    write_run(tmp_path / 'b', {'accuracy/top1': 50.0}, kind='B')
    write_run(tmp_path / 'c', {'accuracy/top1': 60.0}, kind='C')
    _, scores, table = texts_of(find_runs([tmp_path]))
    assert 'difference from the first with the metric' in scores
    assert '+10.00' in scores
    assert 'coco/bbox_mAP 0.25' in table
    assert 'accuracy/top1 (%) 60.00' in table


def test_the_end_of_the_log_of_a_run_that_ended_early(tmp_path):
    run = write_run(tmp_path / 'a', {})
    log = run / '20260101_000000/x.log'
    log.write_text('first\n2026 - ERROR - the loss is <NaN>\n')
    remarks, scores, table = texts_of(find_runs([run]))
    assert 'its log ends with: 2026 - ERROR - the loss is <NaN>' in remarks
    assert scores == 'Scores No run was validated.'
    assert 'cores are' not in table
    (run / '20260101_000000/vis_data/scalars.json').unlink()
    assert 'its log ends with: 2026' in texts_of(find_runs([run]))[0]
    complete = write_run(tmp_path / 'b', {}, {})
    log.rename(complete / '20260101_000000/x.log')
    assert 'ends with' not in texts_of(find_runs([complete]))[0]


def test_one_config_has_no_difference(tmp_path):
    _, scores, _ = texts_of([read_run(write_run(tmp_path / 'a', top(50.0, 90.0)))])
    assert 'difference from' not in scores
    assert 'last at' not in scores


LINKED = ['run.json', 'vis_data/scalars.json', 'vis_data/config.py', '../result.json', 'x.log']


@pytest.mark.parametrize('name', LINKED)
def test_links_out_of_a_run_are_not_followed(tmp_path, name):
    private = write_run(tmp_path / 'private', top(12.34, 56.78), host='secret', kind='Secret')
    (private / 'result.json').write_text('{"seed": 7, "validations": []}')
    (private / '20260101_000000/x.log').write_text('secret')
    run = write_run(tmp_path / 'run', top(50.0, 90.0))
    link = run / '20260101_000000' / name
    link.unlink(missing_ok=True)
    link.symlink_to(private / '20260101_000000' / name)
    text = str(vars(read_run(run)))
    assert not any(word in text for word in ('secret', 'Secret', '12.34', "'seed': 7"))


def test_links_to_other_runs_are_not_followed(tmp_path):
    write_run(tmp_path / 'private/run', top(50.0, 90.0))
    write_run(tmp_path / 'runs/a', top(50.0, 90.0))
    (tmp_path / 'runs/data').symlink_to('/usr')
    assert len(find_runs([tmp_path / 'runs'])) == 1
    (tmp_path / 'runs/b').symlink_to(tmp_path / 'private')
    with pytest.raises(InputError, match=f'is a link .* {tmp_path}/private/run; allowed: that fo'):
        find_runs([tmp_path / 'runs'])
    assert len(find_runs([tmp_path / 'runs/b/run'])) == 1


@pytest.mark.parametrize('name', LINKED[:-1])
def test_huge_files_are_not_read(tmp_path, name):
    """Sparse files, as an archive may have them."""
    run = write_run(tmp_path / 'run', top(50.0, 90.0))
    file = run / '20260101_000000' / name
    file.touch()
    os.truncate(file, 1 << 40)
    remarks = read_run(run).remarks
    assert any(word in line for line in remarks for word in ('bytes; allowed', 'no run.json that'))


@pytest.mark.parametrize('name', LINKED)
def test_fifos_are_not_opened(tmp_path, name):
    run = write_run(tmp_path / 'run', top(50.0, 90.0))
    file = run / '20260101_000000' / name
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    read_run(run)


def test_lines_of_a_log_without_iterations(tmp_path):
    run = write_run(tmp_path / 'run')
    log = run / '20260101_000000/vis_data/scalars.json'
    log.write_text('{"lr": 1, "epoch": 1, "step": NaN}\n{"lr": 1, "epoch": 1, "iter": 0}\n')
    assert read_run(run).end == (0, 2)


@pytest.mark.parametrize('key', ['step', 'iter', 'epoch'])
@pytest.mark.parametrize('number', ['1e300', '1' + 400 * '0', 'Infinity'])
def test_counts_that_are_none(tmp_path, key, number):
    run = write_run(tmp_path / 'run', top(50.0, 90.0))
    log = run / '20260101_000000/vis_data/scalars.json'
    log.write_text(log.read_text() + f'\n{{"lr": 1, "{key}": {number}}}')
    read = read_run(run)
    assert '1 damaged line of scalars.json left out' in read.remarks
    assert len(read.training) == 1


def test_the_result_of_an_earlier_training(tmp_path):
    run = write_run(tmp_path / 'run', top(50.0, 90.0))
    result = run / 'result.json'
    result.write_text('{"seconds": 9.0, "validations": [{"epoch": 2}]}')
    read = read_run(run)
    assert read.result is None
    assert 'result.json is not used: it is of an earlier training' in read.remarks
    assert any('interrupted' in line for line in read.remarks)
    # A hook may end a training early.
    result.write_text('{"seconds": 9.0, "validations": [{"epoch": 1}]}')
    read = read_run(run)
    assert read.result is not None
    assert read.remarks == []


def find(run, *roots):
    remarks = []
    found = find_checkpoints(read_run(run), Places([run], roots), remarks)
    return [each.path.name for each in found], remarks


def test_checkpoints_of_other_folders(tmp_path):
    """Those in out_dir where it may be read, and no link."""
    run = write_run(tmp_path / 'run', top(50.0, 90.0))
    other = tmp_path / 'other/run'
    other.mkdir(parents=True)
    torch.save({}, other / 'epoch_1.pth')
    (run / 'epoch_2.pth').symlink_to(other / 'epoch_1.pth')
    text = f"default_hooks = dict(checkpoint=dict(out_dir='{tmp_path}/other'))"
    (run / '20260101_000000/vis_data/config.py').write_text(text)
    names, remarks = find(run)
    assert names == []
    assert f'--data-root {other}' in remarks[0]
    assert 'leads out of' in remarks[1]
    names, remarks = find(run, tmp_path / 'other')
    assert names == ['epoch_1.pth']
    assert len(remarks) == 1


def test_the_order_of_checkpoints(tmp_path):
    """The best first, then the last: of one step there is one beside the chosen one."""
    run = write_run(tmp_path / 'run', top(50.0, 90.0))
    for name in ('epoch_1', 'epoch_2', 'epoch_3', 'best_top1_epoch_2', 'best_top1_epoch_1'):
        torch.save({}, run / f'{name}.pth')
    found = find_checkpoints(read_run(run), Places([run]), [])
    order = order_by_choice(found)
    assert [each.path.stem for each in order] == [
        'best_top1_epoch_2', 'best_top1_epoch_1', 'epoch_3', 'epoch_2', 'epoch_1'
    ]  # fmt: skip
    others = choose_others(found, order[0])
    assert [each.path.stem for each in others] == ['best_top1_epoch_1', 'epoch_3']
    assert [each.step for each in choose_others(found, order[2])] == [1, 2]


def test_the_file_is_checked_before_the_work(tmp_path, monkeypatch):
    run = write_run(tmp_path / 'run', top(50.0, 90.0))
    monkeypatch.setattr('senet_mm.study.report.page.evaluate', None)
    (tmp_path / 'file').touch()
    for out, reason in (('no/x.html', 'no does not exist'), ('file/x', 'file is no folder')):
        with pytest.raises((InputError, FileNotFoundError), match=reason):
            report_runs([run], tmp_path / out)
    with pytest.raises(InputError, match=r'--data-root .*none is no folder'):
        report_runs([run], tmp_path / 'x.html', data_roots=[tmp_path / 'none'])
