"""Arguments whose annotations exclude what a config gives."""

from collections.abc import Sequence

import pytest
from mmengine.optim import AmpOptimWrapper, CosineAnnealingLR
from mmpretrain.models import BEiTPretrainViT, EfficientNetV2

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
        dict(names=3),
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


def test_a_users_own_class_decides_itself():
    class Own:
        def __init__(self, *args, pretrained=False, channels: list = (), **kwargs):
            self.given = pretrained, channels

    cfg = dict(type=Own, pretrained='head.pth', channels=64)
    assert MODELS.build(cfg).given == ('head.pth', 64)


@pytest.mark.parametrize(
    ('function', 'given'),
    [
        (AmpOptimWrapper, dict(loss_scale=dict(init_scale=512.0))),
        (BEiTPretrainViT, dict(arch=dict(embed_dims=8))),
        (EfficientNetV2, dict(out_indices=6)),
    ],
)
def test_what_upstream_takes_beside_its_annotations(function, given):
    check_arguments(function, given)


def test_class_of_upstream():
    with pytest.raises(UserError, match='by_epoch'):
        check_arguments(CosineAnnealingLR, dict(T_max=3, by_epoch='never'))
