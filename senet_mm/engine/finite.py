"""Optimizer steps that are left out where a loss or a gradient is not finite."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial, update_wrapper
from operator import is_
from typing import NamedTuple

import torch
from mmengine.optim import AmpOptimWrapper, ApexOptimWrapper, OptimWrapper
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from .recomputation import Backward

# Their scalers try larger and larger scales, and leave out the steps that overflow.
SCALING = (AmpOptimWrapper, ApexOptimWrapper)


class Batch(NamedTuple):
    """A batch of the step that is under way.

    Attributes:
        indices: Indices or numbers of its images; None where the loader does not tell them.
        losses: Its losses.
    """

    indices: Sequence[int] | None
    losses: list[Tensor]


class Buffers:
    """A copy of a model's buffers (running statistics), which can be put back.

    Args:
        model: The model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._places = [
            (module._buffers, name)
            for module in model.modules()
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        self._seen: list[Tensor] = []
        self.copies: list[Tensor] = []
        self._kinds: list[list[int]] = []

    def take(self) -> None:
        """Copy the buffers as they are."""
        own = self.read()
        if len(self._seen) == len(own) and all(map(is_, own, self._seen)):
            self._copy(own, self.copies)
            return
        self._seen = own
        self.set_copies(own)

    def set_copies(self, values: Sequence[Tensor]) -> None:
        """Copy values, (D1, D2, ...) each, in the order of :attr:`copies`."""
        own = self.read()
        self.copies = [
            value.to(buffer, copy=True) for value, buffer in zip(values, own, strict=True)
        ]
        kinds = defaultdict(list)
        for i, buffer in enumerate(own):
            kinds[buffer.device, buffer.dtype].append(i)
        self._kinds = list(kinds.values())

    def put_back(self) -> None:
        """Set the buffers to the copy."""
        self._copy(self.copies, self.read())

    def read(self) -> list[Tensor]:
        """The buffers as they are, (D1, D2, ...) each."""
        own = (buffers[name] for buffers, name in self._places)
        return [buffer for buffer in own if buffer is not None]

    @torch.no_grad()
    def _copy(self, source: list[Tensor], target: list[Tensor]) -> None:
        for kind in self._kinds:  # one launch for each device and dtype
            torch._foreach_copy_([target[i] for i in kind], [source[i] for i in kind])


class Guard:
    """Takes an optimizer step only if its losses and its gradient are finite.

    A step that is left out changes neither weights nor optimizer; the gradients are dropped by
    the wrapper, and the buffers are set back to what they were before the batches of the step.
    With accumulated gradients a step has several batches, which are left out together.

    Args:
        model: The model.
        optim_wrappers: Its optimizers.
        agree: Tells whether any process leaves out the step; gets whether this one does.

    Attributes:
        batches: The batches of the step that is under way.
        skipped: Whether the step was left out; None while its batches are not complete.
    """

    def __init__(
        self,
        model: nn.Module,
        optim_wrappers: Iterable[OptimWrapper],
        agree: Callable[[bool], bool],
    ) -> None:
        self.batches: list[Batch] = []
        self.skipped: bool | None = False
        self.buffers = Buffers(model)
        self._agree = agree
        self._most = 1
        for wrapper in optim_wrappers:
            self._most = max(self._most, wrapper._accumulative_counts)
            # A backward pass that computes modules again is recognised by its class.
            owner = wrapper.backward if isinstance(wrapper.backward, Backward) else wrapper
            owner.backward = partial(self._backward, owner.backward)
            # Schedulers have left a mark on it, which they look for.
            step = update_wrapper(partial(self._step, wrapper, wrapper.step), wrapper.step)
            wrapper.step = step

    def begin(self, indices: Sequence[int] | None) -> None:
        """Before a batch."""
        # A model may train without the steps of its wrapper.
        if self.skipped is not None or len(self.batches) == self._most:
            self.batches, self.skipped = [], None
            self.buffers.take()
        self.batches.append(Batch(indices, []))

    def mend(self) -> None:
        """Put back buffers that are not finite within a step, which will be left out as a whole."""
        is_open = self.skipped is None
        if is_open and not all(torch.isfinite(buffer).all() for buffer in self.buffers.read()):
            self.buffers.put_back()

    def state_dict(self) -> dict:
        """The step that is under way, between two of its batches; empty where none is."""
        if self.skipped is not None:
            return {}
        batches = [(batch.indices, list(map(float, batch.losses))) for batch in self.batches]
        return dict(batches=batches, buffers=[buffer.cpu() for buffer in self.buffers.copies])

    def load_state_dict(self, state: dict) -> None:
        """Go on with a step of :meth:`state_dict`."""
        self.batches = [
            Batch(indices, list(map(torch.tensor, losses))) for indices, losses in state['batches']
        ]
        self.skipped = None
        self.buffers.set_copies(state['buffers'])

    def _backward(self, backward: Callable[..., None], loss: Tensor, **kwargs: object) -> None:
        if self.batches:
            self.batches[-1].losses.append(loss.detach())
        backward(loss, **kwargs)

    def _step(self, wrapper: OptimWrapper, step: Callable[..., None], **kwargs: object) -> None:
        losses = [loss.float() for batch in self.batches for loss in batch.losses]
        finite = torch.isfinite(torch.stack(losses)).all() if losses else torch.tensor(True)
        if not isinstance(wrapper, SCALING):
            finite = finite & has_finite_norm(get_gradients(wrapper))
        # Waits for the device, as mmengine does for each loss that it logs.
        if self._agree(not bool(finite)):
            self.skipped = True
            self.buffers.put_back()
        else:
            self.skipped = bool(self.skipped)
            step(**kwargs)


def get_gradients(wrapper: OptimWrapper) -> list[Tensor]:
    """The gradients of an optimizer's parameters, (D1, D2, ...) each."""
    parameters = (p for group in wrapper.param_groups for p in group['params'])
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def has_finite_norm(tensors: Iterable[Tensor]) -> Tensor:
    """Whether the L2 norm of tensors (D1, D2, ...) is finite, a boolean on their device.

    It is not if an element is not; it also overflows for elements from about 1e19 (float32, in
    which float16 is calculated). On a CPU it takes a fortieth of the time of the largest element.
    """
    wide = [tensor.float() if tensor.dtype == torch.float16 else tensor for tensor in tensors]
    return torch.isfinite(get_total_norm(wide))
