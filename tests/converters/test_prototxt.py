"""The reader of prototxt: its grammar, and what damaged text does."""

import random

import pytest
from google.protobuf import descriptor_pb2, text_format

from senet_mm.converters.caffe_graph import read_graph
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
