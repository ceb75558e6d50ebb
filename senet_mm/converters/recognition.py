"""Which format a file, or a network of ours, is of."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from senet_mm.registry import FUNCTIONS

from .format import Files, Format
from .formats import FORMATS

if TYPE_CHECKING:
    from .target import Target


def list_kinds() -> list[str]:
    """The kinds of formats, as the command line has them: ``['caffe', 'timm', ...]``."""
    return _kinds(FORMATS)


def files_of(kind: str) -> Files:
    """The files of a kind, which all its formats share."""
    return _formats(kind)[0].files


def fitting(kind: str, target: 'Target') -> Format:
    """The format of a kind whose networks do what a target does, or else the last."""
    formats = _formats(kind)
    fits = (
        form
        for form in formats
        if isinstance(target.model.backbone, form.backbones)
        and target.does(target.geometry_in(form))
    )
    return next(fits, formats[-1])


def recognise(kind: str, names: Iterable[str]) -> Format:
    """The format of a kind for a file with tensors of these names, or else the last."""
    return find_by_marks(kind, names) or _formats(kind)[-1]


def find_by_marks(kind: str, names: Iterable[str]) -> Format | None:
    """The format of a kind whose files have tensors of such names; None for other names."""
    names = list(names)
    return next((form for form in _formats(kind) if has_marks(form, names)), None)


def has_marks(form: Format, names: Sequence[str]) -> bool:
    """Whether tensors of these names are as those in the files of a format."""
    return all(
        any(re.search(pattern, name) for name in names) == occurs
        for pattern, occurs in form.marks.items()
    )


@FUNCTIONS.register_module()
def find_kinds(filename: str, names: Iterable[str] = (), scope: str = '') -> list[str]:
    """The kinds of which a file that is none of ours can be; empty where nothing tells.

    Args:
        filename: The file.
        names: Names of its tensors.
        scope: Default scope of the config in it.
    """
    names, suffix = list(names), Path(filename).suffix
    writers = _kinds(form for form in FORMATS if suffix in form.files.suffixes)
    # A suffix that several have tells nothing.
    return _kinds(
        form
        for form in FORMATS
        if [form.kind] == writers or scope in form.scopes or has_marks(form, names)
    )


def _formats(kind: str) -> list[Format]:
    return [form for form in FORMATS if form.kind == kind]


def _kinds(formats: Iterable[Format]) -> list[str]:
    return list(dict.fromkeys(form.kind for form in formats))
