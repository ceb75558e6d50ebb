"""What follows from the size of a data set, and what gives way to an option."""

import pytest
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn
from torch.optim import SGD

from senet_mm.apis import get_config, get_model, list_models
from senet_mm.config.auto import Size, find_auto, settle, settle_as

RECIPES = list_models('*_folder')


def settled(images, classes=3, processes=1, **options):
    cfg = get_config('seresnet18_1xb32_folder', options)
    settle(cfg, Size(classes, images, processes))
    return cfg


# Images to train on -> batch, iterations of an epoch, epochs, epochs between validations, warm-up.
# docs/own-pictures.md has the same table.
SIZES = {
    24: (8, 3, 100, 5, 15),
    240: (32, 7, 100, 5, 35),
    2_400: (32, 75, 20, 1, 75),
    24_000: (32, 750, 20, 1, 750),
}


@pytest.mark.parametrize('images', SIZES)
def test_training_that_fits_the_set(images):
    cfg = settled(images)
    batch, iterations, epochs, interval, warmup = SIZES[images]
    assert cfg.train_dataloader.batch_size == batch
    assert images // batch == iterations
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[1].T_max == epochs
    assert cfg.train_cfg.val_interval == cfg.default_hooks.checkpoint.interval == interval
    assert cfg.param_scheduler[0].end == warmup <= iterations * epochs / 20
    assert find_auto(cfg) == []


@pytest.mark.parametrize('images', range(2, 40))
@pytest.mark.parametrize('processes', [1, 2, 8])
def test_every_size_has_a_batch_that_a_norm_can_be_trained_on(images, processes):
    loader = settled(images, processes=processes).train_dataloader
    assert loader.drop_last
    assert 2 <= loader.batch_size <= 32
    own = -(-images // processes)  # those of a process; some come again
    assert loader.batch_size <= own or own == 1


def test_rates_of_a_short_training():
    """From a hundredth to the whole rate in the warm-up, down to nearly nothing at the end."""
    cfg = settled(24, **{'train_cfg.max_epochs': 4})
    optimizer = SGD(nn.Linear(1, 1).parameters(), lr=1)
    schedulers = []
    for scheduler in cfg.param_scheduler:
        scheduler = dict(scheduler)
        build = PARAM_SCHEDULERS.get(scheduler.pop('type'))
        if scheduler.pop('convert_to_iter_based', False):
            build = build.build_iter_from_epoch
            scheduler['epoch_length'] = 3
        schedulers.append(build(optimizer, **scheduler))
    rates = []
    for _ in range(12):
        rates.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    assert rates[0] == 0.01
    assert max(rates) == rates[1] > 0.9
    assert rates[1:] == sorted(rates[1:], reverse=True)
    assert 0 < rates[-1] < 0.05


def value_at(cfg, path):
    for part in path.split('.'):
        cfg = cfg[int(part)] if part.isdecimal() else cfg[part]
    return cfg


# An option, and what follows from it in a set of 240 images.
FOLLOWING = [
    ({'train_cfg.max_epochs': 3}, {'param_scheduler.1.T_max': 3, 'param_scheduler.0.end': 2}),
    ({'train_cfg.max_epochs': 60}, {'train_cfg.val_interval': 3}),
    ({'train_cfg.val_interval': 7}, {'default_hooks.checkpoint.interval': 7}),
    ({'train_dataloader.batch_size': 4}, {'train_cfg.max_epochs': 20, 'param_scheduler.0.end': 60}),
    ({'train_dataloader.num_batch_per_epoch': 20}, {'train_cfg.max_epochs': 50}),
    ({'param_scheduler.1.T_max': 9}, {'param_scheduler.0.end': 35}),
    ({'model.head.num_classes': 7}, {'data_preprocessor.num_classes': 3}),
]


@pytest.mark.parametrize(('options', 'following'), FOLLOWING)
def test_option_wins_and_others_follow_it(options, following):
    cfg = settled(240, **options)
    for path, value in {**options, **following}.items():
        assert value_at(cfg, path) == value


def test_averaged_weights_reach_back_over_a_tenth_of_the_training():
    assert settled(240, ema=True).default_hooks.ema.momentum == round(10 / 700, 6)


@pytest.mark.parametrize(('classes', 'topk'), [(2, (1,)), (5, (1,)), (6, (1, 5))])
def test_scores_of_few_classes(classes, topk):
    cfg = settled(240, classes)
    evaluators = [*cfg.val_evaluator, *cfg.test_evaluator]
    given = [evaluator.topk for evaluator in evaluators if 'topk' in evaluator]
    assert {cfg.model.head.topk, *given} == {topk}


def test_values_of_a_checkpoint():
    """They do not depend on the data that is there now; an option is not replaced."""
    trained = settled(240, classes=7)
    cfg = get_config('seresnet18_1xb32_folder', {'train_dataloader.batch_size': 2})
    settle_as(cfg, trained.to_dict())
    assert cfg.train_dataloader.batch_size == 2
    cfg.train_dataloader.batch_size = trained.train_dataloader.batch_size
    assert cfg.to_dict() == trained.to_dict()


def test_a_checkpoint_without_a_config_leaves_all_to_the_data():
    cfg = get_config('seresnet18_1xb32_folder')
    before = cfg.to_dict()
    assert settle_as(cfg, {}) == settle_as(cfg, before) == {}
    assert cfg.to_dict() == before


def test_other_words_auto_stay():
    cfg = settled(240)
    assert cfg.fuse_tails.implementation == cfg.default_hooks.checkpoint.save_best == 'auto'


@pytest.mark.parametrize('name', RECIPES)
def test_network_by_name(name):
    with pytest.raises(ValueError, match=r"model.head.num_classes='auto' follows from the data"):
        get_model(name)
    model = get_model(name, num_classes=4)
    assert model.head.fc.out_features == 4


def test_there_are_four_recipes():
    names = {name.partition('_')[0] for name in RECIPES}
    assert names >= {'seresnet50', 'seresnet18', 'seresnext50-32x4d', 'semobilenetv1'}
