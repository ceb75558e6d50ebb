"""Switches for the hardware that a config can set."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from mmengine.device import get_device
from mmengine.dist import broadcast_object_list
from mmengine.logging import print_log
from torch import nn

from senet_mm.models.backbones.base import Block
from senet_mm.ops import IMPLEMENTATIONS, fuse_tails
from senet_mm.utils.allocator import given_settings, keep_freed_memory
from senet_mm.utils.options import check_integer, check_option

if TYPE_CHECKING:
    from .runner import Runner


def has_fast_bf16(device: str) -> bool:
    """Whether a device calculates in bfloat16 itself: most GPUs, CPUs with AMX or AVX512-BF16."""
    if device == 'cuda':
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == 'cpu':
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return False


def use_channels_last(when: bool | str) -> bool:
    """Whether ``channels_last`` of a config means this device.

    Args:
        when: True, False, or ``'fast'``: where bfloat16 is fast. Channels-last convolutions are
            fast on the same devices.

    Raises:
        ValueError: ``when`` is not known.
    """
    check_option('channels_last', when, (True, False, 'fast'))
    return when is True or (when == 'fast' and has_fast_bf16(get_device()))


def use_tf32(enabled: bool) -> None:
    """Let GPUs multiply float32 with the 10 bits of TF32; other devices have no such format."""
    torch.backends.cuda.matmul.allow_tf32 = enabled
    torch.backends.cudnn.allow_tf32 = enabled


def use_threads(count: int | None) -> None:
    """Calculate with so many CPU threads; ``OMP_NUM_THREADS`` in the environment goes first.

    Args:
        count: Number of threads; None leaves it to PyTorch, which takes all cores.

    Raises:
        ValueError: The count is not a positive whole number.
    """
    if count is None:
        return
    check_integer('env_cfg.num_threads', count)
    if 'OMP_NUM_THREADS' not in os.environ:
        torch.set_num_threads(count)


def use_memory(keep_freed: bool | None = None) -> None:
    """Let the process keep freed memory, see :func:`.keep_freed_memory`.

    Args:
        keep_freed: None: on a CPU. With a GPU the maps are not in this memory.
    """
    if keep_freed or (keep_freed is None and get_device() == 'cpu'):
        kept = keep_freed_memory()
        if keep_freed and not kept and (given := given_settings()):
            print_log(
                f'env_cfg.keep_freed_memory=True has no effect: {", ".join(given)} in the '
                'environment has priority.',
                logger='current',
            )


def compile_regions(model: nn.Module, **options: object) -> int:
    """Compile a network block by block, in place; names in the state dict stay as they are.

    Blocks of one shape share what is compiled, which takes a fraction of the time for the whole.

    Args:
        model: The network.
        **options: Arguments of ``torch.compile``.

    Returns:
        Number of regions: the blocks with a place for SE, or the backbone that has none.
    """
    regions: list[nn.Module] = [module for module in model.modules() if isinstance(module, Block)]
    if not regions:
        regions = [getattr(getattr(model, 'module', model), 'backbone', model)]
    else:
        # In a distributed model the compiler would cut each block's code at the sizes of buckets.
        # Gradients are exchanged block by block without that.
        torch._dynamo.config.optimize_ddp = False
    # Blocks share their code, so by default the second kind of block would make height and width
    # variables of a program, and a smaller last batch the batch size, of the full one as well.
    options = dict(dynamic=False) | options
    # Each shape, dtype and mode is a variant of the same code; the default of 8 is for accidents.
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, 256)
    for region in regions:
        region.compile(**options)
    return len(regions)


def fuse_for_training(runner: 'Runner') -> None:
    """Let the blocks compute by a fast form, after a trial on a batch of the training's shape.

    The key ``fuse_tails`` of the config has ``implementation`` and ``lean`` of :func:`.fuse_tails`;
    without it the plain blocks stay. A compiled network gets the form for compilers. A run that is
    resumed keeps its form, since the trial compares times, unless shape, device or number of
    threads are others than those of the trial.
    """
    if not (options := dict(runner.cfg.get('fuse_tails') or {})):
        return
    wanted = options.setdefault('implementation', 'auto')
    check_option('fuse_tails.implementation', wanted, ('auto', *IMPLEMENTATIONS))
    if wanted != 'reference' and compiles(runner):
        options['implementation'] = 'algebra'  # what the blocks do in a compiled network
    if options['implementation'] == 'reference':
        return
    if 'input_shape' not in runner.cfg:
        raise ValueError('fuse_tails without input_shape; allowed: input_shape=(C, H, W), too')
    device = next(runner.model.parameters()).device
    shape = (runner.train_dataloader.batch_size, *runner.cfg.input_shape)
    tried_for = _describe_trial(shape, device)
    known = runner.message_hub.runtime_info
    if wanted == 'auto' and runner._resume and known.get('fuse_tails_for', tried_for) == tried_for:
        options['implementation'] = known.get('fuse_tails', options['implementation'])
        if options['implementation'] == 'reference':
            return
    inputs = torch.randn(shape, generator=torch.Generator(device).manual_seed(0), device=device)
    verdict = fuse_tails(
        runner.bare_model,
        inputs,
        precision=lambda: runner.optim_wrapper.optim_context(runner.model),
        **options,
    )
    runner.message_hub.update_info('fuse_tails', verdict.implementation)
    runner.message_hub.update_info('fuse_tails_for', tried_for)
    if not verdict.logged:
        runner.logger.info(f'blocks: {verdict}')


def _describe_trial(shape: Sequence[int], device: torch.device) -> str:
    """What the times of a trial depend on, the same on all ranks: those of rank 0."""
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else device.type
    described = [f'{tuple(shape)}, {name}, {torch.get_num_threads()} threads']
    broadcast_object_list(described)
    return described[0]


def compiles(runner: 'Runner') -> bool:
    """Whether the config has the network compiled, which is for GPUs alone."""
    return runner.cfg.get('compile', False) not in (False, None) and torch.cuda.is_available()
