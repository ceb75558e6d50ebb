"""Where in its data a run is, counted in images: what a run on other processes needs to go on."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop
from torch.utils.data import BatchSampler

from senet_mm.datasets.seeding import SeededSampler
from senet_mm.utils.errors import InputError

from .loops import VALIDATED

if TYPE_CHECKING:
    from .runner import Runner

# In the message hub, which is saved in checkpoints.
PLACE = 'place_in_data'


class Place(NamedTuple):
    """A place in the data of a training.

    Attributes:
        position: Images of the epoch, or of an endless training, that all processes have trained.
        samples: Images of an epoch.
        batches: Iterations of an epoch; 0 for a run that does not count in epochs.
        batch_size: Images of a batch of one process; 0 where a batch sampler decides.
        processes: Number of processes.
    """

    position: int
    samples: int
    batches: int
    batch_size: int
    processes: int

    @property
    def step(self) -> int:
        """Images of an iteration; batches, where their size is not known."""
        return (self.batch_size or 1) * self.processes


def find_place(runner: 'Runner', epoch: int, iteration: int) -> Place:
    """The place that training has reached; 0 if the epoch is another one than the loop's."""
    loop = runner.train_loop
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    loader = loop.dataloader
    place = Place(
        0,
        len(loader.dataset),
        len(loader) if by_epoch else 0,
        loader.batch_size or 0,
        get_world_size(),
    )
    begun, position = loop.begun
    if by_epoch and epoch != loop.epoch:
        return place
    return place._replace(position=position + (iteration - begun) * place.step)


def remember_place(runner: 'Runner', meta: Mapping) -> None:
    """Note the place for a checkpoint of an epoch and an iteration."""
    place = find_place(runner, meta['epoch'], meta['iter'])
    runner.message_hub.update_info(PLACE, place._asdict())


def continue_at_place(runner: 'Runner') -> bool:
    """Let a resumed run go on behind the last image that was trained; logs what has changed.

    Iterations are counted so that the epoch ends at the iteration where a run ends it that had the
    present batch from the beginning.

    Returns:
        Whether the iteration has moved.

    Raises:
        ValueError: The rest of the epoch cannot be told.
    """
    loop = runner.train_loop
    now = find_place(runner, loop.epoch, loop.iter)
    before = _read(runner) or _guess(runner, now)
    if bool(before.batches) != bool(now.batches):
        raise InputError(
            'the checkpoint is of a run that counts in {}, train_cfg counts in {}; allowed: the '
            'same, or to start from its weights (load_from)'.format(
                *('epochs' if place.batches else 'iterations' for place in (before, now))
            )
        )
    if before.position:
        check_continues(runner, before, now)
    reached = loop.iter
    if now.batches:
        left = count_batches(runner, before.position) if before.position else now.batches
        loop._iter = loop.epoch * now.batches + now.batches - left
    loop.begun = loop._iter, before.position
    if runner.message_hub.get_info(VALIDATED, 0) == reached:
        runner.message_hub.update_info(VALIDATED, loop._iter)
    if before._replace(position=0, samples=0) != now._replace(position=0, samples=0):
        runner.logger.info(f'resumed with another config: {describe_change(runner, before, now)}')
    return reached != loop._iter


def _read(runner: 'Runner') -> Place | None:
    """The place in the checkpoint; None in one of another project."""
    saved = runner.message_hub.get_info(PLACE)
    is_place = isinstance(saved, dict) and saved.keys() == set(Place._fields)
    if is_place and all(type(value) is int and value >= 0 for value in saved.values()):
        return Place(**saved)
    return None


def _guess(runner: 'Runner', now: Place) -> Place:
    """The place in a checkpoint of another project, which tells epoch and iteration alone.

    At the end of an epoch it may have had another batch; within one it is taken to have had this.
    """
    loop = runner.train_loop
    if not now.batches:
        return now._replace(position=loop.iter * now.step)
    if loop.epoch and loop.iter % loop.epoch == 0:
        return now._replace(position=0, batches=loop.iter // loop.epoch)
    return now._replace(position=max(0, loop.iter - loop.epoch * now.batches) * now.step)


def check_continues(runner: 'Runner', before: Place, now: Place) -> None:
    """Raise a ValueError where images that follow a position are not those that followed before."""
    sampler = runner.train_dataloader.sampler
    same = before._replace(position=0) == now._replace(position=0)
    if isinstance(sampler, SeededSampler) and now.batch_size:
        known = sampler.is_endless or now.batches
        if same or (before.samples == now.samples and sampler.knows_rank and known):
            return
    elif same and not now.batches:  # mmengine's loop skips its batches
        return
    raise InputError(
        f'the checkpoint was saved after {before.position} of {before.samples} images of an epoch, '
        f'with {before.processes} process(es) of batch {before.batch_size}; an epoch has '
        f'{now.samples} images now, with {now.processes} process(es) of batch {now.batch_size}; '
        'allowed: the same number of images, no batch_sampler, a sampler of mmengine, or a '
        'checkpoint from the end of an epoch'
    )


def count_batches(runner: 'Runner', position: int) -> int:
    """Batches of an epoch that are left from a position on."""
    loader = runner.train_dataloader
    left = range(loader.sampler.count_left(position))
    return len(BatchSampler(left, loader.batch_size, loader.drop_last))


def describe_change(runner: 'Runner', before: Place, now: Place) -> str:
    """What another batch means: ``2 processes x batch 16, before 1 x 16; ...``."""
    loop = runner.train_loop
    parts = []
    if (before.processes, before.batch_size) != (now.processes, now.batch_size):
        parts.append(
            f'{now.processes} process(es) of batch {now.batch_size}, {before.processes} of '
            f'{before.batch_size} before'
        )
    if before.step != now.step:
        scaled = (runner.cfg.get('auto_scale_lr') or {}).get('enable')
        parts.append(f'the lr is {"" if scaled else "not "}scaled to the batch')
    if before.batches != now.batches:
        parts.append(f'{now.batches} iterations in an epoch, {before.batches} before')
    if before.position:
        parts.append(f'after image {before.position} of {now.samples}')
    return '; '.join([*parts, f'training continues at epoch {loop.epoch}, iteration {loop.iter}'])
