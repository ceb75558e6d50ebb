"""What a pickle would build, read without building it.

A pickle is a program for a stack machine. Here it runs on an outline of its values: a leaf is a
number or text, everything else is a list of the values that it was made of. So a pickle that names
something else than data, or that unfolds to more than memory holds, is refused before
``torch.load`` runs it.
"""

import pickletools
from typing import BinaryIO, NamedTuple

import torch

# What a checkpoint of mmengine's runner and a state dict of torch name. Those of numpy and
# mmengine, `bytes` and `getattr` become stand-ins, see `stand_ins`; the others are torch's own,
# which build what they say. `__builtin__` is the name of `builtins` in pickles for Python 2.
NAMES = {
    '__builtin__.bytes',
    '__builtin__.getattr',
    '__builtin__.set',
    '_codecs.encode',
    'builtins.bytes',
    'builtins.getattr',
    'builtins.set',
    'collections.Counter',
    'collections.OrderedDict',
    'mmengine.logging.history_buffer.HistoryBuffer',
    'numpy._core.multiarray._reconstruct',
    'numpy._core.multiarray.scalar',
    'numpy.core.multiarray._reconstruct',
    'numpy.core.multiarray.scalar',
    'numpy.dtype',
    'numpy.ndarray',
    'torch.Size',
    'torch._utils._rebuild_parameter',
    'torch._utils._rebuild_tensor',
    'torch._utils._rebuild_tensor_v2',
    'torch._utils._rebuild_tensor_v3',
    'torch.device',
    'torch.nn.parameter.Parameter',
}
# Kinds of storages -> bytes of an element.
STORAGES = {
    'torch.BFloat16Storage': 2,
    'torch.BoolStorage': 1,
    'torch.ByteStorage': 1,
    'torch.CharStorage': 1,
    'torch.ComplexDoubleStorage': 16,
    'torch.ComplexFloatStorage': 8,
    'torch.DoubleStorage': 8,
    'torch.FloatStorage': 4,
    'torch.HalfStorage': 2,
    'torch.IntStorage': 4,
    'torch.LongStorage': 8,
    'torch.ShortStorage': 2,
    'torch.storage.UntypedStorage': 1,
}
OTHER_TENSORS = {
    'torch._utils._rebuild_meta_tensor_no_storage': 'a tensor on the meta device, without values',
    'torch._utils._rebuild_nested_tensor': 'a nested tensor',
    'torch._utils._rebuild_qtensor': 'a quantised tensor',
    'torch._utils._rebuild_sparse_tensor': 'a sparse tensor',
}
# The instructions of which `torch.load` knows, by what they do to the stack.
PUT, GET = {'BINPUT', 'LONG_BINPUT'}, {'BINGET', 'LONG_BINGET'}
CONSTANT = {
    *('BINFLOAT', 'BININT', 'BININT1', 'BININT2', 'BINUNICODE', 'LONG1', 'SHORT_BINSTRING'),
    *('NEWFALSE', 'NEWTRUE', 'NONE'),
}
NEW = {
    *('BINPERSID', 'EMPTY_DICT', 'EMPTY_LIST', 'EMPTY_SET', 'EMPTY_TUPLE', 'NEWOBJ', 'REDUCE'),
    *('TUPLE', 'TUPLE1', 'TUPLE2', 'TUPLE3'),
}
CHANGE = {'APPEND', 'APPENDS', 'BUILD', 'SETITEM', 'SETITEMS'}
# A checkpoint of ResNet-50 with its optimizer takes about 20,000 instructions.
MAX_STEPS = MAX_VALUES = 1_000_000
MAX_REPEATED = 1 << 26  # characters, beyond those of the pickle
MAX_DEPTH = 100


class Name(str):
    """The name of a class or function."""


class RefusedError(ValueError):
    """The pickle asks for more than data; the message is what."""


class Outline(NamedTuple):
    """The values that a pickle leaves on the stack, and its storages by key: their bytes."""

    stack: list
    storages: dict[str, int]


def read_outline(file: BinaryIO | bytes) -> Outline:
    """The outline of the pickle at the position of a file; it ends behind the pickle.

    Raises:
        RefusedError: It names what is no data, or unfolds to too much.
        ValueError: It is damaged.
    """
    outline, length = Outline([], {}), 0
    memo: dict[object, object] = {}
    try:
        for step, (instruction, argument, place) in enumerate(pickletools.genops(file)):
            if step == MAX_STEPS:
                raise RefusedError(f'its data take more than {MAX_STEPS:,} steps to build')
            length = place or 0
            _run(instruction, argument, outline, memo)
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'its pickle is damaged ({type(error).__name__})') from error
    _check_size(outline.stack, MAX_REPEATED + length)
    return outline


def _run(
    instruction: pickletools.OpcodeInfo, argument: object, outline: Outline, memo: dict
) -> None:
    """One instruction."""
    stack, name = outline.stack, instruction.name
    if name in PUT:
        memo[argument] = stack[-1]
    elif name in GET:
        stack.append(memo[argument])
    elif name in CONSTANT:
        stack.append(argument)
    elif name == 'GLOBAL':
        stack.append(_allowed(str(argument).replace(' ', '.')))
    elif name == 'MARK':
        stack.append(pickletools.markobject)
    elif name in NEW:
        values = _pop(stack, instruction)
        if name == 'REDUCE':
            _check_call(*values)
        elif name == 'BINPERSID':
            _, kind, key, _, number, *_ = values[0]
            outline.storages.setdefault(key, number * STORAGES[kind])  # the first is read
        stack.append(values)
    elif name in CHANGE:
        values = _pop(stack, instruction)
        values[0].extend(values[1:])
        stack.append(values[0])
    elif name not in ('PROTO', 'STOP'):
        raise RefusedError(f'it uses the pickle instruction {name}')


def _pop(stack: list, instruction: pickletools.OpcodeInfo) -> list:
    """Take from the stack what an instruction works on, in its order."""
    before = instruction.stack_before
    values = []
    if pickletools.markobject in before:
        while (value := stack.pop()) is not pickletools.markobject:
            values.append(value)
        before = before[: before.index(pickletools.markobject)]
    values += [stack.pop() for _ in before]
    return values[::-1]


def _allowed(name: str) -> Name:
    """The name of a global, if it is allowed: those above and ``torch.float32``, ..."""
    module, _, attribute = name.rpartition('.')
    is_dtype = module == 'torch' and isinstance(getattr(torch, attribute, None), torch.dtype)
    if not (is_dtype or name in NAMES or name in STORAGES):
        other = OTHER_TENSORS.get(name)
        raise RefusedError(f'it holds {other}' if other else f'it refers to {name}')
    return Name(name)


def _check_call(function: object, arguments: list) -> None:
    """Bytes are text in pickles for Python 2. Other codecs take a time of the square of it."""
    if isinstance(function, Name) and function == '_codecs.encode' and arguments[1:] != ['latin1']:
        raise RefusedError('it encodes text')


def _check_size(stack: list, max_characters: int) -> None:
    """Raise an error for values that unfold to too much when each is written out where it stands.

    A value can be in many places: 30 lists of each the last one twice are 2^30 values to print.
    """
    todo: list[tuple[object, int]] = [(stack, 0)]
    values, characters = 0, 0
    while todo:
        value, depth = todo.pop()
        if isinstance(value, (str, bytes)):
            characters += len(value)
        elif isinstance(value, list):
            values += len(value)
            if values > MAX_VALUES or depth > MAX_DEPTH:
                raise RefusedError(
                    f'its data unfold to more than {MAX_VALUES:,} values or {MAX_DEPTH} levels'
                )
            todo.extend((item, depth + 1) for item in value)
        if characters > max_characters:
            raise RefusedError(f'its texts unfold to more than {max_characters:,} characters')
