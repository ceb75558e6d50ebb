"""Names of classes, and none, on both sides of each comparison that a runner makes."""

import pytest
from torch import nn

from senet_mm.engine.origin import load_origin
from senet_mm.registry import MODELS

from ..datasets.test_classes import NAMES, Teller, accuracy, log_of, make_folders, make_runner

PIPELINE = [dict(type='LoadImage'), dict(type='PackInputs')]
REMEDY = r'metainfo=dict\(classes=\[...\]\) of every data set'
BY_NUMBER = 'labels are compared by number'


@MODELS.register_module()
class Counted(Teller):
    """Tells classes as ``Teller`` does, and how many there are as a head does."""

    def __init__(self, names, num_classes):
        super().__init__(names)
        self.head = nn.Module()
        self.head.num_classes = num_classes


def make_set(root, split, kind, change='same'):
    """Write a split and return its config.

    Args:
        root: Folder of the data.
        split: ``train`` or ``val``.
        kind: ``folders``; ``given``, numbers with names in the config; ``numbers`` without.
        change: ``missing``, the first class is not there; ``empty``, its folder has no image;
            ``order``, names are given in another order; ``case``, it is spelt otherwise.
    """
    names = list(NAMES[1:] if change == 'missing' else NAMES)
    if change == 'case':
        names = [names[0].lower(), *names[1:]]
    make_folders(root / split, names, empty=NAMES[:1] if change == 'empty' else ())
    cfg = dict(type='CustomDataset', data_root=str(root), data_prefix=split, pipeline=PIPELINE)
    cfg['serialize_data'] = False
    if kind == 'folders':
        return cfg
    # A class that is missing leaves its number free, unless names say what the others mean.
    order = list(NAMES) if kind == 'numbers' else names[::-1] if change == 'order' else names
    lines = [f'{name}/{i}.png {order.index(name)}\n' for name in names for i in range(2)]
    (root / f'{split}.txt').write_text(''.join(lines))
    cfg['ann_file'] = f'{split}.txt'
    return cfg if kind == 'numbers' else dict(cfg, metainfo=dict(classes=order))


def run(root, where, training, evaluated, num_classes=len(NAMES)):
    """Top-1 of validation in a training, or of a test of its checkpoint, and the log."""
    kwargs = dict(
        custom_hooks=[dict(type='ClassNumCheckHook')],
        model=dict(type='Counted', names=NAMES, num_classes=num_classes),
    )
    validation = evaluated if where == 'val' else training
    score = accuracy(make_runner(root / 'run', training, validation, **kwargs))
    if where == 'val':
        return score, log_of(root / 'run')
    checkpoint = str(root / 'run/epoch_1.pth')
    tester = make_runner(root / 'test', training, evaluated, load_from=checkpoint, **kwargs)
    return tester.test()['accuracy/top1'], log_of(root / 'test')


RIGHT, LINE, ERROR = 'right', 'by number with a line', 'error'
NAMED = {'same': RIGHT, 'missing': RIGHT, 'order': RIGHT, 'empty': RIGHT, 'case': ERROR}
# Training -> evaluated -> what differs -> what follows.
TABLE = {
    'folders': {'folders': NAMED, 'given': NAMED, 'numbers': {'same': LINE, 'missing': LINE}},
    'given': {'folders': NAMED, 'given': NAMED, 'numbers': {'same': LINE, 'missing': LINE}},
    'numbers': {
        'folders': {'same': LINE, 'empty': LINE, 'missing': ERROR},
        'given': {'same': LINE, 'missing': ERROR},
        'numbers': {'same': RIGHT, 'missing': RIGHT},
    },
}
IMPOSSIBLE = {('folders', 'order'), ('given', 'empty')}
CASES = [
    (training, evaluated, change, outcome)
    for training, row in TABLE.items()
    for evaluated, changes in row.items()
    for change, outcome in changes.items()
    if (evaluated, change) not in IMPOSSIBLE
]


@pytest.mark.parametrize('where', ['val', 'test'])
@pytest.mark.parametrize(('training', 'evaluated', 'change', 'outcome'), CASES)
def test_names_and_numbers(training, evaluated, change, outcome, where, tmp_path):
    """The model is right about every picture: less than 100 % is a wrong label."""
    trained = make_set(tmp_path, 'train', training)
    tested = make_set(tmp_path, 'val', evaluated, change)
    if outcome != ERROR:
        score, log = run(tmp_path, where, trained, tested)
        assert score == 100
        assert (BY_NUMBER in log) == (outcome == LINE)
        assert (REMEDY.replace('\\', '') in log) == (outcome == LINE)
        return
    name = {'val': 'validation', 'test': 'test'}[where]
    place = tmp_path / ('val' if evaluated == 'folders' else 'val.txt')
    if change == 'case':
        message = rf"the {name} set has classes that .* not have: 'zebra' \(there: 'Zebra'\)"
    else:
        message = rf'the {name} set \({place}\) has 4 classes \(ape, bear, cat, ...\), the network '
        message += r'5, and (the training set \(.*/train.txt\)|checkpoint .*\.pth) has no names: '
        message += rf'.* allowed: {REMEDY}'
    with pytest.raises(ValueError, match=message):
        run(tmp_path, where, trained, tested)
    assert (tmp_path / 'run/epoch_1.pth').exists() == (where == 'test')


@pytest.mark.parametrize('kind', ['folders', 'given', 'numbers'])
def test_other_classes_than_the_network(kind, tmp_path):
    """Said before training, with folder, classes and remedy."""
    trained = make_set(tmp_path, 'train', kind)
    message = {
        'folders': r'train_dataloader \(.*/train\) has 5 classes \(Zebra, ape, bear, ...\), the '
        r'network 3; allowed: as many \(model.head.num_classes=5, or metainfo=dict\(classes',
        'given': r'train_dataloader \(.*/train.txt\) has 5 classes .*, the network 3; allowed',
        'numbers': r'/train.txt: label 3 of .*cat/0.png is out of range; allowed: 0 to 2',
    }
    with pytest.raises(ValueError, match=message[kind]):
        run(tmp_path, 'val', trained, trained, num_classes=3)
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_a_validation_set_without_labels_is_not_compared(tmp_path):
    trained = make_set(tmp_path, 'train', 'folders')
    runner = make_runner(tmp_path / 'run', trained, dict(trained, with_label=False))
    assert runner.val_loop
    assert BY_NUMBER not in log_of(tmp_path / 'run')


@pytest.mark.parametrize(('first', 'second'), [('folders', 'numbers'), ('numbers', 'folders')])
def test_resuming_with_names_on_one_side(first, second, tmp_path):
    trained = make_set(tmp_path, 'train', first)
    make_runner(tmp_path / 'run', trained, trained).train()
    other = make_set(tmp_path / 'other', 'train', second)
    resumed = make_runner(
        tmp_path / 'res', other, other, load_from=str(tmp_path / 'run/epoch_1.pth'), resume=True
    )
    resumed.train()
    assert 'has names of classes, ' in log_of(tmp_path / 'res')
    assert 'has none: compared by number' in log_of(tmp_path / 'res')


def test_names_that_are_numbers_reach_the_end(tmp_path):
    """mmpretrain's hook wants text, of the validation set after an epoch."""
    cfg = make_set(tmp_path, 'train', 'numbers')
    sets = [dict(cfg, metainfo=dict(classes=names)) for names in ('01234', range(5))]
    sets = [dict(each, metainfo=dict(classes=list(each['metainfo']['classes']))) for each in sets]
    assert run(tmp_path, 'val', *sets)[0] == 100
    assert load_origin(str(tmp_path / 'run/epoch_1.pth')).classes == tuple('01234')
