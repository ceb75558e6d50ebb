"""Tools with mistaken options: each ends with one line that names option and file, or acts."""

import random

import pytest

from senet_mm.apis import get_config
from senet_mm.cli import make_parser, reported_errors
from senet_mm.config.option_text import parse_option, parse_options

from .fuzz import Case, Place, judge
from .mutations import KINDS, draw

DIGITS = 'seresnet8_1xb64_digits'
# Of each kind of fault that random options found: tool, options, what is said.
FOUND = [
    ('train.py', ['train_dataloader=/none'], "train_dataloader='/none'; allowed: None or a dict"),
    ('train.py', ['train_dataloader.dataset.pipeline=None'], 'pipeline=None; allowed: a list of'),
    ('train.py', ['log_level=-1'], 'log_level=-1; allowed: '),
    ('train.py', ['optim_wrapper.optimizer.type='], "optimizer.type=''; allowed: a name"),
    ('train.py', ['optim_wrapper.optimizer.lr=nan'], 'lr=nan; allowed: a finite number from 0'),
    ('train.py', ['param_scheduler.T_max=abc'], "T_max='abc'; allowed: int"),
    ('train.py', ['data_preprocessor.mean.0=None'], 'data_preprocessor.mean=[None]; allowed'),
    ('train.py', ['data_preprocessor.mean.².type=1'], 'data_preprocessor.mean is a list of 1'),
    ('train.py', ['model.neck=1e30'], 'model.neck=1e+30; allowed: None or a dict'),
    ('train.py', ['visualizer.vis_backends=,'], '--cfg-options visualizer.vis_backends='),
    ('train.py', ['default_hooks.timer.type=SGD'], "type='SGD' is not in the hook registry"),
    ('train.py', ['train_cfg._foo=1'], 'allowed with an underscore: _delete_, _scope_'),
    ('train.py', ['train_cfg._delete_=abc'], "train_cfg._delete_='abc'; allowed: True"),
    ('get_flops.py', ['val_evaluator.0.type=NoSuch'], "type='NoSuch' is in no registry"),
    ('get_flops.py', ['test_dataloader.sampler.shuffle=x'], "shuffle='x'; allowed: True or False"),
    ('get_flops.py', ['model.head=3', 'model.head=4'], 'model.head is given twice, 3 and 4'),
    ('get_flops.py', ['test_cfg.a=3', 'test_cfg=4'], 'test_cfg'),
    ('get_flops.py', ["model.se='18"], 'allowed: KEY=VALUE, quotes closed'),
    ('get_flops.py', ['model.se=]1['], 'allowed: KEY=VALUE, brackets closed'),
    ('get_flops.py', [f'model.se={"[" * 3000}'], 'brackets within brackets up to 50 deep'),
    ('get_flops.py', ['model..se=1'], 'allowed: KEY=VALUE, a KEY of names with dots between'),
    ('get_flops.py', ['model.se=dict(a=open)'], 'allowed: KEY=VALUE, a dict of plain values'),
]
TOOLS = {'train.py': 'train.py', 'get_flops.py': 'analysis_tools/get_flops.py'}


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    return Place(tmp_path_factory.mktemp('fuzz'))


@pytest.mark.parametrize(('tool', 'options', 'message'), FOUND)
def test_what_was_found(place, tool, options, message):
    outcome = place.run(Case('digits', TOOLS[tool], 'found', options))
    assert outcome.what == 'line', outcome.text
    assert message in outcome.text
    assert DIGITS in outcome.text or '.py: error: --cfg-options' in outcome.text


def read(options):
    """As a tool does; ends with the code 0, 2 or a line."""
    with reported_errors():
        args = make_parser('A tool').parse_args([DIGITS, '--cfg-options', *options])
        get_config(args.config, args.cfg_options)
    raise SystemExit(0)


@pytest.mark.parametrize('kind', KINDS)
def test_random_options(place, capsys, kind):
    """Reads the config with options of a kind; to build it too, run the module ``fuzz``."""
    rng = random.Random(0)
    for _ in range(6):
        options = draw(rng, place.values['digits'], kind)[1]
        with pytest.raises(SystemExit) as end:
            read(options)
        code, streams = end.value.code, capsys.readouterr()
        assert 'Traceback' not in streams.err, streams.err
        if code == 2:
            assert 'error: --cfg-options' in streams.err
        elif code:
            assert code.startswith('error: '), code
            assert DIGITS in code


@pytest.mark.parametrize(
    ('option', 'value'),
    [
        ('a=/with space/x', '/with space/x'),
        ("a={'b': [1, (2, 3)], 'c d': None}", {'b': [1, (2, 3)], 'c d': None}),
        ('a=dict(b=1, c=dict(d="e, f"))', {'b': 1, 'c': {'d': 'e, f'}}),
        ('a=[1,2]', [1, 2]),
        ('a=1,x', [1, 'x']),
        ('a=(1,(2,3))', (1, (2, 3))),
        ('a=b=c', 'b=c'),
        ('a=', ''),
        ("a='b'", 'b'),
        ('a=True', True),
        ('a=1e-3', 0.001),
        ('a=None', None),
        ('a=/my images (2012)', '/my images (2012)'),
        ("a='my set (v2)'", 'my set (v2)'),
        ("a='b,c'", 'b,c'),
        ("a=['my set (v2)','b c']", ['my set (v2)', 'b c']),
        ('a=[b,c]', ['b', 'c']),
        ('a=1,2', [1, 2]),
        ('a=(1,2)', (1, 2)),
        ('a=x(1,2)', 'x(1,2)'),
        ("a=[dict(type='B',c=1)]", [dict(type='B', c=1)]),
    ],
)
def test_values(option, value):
    assert parse_option(option) == ('a', value)


@pytest.mark.parametrize('key', ['data_root', 'load_from', 'val_dataloader.dataset.ann_file'])
@pytest.mark.parametrize(
    ('given', 'value'),
    [
        ('/scans/a, b  c', '/scans/a, b  c'),
        ('2024', '2024'),
        ('1e3', '1e3'),
        ("'2024'", '2024'),
        ('None', None),
        ('[a,b]', ['a', 'b']),
    ],
)
def test_the_name_of_a_file_is_a_text(key, given, value):
    assert parse_option(f'{key}={given}') == (key, value)


def test_the_same_option_twice():
    assert parse_options(['a=1', 'b=2', 'a=1']) == dict(a=1, b=2)
    with pytest.raises(ValueError, match='a is given twice, 1 and 2; allowed: once'):
        parse_options(['a=2'], dict(a=1))


@pytest.mark.parametrize(
    ('code', 'text', 'what'),
    [
        (0, '', 'ran'),
        (1, 'Traceback (most recent call last):\nerror: a.b', 'traceback'),
        (1, 'error: a.b=1; allowed: 2', 'line'),
        (1, 'error: something', 'unnamed'),
        (-11, '', 'death'),
        (None, '', 'hang'),
    ],
)
def test_failures_are_seen(code, text, what):
    assert judge(Case('digits', 'train.py', 'leaf', ['a.b=1']), code, '', text).what == what


def test_what_upstream_allows_passes():
    """Values and types that mmengine reads, beside those that our configs have."""
    get_config(
        'seresnet8_1xb64_digits',
        {
            'train_cfg.max_epochs': 1e1,
            'train_cfg.val_interval': 1e3,
            'log_processor': None,
            'experiment_name': 123,
            'optim_wrapper.clip_grad': dict(type='norm', max_norm=1.0),
        },
    )
    options = {'optim_wrapper.clip_grad.type': 'value', 'optim_wrapper.clip_grad.clip_value': 0.5}
    assert get_config('seresnet50_8xb32_in1k', options).optim_wrapper.clip_grad.type == 'value'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'custom_imports': ['collections']}, "custom_imports=.'collections'.; allowed"),
        ({'test_evaluator': dict(type='Accuracy', topk=5)}, 'test_evaluator is a list, the option'),
    ],
)
def test_kinds_that_do_not_fit(options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        get_config('seresnet8_1xb64_digits', options)
