"""Runs of a recipe on a folder of pictures: what follows from the folder, and stays."""

import logging
import shutil

import pytest
import torch

from senet_mm.apis import get_config, get_model
from senet_mm.config.auto import Size, settle
from senet_mm.engine import Runner
from senet_mm.engine.sizing import build_quietly, fit_to_checkpoint, fit_to_data
from senet_mm.engine.weights.origin import Origin

from ..datasets.pictures import UNTIDY, draw, draw_folder, draw_untidy
from ..forked import run_ranks

# The recipes' data, schedule and hooks on a network and images of a second.
CONFIG = """
_base_ = [
    '_base_/models/resnet20_cifar.py',
    '_base_/datasets/folder_bs32.py',
    '_base_/schedules/finetune_bs32_cosine.py',
    '_base_/finetune_runtime.py',
]
model = dict(
    se=dict(layer=dict(type='SELayer', ratio=4)), head=dict(num_classes='auto', topk='auto')
)
randomness = dict(seed=0)
env_cfg = dict(num_threads=1)
"""
SMALL = {
    'input_shape': (3, 16, 16),
    'train_pipeline.1.scale': 16,
    'test_pipeline.1.scale': 18,
    'test_pipeline.2.crop_size': 16,
    'fuse_tails.implementation': 'reference',
    **{f'{split}_dataloader.num_workers': 0 for split in ('train', 'val', 'test')},
}
# Of two epochs; each is validated and saved.
SHORT = {'train_cfg.max_epochs': 2}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / 'small_1xb32_folder.py'
    path.write_text(CONFIG)
    return str(path)


def configure(config, root, work_dir, **options):
    cfg = get_config(config, {**SMALL, **SHORT, 'data_root': str(root), **options})
    cfg.work_dir = str(work_dir)
    return cfg


def log_of(work_dir):
    return ''.join(file.read_text() for file in sorted(work_dir.glob('*/*.log')))


@pytest.mark.slow
def test_a_training_on_an_untidy_folder_and_its_test(config, tmp_path):
    """Config and checkpoint have numbers; a test has the same pictures and score."""
    root, work_dir = draw_untidy(tmp_path / 'pictures'), tmp_path / 'work'
    runner = Runner.from_cfg(configure(config, root, work_dir))
    runner.train()
    lines = [line.partition('INFO - ')[2] for line in log_of(work_dir).splitlines()]
    [line] = [line for line in lines if 'training images in' in line]
    assert line.startswith('41 training images in 3 classes: model.head.num_classes=3 ')
    assert ' train_dataloader.batch_size=8 ' in line
    assert len((work_dir / 'split.txt').read_text().splitlines()) == 52

    written = work_dir / 'small_1xb32_folder.py'
    checkpoint = work_dir / 'epoch_2.pth'
    assert "'auto'" not in written.read_text().replace("implementation='auto'", '').replace(
        "save_best='auto'", ''
    )
    scores = runner.message_hub.get_scalar('val/loss/cross_entropy').current()
    for name, options in ((config, SMALL), (str(written), {})):
        cfg = get_config(name, options)
        cfg.work_dir = str(tmp_path / 'test')
        cfg.test_dataloader.dataset.data_root = str(root)
        tested = Runner.from_checkpoint(cfg, str(checkpoint)).test()
        assert tested['loss/cross_entropy'] == scores
    model = get_model(get_config(config), checkpoint)
    assert model.dataset_meta['classes'] == tuple(sorted(UNTIDY))
    assert model.head.fc.out_features == 3


def test_a_written_config_names_nothing_that_nobody_reads(config, tmp_path, logged):
    cfg = configure(config, tmp_path, tmp_path / 'work')
    cfg.launcher = 'none'
    cfg.dump(tmp_path / 'written.py')
    get_config(str(tmp_path / 'written.py'))
    assert 'nobody reads' not in logged.text


@pytest.mark.slow
@pytest.mark.parametrize('by_tool', [True, False])
def test_pictures_of_the_training_are_not_tested_on(config, tmp_path, by_tool):
    """After the folder has changed: by the file beside the checkpoint, else an error."""
    root = draw_folder(tmp_path / 'pictures', {'a': 12, 'b': 12})
    work_dir = tmp_path / 'work'
    Runner.from_cfg(configure(config, root, work_dir, **{'train_cfg.max_epochs': 1})).train()
    for i in range(30):
        draw(root / f'a/new {i}.png')

    def test(checkpoint):
        cfg = configure(config, root, tmp_path / 'test')
        if by_tool:
            return Runner.from_checkpoint(cfg, str(checkpoint))
        cfg.load_from = str(checkpoint)
        return Runner.from_cfg(cfg)

    runner = test(work_dir / 'epoch_1.pth')
    runner.test()
    assert len(runner.test_dataloader.dataset) == 4
    moved = shutil.copy(work_dir / 'epoch_1.pth', tmp_path)
    with pytest.raises(ValueError, match='the training was on another split than that of the'):
        test(moved).test()


@pytest.mark.parametrize(('images', 'fits'), [(1, False), (2, True)])
def test_too_few_pictures_for_the_processes(config, tmp_path, monkeypatch, images, fits):
    """A process has two images at least, some of them a second time."""
    draw_folder(tmp_path / 'train', {'a': 1, 'b': images})
    draw_folder(tmp_path / 'val', {'a': 1, 'b': 1})
    cfg = configure(config, tmp_path, tmp_path / 'work', launcher='pytorch')
    monkeypatch.setenv('WORLD_SIZE', '2')
    if fits:
        fit_to_data(cfg)
        assert cfg.train_dataloader.batch_size == 2
        return
    with pytest.raises(ValueError, match='2 training images are too few for 2 processes: each '):
        fit_to_data(cfg)


@pytest.mark.slow
def test_the_split_of_a_training_is_not_that_of_another_folder(config, tmp_path):
    """Neither tested on, nor resumed from after a class folder was renamed."""
    root = draw_folder(tmp_path / 'pictures', {'a': 12, 'b': 12})
    epochs = {'train_cfg.max_epochs': 1}
    Runner.from_cfg(configure(config, root, tmp_path / 'work', **epochs)).train()
    other = draw_folder(tmp_path / 'other', {'a': 2, 'b': 2})
    cfg = configure(config, other, tmp_path / 'test')
    tested = Runner.from_checkpoint(cfg, str(tmp_path / 'work/epoch_1.pth'))
    with pytest.raises(ValueError, match=f'{other} has 4 of the 24 pictures in .*split.txt, the '):
        tested.test()
    (root / 'b').rename(root / 'c')
    with pytest.raises(ValueError, match=r'no picture left to train on of 1 classes in .*\(b\)'):
        Runner.from_cfg(configure(config, root, tmp_path / 'work', resume='auto')).train()


@pytest.mark.parametrize(
    ('path', 'value'),
    [('model.head.num_classes', 10**12), ('model.head.num_classes', 'all'), ('train_cfg', 'long')],
)
def test_numbers_of_a_stranger(path, value):
    given = get_config('seresnet18_1xb32_folder')
    settle(given, Size(3, 240))
    given.merge_from_dict({path: value if path != 'train_cfg' else dict(max_epochs=value)})
    cfg = get_config('seresnet18_1xb32_folder')
    with pytest.raises(ValueError, match=rf'{path}\S*=.*; allowed: a whole number from '):
        fit_to_checkpoint(cfg, Origin('strange.pth', given.to_dict(), {}))


@pytest.mark.slow
def test_resumed_training_keeps_its_pictures_and_numbers(config, tmp_path):
    """Pictures that came since change nothing, and are said."""
    root = draw_folder(tmp_path / 'pictures', {'a': 12, 'b': 12})
    whole = Runner.from_cfg(configure(config, root, tmp_path / 'whole'))
    whole.train()
    runner = Runner.from_cfg(configure(config, root, tmp_path / 'part'))
    runner.train_loop._max_epochs = 1
    runner.train()
    for i in range(30):
        draw(root / f'a/new {i}.png')
    resumed = Runner.from_cfg(configure(config, root, tmp_path / 'part', resume='auto'))
    resumed.train()
    text = log_of(tmp_path / 'part')
    assert f'30 pictures that are not in {tmp_path}/part/split.txt are left out (a/new 0' in text
    assert len(resumed.train_dataloader.dataset) == len(whole.train_dataloader.dataset)
    second = whole.model.state_dict()
    assert all(torch.equal(v, second[name]) for name, v in resumed.model.state_dict().items())


@pytest.mark.slow
def test_weights_of_another_folder(config, tmp_path):
    """Their head and their split are not taken; a line says what is new."""
    first = draw_folder(tmp_path / 'first', {'a': 6, 'b': 6})
    Runner.from_cfg(configure(config, first, tmp_path / 'one')).train()
    second = draw_folder(tmp_path / 'second', dict.fromkeys('cdefgh', 4))
    weights = tmp_path / 'one/epoch_2.pth'
    cfg = configure(config, second, tmp_path / 'two', load_from=str(weights))
    runner = Runner.from_cfg(cfg)
    runner.train()
    text = log_of(tmp_path / 'two')
    assert f'checkpoint {weights} has a head of 2 classes; the head of 6 classes is newly' in text
    assert f'loaded {weights}' in text
    assert 'training starts from its weights all the same' in text
    assert runner.bare_model.head.fc.out_features == 6
    assert 'accuracy/top5' in text


def rates(runner):
    groups = runner.optim_wrapper.optimizer.param_groups
    names = {id(p): name for name, p in runner.bare_model.named_parameters()}
    return {names[id(p)]: group['lr'] for group in groups for p in group['params']}


@pytest.mark.slow
def test_frozen_stages_layer_decay_averaging_and_stopping_by_one_word_each(config, tmp_path):
    root = draw_folder(tmp_path / 'pictures', {'a': 12, 'b': 12})
    options = {
        'model.backbone.frozen_stages': 1,
        'layer_decay': 0.5,
        'ema': True,
        'early_stopping': 1,
        'default_hooks.early_stopping.min_delta': 9.0,  # no validation is so much better
        'train_cfg.max_epochs': 6,
    }
    cfg = configure(config, root, tmp_path / 'work', **options)
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.epoch == 2
    state = torch.load(tmp_path / 'work/epoch_2.pth', weights_only=False)
    assert 'ema_state_dict' in state
    trained = state['ema_state_dict']['module.backbone.layer2.0.bn1.running_mean']
    assert trained.any()
    assert not state['state_dict']['backbone.layer1.0.bn1.running_mean'].any()

    runner.optim_wrapper = runner.build_optim_wrapper(runner.cfg.optim_wrapper)
    found = rates(runner)
    assert not any(name.startswith(('backbone.conv1', 'backbone.layer1')) for name in found)
    assert found['backbone.layer2.0.conv1.weight'] == 0.0025
    assert found['backbone.layer3.0.se.fc1.weight'] == 0.005
    assert found['head.fc.weight'] == 0.01


@pytest.mark.slow
def test_two_processes_share_a_split(config, tmp_path):
    """The batch is that of both; the split is that of one process."""
    root = draw_folder(tmp_path / 'pictures', {'a': 20, 'b': 20})
    options = [f'{key}={value}'.replace(' ', '') for key, value in {**SMALL, **SHORT}.items()]
    command = ['tools/train.py', config, '--work-dir', tmp_path / 'work', '--cfg-options']
    runs = run_ranks([*command, *options, f'data_root={root}'], 2)
    assert [run.returncode for run in runs] == [0, 0], runs[0].stderr
    assert ' train_dataloader.batch_size=4 ' in log_of(tmp_path / 'work')
    alone = Runner.from_cfg(configure(config, root, tmp_path / 'alone'))
    alone.train()
    texts = [(tmp_path / name / 'split.txt').read_bytes() for name in ('work', 'alone')]
    assert texts[0] == texts[1]


def test_logs_that_are_off_stay_off():
    logging.disable(logging.WARNING)
    try:
        assert len(build_quietly(dict(type='Digits', split='test')))
        assert logging.root.manager.disable == logging.WARNING
    finally:
        logging.disable(logging.NOTSET)
