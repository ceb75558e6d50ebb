"""Reading of weights: those of another project as ours, and ours."""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from senet_mm.engine.weights.checkpoint import describe_misfit, load_from_local
from senet_mm.engine.weights.foreign import with_conversion
from senet_mm.engine.weights.origin import Origin, check_network, read_origin

from .caffe import reorder_classes
from .caffe_form import read_by_form
from .format import Format
from .formats import CAFFE
from .recognition import files_of, find_by_marks, find_kinds, recognise
from .source import Source
from .target import Target
from .tensor_files import tensors_in


class Conversion(NamedTuple):
    """What was done.

    Attributes:
        form: The format of the other project.
        initialised: Those of our tensors that it did not give.
        preprocessing: How images are prepared for the weights.
        adapted: What was done for images of another number of channels; empty where nothing was.
        modules: The modules of SE that a prototxt has, a line each.
    """

    form: Format
    initialised: list[str]
    preprocessing: Mapping = {}
    adapted: str = ''
    modules: Sequence[str] = ()

    def describe(self, config: str, way: str, class_order: str) -> str:
        """The network, whose weights they are, and in a second line how images are prepared."""
        line = f'{config}, {way} {self.form.title}, class order {class_order}'
        fields = ', '.join(f'{name}={value}' for name, value in self.preprocessing.items())
        return f'{line}\nimages: {fields}' if fields else line


def read_theirs(
    kind: str,
    source: Source,
    target: Target,
    class_order: str,
    prototxt: str | os.PathLike | None,
) -> tuple[dict[str, Tensor], Conversion]:
    """Our state dict of a file of another project."""
    if prototxt is not None:
        return _read_by_form(kind, source.name, target, class_order, prototxt)
    target.check_backbone('any backbone with --prototxt' if kind == CAFFE.kind else '')
    files = files_of(kind)
    theirs = files.read(source)
    form = recognise(kind, theirs)
    if style := form.find_style(source):
        form = form._replace(style=style, grouped_style=style)
    target.check_pairing(form)
    try:
        state, initialised = files.to_ours(theirs, form, target)
        state = _in_our_order(state, form, class_order)
    except ValueError as error:
        message = f'{source.name}: {error}'
        if kind not in find_kinds(source.name, theirs):
            message = with_conversion(message, source.name, theirs)
        if kind == CAFFE.kind and find_by_marks(kind, theirs) is None:
            message += '; allowed: names of a known network, or --prototxt FILE, its definition'
        raise ValueError(message) from error
    return state, Conversion(form, initialised)


def _read_by_form(
    kind: str,
    src: str | os.PathLike,
    target: Target,
    class_order: str,
    prototxt: str | os.PathLike,
) -> tuple[dict[str, Tensor], Conversion]:
    """Our state dict of a ``.caffemodel`` whose network a prototxt defines."""
    if kind != 'caffe':
        raise ValueError(f'--prototxt defines networks of Caffe, not of {kind}; allowed: caffe')
    found = read_by_form(src, target, prototxt)
    try:
        state = _in_our_order(found.state, found.form, class_order)
    except ValueError as error:
        raise ValueError(f'{src}: {error}') from error
    return state, Conversion(found.form, [], modules=found.modules)


def _in_our_order(state: dict[str, Tensor], form: Format, class_order: str) -> dict[str, Tensor]:
    """The state dict with the classes as asked for."""
    order = their_order(form, class_order)
    return state if order is None else reorder_classes(state, order)


def read_ours(
    src: str | os.PathLike, target: Target, class_order: str
) -> tuple[dict[str, Tensor], Origin]:
    """The state dict of a checkpoint of the target, and what it says of its origin."""
    checkpoint = load_from_local(str(src), map_location='cpu')
    state = tensors_in(checkpoint, src)
    origin = read_origin(checkpoint, str(src))
    check_network(target.cfg, origin)
    if misfit := describe_misfit(state, target.tensors):
        message = f'{src} does not fit config {target.config}: {misfit}'
        raise ValueError(with_conversion(message, str(src), state))
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    given = meta.get('class_order', class_order) if isinstance(meta, dict) else class_order
    if given != class_order:
        raise ValueError(
            f'{src} has the class order {given!r}, not {class_order!r}; '
            f'allowed: --class-order {given}'
        )
    return {key: state[key].to(own.dtype) for key, own in target.tensors.items()}, origin


def their_order(form: Format, class_order: str) -> Tensor | None:
    """The index in theirs of every class of ours, (1000,); None where the order is the same."""
    return form.class_order() if form.class_order and class_order == 'sorted' else None
