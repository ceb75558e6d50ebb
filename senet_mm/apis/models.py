"""Networks by name."""

import copy
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from senet_mm.config.names import find_project_config, get_config
from senet_mm.utils.errors import InputError, answering
from senet_mm.utils.options import check_integers

if TYPE_CHECKING:
    import torch
    from mmengine.config import Config

    from senet_mm.engine.weights.origin import Origin
    from senet_mm.models import ImageClassifier


# Suffixes of files of weights, which no config has.
WEIGHTS = ('.pth', '.pt', '.ckpt', '.safetensors')


@answering
def get_model(
    name: 'str | Config | None' = None,
    checkpoint: str | os.PathLike | None = None,
    num_classes: int | None = None,
    device: 'str | torch.device | None' = None,
    fuse: Sequence[int] | None = None,
    in_channels: int | None = None,
) -> 'ImageClassifier':
    """A classifier by name, in eval mode: ``get_model('seresnet50_8xb32_in1k', 'weights.pth')``.

    Without a name the checkpoint says which network it is: ``get_model('weights.pth')``.
    The text of its config is read, never executed, and builds known classes alone. So does a
    folder in the layout of timm's hub, or a published name: ``get_model('FOLDER')``,
    ``get_model('timm://seresnet50.a1_in1k')``.

    The checkpoint must belong to the network of the config. If it says how images are prepared, the
    classifier follows it: ``data_preprocessor`` normalises as it says, and the test pipeline of
    ``model.cfg``, the config, resizes and crops as it says. ``model.dataset_meta['classes']`` has
    the names of the classes if the checkpoint has them. ``model.origin`` is what the checkpoint
    says of itself (:mod:`senet_mm.engine.weights.origin`), None without a checkpoint.

    Args:
        name: Name of a config of the project (see :func:`list_models`), path of one, or a config;
            None for the config in the checkpoint.
        checkpoint: Path of a file or of a folder in the layout of timm's hub, URL with a hash (see
            :mod:`senet_mm.engine.weights.download`), or published name (see
            :mod:`senet_mm.converters.published`). Without it the weights are initialised, and
            nothing is fetched.
        num_classes: Number of classes, by default the config's. If it is given, the checkpoint may
            have another number: its head is left out, and a line of the log says so.
        device: Device of the classifier, by default the CPU.
        fuse: Shape of the batches, (N, C, H, W), on which fast blocks are tried and, if they agree
            and are faster, put in place of the plain ones; see :func:`senet_mm.ops.fuse_tails`.
            None keeps the plain blocks.
        in_channels: Channels of the images, by default the config's. If it is given, the checkpoint
            may be for three: its first convolution, mean and std are adapted, see
            :mod:`senet_mm.engine.weights.stem`, and a line of the log says so.

    Raises:
        UserError: The input is wrong, with the line that the tools print. It is also one of those:
        FileNotFoundError: There is no such config or file.
        ValueError: The checkpoint does not fit, contradicts the config or itself, is damaged, has
            no config and ``name`` is None, or holds more than data, the hash in its name is not its
            own, or ``fuse`` is no shape that the network takes.
        ConnectionError: The URL cannot be fetched.
    """
    from senet_mm.engine.classifier import build_classifier

    from .upstream import serve_upstream

    if checkpoint is None and _is_checkpoint(name):
        name, checkpoint = None, name
    _check_arguments(name, checkpoint, fuse)
    new_head, new_stem = num_classes is not None, in_channels is not None
    loaded, origin = _load(checkpoint)
    cfg = _get_cfg(name, loaded, origin, in_channels)
    if origin is not None:
        _take_over(cfg, origin, new_head, new_stem)
    model = build_classifier(cfg, num_classes)
    _check_is_classifier(model, cfg)
    if origin is None:
        model.init_weights()
    else:
        _load_into(model, cfg, loaded, origin, new_head, new_stem)
    # Names that OpenMMLab's packages use.
    model.cfg, model.origin = cfg, origin
    classes = origin and origin.classes
    kept = classes and num_classes in (None, len(classes))
    model.dataset_meta = {'classes': classes} if kept else {}
    serve_upstream(model, cfg, model.dataset_meta.get('classes'))
    model = model.to(device).eval()
    if fuse is not None:
        _fuse(model, fuse)
    return model


def _is_checkpoint(name: object) -> bool:
    """Whether a name is that of weights: a file or folder of them, no config, or an address."""
    if not isinstance(name, str | os.PathLike):
        return False
    if str(name).endswith(WEIGHTS):
        return True
    return '://' in str(name) or (os.path.isdir(name) and not find_project_config(str(name)))


def _check_arguments(name: object, checkpoint: object, fuse: Sequence[int] | None) -> None:
    if name is None and checkpoint is None:
        raise InputError('name=None, checkpoint=None; allowed: a config, a checkpoint, or both')
    if fuse is not None:
        check_integers('fuse', fuse)
        if len(fuse) != 4:
            raise InputError(f'fuse={fuse}; allowed: the shape of a batch, (N, C, H, W)')


def _load(checkpoint: str | os.PathLike | None) -> 'tuple[dict, Origin | None]':
    """The content of a checkpoint, and what it says of itself; nothing without one."""
    from mmengine.runner import CheckpointLoader

    from senet_mm.engine.weights.origin import read_origin

    if checkpoint is None:
        return {}, None
    filename = str(checkpoint)
    loaded = CheckpointLoader.load_checkpoint(filename, 'cpu', logger='silent')
    return loaded, read_origin(loaded, filename)


def _get_cfg(
    name: 'str | Config | None', loaded: dict, origin: 'Origin | None', in_channels: int | None
) -> 'Config':
    """A config of its own, by name or from the checkpoint, for images of so many channels."""
    from senet_mm.config.channels import apply_in_channels
    from senet_mm.engine.weights.state_dict import get_state_dict
    from senet_mm.engine.weights.stored_config import restore_config

    if name is None:
        assert origin is not None
        cfg = restore_config(origin, get_state_dict(loaded, origin.filename))
    else:
        cfg = get_config(name) if isinstance(name, str) else copy.deepcopy(name)
    if in_channels is not None:
        cfg.in_channels = in_channels
    apply_in_channels(cfg)
    return cfg


def _load_into(
    model: 'ImageClassifier',
    cfg: 'Config',
    loaded: dict,
    origin: 'Origin',
    new_head: bool,
    new_stem: bool,
) -> None:
    """Load the weights of a checkpoint, whose classes must be the config's without a new head."""
    from senet_mm.engine import load_strictly
    from senet_mm.engine.classes import check_class_names, get_num_classes

    if new_head:
        model.head.init_weights()
    else:
        check_class_names(cfg, origin, get_num_classes(model))
    load_strictly(model, loaded, origin.filename, new_head, new_stem)


def _check_is_classifier(model: object, cfg: 'Config') -> None:
    """Raise an InputError for a network without a head, such as a detector."""
    if not hasattr(model, 'head'):
        raise InputError(
            f'config {cfg.filename}: model.type={cfg.model.type} is no classifier; allowed: a '
            'network with a head, such as ImageClassifier'
        )


def _fuse(model: 'ImageClassifier', shape: Sequence[int]) -> None:
    """Exchange the blocks after a trial on a batch of a shape, and say so."""
    import torch
    from mmengine.logging import print_log

    from senet_mm.engine.dry_evaluation import describe_mismatch
    from senet_mm.ops import fuse_tails
    from senet_mm.utils.meta import computing_once, run_on_meta

    _, channels, height, width = shape
    image = channels, height, width
    try:
        with computing_once(model):
            run_on_meta(model, image)
    except (RuntimeError, ValueError) as error:
        reason = describe_mismatch(model, image, error)
        raise InputError(f'fuse={shape}: {reason}') from error
    verdict = fuse_tails(model, torch.randn(*shape, device=next(model.parameters()).device))
    if not verdict.logged:
        print_log(f'blocks: {verdict}', logger='current')


def _take_over(cfg: 'Config', origin: 'Origin', new_head: bool, new_stem: bool) -> None:
    """Let a config prepare images as weights want it."""
    from mmengine.logging import print_log

    from senet_mm.engine.sizing import fit_to_checkpoint
    from senet_mm.engine.weights.adopt import adopt_geometry, adopt_normalisation
    from senet_mm.engine.weights.origin import check_network

    lines = fit_to_checkpoint(cfg, origin)
    check_network(cfg, origin, new_head, new_stem)
    lines += adopt_normalisation(cfg, origin)
    if cfg.get('test_dataloader'):
        lines += adopt_geometry(cfg, origin)
    for line in lines:
        print_log(line, logger='current')
