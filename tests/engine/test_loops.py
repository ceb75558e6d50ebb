"""A checkpoint from within an epoch is resumed there; an epoch has the batches that were asked."""

import pytest
import torch
from mmengine.hooks import Hook

from senet_mm.datasets.subset import check_batches
from senet_mm.engine import Runner

from .test_runner import digits

pytestmark = pytest.mark.slow

BY_ITER = {'default_hooks.checkpoint.by_epoch': False, 'default_hooks.checkpoint.interval': 7}


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Two epochs of 19 iterations without an interruption; a checkpoint every 7."""
    work_dir = tmp_path_factory.mktemp('whole')
    options = {'default_hooks.checkpoint.max_keep_ckpts': -1, **BY_ITER}
    runner = Runner.from_cfg(digits(work_dir, **options))
    runner.train()
    return runner, work_dir


def resume(tmp_path, checkpoint, **options):
    options = {'load_from': str(checkpoint), 'resume': True, **BY_ITER, **options}
    runner = Runner.from_cfg(digits(tmp_path, **options))
    runner.train()
    return runner


@pytest.mark.parametrize('iteration', [7, 28, 35, 38])
def test_resumed_within_an_epoch(whole, tmp_path, iteration):
    """Same batches, same end, same weights."""
    runner = resume(tmp_path, whole[1] / f'iter_{iteration}.pth')
    assert (runner.iter, runner.epoch) == (38, 2)
    expected = whole[0].model.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in runner.model.state_dict().items())


def test_the_epoch_after_it_is_whole(whole, tmp_path):
    runner = resume(tmp_path, whole[1] / 'iter_28.pth', **{'train_cfg.max_epochs': 3})
    assert (runner.iter, runner.epoch) == (57, 3)


def test_rest_of_an_epoch_with_another_batch(whole, tmp_path):
    """576 of 1257 images are trained, the others fill 21 batches of 32 (of 39 in an epoch).

    Interrupted again after six of them, the others fill seven of 64.
    """
    first = count_images(whole[1] / 'iter_28.pth', tmp_path, 32)
    assert first == (2 * 39, 2, 21 * 32)
    second = count_images(tmp_path / f'iter_{2 * 39 - 15}.pth', tmp_path / 'second', 64)
    assert second == (2 * 19, 2, 7 * 64)


def count_images(checkpoint, work_dir, batch_size):
    """Resume; returns iterations and epochs at the end, and images until then."""
    options = {'train_dataloader.batch_size': batch_size, **BY_ITER}
    options['default_hooks.checkpoint.interval'] = 1
    options['default_hooks.checkpoint.max_keep_ckpts'] = -1
    runner = Runner.from_cfg(digits(work_dir, load_from=str(checkpoint), resume=True, **options))
    trained = Images()
    runner.register_hook(trained)
    runner.train()
    return runner.iter, runner.epoch, trained.count


class SaveAtOnce(Hook):
    """Saves before the first iteration."""

    def before_train(self, runner):
        place = dict(epoch=runner.epoch, iter=runner.iter)
        runner.save_checkpoint(runner.work_dir, 'again.pth', meta=place)


def test_a_state_that_is_saved_just_after_a_resume(whole, tmp_path):
    options = {'load_from': str(whole[1] / 'iter_28.pth'), 'resume': True}
    runner = Runner.from_cfg(digits(tmp_path, **options))
    runner.register_hook(SaveAtOnce())
    runner.train()
    runner = resume(tmp_path / 'again', tmp_path / 'again.pth')
    expected = whole[0].model.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in runner.model.state_dict().items())


class Images(Hook):
    """Counts images."""

    count = 0

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.count += len(data_batch['inputs'])


def test_rest_of_an_epoch_of_other_images(whole, tmp_path):
    message = (
        r'saved after 576 of 1257 images of an epoch, with 1 process\(es\) of batch 64; an epoch '
        'has 640 images now, .*; allowed: the same number of images'
    )
    with pytest.raises(ValueError, match=message):
        resume(tmp_path, whole[1] / 'iter_28.pth', **{'train_dataloader.num_batch_per_epoch': 10})


@pytest.mark.parametrize('project', ['ours', 'another'])
def test_whole_epochs_of_another_length(tmp_path, project):
    """After a checkpoint from the end of an epoch the batch may change."""
    Runner.from_cfg(digits(tmp_path / 'a', **{'train_cfg.max_epochs': 1})).train()
    if project == 'another':
        forget_place(tmp_path / 'a/epoch_1.pth', tmp_path / 'a/epoch_1.pth')
    cfg = digits(
        tmp_path / 'b',
        **{'train_dataloader.batch_size': 128, 'train_cfg.max_epochs': 3},
        load_from=str(tmp_path / 'a/epoch_1.pth'),
        resume=True,
    )
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert (runner.epoch, runner.iter) == (3, 3 * 9)  # counted by epochs of today


def forget_place(source, target):
    """A checkpoint as mmengine would have written it."""
    checkpoint = torch.load(source, weights_only=False)
    del checkpoint['message_hub']['runtime_info']['place_in_data']
    del checkpoint['message_hub']['resumed_keys']['place_in_data']
    torch.save(checkpoint, target)


def test_a_checkpoint_of_another_project_from_within_an_epoch(whole, tmp_path):
    forget_place(whole[1] / 'iter_7.pth', tmp_path / 'iter_7.pth')
    runner = resume(tmp_path, tmp_path / 'iter_7.pth')
    expected = whole[0].model.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in runner.model.state_dict().items())


@pytest.mark.parametrize('number', [0, -1, True, 1.5, '2'])
def test_number_that_is_none(tmp_path, number):
    message = r'num_batch_per_epoch=.*[:;] allowed: None,? or an? (integer|whole number) from 1'
    cfg = digits(tmp_path, **{'train_dataloader.num_batch_per_epoch': number})
    with pytest.raises(ValueError, match=message):
        Runner.from_cfg(cfg).train()
    with pytest.raises(ValueError, match=message):
        check_batches(number)


def test_more_batches_than_there_are(tmp_path):
    cfg = digits(tmp_path, **{'train_dataloader.num_batch_per_epoch': 20})
    with pytest.raises(ValueError, match='takes 1280 samples, the data set has 1257; allowed: up'):
        Runner.from_cfg(cfg).train()


@pytest.mark.parametrize(('number', 'batches'), [(1, 1), (19, 19), (None, 19)])
def test_length_of_an_epoch(tmp_path, number, batches):
    cfg = digits(tmp_path, **{'train_dataloader.num_batch_per_epoch': number})
    assert len(Runner.from_cfg(cfg).train_dataloader) == batches


def test_all_samples_are_allowed(tmp_path):
    options = {'num_batch_per_epoch': 3, 'batch_size': 419}
    cfg = digits(tmp_path, **{f'train_dataloader.{key}': value for key, value in options.items()})
    assert len(Runner.from_cfg(cfg).train_dataloader.dataset) == 1257
