"""An option on a variable refers to its final value, however the config computes it."""

import textwrap

import pytest

from senet_mm.apis import get_config

START = 'steps = [dict(type="A", x=1), dict(type="B", x=2)]\n'
EARLY = 'train_dataloader = dict(dataset=dict(pipeline=steps))\n'
LATE = 'val_dataloader = dict(dataset=dict(pipeline=steps))\n'

# What a config does to the list after its assignment -> the types at the end.
CHANGES = {
    'nothing': ('', 'AB'),
    'insert': ("steps.insert(0, dict(type='C', x=3))\n", 'CAB'),
    'append': ("steps.append(dict(type='C', x=3))\n", 'ABC'),
    'extend': ("steps.extend([dict(type='C', x=3), dict(type='D', x=4)])\n", 'ABCD'),
    'pop': ('steps.pop(0)\n', 'B'),
    'del': ('del steps[0]\n', 'B'),
    'del in a block': ('if len(steps) > 1:\n    del steps[0]\n', 'B'),
    'reverse': ('steps.reverse()\n', 'BA'),
    'subscript': ("steps[0] = dict(type='C', x=3)\n", 'CB'),
    'slice': ("steps[:1] = [dict(type='C', x=3), dict(type='D', x=4)]\n", 'CDB'),
    'item': ('steps[1]["y"] = 3\n', 'AB'),
    'update': ('steps[1].update(x=7, y=3)\n', 'AB'),
    '+= in place': ("steps += [dict(type='C', x=3)]\n", 'ABC'),
    'loop': ("for t in 'CD':\n    steps.insert(0, dict(type=t, x=3))\n", 'DCAB'),
    'try': ("try:\n    steps.insert(0, dict(type='C', x=3))\nfinally:\n    pass\n", 'CAB'),
    'function': ("def f(s):\n    s.insert(0, dict(type='C', x=3))\n\n\nf(steps)\n", 'CAB'),
    'other name': ("other = steps\nother.insert(0, dict(type='C', x=3))\n", 'CAB'),
    'element': ("first = steps[0]\nsteps.insert(0, dict(type='C', x=3))\n", 'CAB'),
}


def read(folder, text, options):
    path = folder / 'own.py'
    path.write_text(textwrap.dedent(text))
    return get_config(str(path), options)


def get_types(pipeline):
    return ''.join(step['type'] for step in pipeline)


def is_set(pipeline):
    return [step['x'] == 9 for step in pipeline]


CASES = [
    (how, index) for how, (_, types) in CHANGES.items() for index in range(len(types))
]  # every element of the final value


@pytest.mark.parametrize(('how', 'index'), CASES)
def test_index_counts_in_the_final_value(tmp_path, how, index):
    change, types = CHANGES[how]
    cfg = read(tmp_path, START + EARLY + change + LATE, {f'steps.{index}.x': 9})
    loaders = cfg.train_dataloader, cfg.val_dataloader
    for pipeline in (cfg.steps, *(loader.dataset.pipeline for loader in loaders)):
        assert get_types(pipeline) == types
        assert is_set(pipeline) == [number == index for number in range(len(types))]


# Statements that make another list, which the early loader does not hold.
NEW = {
    'assignment': ("steps = [dict(type='C', x=3), *steps]\n", 'CAB'),
    'sum': ("steps = [dict(type='C', x=3)] + steps\n", 'CAB'),
    'walrus': ("print(steps := [dict(type='C', x=3), *steps])\n", 'CAB'),
    'for': ("for steps in [[dict(type='C', x=3)] + steps]:\n    pass\n", 'CAB'),
    'unpacking': ("a, *steps = [dict(type='C', x=3), *steps[1:]]\n", 'B'),
    'anew': ("steps = [dict(type='C', x=3)]\n", 'C'),
}


@pytest.mark.parametrize(
    ('how', 'index'),
    [(how, index) for how, (_, types) in NEW.items() for index in range(len(types))],
)
def test_index_in_a_list_that_replaces_another(tmp_path, how, index):
    """Elements of the earlier list are set where they are in the final one."""
    change, types = NEW[how]
    cfg = read(tmp_path, START + EARLY + change + LATE, {f'steps.{index}.x': 9})
    late, early = (cfg[f'{split}_dataloader'].dataset.pipeline for split in ('val', 'train'))
    assert get_types(late) == types
    assert is_set(late) == [number == index for number in range(len(types))]
    assert is_set(early) == [step['type'] == types[index] for step in early]


ELSEWHERE = {
    'base': ("_base_ = 'base.py'\nsteps = [dict(type='C', x=3), *_base_.steps]\n", 'CAB'),
    'base in place': ("_base_ = 'base.py'\nsteps = _base_.steps\nsteps.pop(0)\n", 'B'),
    'lazy': (
        'from mmengine.config import read_base\n\nwith read_base():\n    from .base import *\n\n'
        "steps.insert(0, dict(type='C', x=3))\n",
        'CAB',
    ),
}


@pytest.mark.parametrize('how', ELSEWHERE)
def test_index_in_a_list_of_a_base(tmp_path, how):
    text, types = ELSEWHERE[how]
    lazy = 'from mmengine.config import read_base\n' if how == 'lazy' else ''
    (tmp_path / 'base.py').write_text(lazy + START)
    for index in range(len(types)):
        cfg = read(tmp_path, text + LATE, {f'steps.{index}.x': 9})
        pipeline = cfg.val_dataloader.dataset.pipeline
        assert (get_types(pipeline), is_set(pipeline).index(True)) == (types, index)
        assert sum(is_set(pipeline)) == 1


def test_element_that_two_lists_share_is_set_in_one(tmp_path):
    text = (
        "a = dict(type='A', x=1)\nsteps = [a]\nothers = [a]\nothers.append(dict(type='B', x=2))\n"
    )
    loaders = LATE + 'train_dataloader = dict(dataset=dict(pipeline=others))\n'
    cfg = read(tmp_path, text + loaders, {'others.0.x': 9, 'others.1.x': 9, 'steps.0.y': 4})
    assert cfg.val_dataloader.dataset.pipeline == [dict(type='A', x=1, y=4)]
    assert is_set(cfg.train_dataloader.dataset.pipeline) == [True, True]


def test_dict_that_two_variables_share_is_set_in_one(tmp_path):
    text = 'a = dict(x=1)\nb = a\n'
    text += 'train_dataloader = dict(dataset=a)\nval_dataloader = dict(dataset=b)\n'
    cfg = read(tmp_path, text, {'b.x': 9})
    assert (cfg.train_dataloader.dataset.x, cfg.val_dataloader.dataset.x) == (1, 9)


def test_lists_within_dicts(tmp_path):
    text = (
        'all = dict(train=[dict(x=1)], val=[dict(x=2)])\n'
        "train_dataloader = dict(dataset=dict(pipeline=all['train']))\n"
        "all['train'].insert(0, dict(x=3))\n"
    )
    cfg = read(tmp_path, text, {'all.train.0.x': 9})
    assert cfg.train_dataloader.dataset.pipeline == [dict(x=9), dict(x=1)]


def test_options_on_variables_of_which_one_is_made_of_the_other(tmp_path):
    text = START + 'others = [*steps]\nothers.pop(0)\n'
    loaders = LATE + 'train_dataloader = dict(dataset=dict(pipeline=others))\n'
    options = {'others.0.y': 4, 'steps.1.x': 9}
    cfg = read(tmp_path, text + loaders, options)
    assert is_set(cfg.val_dataloader.dataset.pipeline) == [False, True]
    assert cfg.train_dataloader.dataset.pipeline == [dict(type='B', x=9, y=4)]


def test_numbers_in_a_list(tmp_path):
    text = 'sizes = [1, 2]\nval_dataloader = dict(batch_size=sizes[0], num_workers=sizes[1])\n'
    cfg = read(tmp_path, text, {'sizes.0': 2, 'sizes.1': 3})
    assert (cfg.val_dataloader.batch_size, cfg.val_dataloader.num_workers) == (2, 3)


@pytest.mark.parametrize(
    ('key', 'change'),
    [
        ('root', "root = 'a'\nroot += '/b'\n"),
        ('root', "root = 'a'\nfor root in ('c', 'd'):\n    pass\n"),
        ('own.root', "own = dict(a=1)\nown.update(root='b')\nroot = own['root']\n"),
        ('own.root', "own = dict(a=1)\nown['root'] = 'b'\nroot = own['root']\n"),
        ('own.root', "own = dict(root='b')\nown |= dict(root='c')\nroot = own['root']\n"),
    ],
)
def test_option_without_an_index_after_every_statement(tmp_path, key, change):
    text = change + 'val_dataloader = dict(dataset=dict(data_root=root))\n'
    assert read(tmp_path, text, {key: 'new'}).val_dataloader.dataset.data_root == 'new'


def test_variable_of_a_loop_within_the_loop(tmp_path):
    text = (
        "for root in ('c', 'd'):\n    val_dataloader = dict(dataset=dict(data_root=root + '/b'))\n"
    )
    assert read(tmp_path, text, {'root': 'x'}).val_dataloader.dataset.data_root == 'x/b'


UNCLEAR = {
    'equal elements': 'steps = [dict(x=1), dict(x=2)]\nsteps.insert(0, dict(x=1))\n',
    'a copy of an element': 'steps = [dict(x=1)]\nsteps.append(dict(steps[0], y=2))\n',
    'the same element twice': 'steps = [dict(x=1), dict(x=2)]\nsteps.append(steps[0])\n',
    'lists that were one': 'other = [dict(x=1)]\nsteps = other\nother.insert(0, dict(x=2))\n',
}


@pytest.mark.parametrize('how', UNCLEAR)
def test_element_that_cannot_be_told_from_others(tmp_path, how):
    """An error that names the key; never a change of another element."""
    message = (
        "--cfg-options steps.0.x: the config builds 'steps' in steps in which this element "
        "cannot be told from others; did you mean 'val_dataloader.dataset.pipeline.0.x'"
    )
    with pytest.raises(ValueError, match=message):
        read(tmp_path, UNCLEAR[how] + LATE, {'steps.0.x': 9})


def test_index_beyond_the_end_of_the_final_value(tmp_path):
    with pytest.raises(ValueError, match=r'steps is a list of 1; allowed: steps.0 to steps.0'):
        read(tmp_path, START + 'steps.pop(0)\n' + LATE, {'steps.1.x': 9})
