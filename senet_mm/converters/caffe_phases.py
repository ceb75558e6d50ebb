"""Which layers of a prototxt are there at test time, as Caffe's ``Net::FilterNet`` decides.

The level is 0; the stages are those that the file itself is in.
"""

from collections.abc import Iterator

from senet_mm.utils.errors import InputError
from senet_mm.utils.options import shorten

from .prototxt import LARGEST, Fields, Layer
from .text_format import Message

PHASES = {'TRAIN': 0, 'TEST': 1}


def list_layers(net: Message) -> Iterator[Layer]:
    """The layers of a network at test time.

    Raises:
        InputError: One has no name or type, or a rule that makes no sense, or the file is of 2014.
    """
    return (layer for layer, is_for_test in _list_all(net) if is_for_test)


def find_training_layers(net: Message) -> set[str]:
    """Names of the layers that are not there at test time; see :func:`list_layers`."""
    layers = list(_list_all(net))
    names = {layer.name for layer, _ in layers}
    return names - {layer.name for layer, is_for_test in layers if is_for_test}


def _list_all(net: Message) -> Iterator[tuple[Layer, bool]]:
    """All layers of a definition, and whether each is there at test time."""
    if 'layers' in net:
        raise InputError("it has 'layers' of 2014, which know no Scale; allowed: 'layer'")
    stages = {*net.message('state').texts('stage')}
    for message in net.messages('layer'):
        layer = Layer(
            message.text('name'),
            message.text('type'),
            message.texts('bottom'),
            message.texts('top'),
            message,
        )
        if not layer.name or not layer.type:
            raise InputError(f'layer {shorten(layer.name)!r} has no name or no type')
        try:
            is_for_test = _is_for_test(message, stages)
        except InputError as error:
            raise InputError(f'layer {shorten(layer.name)}: {error}') from error
        yield layer, is_for_test


def _is_for_test(layer: Message, stages: set[str]) -> bool:
    """Whether a layer is there: some rule to include it holds, or none to exclude it."""
    includes, excludes = (
        [_is_met(rule, stages) for rule in layer.messages(name)] for name in ('include', 'exclude')
    )
    if includes and excludes:
        raise InputError('it has include and exclude; allowed: one of them')
    return any(includes) if includes else not any(excludes)


def _is_met(rule: Message, stages: set[str]) -> bool:
    """Whether all that a rule says holds; an empty rule holds."""
    fields = Fields(rule)
    fields.ignore('stage', 'not_stage')
    conditions = (
        fields.word('phase', 'TEST', PHASES) == 'TEST',
        fields.integer('min_level', 0, -LARGEST) <= 0,
        fields.integer('max_level', 0, -LARGEST) >= 0,
        stages.issuperset(rule.texts('stage')),
        stages.isdisjoint(rule.texts('not_stage')),
    )
    fields.check_read()
    return all(conditions)
