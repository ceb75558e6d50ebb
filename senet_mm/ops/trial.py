"""Plain and fast blocks on one device: do they agree, and which is faster?"""

import copy
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import NamedTuple

import torch
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from torch import Tensor, nn

from senet_mm.utils.hooks import copy_unwatched
from senet_mm.utils.measure import interleave

LAYOUTS = (torch.contiguous_format, torch.channels_last)
# Images on which forms are compared; they are timed on all.
COMPARED = 4
ROUNDS = 3
# Allowed distance of a fast form from float64: FACTOR times that of the plain one, plus ROUNDING.
# Both are relative, in the norm of a tensor.
FACTOR = 2
ROUNDING = {torch.float64: 1e-11, torch.float32: 1e-4, torch.float16: 4e-3, torch.bfloat16: 2e-2}

Precision = Callable[[], AbstractContextManager]


class Verdict(NamedTuple):
    """The implementation that was chosen, and why.

    Attributes:
        implementation: Its name.
        reason: Why, for the log.
        logged: Whether the log has it already, as a warning.
    """

    implementation: str
    reason: str
    logged: bool = False

    def __str__(self) -> str:
        return f'{self.implementation}: {self.reason}'


class Outcome(NamedTuple):
    """Outcome of a trial of one kind of block.

    Attributes:
        fault: What is wrong with the fast form; empty if nothing is.
        error: Largest relative difference of a tensor from the plain form.
        seconds: Time of a call, plain and fast.
    """

    fault: str
    error: float = 0.0
    seconds: tuple[float, float] = (0.0, 0.0)


def record_inputs(
    backbone: nn.Module, blocks: Sequence[nn.Module], inputs: Tensor, precision: Precision
) -> dict[nn.Module, Tensor]:
    """The map (N, C, H, W) that every block gets when a copy of the network sees a batch.

    Args:
        backbone: The network.
        blocks: Blocks of it.
        inputs: The batch, (N, C, H, W).
        precision: Makes the context in which the network runs.
    """
    twin = revert_sync_batchnorm(copy_unwatched(backbone))
    paths = {module: path for path, module in backbone.named_modules()}
    seen = {}
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(torch.random.fork_rng([inputs.device] if inputs.is_cuda else []))
        stack.enter_context(precision())
        for block in blocks:

            def record(module: nn.Module, args: tuple, block: nn.Module = block) -> None:
                seen[block] = args[0]

            twin.get_submodule(paths[block]).register_forward_pre_hook(record)
        twin(inputs)
    return seen


def try_blocks(
    seen: dict[nn.Module, Tensor],
    make_fast: Callable[[nn.Module], None],
    implementation: str,
    precision: Precision,
    must_be_faster: bool,
) -> Verdict:
    """Try one block of every kind.

    Args:
        seen: The blocks, with the maps (N, C, H, W) they get.
        make_fast: Makes a block a fast one, in place.
        implementation: Name of the fast form.
        precision: Makes the context in which the network runs.
        must_be_faster: Whether a slower form is refused.
    """
    kinds: dict[tuple, list[nn.Module]] = {}
    for block, seen_map in seen.items():
        kinds.setdefault(_kind(block, seen_map), []).append(block)
    x = next(iter(seen.values()))
    plain, fast, error, fault = 0.0, 0.0, 0.0, ''
    for members in kinds.values():
        with torch.random.fork_rng([x.device] if x.is_cuda else []):
            outcome = _try(members[0], seen[members[0]], make_fast, precision)
        fault = fault or outcome.fault
        error = max(error, outcome.error)
        plain += len(members) * outcome.seconds[0]
        fast += len(members) * outcome.seconds[1]
        if fault:
            break
    # All ranks must decide alike, for forms exchange statistics differently.
    trials = all_gather_object((fault, plain, fast))
    fault = next(filter(None, (trial[0] for trial in trials)), '')
    if fault:
        return _refuse(implementation, fault)
    plain, fast = (sum(times) for times in list(zip(*trials, strict=True))[1:])
    where = f'on {_name(x.device)} in {str(x.dtype).removeprefix("torch.")}'
    speed = f'{plain / fast:.2f} times as fast as the plain blocks {where}'
    if must_be_faster and fast >= plain:
        return _refuse(implementation, f'{implementation} is {speed}')
    return Verdict(implementation, f'{speed}, relative difference {error:.0e} at most')


def _refuse(implementation: str, reason: str) -> Verdict:
    """Keep the plain blocks, with a warning."""
    verdict = Verdict('reference', reason, logged=True)
    message = f'blocks: {verdict}; {implementation} blocks are not used'
    print_log(message, 'current', logging.WARNING)
    return verdict


def _kind(block: nn.Module, x: Tensor) -> tuple:
    """A key that is equal for blocks that compute alike on their maps."""
    shapes = tuple((name, p.shape) for name, p in block.named_parameters())
    modules = tuple(repr(type(module)) for module in block.modules())
    return type(block), x.shape, block.conv1.stride, block.conv2.stride, shapes, modules


def _try(
    block: nn.Module, x: Tensor, make_fast: Callable[[nn.Module], None], precision: Precision
) -> Outcome:
    """Compare and time a block and its fast form."""
    try:
        plain = revert_sync_batchnorm(copy_unwatched(block))
        plain.with_cp = False
        fast = copy.deepcopy(plain)
        make_fast(fast)
        some = x[:COMPARED]
        exact = _all_results(copy.deepcopy(plain).double(), some.double(), None)
        error = max(_difference(plain, fast, some, exact, at, precision) for at in LAYOUTS)
        calls = {
            name: partial(_run, form, x, precision)
            for name, form in (('plain', plain), ('fast', fast))
        }
        times = interleave(calls, ROUNDS, warmup=1)
        _compare_whole(*(call()['the output'] for call in calls.values()))
    except DifferenceError as difference:
        return Outcome(str(difference))
    except Exception as failure:  # a compiler's or a driver's, of any type
        return Outcome(f'{type(failure).__name__}: {str(failure).strip().partition(chr(10))[0]}')
    return Outcome('', error, (times['plain'].median, times['fast'].median))


class DifferenceError(Exception):
    """A fast form gives other numbers than the plain one."""


def _difference(
    plain: nn.Module,
    fast: nn.Module,
    x: Tensor,
    exact: dict[str, Tensor],
    layout: torch.memory_format,
    precision: Precision,
) -> float:
    """Largest relative difference of two forms; :class:`DifferenceError` beyond the rounding.

    Args:
        plain: The plain block.
        fast: Its fast form.
        x: Their input, (N, C, H, W).
        exact: Results of the plain block in float64, by name.
        layout: Memory layout of the maps and weights.
        precision: Makes the context in which the network runs.
    """
    forms = [copy.deepcopy(form).to(memory_format=layout) for form in (plain, fast)]
    x = x.contiguous(memory_format=layout)
    ours, theirs = (_all_results(form, x, precision) for form in reversed(forms))
    worst = 0.0
    for name, truth in exact.items():
        apart, usual, mine = (
            _relative(a, b, truth)
            for a, b in ((ours[name], theirs[name]), (theirs[name], truth), (ours[name], truth))
        )
        if not mine <= FACTOR * usual + ROUNDING[x.dtype]:
            raise DifferenceError(
                f'{name} is {mine:.1e} from float64, where the plain block is {usual:.1e} '
                f'({str(layout).removeprefix("torch.")}, {str(x.dtype).removeprefix("torch.")})'
            )
        worst = max(worst, apart)
    return worst


def _compare_whole(plain: Tensor, fast: Tensor) -> None:
    """Compare the outputs for all images; :class:`DifferenceError` beyond the rounding."""
    if fast.dtype != plain.dtype or fast.shape != plain.shape:
        raise DifferenceError(f'the output is {fast.dtype} {tuple(fast.shape)}')
    if not (apart := _relative(fast, plain, plain)) <= FACTOR * ROUNDING[plain.dtype]:
        raise DifferenceError(
            f'the output for {len(plain)} images is {apart:.1e} from the plain one'
        )


def _relative(a: Tensor, b: Tensor, scale: Tensor) -> float:
    """Norm of a difference, relative to that of a third tensor of the same shape."""
    return ((a.double() - b.double()).norm() / scale.double().norm().clamp_min(1e-30)).item()


def _all_results(block: nn.Module, x: Tensor, precision: Precision | None) -> dict[str, Tensor]:
    """Results of a block in its mode and, last, in evaluation, where it stays."""
    results = _run(block, x, precision)
    if block.training:
        evaluated = _run(block.eval(), x, precision)
        results['the output in evaluation'] = evaluated['the output']
    return results


def _run(block: nn.Module, x: Tensor, precision: Precision | None) -> dict[str, Tensor]:
    """Output, gradients and running statistics of a block after a call, by name."""
    training = block.training
    torch.manual_seed(0)  # a gate may draw random numbers
    x = x.detach().requires_grad_(training)
    for parameter in block.parameters():
        parameter.grad = None
    with ExitStack() as stack:
        stack.enter_context(torch.set_grad_enabled(training))
        if precision is not None:
            stack.enter_context(precision())
        out = block(x)
    results = {'the output': out.detach()}
    if training:
        weights = torch.linspace(-1, 1, out.numel(), device=out.device).view(out.shape)
        out.backward(weights.to(out.dtype))
        results['the gradient of the input'] = x.grad
        results |= {
            f'the gradient of {name}': p.grad
            for name, p in block.named_parameters()
            if p.grad is not None
        }
        results |= {name: b.clone() for name, b in block.named_buffers() if b.is_floating_point()}
    return results


def give_up(reason: str) -> Verdict:
    """End a trial before it begins: all ranks keep the plain blocks."""
    all_gather_object((reason, 0.0, 0.0))  # other ranks wait in `try_blocks`
    return Verdict('reference', reason)


def _name(device: torch.device) -> str:
    """Name of a device for a line of the log."""
    return torch.cuda.get_device_name(device) if device.type == 'cuda' else device.type
