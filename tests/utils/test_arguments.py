"""Arguments whose annotations exclude what a config gives."""

from collections.abc import Sequence

import pytest
from mmengine.optim import CosineAnnealingLR

from senet_mm.registry import HOOKS, MODELS, TRANSFORMS
from senet_mm.utils.arguments import check_arguments
from senet_mm.utils.errors import UserError


class Base:
    def __init__(self, flag: bool = False, names: Sequence[str] | None = None) -> None: ...


class Derived(Base):
    def __init__(self, count: int | None, rate=0.1, on=True, odd: bool = 'auto', **kwargs): ...


WRONG = [
    (dict(count='3'), "Derived: count='3'; allowed: int"),
    (dict(count={}), "Derived: count='{}'; allowed: int"),
    (dict(count=float('nan')), "Derived: count='nan'; allowed: int"),
    (dict(on='yes'), "Derived: on='yes'; allowed: bool"),
    (dict(flag='yes'), "Derived: flag='yes'; allowed: bool"),
    (dict(names=3), "Derived: names='3'; allowed: Sequence"),
]


@pytest.mark.parametrize(('given', 'message'), WRONG)
def test_kind_that_is_excluded(given, message):
    with pytest.raises(UserError, match=message.replace('{', r'\{')):
        check_arguments(Derived, given)


@pytest.mark.parametrize(
    'given',
    [
        dict(count=3, rate='x', on=False, odd='qv', flag=1, names=['a'], other='x'),
        dict(count=None, names=('a',), flag=True),
        dict(count=[1, 2], rate={}),  # upstream's annotations name one of many
        dict(count=object(), on=object()),
    ],
)
def test_others_pass(given):
    check_arguments(Derived, given)


@pytest.mark.parametrize(
    ('registry', 'cfg', 'message'),
    [
        (HOOKS, dict(type='LoggerHook', interval='often'), "LoggerHook: interval='often'; allowed"),
        (HOOKS, dict(type=3), 'type=3; allowed: a name in the hook registry'),
        (HOOKS, dict(type=''), "type='' is not in the hook registry"),
        (TRANSFORMS, dict(type='Accuracy'), "type='Accuracy' is not in the transform registry"),
        (
            MODELS,
            dict(type='ClsDataPreprocessor', mean=[None], std=[1]),
            'ClsDataPreprocessor cannot be built of its arguments: RuntimeError: Could not infer',
        ),
    ],
)
def test_builds_name_what_is_wrong(registry, cfg, message):
    with pytest.raises(UserError, match=message) as raised:
        registry.build(cfg)
    assert raised.value.built == cfg


def test_class_of_upstream():
    with pytest.raises(UserError, match='by_epoch'):
        check_arguments(CosineAnnealingLR, dict(T_max=3, by_epoch='never'))
