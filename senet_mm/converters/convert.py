"""Conversion of a file of weights into a checkpoint of ours, and back."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmpretrain.datasets.categories import IMAGENET_CATEGORIES

from senet_mm.engine.weights.checkpoint import report_not_finite
from senet_mm.engine.weights.digest import find_hash, sha256
from senet_mm.engine.weights.origin import LONGEST_TEXT
from senet_mm.engine.weights.preprocessing import count_channels, set_preprocessing
from senet_mm.utils.errors import answering
from senet_mm.utils.files import atomic_file
from senet_mm.utils.options import check_option
from senet_mm.version import __version__

from .caffe import reorder_classes
from .format import Format
from .images import find_hub_classes, find_license, find_preprocessing
from .reading import Conversion, read_ours, read_theirs, their_order
from .recognition import files_of, fitting, list_kinds
from .source import Source
from .target import Target

CLASS_ORDERS = ('sorted', 'source')
CHECKPOINT_SUFFIXES = ('.pth',)


@answering
def convert(
    kind: str,
    src: str | os.PathLike,
    dst: str | os.PathLike,
    model: str,
    class_order: str = 'sorted',
    force: bool = False,
    preprocessing: Mapping | None = None,
    in_channels: int | None = None,
    options: Mapping | None = None,
    prototxt: str | os.PathLike | None = None,
) -> Conversion:
    """Write the checkpoint of ours with the weights of a file of another project.

    Every tensor of the file is used once, and every tensor of ours is filled once. Two exceptions:
    counters of batches, where the file has none, are 0; and torchvision's networks, which have no
    SE layers, leave those of the config as the config initialises them.

    Args:
        kind: Where the file is from, one of ``list_kinds()``.
        src: The file.
        dst: The checkpoint, ``.pth``: ``{'state_dict': ..., 'meta': ...}``.
        model: Name or path of the config of the network.
        class_order: ``sorted`` has the classes of a Caffe network sorted by WordNet id, as all
            others have them; ``source`` leaves them as they are.
        force: Overwrite ``dst``.
        preprocessing: How images are prepared, where it is not as the file, what lies beside it, or
            the project says: fields of :mod:`senet_mm.engine.weights.preprocessing`.
        in_channels: Channels of the images of the checkpoint; the file's and the config's are
            three. See :mod:`senet_mm.engine.weights.stem`. None is the config's.
        options: Options of the config, by dotted key.
        prototxt: Definition of the network of a ``.caffemodel``, by whose form instead of by names
            the weights find their places; see :mod:`.caffe_form`.

    Raises:
        FileNotFoundError: There is no such file, config, or folder for ``dst``.
        FileExistsError: ``dst`` exists.
        ValueError: The file is damaged, or it does not fit the config.
    """
    check_option('kind', kind, list_kinds())
    check_option('class_order', class_order, CLASS_ORDERS)
    _check_destination(dst, CHECKPOINT_SUFFIXES, force)
    checkpoint, done = read_as_ours(
        kind, src, Target(model, options=options), class_order, preprocessing, in_channels, prototxt
    )
    with atomic_file(dst) as file:
        torch.save(checkpoint, file)
    return done


def read_as_ours(
    kind: str,
    src: str | os.PathLike,
    target: Target,
    class_order: str = 'sorted',
    preprocessing: Mapping | None = None,
    in_channels: int | None = None,
    prototxt: str | os.PathLike | None = None,
) -> tuple[dict[str, Any], Conversion]:
    """The checkpoint of ours with the weights of a file; see :func:`convert` for the arguments.

    Args:
        kind: Where the file is from.
        src: The file.
        target: The network; images of its config are then prepared as the weights want it.
        class_order: The order of the classes.
        preprocessing: What is not as the file says.
        in_channels: Channels of the images, if they are not three.
        prototxt: Definition of the network of a ``.caffemodel``.

    Returns:
        ``{'state_dict': ..., 'meta': ...}`` and what was done.

    Raises:
        ValueError: The file is damaged, or it does not fit the target.
    """
    source = Source(src)
    state, done = read_theirs(kind, source, target, class_order, prototxt)
    report_not_finite(state, str(src))
    digest = sha256(src)
    channels = count_channels(target.cfg)
    if in_channels not in (None, channels):
        state, adapted = target.adapt_stem(state, in_channels)
        channels, done = in_channels, done._replace(adapted=adapted)
    stated = preprocessing or {}
    prepared = find_preprocessing(done.form, source, digest, target.config, stated, channels)
    set_preprocessing(target.cfg, prepared)
    meta = dict(
        config=target.config,
        cfg=target.cfg.pretty_text,
        preprocessing=prepared,
        dataset_meta=dict(classes=_class_names(source, target, done.form, class_order)),
        recipe=Path(target.config).stem,
        license=find_license(done.form, src),
        source=f'{Path(src).name} of {done.form.title}, SHA-256 {digest}'[:LONGEST_TEXT],
        source_format=kind,
        source_file=Path(src).name,
        source_sha256=digest,
        class_order=class_order,
        senet_mm_version=__version__,
    )
    return dict(state_dict=state, meta=meta), done._replace(preprocessing=prepared)


@answering
def convert_back(
    kind: str,
    src: str | os.PathLike,
    dst: str | os.PathLike,
    model: str,
    class_order: str = 'sorted',
    force: bool = False,
    options: Mapping | None = None,
) -> Conversion:
    """Write the file of another project with the weights of a checkpoint of ours.

    timm's file is one of its legacy networks where the config has their pooling, else of today's.

    Args:
        kind: Whom the file is for, one of ``list_kinds()``.
        src: The checkpoint.
        dst: The file: ``.caffemodel``, or ``.pth`` or ``.safetensors`` with the tensors by name.
        model: Name or path of the config of the network.
        class_order: Order of the classes in the checkpoint: ``sorted`` by WordNet id, which a
            ``.caffemodel`` is to have in Caffe's order; ``source`` leaves them as they are.
        force: Overwrite ``dst``.
        options: Options of the config, by dotted key.

    Raises:
        FileNotFoundError: There is no such checkpoint, config, or folder for ``dst``.
        FileExistsError: ``dst`` exists.
        ValueError: The checkpoint is damaged, does not fit the config, or was converted with
            another class order; or the other project has no such network.
    """
    check_option('kind', kind, list_kinds())
    check_option('class_order', class_order, CLASS_ORDERS)
    files = files_of(kind)
    _check_destination(dst, files.suffixes, force)
    target = Target(model, options=options)
    target.check_backbone()
    form = fitting(kind, target)
    state, origin = read_ours(src, target, class_order)
    report_not_finite(state, str(src))
    target.check_pairing(form)
    if (order := their_order(form, class_order)) is not None:
        state = reorder_classes(state, order.argsort())
    files.write(dst, files.to_theirs(state, form, target))
    return Conversion(form, [], origin.preprocessing)


def _class_names(
    source: Source, target: Target, form: Format, class_order: str
) -> list[str] | None:
    """The names of the classes: the file's, else ImageNet's; None for another class count.

    Raises:
        ValueError: The file has another number of names than of classes.
    """
    number = target.model.head.num_classes
    if names := form.files.find_classes(source) or find_hub_classes(form, source.path):
        if len(names) != number:
            raise ValueError(f'{source.name} has {len(names)} names of classes; allowed: {number}')
        return list(names)
    if number != len(IMAGENET_CATEGORIES):
        return None
    if form.class_order and class_order == 'source':
        return [IMAGENET_CATEGORIES[i] for i in form.class_order().argsort()]
    return list(IMAGENET_CATEGORIES)


def _check_destination(path: str | os.PathLike, suffixes: tuple[str, ...], force: bool) -> None:
    """Raise an error for a file that cannot be written, before any work."""
    if Path(path).suffix not in suffixes:
        raise ValueError(f'{path} is not written; allowed: a name in {", ".join(suffixes)}')
    if digest := find_hash(Path(path).name):
        raise ValueError(
            f'{path} is not written: its hash will not be {digest}; allowed: a name without a hash'
        )
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f'folder {Path(path).parent} does not exist')
    if os.path.lexists(path) and not force:
        raise FileExistsError(f'{path} exists; allowed: a new file, or --force to overwrite it')
