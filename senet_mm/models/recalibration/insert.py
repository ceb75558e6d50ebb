"""Put recalibration layers into any network."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from inspect import signature

from torch import nn

from senet_mm.models.layers import ActsAt, KeepsLayers, build_layer
from senet_mm.registry import MODELS
from senet_mm.utils.building import freeze_stages
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_config, check_integer, check_mapping, check_option

from .attach import add_shortcut, attach
from .attention import check_has_none
from .probe import Probe, probe, prove_used_once
from .sites import Shelf, Site, custom_sites, find_shelf, known_sites

POSITIONS = ('standard', 'pre', 'post', 'identity', 'conv3x3', 'stage')


def insert_se(
    backbone: nn.Module,
    layer: dict,
    position: str = 'standard',
    stages: Sequence[int] | None = None,
    stage_cfg: dict[int, dict] | None = None,
    port: dict | None = None,
    input_size: int = 224,
) -> list[str]:
    """Put a recalibration layer into every block of a network, in place.

    SE-ResNet-50 is ``insert_se(ResNet(50), dict(type='SELayer', ratio=16))``. SE_2_1 of the paper,
    the layer of the first block of stage 2, is then ``layer1.0.se``.

    The layers become part of the blocks: ``BLOCK.se`` at the standard position, ``BLOCK.pre.se``
    and so on at the others. All other names in the state dict stay the same (see
    :func:`.find_shelf` for blocks that are containers). If the call raises an error, the network is
    unchanged. The layers of frozen stages are frozen.

    Args:
        backbone: The network.
        layer: Config of the layer. One is built for each block, with the ``channels`` of the map on
            which it acts; see :class:`.RecalibrationLayer` for the contract.
        position: Where in the block (paper, figure 5): ``standard`` on the residual branch before
            the addition, ``pre`` before the residual branch, ``post`` after the addition,
            ``identity`` on the shortcut, ``conv3x3`` after the 3x3 convolution (table 15). In a
            DenseNet ``standard`` is after every layer of a dense block, ``stage`` after every dense
            block and every transition.
        stages: Stages that get a layer, all by default, numbered as in the paper (SE_2 to SE_5). In
            networks with stages ``layer1``, ``layer2``, ... these are 2, 3, ..., whatever their
            strides. Elsewhere a stage is the binary logarithm of the stride at the block's output.
        stage_cfg: Changes of ``layer`` by stage: ``{2: dict(ratio=32)}``.
        port: Blocks and port of a network that :mod:`.ports` does not know: ``dict(block=REGEX,
            path='conv2', side='out')``. The regular expression matches the whole path of a block.
        input_size: Side of the image of the forward passes that find channels and stages, pixels.

    Returns:
        Paths of the layers in the backbone.

    Raises:
        ValueError: An argument is of another kind; no block has the position; a block already has a
            layer there, or was built with attention (at ``standard`` without ``port``); a port is a
            batch norm, does not see a map (N, C, H, W), or is not used exactly once per forward
            pass.
    """
    check_option('position', position, POSITIONS)
    _check_stages(stages)
    _check_layers(layer, stage_cfg)
    check_integer('input_size', input_size)
    sites = custom_sites(backbone, port) if port is not None else known_sites(backbone, position)
    if port is None and position == 'standard':
        check_has_none(sites)
    given = f'port={port}' if port is not None else f'position={position!r}'
    shelves = [_find_shelf(site, position, given) for site in sites]
    with ExitStack() as undo:
        for site in sites:
            add_shortcut(site, undo)
        probes = probe(backbone, sites, input_size)
    known = sorted({found.stage for found in probes})
    for stage in (*(stages or ()), *(stage_cfg or {})):
        check_option('stage', stage, known)
    places = [
        (site, shelf, _build(layer, stage_cfg, found, _place(site, position, port)))
        for site, shelf, found in zip(sites, shelves, probes, strict=True)
        if stages is None or found.stage in stages
    ]
    paths = _attach_all(backbone, places, input_size)
    freeze_stages(backbone)
    return paths


def check_se(se: object) -> None:
    """Raise an InputError unless a value is a dict of arguments of :func:`insert_se`."""
    _backbone, *arguments = signature(insert_se).parameters
    check_mapping('se', se, arguments)


@MODELS.register_module()
def with_se(backbone: dict | nn.Module, se: dict) -> nn.Module:
    """A backbone with recalibration layers in it, for mmdet, mmseg and plain PyTorch.

    ``dict(type='senet_mm.with_se', backbone=dict(type='ResNet', ...), se=dict(layer=...))``

    Args:
        backbone: The network, or its config in the default scope.
        se: Arguments of :func:`insert_se`.

    Raises:
        ValueError: ``se`` is something else, or see :func:`insert_se`.
    """
    check_se(se)
    network: nn.Module = MODELS.build(backbone) if isinstance(backbone, dict) else backbone
    insert_se(network, **se)
    if init_weights := getattr(type(network), 'init_weights', None):
        # torch's stub knows of tensors and modules alone.
        network.init_weights = KeepsLayers(network, init_weights)  # type: ignore[assignment]
    return network


def _check_stages(stages: object) -> None:
    """Refuse stages that are no sequence, or none at all."""
    if stages is None or (isinstance(stages, Iterable) and not isinstance(stages, str) and stages):
        return
    example = stages if isinstance(stages, int) else 5
    raise ValueError(f'stages={stages!r} is not a list of stages; allowed: stages=[{example}]')


def _check_layers(layer: object, stage_cfg: object) -> None:
    """Refuse a layer without a type, and changes by stage that are no dicts."""
    check_config('layer', layer)
    if stage_cfg is None:
        return
    by_stage = stage_cfg.values() if isinstance(stage_cfg, Mapping) else [None]
    if not all(isinstance(changes, Mapping) for changes in by_stage):
        raise InputError(f'stage_cfg={stage_cfg!r}; allowed: {{STAGE: dict(ratio=32)}}')


def _find_shelf(site: Site, position: str, given: str) -> Shelf:
    """The shelf of a site, found with the ``Identity`` shortcut that its block may get."""
    with ExitStack() as undo:
        add_shortcut(site, undo)
        return find_shelf(site, position, given)


def _place(site: Site, position: str, port: dict | None) -> tuple[str, str]:
    """Where the layer of a site acts, in the words of the user, and the path of the block."""
    return f'{position} position' if port is None else str(site.port), site.name


def _build(
    layer: dict, stage_cfg: dict[int, dict] | None, found: Probe, place: tuple[str, str]
) -> nn.Module:
    """Build the layer of a site, and record in it where it acts."""
    built = build_layer({**layer, **(stage_cfg or {}).get(found.stage, {})}, found.channels)
    # torch's stub knows of tensors and modules alone.
    built.acts_at = ActsAt(found.stage, *place)  # type: ignore[assignment]
    return built


def _attach_all(
    backbone: nn.Module, places: list[tuple[Site, Shelf, nn.Module]], input_size: int
) -> list[str]:
    """Attach all layers and prove that each runs once; after an error take all back."""
    with ExitStack() as undo:
        for site, shelf, layer in places:
            add_shortcut(site, undo)
            attach(site, shelf, layer, undo)
        layers = {shelf.full_path: layer for _, shelf, layer in places}
        if len(layers) < len(places):
            raise ValueError('several blocks would keep their layers at the same place')
        prove_used_once(backbone, layers, input_size)
        undo.pop_all()  # nothing is taken back
    return list(layers)
