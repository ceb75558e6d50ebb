"""Mutations of ``--cfg-options``: what a hurried or mistaken user may type, drawn at random."""

import random
from collections.abc import Callable, Iterator

VALUES = [
    'abc', '', 'None', 'True', 'false', '-1', '0', '1', '3', '0.5', '-0.1', '1e30', 'nan', 'inf',
    '-inf', '99999999999999999999', '[]', '()', '[1,2]', '(3,)', '[a,b]', '[[1],[2]]', '{}',
    '{a:1}', 'dict(a=1)', 'ä', '/none/such', 'x' * 5000,
]  # fmt: skip
TYPES = [
    'NoSuch', 'Accuracy', 'SGD', 'PackInputs', 'LinearClsHead', 'torch.nn.Conv2d', 'nn.Linear', '',
    '3', 'None', '[ResNet]', 'mmpretrain.ResNet', 'mmdet.ResNet', 'none_such.ResNet',
    'builtins.int',
]  # fmt: skip
SYNTAX = [
    '{key}', '={value}', '{key}=', '{key}=={value}', '.={value}', '.{key}={value}',
    '{key}.={value}', '{key}..x={value}', "{key}='{value}", '{key}="{value}', '{key}=[1,2',
    '{key}=(1,[2)', '{key}=]1[', '{key}=(1))(', '{key} = {value}', '{key}={{"a": 1}}',
    '{key}=dict(a=1', 'ключ={value}', '{key}=значение', '"{key}"={value}', '{long}={value}',
    '{key}={long}', '{key}={deep}', '=', '', '{key}={value},', '{key}:{value}', '--{key}={value}',
    '{key}=,', '{key}=1,,2', '_delete_=True', 'type={value}', '0={value}', '__class__.x={value}',
    '{key}.__init__={value}', 'filename=x', 'pretty_text=x', 'items=1', '_cfg_dict={value}',
    '{parent}.items=1', '{parent}.get=1',
]  # fmt: skip


def nodes(value: object, path: str = '') -> Iterator[tuple[str, object]]:
    """All values in nested dicts and lists, with their dotted keys; parents first."""
    if path:
        yield path, value
    pairs = value.items() if isinstance(value, dict) else ()
    pairs = enumerate(value) if isinstance(value, list) else pairs
    for key, item in pairs:
        yield from nodes(item, f'{path}.{key}' if path else str(key))


def misspell(rng: random.Random, word: str) -> str:
    """A word with one letter too few, too many, or wrong."""
    place = rng.randrange(len(word))
    return rng.choice([word[:place], word[:place] + word[place + 1 :] or 'x']) + rng.choice('xqz_')


def draw_key(rng: random.Random, places: list) -> list[str]:
    """A key that nobody knows, in some dict."""
    path, value = rng.choice([place for place in places if isinstance(place[1], dict)])
    known = rng.choice([*value, 'no_such_key'])
    return [f'{path}.{misspell(rng, str(known))}={rng.choice(VALUES)}']


def draw_top_key(rng: random.Random, places: list) -> list[str]:
    """A key at the top that nobody knows."""
    known = rng.choice([path for path, _ in places if '.' not in path])
    return [f'{misspell(rng, known)}={rng.choice(VALUES)}']


def draw_leaf(rng: random.Random, places: list) -> list[str]:
    """Another value of a leaf."""
    path, _ = rng.choice([place for place in places if not isinstance(place[1], dict | list)])
    return [f'{path}={rng.choice(VALUES)}']


def draw_branch(rng: random.Random, places: list) -> list[str]:
    """Another value instead of a dict or list."""
    path, _ = rng.choice([place for place in places if isinstance(place[1], dict | list)])
    return [f'{path}={rng.choice(VALUES)}']


def draw_deletion(rng: random.Random, places: list) -> list[str]:
    path, _ = rng.choice(places)
    dotted = f'{path}._delete_={rng.choice(["True", "False", "abc"])}'
    more = [f'{path}.{rng.choice(["type", "x"])}={rng.choice(VALUES[:8])}'] * rng.randrange(2)
    return rng.choice([[dotted, *more], [f'{path}=None']])


def draw_index(rng: random.Random, places: list) -> list[str]:
    """An element of a list that is not there."""
    path, value = rng.choice([place for place in places if isinstance(place[1], list)])
    index = rng.choice(['-1', '99', 'x', '0.0', str(len(value)), '00', '1e0', '²'])
    return [f'{path}.{index}{rng.choice(["", ".type", ".x"])}={rng.choice(VALUES)}']


def draw_type(rng: random.Random, places: list) -> list[str]:
    """A type that is not known, or of another kind."""
    path, value = rng.choice([place for place in places if place[0].endswith('.type')])
    return [f'{path}={rng.choice([*TYPES, misspell(rng, str(value))])}']


def draw_syntax(rng: random.Random, places: list) -> list[str]:
    """An option that is none."""
    path, _ = rng.choice(places)
    long, deep = rng.choice(['k' * 100_000, 'k.' * 3000 + 'k']), '[' * 3000 + ']' * 3000
    names = dict(key=path, value=rng.choice(VALUES), long=long, deep=deep)
    return [rng.choice(SYNTAX).format(parent=path.rpartition('.')[0] or path, **names)]


def draw_several(rng: random.Random, places: list) -> list[str]:
    """The same key twice, or a key and one below it."""
    path, _ = rng.choice(places)
    first, second = rng.choices(VALUES, k=2)
    options = [f'{path}={first}', f'{rng.choice([path, f"{path}.x", path])}={second}']
    rng.shuffle(options)
    return options


KINDS: dict[str, Callable[[random.Random, list], list[str]]] = {
    'key': draw_key,
    'top key': draw_top_key,
    'leaf': draw_leaf,
    'branch': draw_branch,
    'deletion': draw_deletion,
    'index': draw_index,
    'type': draw_type,
    'syntax': draw_syntax,
    'several': draw_several,
}
# A wrong value is the commonest mistake.
WEIGHTS = [2, 1, 6, 2, 2, 1, 2, 2, 1]


def draw(rng: random.Random, cfg: dict, kind: str | None = None) -> tuple[str, list[str]]:
    """A kind of mutation, by default any one, and options of this kind."""
    kind = kind or rng.choices(list(KINDS), WEIGHTS)[0]
    return kind, KINDS[kind](rng, list(nodes(cfg)))
