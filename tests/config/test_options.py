"""Options on a config: they act wherever the config uses the variable, or are errors."""

import re
import textwrap

import pytest

from senet_mm.apis import get_config, list_models
from senet_mm.cli import load_config, make_parser
from senet_mm.config.option_text import parse_option
from senet_mm.registry import HOOKS

DIGITS = 'seresnet8_1xb64_digits'
IMAGENET = 'seresnet50_8xb32_in1k'


def write(path, text):
    path.write_text(textwrap.dedent(text))
    return str(path)


def pipeline(cfg, split):
    return cfg[f'{split}_dataloader'].dataset.pipeline


def test_option_on_a_whole_variable():
    cfg = get_config(DIGITS, {'train_pipeline': []})
    assert cfg.train_pipeline == pipeline(cfg, 'train') == []
    assert pipeline(cfg, 'val') == pipeline(get_config(DIGITS), 'val') != []


def test_option_on_a_part_of_a_variable():
    cfg = get_config(DIGITS, {'train_pipeline.0.crop_size': 3})
    assert pipeline(cfg, 'train')[0] == dict(type='RandomCrop', crop_size=3, padding=1)
    assert pipeline(get_config(DIGITS), 'train')[0].crop_size == 8


def test_option_on_a_variable_that_a_later_file_assigns_anew():
    """ImageNet's pipeline has 4 steps in the base and 4 in the file that replaces it."""
    name = 'seresnet50_8xb128-100e_in1k'
    cfg = get_config(name, {'train_pipeline.1.scale': 96, 'test_pipeline.2.crop_size': 96})
    assert pipeline(cfg, 'train')[1].scale == 96
    assert pipeline(cfg, 'val')[2].crop_size == pipeline(cfg, 'test')[2].crop_size == 96


with_data_root = [name for name in list_models() if 'data_root' in get_config(name)]


@pytest.mark.parametrize('name', with_data_root)
def test_data_root_of_every_config(name):
    cfg = get_config(name, {'data_root': 'there'})
    for split in ('train', 'val', 'test'):
        assert cfg[f'{split}_dataloader'].dataset.data_root == 'there'


def test_every_config_on_files_has_a_data_root():
    without = set(list_models()) - set(with_data_root)
    assert all(name.endswith('_digits') for name in without)


WAYS = {
    'plain': "loader = dict(root=root, file=root + '/a', n=2 * sizes[0])",
    'tuple': "loader, extra = dict(root=root, file=f'{root}/a', n=2 * sizes[0]), sizes",
    'loop': "for i in sizes[:1]:\n    loader = dict(root=root, file=f'{root}/a', n=2 * i)",
    'annotation': "n: int\nloader: dict = dict(root=root, file=root + '/a', n=2 * sizes[0])",
    'function': "def f(r):\n    root = 1\n    return r + '/a'\n\n\n"
    'loader = dict(root=root, file=f(root), n=2 * sizes[0])',
    'if': "if root == 'new':\n    loader = dict(root=root, file='new/a', n=2 * sizes[0])",
}


@pytest.mark.parametrize('way', WAYS)
def test_ways_to_use_a_variable(tmp_path, way):
    text = f"root = 'old'\nsizes = [1, 2]\n{WAYS[way]}\ntrain_dataloader = dict(dataset=loader)\n"
    config = write(tmp_path / 'own.py', text)
    cfg = get_config(config, {'root': 'new', 'sizes.0': 5})
    assert cfg.train_dataloader.dataset == dict(root='new', file='new/a', n=10)


BASES = {
    'attribute': ("_base_ = 'base.py'\n", '_base_.root', '_base_.steps'),
    'braces': ("_base_ = 'base.py'\n", '{{_base_.root}}', '{{_base_.steps}}'),
    'lazy': (
        'from mmengine.config import read_base\n\nwith read_base():\n    from .base import *\n',
        'root',
        'steps',
    ),
}


@pytest.mark.parametrize('way', BASES)
def test_ways_to_use_a_variable_of_a_base(tmp_path, way):
    first, root, steps = BASES[way]
    start = '' if way != 'lazy' else 'from mmengine.config import read_base\n'
    write(tmp_path / 'base.py', f"{start}root = 'old'\nsteps = [dict(a=1), dict(a=2)]\n")
    loader = f'val_dataloader = dict(dataset=dict(root={root}, steps={steps}))\n'
    config = write(tmp_path / 'own.py', first + loader)
    cfg = get_config(config, {'root': 'new', 'steps.1.a': 7})
    assert cfg.val_dataloader.dataset == dict(root='new', steps=[dict(a=1), dict(a=7)])


def test_option_on_a_key_acts_on_that_key_alone():
    cfg = get_config(DIGITS, {'val_dataloader.batch_size': 7})
    assert (cfg.val_dataloader.batch_size, cfg.test_dataloader.batch_size) == (7, 180)


def test_value_as_it_was_is_no_error():
    assert get_config(IMAGENET, {'data_root': 'data/imagenet'}).data_root == 'data/imagenet'


def test_options_given_are_left_as_they_are():
    options = {'model.head': dict(_delete_=True, type='LinearClsHead')}
    get_config(DIGITS, options)
    assert options == {'model.head': dict(_delete_=True, type='LinearClsHead')}


MISTAKES = [
    ({'train_pipelin': []}, "the config has no key 'train_pipelin'; did you mean 'train_pipeline'"),
    (
        {'data_root': 'there'},
        "the config has no key 'data_root'; allowed: keys that are read, variables "
        r'\(train_pipeline, test_pipeline\)$',
    ),
    (
        {'train_pipeline.9.crop_size': 1},
        'train_pipeline.9.crop_size: train_pipeline is a list of 2; allowed: train_pipeline.0 to',
    ),
    (
        {'train_dataloader.batch_size.x': 1},
        'train_dataloader.batch_size is 64, which has no keys',
    ),
    (
        {
            'train_pipeline.0.crop_size': 3,
            'train_dataloader.dataset.pipeline.0.crop_size': 4,
        },
        "train_pipeline.0.crop_size: no effect, .* the variable 'train_pipeline'; did you mean "
        "'train_dataloader.dataset.pipeline.0.crop_size'",
    ),
    (
        {'val_dataloader.dataset.metainfo': dict(clases=['a'])},
        "'val_dataloader.dataset.metainfo.clases' is not known; did you mean 'classes'",
    ),
]


RECIPE = 'seresnet18_1xb32_folder'
WORDS = [
    ('layer_decay', [-1, 7, 0, True, 'fast'], [None, 0.7, 1], 'a number above 0, up to 1'),
    ('ema', [0.99, 1, 'fast'], [True, False, None], 'True or False'),
    ('balanced_sampler', [1, 'fast'], [True, False, None], 'True or False'),
]


@pytest.mark.parametrize(('word', 'wrong', 'right', 'allowed'), WORDS)
def test_words_of_the_recipes(word, wrong, right, allowed):
    for value in right:
        get_config(RECIPE, {word: value})
    for value in wrong:
        with pytest.raises(ValueError, match=f'={value!r}; allowed: {allowed}$'):
            get_config(RECIPE, {word: value})


@pytest.mark.parametrize('recipe', list_models('*_folder'))
@pytest.mark.parametrize('weight', ['balanced', dict(effective=0.9), [1, 2, 3], None])
def test_class_weight_and_sampler_by_a_word(recipe, weight):
    cfg = get_config(recipe, dict(class_weight=weight, balanced_sampler=True))
    assert cfg.model.head.class_weight == weight
    assert cfg.train_dataloader.sampler == dict(type='BalancedSampler', shuffle=True)
    cfg = get_config(recipe, {'model.head.class_weight': weight})
    assert cfg.model.head.class_weight == weight
    assert cfg.train_dataloader.sampler.type == 'DefaultSampler'


@pytest.mark.parametrize('patience', [-3, 2.5, True, 0])
def test_early_stopping_is_a_number_of_validations(patience):
    for none in (None, False):
        assert 'early_stopping' not in get_config(RECIPE, {'early_stopping': none}).default_hooks
    hook = get_config(RECIPE, {'early_stopping': 2}).default_hooks.early_stopping
    assert HOOKS.build(hook).patience == 2
    hook = get_config(RECIPE, {'early_stopping': patience}).default_hooks.early_stopping
    with pytest.raises(ValueError, match=f'patience={patience}; allowed: whole numbers from 1'):
        HOOKS.build(hook)


@pytest.mark.parametrize(('options', 'message'), MISTAKES)
def test_option_without_effect(options, message):
    with pytest.raises(ValueError, match=message):
        get_config(DIGITS, options)


def test_option_on_a_variable_that_nobody_uses(tmp_path, logged):
    config = write(
        tmp_path / 'own.py',
        f"""
        _base_ = '{DIGITS}'
        speed = 3
        """,
    )
    get_config(config)
    assert f'nobody reads speed ({config})' in logged.text
    with pytest.raises(ValueError, match='speed: no effect'):
        get_config(config, {'speed': 1})


@pytest.mark.parametrize(
    ('base', 'line', 'message', 'options'),
    [
        (
            'finetune/seresnet18_1xb32_folder.py',
            "data_root = 'mine'",
            'data_root has no effect, its base folder_bs32.py has used its own value; allowed: '
            '--cfg-options data_root=..., or the keys that it is used for '
            '(train_dataloader.dataset.data_root, val_',
            {'data_root': 'other'},
        ),
        (
            DIGITS,
            "train_pipeline = [dict(type='RandomFlip'), dict(type='PackInputs')]",
            'train_pipeline has no effect, its base digits_bs64.py has',
            {'train_pipeline': [dict(type='PackInputs')]},
        ),
    ],
)
def test_a_variable_that_a_base_has_used(tmp_path, base, line, message, options):
    config = write(tmp_path / 'own.py', f'_base_ = {base!r}\n{line}\n')
    with pytest.raises(ValueError, match=f'^config {config}: {re.escape(message)}'):
        get_config(config)
    [(name, value)] = options.items()
    assert get_config(config, options)[name] == value


def test_a_variable_that_a_base_has_used_and_its_file_too(tmp_path):
    config = write(
        tmp_path / 'own.py',
        """
        _base_ = 'finetune/seresnet18_1xb32_folder.py'
        data_root = 'mine'
        train_dataloader = dict(dataset=dict(data_root=data_root))
        """,
    )
    assert get_config(config).train_dataloader.dataset.data_root == 'mine'


@pytest.mark.parametrize('name', [DIGITS, IMAGENET])
def test_config_written_to_a_file_names_nothing_that_nobody_reads(tmp_path, logged, name):
    config = tmp_path / 'dumped.py'
    get_config(name).dump(config)
    assert get_config(str(config)).to_dict() == get_config(name).to_dict()
    assert 'nobody reads' not in logged.text


@pytest.mark.parametrize('value', ['train_pipeline', 'a=[1,2', 'a=(1,2'])
def test_option_that_is_none(value, capsys):
    with pytest.raises(SystemExit):
        make_parser('A tool').parse_args([DIGITS, '--cfg-options', value])
    last = capsys.readouterr().err.splitlines()[-1]
    assert f'error: --cfg-options {value}: allowed: KEY=VALUE' in last


def test_tools_read_options_the_same_way():
    args = make_parser('A tool').parse_args(
        [IMAGENET, '--cfg-options', 'data_root=there', 'train_dataloader.batch_size=4']
    )
    cfg = load_config(args)
    assert cfg.val_dataloader.dataset.data_root == 'there'
    assert cfg.train_dataloader.batch_size == 4
    assert cfg.work_dir == f'work_dirs/{IMAGENET}'


@pytest.mark.parametrize(('text', 'value'), [
    ('data_root=own (1', 'own (1'),
    ('a.data_prefix=x], y', 'x], y'),
    ('load_from=")x"', ')x'),
    ('note="a (1"', 'a (1'),
    ("note='a, [1'", 'a, [1'),
    ("note=dict(data_root='own (1')", dict(data_root='own (1')),
    ("note=['a)', 'b']", ['a)', 'b']),
    ('note=[(1,2),(3,4)]', [(1, 2), (3, 4)]),
])  # fmt: skip
def test_brackets_of_a_name_or_in_quotes(text, value):
    key = text.partition('=')[0]
    assert parse_option(text) == (key, value)


@pytest.mark.parametrize(('text', 'fault'), [
    ('note=a (1', 'brackets closed'),
    ('data_root=[1', 'brackets closed'),
    ('note=dict(a="(1", b=2', 'brackets closed'),
    ('note="a" (1 "b"', 'brackets closed'),
    ("note=['a (1', b]", 'quotes around each text of a list in which one has brackets'),
    ('data_root="own (1', 'quotes closed'),
])  # fmt: skip
def test_what_is_not_closed(text, fault):
    with pytest.raises(ValueError, match=f'{re.escape(text)}: allowed: KEY=VALUE, {fault}$'):
        parse_option(text)
