"""Memory that a network needs in inference and training, by image size and batch.

Nothing is allocated: the passes run on fake tensors, and a meter follows the life of each storage.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import Tensor
from torch._subclasses.fake_tensor import FakeCopyMode, FakeTensorMode

from senet_mm.models import ImageClassifier
from senet_mm.utils.complexity import count_macs
from senet_mm.utils.errors import InputError, UserError, name_error
from senet_mm.utils.measure import peak_allocated
from senet_mm.utils.memory_meter import MemoryMeter, total_bytes
from senet_mm.utils.meta import computing_once, evaluating

from .recomputation import checkpoint_modules, get_paths
from .runner.logs import is_useful

# Keys of `optim_wrapper` that change what is held; the others are of the precision, or a check.
HELD = ('optimizer', 'constructor', 'paramwise_cfg', 'accumulative_counts')


@dataclass
class WeightMemory:
    """Bytes that do not depend on the images.

    Attributes:
        parameters: Parameters.
        buffers: Running statistics and the like.
        gradients: Gradients of the parameters that are trained.
        optimizer: State of the optimizer after its first step.
    """

    parameters: int
    buffers: int
    gradients: int
    optimizer: int

    @property
    def total(self) -> int:
        """All of them."""
        return sum(asdict(self).values())


@dataclass
class BatchMemory:
    """Bytes for a batch of images; the peaks include the weights and the images.

    Attributes:
        shape: Shape of an image, (C, H, W).
        batch_size: Images in the batch, N.
        macs: Multiply-adds of a forward pass, for the batch.
        last_map: Shape of the backbone's last output for one image.
        written: All maps that a forward pass writes, none of them freed.
        inference_maps: Images and maps at the peak of inference.
        inference_peak: Peak of inference.
        kept: Images and maps at the start of the backward pass.
        training_peak: Peak of a training step after the first one.
        measured: Peaks of inference and training that torch's CPU allocator counted, if it was
            asked.
    """

    shape: tuple[int, int, int]
    batch_size: int
    macs: int
    last_map: tuple[int, ...]
    written: int
    inference_maps: int
    inference_peak: int
    kept: int
    training_peak: int
    measured: tuple[int, int] | None = None


@dataclass
class MemoryUse:
    """Weights and batches, in bytes.

    Attributes:
        precision: ``float32``, or ``bfloat16`` for autocast.
        weights: What does not depend on the images.
        batches: One for each size of the images and of the batch.
    """

    precision: str
    weights: WeightMemory
    batches: list[BatchMemory]

    def to_dict(self) -> dict:
        """The values as plain data, for JSON."""
        return asdict(self)


class Passes:
    """Inference and training of a model; on fake tensors under a fake mode.

    Args:
        model: The model, which is changed.
        cfg: Its config, for the optimizer.
        shape: Shape of an image, (C, H, W).
        batch_size: Images in a batch, N.
        amp: Use bfloat16 autocast.
    """

    def __init__(
        self,
        model: ImageClassifier,
        cfg: Config,
        shape: tuple[int, int, int],
        batch_size: int,
        amp: bool,
    ) -> None:
        self.model = model
        self.cfg = cfg
        self.images = torch.zeros(batch_size, *shape)
        self.labels = torch.zeros(batch_size, dtype=torch.int64)
        self.amp = amp
        self.optimizer: OptimWrapper | None = None

    def infer(self) -> None:
        """A forward pass without gradients."""
        with evaluating(self.model), torch.no_grad(), self.autocast():
            self.model(self.images)

    def train(self) -> Iterator[None]:
        """Steps up to the one after the first update; stops before each backward pass."""
        self.model.train()
        self.optimizer = self.make_optimizer()
        for _ in range(self.optimizer._accumulative_counts + 1):
            with self.autocast():
                loss, _ = self.model.parse_losses(self.model.loss(self.images, self.labels))
            yield
            self.optimizer.update_params(loss)
            del loss

    @property
    def weights(self) -> WeightMemory:
        """What is held now that does not depend on the images."""
        parameters = [*self.model.parameters()]
        states = self.optimizer.optimizer.state.values() if self.optimizer else ()
        return WeightMemory(
            total_bytes(parameters),
            total_bytes(self.model.buffers()),
            total_bytes(p.grad for p in parameters if p.grad is not None),
            total_bytes(x for state in states for x in state.values() if isinstance(x, Tensor)),
        )

    def autocast(self) -> torch.autocast:
        return torch.autocast('cpu', torch.bfloat16, enabled=self.amp)

    def make_optimizer(self) -> OptimWrapper:
        """The optimizer of the config."""
        given = {key: value for key, value in self.cfg.optim_wrapper.items() if key in HELD}
        logger = MMLogger.get_current_instance()
        logger.addFilter(is_useful)  # mmengine logs a line for each parameter
        try:
            return build_optim_wrapper(self.model, copy.deepcopy(given))
        finally:
            logger.removeFilter(is_useful)


@contextmanager
def metered(passes: Passes) -> Iterator[MemoryMeter]:
    """Add up what a model and its batch hold."""
    meter = MemoryMeter()
    state = [*passes.model.parameters(), *passes.model.buffers()]
    meter.add([*state, passes.images, passes.labels])
    with meter:
        yield meter


@contextmanager
def fake_copy(model: ImageClassifier) -> Iterator[ImageClassifier]:
    """A copy of a model on fake tensors, and the mode in which new tensors are fake, too."""
    mode = FakeTensorMode()
    with FakeCopyMode(mode):
        fake = copy.deepcopy(model)
    with mode:
        yield fake


def compute_memory(
    model: ImageClassifier,
    cfg: Config,
    shapes: Sequence[tuple[int, int, int]],
    batch_sizes: Sequence[int],
    amp: bool = False,
    measure: bool = False,
) -> MemoryUse:
    """Memory of a network by size of the images and of the batch.

    Blocks are the plain ones; what ``activation_checkpointing`` of the config names is computed
    again in the backward pass. Of workspaces in kernels those of convolutions on a CPU are counted.
    Labels are 0.

    Args:
        model: Built from the config; it is left as it is.
        cfg: The config: optimizer, recomputation.
        shapes: Shapes of an image, (C, H, W).
        batch_sizes: Images in a batch.
        amp: Use bfloat16 autocast.
        measure: Also run the passes, and note what torch's CPU allocator counts.

    Raises:
        InputError: The config has no optimizer, or the network refuses the images or the batch.
    """
    if not cfg.get('optim_wrapper'):
        raise InputError('the config has no optim_wrapper; allowed: one with an optimizer')
    checkpointed = copy.deepcopy(model)
    checkpoint_modules(checkpointed, get_paths(cfg, 'activation_checkpointing'))
    batches = []
    for shape in shapes:
        counted = explained_sizes(checkpointed, cfg, shape, batch_sizes[0])
        with counted, evaluating(model), computing_once(model):
            macs = count_macs(model, shape)['']
        for size in batch_sizes:
            with explained_sizes(checkpointed, cfg, shape, size):
                weights, batch = _compute(checkpointed, cfg, shape, size, amp)
            measured = _measure(checkpointed, cfg, shape, size, amp) if measure else None
            batches.append(replace(batch, macs=macs * size, measured=measured))
    return MemoryUse('bfloat16' if amp else 'float32', weights, batches)


@contextmanager
def explained_sizes(
    model: ImageClassifier, cfg: Config, shape: tuple[int, int, int], batch_size: int
) -> Iterator[None]:
    """Turn what torch says of images or batches that do not fit into one line.

    An error is of the sizes where the network takes the images of its config, in a batch of 2.

    Raises:
        InputError: The sizes do not fit.
        RuntimeError: torch fails whatever the sizes; the line names its error.
    """
    try:
        yield
    except UserError:
        raise
    except (RuntimeError, ValueError) as error:
        known = tuple(cfg.get('input_shape') or (shape[0], 224, 224))
        given = f'images {_format(shape)}, batch {batch_size}'
        if _fits(model, cfg, known, 2):
            reason = str(error).partition('\n')[0]
            raise InputError(
                f'{given}: {reason}; allowed: other sizes, such as {_format(known)}, batch 2'
            ) from error
        if isinstance(error, ValueError):
            raise
        raise RuntimeError(f'{given}: {name_error(error)}') from error


def _fits(model: ImageClassifier, cfg: Config, shape: tuple[int, int, int], size: int) -> bool:
    try:
        _compute(model, cfg, shape, size, amp=False)
    except (RuntimeError, ValueError):
        return False
    return True


def _format(shape: tuple[int, ...]) -> str:
    return 'x'.join(map(str, shape))


def _compute(
    model: ImageClassifier, cfg: Config, shape: tuple[int, int, int], batch_size: int, amp: bool
) -> tuple[WeightMemory, BatchMemory]:
    with fake_copy(model) as fake:
        passes = Passes(fake, cfg, shape, batch_size, amp)
        last: list[tuple[int, ...]] = []
        hook = fake.backbone.register_forward_hook(lambda *args: last.append(_last_shape(args[-1])))
        with metered(passes) as inference:
            before = inference.written
            passes.infer()
        hook.remove()
        constant = passes.weights.total
        with metered(passes) as training:
            for _ in passes.train():
                kept = training.held - passes.weights.total
        gradients = total_bytes(p for p in fake.parameters() if p.requires_grad)
        weights = replace(passes.weights, gradients=gradients)
    return weights, BatchMemory(
        shape=shape,
        batch_size=batch_size,
        macs=0,
        last_map=last[0],
        written=inference.written - before,
        inference_maps=inference.peak - constant,
        inference_peak=inference.peak,
        kept=kept,
        training_peak=training.peak,
    )


def _last_shape(output: Tensor | Sequence) -> tuple[int, ...]:
    """Shape, for one image, of a backbone's last output (N, ...)."""
    while not isinstance(output, Tensor):
        output = output[-1]
    return tuple(output.shape[1:])


def _measure(
    model: ImageClassifier, cfg: Config, shape: tuple[int, int, int], batch_size: int, amp: bool
) -> tuple[int, int]:
    """Peaks of inference and training that torch's CPU allocator counts, weights included."""

    def infer() -> None:
        Passes(copy.deepcopy(model), cfg, shape, batch_size, amp).infer()

    def train() -> None:
        for _ in Passes(copy.deepcopy(model), cfg, shape, batch_size, amp).train():
            pass

    return peak_allocated(infer), peak_allocated(train)
