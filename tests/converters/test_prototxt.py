"""The reader of prototxt: its grammar, and what damaged text does."""

import random

import pytest
from google.protobuf import descriptor_pb2, text_format

from senet_mm.converters.caffe_graph import read_graph
from senet_mm.converters.caffe_phases import find_training_layers, list_layers
from senet_mm.converters.prototxt import read_prototxt
from senet_mm.converters.text_format import MAX_LEVELS, parse
from senet_mm.utils.errors import InputError

from .caffe_definitions import plain_small_cnn, to_prototxt

# The same in one grammar after another.
SPELLINGS = [
    'layer { name: "a" bottom: "x" bottom: "y" p { size: [3, 1] } }',
    'layer: { name: \'a\', bottom: ["x", "y"]; p: <size: 3 size: 1> }',
    'layer <name: # a comment }\n"" \'a\' bottom: "x"bottom:"y"p{size:3 size:1}>',
]


@pytest.mark.parametrize('text', SPELLINGS)
def test_spellings(text):
    [layer] = parse(text).messages('layer')
    assert layer.text('name') == 'a'
    assert layer.texts('bottom') == ['x', 'y']
    assert layer.message('p').texts('size') == ['3', '1']
    assert (layer.text('absent', 'b'), layer.message('absent')) == ('b', {})


def test_protobuf_reads_the_same():
    """Against Google's reader, on a message that it knows."""
    text = (
        'name: "a\\"b\\n" package: \'c\' dependency: ["d", "e" \'f\'] # g\n'
        'message_type < name: "M"; field { name: "i" number: -7, label: LABEL_REPEATED } >'
        'message_type { }'
    )
    expected = text_format.Parse(text, descriptor_pb2.FileDescriptorProto())
    found = parse(text)
    assert found.text('name') == expected.name == 'a"b\n'
    assert found.text('package') == expected.package
    assert found.texts('dependency') == list(expected.dependency) == ['d', 'ef']
    first, second = found.messages('message_type')
    [field] = first.messages('field')
    assert first.text('name') == expected.message_type[0].name
    assert field.text('number') == str(expected.message_type[0].field[0].number)
    assert field.text('label') == 'LABEL_REPEATED'
    assert second == {}


DAMAGED = {
    'a: 1\nb': 'line 2: b has no value',
    'a: ': 'line 1: a value is missing',
    'a: }': 'line 1: a value is missing',
    'a {\n': 'line 2: } is missing',
    'a { >': 'line 1: > in the place of a field',
    'a { } }': 'line 1: } in the place of a field',
    '"a": 1': 'in the place of a field',
    'a: [1, [2]]': 'a value is missing',
    'a: [1': 'a value is missing',
    'a: "b': "line 1: '\"' starts nothing",
    'a: "\\q"': 'escape',
    'a: 1 $': "'\\$' starts nothing",
    'a { ' * MAX_LEVELS + '} ' * MAX_LEVELS: f'more than {MAX_LEVELS} levels',
}


@pytest.mark.parametrize('text', DAMAGED)
def test_damage(text):
    with pytest.raises(InputError, match=DAMAGED[text]):
        parse(text)


def test_the_deepest_level():
    """The fields of a message in fifteen others."""
    parse('a { ' * (MAX_LEVELS - 1) + 'b: 1' + '} ' * (MAX_LEVELS - 1))


def test_kinds_of_fields():
    message = parse('a: 1 a: 2 b { }')
    for wrong in (
        lambda: message.text('a'),
        lambda: message.message('a'),
        lambda: message.messages('a'),
        lambda: message.text('b'),
        lambda: message.texts('b'),
    ):
        with pytest.raises(InputError):
            wrong()


# Rules of a layer -> whether it is there at test time, level 0, in the stage "a" of the file.
RULES = {
    '': True,
    'include { phase: TEST }': True,
    'include { phase: TRAIN }': False,
    'include { phase: 1 }': True,
    'include { phase: 0 }': False,
    'include { phase: TRAIN } include { phase: TEST }': True,
    'include { }': True,
    'include { stage: "a" }': True,
    'include { stage: "a" stage: "b" }': False,
    'include { phase: TEST stage: "b" }': False,
    'include { not_stage: "b" }': True,
    'include { not_stage: "a" }': False,
    'include { min_level: 1 }': False,
    'include { min_level: 0 max_level: 0 }': True,
    'include { min_level: -2 max_level: -1 }': False,
    'exclude { }': False,
    'exclude { phase: TEST }': False,
    'exclude { phase: 1 }': False,
    'exclude { phase: TRAIN }': True,
    'exclude { phase: TEST stage: "b" }': True,
    'exclude { max_level: 3 }': False,
}


@pytest.mark.parametrize('rules', RULES)
def test_layers_at_test_time(rules):
    net = parse(f'state {{ stage: "a" }} layer {{ name: "n" type: "ReLU" {rules} }}')
    assert [layer.name for layer in list_layers(net)] == ['n'] * RULES[rules]
    assert find_training_layers(net) == (set() if RULES[rules] else {'n'})


WRONG_RULES = {
    'include { phase: 2 }': "layer n: phase='2' is not known; allowed: TRAIN, TEST",
    'include { phase: TRAIN level: 1 }': 'layer n: level is not known',
    'include { min_level: x }': 'layer n: min_level: x; allowed: whole numbers',
    'include { } exclude { }': 'layer n: it has include and exclude; allowed: one of them',
}


@pytest.mark.parametrize('rules', WRONG_RULES)
def test_rules_that_make_no_sense(rules):
    net = parse(f'layer {{ name: "n" type: "ReLU" {rules} }}')
    with pytest.raises(InputError, match=WRONG_RULES[rules]):
        list(list_layers(net))


# Layers with a word -> the same with its number.
WORDS = {
    'type: "Pooling" bottom: "x" pooling_param { kernel_size: 2 pool: MAX }': ('MAX', '0'),
    'type: "Pooling" bottom: "x" pooling_param { kernel_size: 2 pool: AVE }': ('AVE', '1'),
    'type: "Pooling" bottom: "x" pooling_param { kernel_size: 3 round_mode: FLOOR }': (
        'FLOOR',
        '1',
    ),
    'type: "Eltwise" bottom: ["x", "x"] eltwise_param { operation: SUM }': ('SUM', '1'),
    'type: "Eltwise" bottom: ["x", "x"] eltwise_param { operation: PROD }': ('PROD', '0'),
}


@pytest.mark.parametrize('layer', WORDS)
def test_numbers_of_words(layer):
    text = 'input: "x" input_dim: [1, 3, 8, 8] layer { name: "n" top: "y" %s }'
    numbered = layer.replace(*WORDS[layer])
    assert read_graph(parse(text % layer)) == read_graph(parse(text % numbered))
    with pytest.raises(InputError, match="='7' is not known"):
        read_graph(parse(text % layer.replace(WORDS[layer][0], '7')))


ENCODINGS = ['utf-8', 'utf-8-sig', 'gbk', 'big5', 'latin-1']


@pytest.mark.parametrize('encoding', ENCODINGS)
def test_comments_in_any_encoding(encoding, tmp_path):
    comment = 'für: é' if encoding == 'latin-1' else '\u4e2d\u6587\u529f'
    file = tmp_path / 'net.prototxt'
    file.write_bytes(f'name: "net" # {comment}\n# {comment}\nforce: true'.encode(encoding))
    assert read_prototxt(file) == parse('name: "net" force: true')


def test_bytes_that_are_no_text(tmp_path):
    file = tmp_path / 'net.prototxt'
    file.write_bytes(b'\x80\x02ctorch')
    with pytest.raises(InputError, match='is damaged or no prototxt: line 1: '):
        read_prototxt(file)


def test_mutations():
    """Whatever the text, it is a network or one line."""
    rng, text = random.Random(0), to_prototxt(plain_small_cnn(), 32)
    pieces = [
        '{',
        '}',
        '[',
        ']',
        ':',
        '"',
        '-1',
        '0',
        '9999999999',
        'layer',
        'SUM',
        '\\',
        '#',
        '\0',
    ]
    lines = []
    for _ in range(300):
        start = rng.randrange(len(text))
        stop = start + rng.choice([0, 1, 5, 50, 2000])
        mutated = text[:start] + rng.choice([*pieces, '']) + text[stop:]
        try:
            read_graph(parse(mutated))
        except InputError as error:
            lines.append(str(error))
    assert 200 < len(lines) < 300
    assert max(map(len, lines)) < 1000
