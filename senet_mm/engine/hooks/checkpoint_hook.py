"""Checkpoints that a kill at any instant leaves usable."""

import os
import re
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.hooks import CheckpointHook as _CheckpointHook

from senet_mm.engine.checkpoints.folder import point_to, set_aside
from senet_mm.engine.restart import note_saved
from senet_mm.engine.run_reading import read_starts
from senet_mm.engine.weights.origin import find_pretrained
from senet_mm.registry import HOOKS
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import check_local
from senet_mm.utils.scores import format_score

if TYPE_CHECKING:
    from senet_mm.engine.runner import Runner

# State between two regular checkpoints; there is at most one.
BETWEEN = 'between.pth'
# In the message hub: the name of the checkpoint, and the files that it replaces.
SAVED = 'saved_checkpoint'
# In the message hub: the score that `save_best='auto'` stands for.
BEST = 'best_metric'


@HOOKS.register_module()
class CheckpointHook(_CheckpointHook):
    """mmengine's hook, in another order: new file, then the pointer to it, then what is pruned.

    Each file is whole or not there. What a checkpoint replaces is removed when ``last_checkpoint``
    points to its successor. The files are written by a thread, from a copy of the state.

    A folder has the checkpoints of one training. Before a training that resumes nothing saves its
    first, those of an earlier one are moved into the folder of that one's log.

    Args:
        minutes: Save within an epoch too, so many minutes after the last time, to ``between.pth``,
            which goes with the next regular checkpoint.
        out_dir: Local or mounted folder; checkpoints are in its subfolder of the work directory's
            name. By default they are in the work directory.
        **kwargs: Arguments of mmengine's ``CheckpointHook``.

    Raises:
        ValueError: ``minutes`` is not above 0, or the folder is remote.
    """

    def __init__(
        self, minutes: float | None = None, out_dir: str | None = None, **kwargs: object
    ) -> None:
        check_local(out_dir, 'default_hooks.checkpoint.out_dir')
        for name in ('backend_args', 'file_client_args'):
            if kwargs.get(name) not in (None, {'backend': 'local'}):
                raise InputError(
                    f'default_hooks.checkpoint.{name}={kwargs[name]}; allowed: None, checkpoints '
                    'are written to a local or mounted folder'
                )
        super().__init__(out_dir=out_dir, **kwargs)
        if minutes is not None and not minutes > 0:
            raise InputError(f'minutes={minutes}; allowed: above 0, or None')
        self.minutes = minutes
        self._saved_at = time.monotonic()
        # Epoch, iteration and file of the last save.
        self._saved: tuple[int, int, str] | None = None
        # Files that are removed when another checkpoint is whole.
        self._replaced: list[str] = []
        self._has_new_best = False
        # Of an earlier training in the folder, until the first save.
        self._earlier: list[Path] = []

    def before_train(self, runner: 'Runner') -> None:
        """Set up the folder; remove what the resumed checkpoint had replaced, if a kill left it."""
        super().before_train(runner)
        info = runner.message_hub.runtime_info
        if runner.iter and SAVED in info:
            name, replaced = info[SAVED]
            self._saved = runner.epoch, runner.iter, name
            self._remove(replaced)
        elif not runner.iter and is_main_process():
            self._earlier = self._find_earlier(runner)

    def after_val(self, runner: 'Runner') -> None:
        """After a new best checkpoint, save the last one again, which knows it."""
        if not self._has_new_best:
            return
        self._has_new_best = False
        epoch, iteration, name = self._saved or (None, None, '')
        if (epoch, iteration) == (runner.epoch, runner.iter):
            self._save(runner, name, dict(epoch=epoch, iter=iteration))

    def after_train(self, runner: 'Runner') -> None:
        """Wait for the last file."""
        runner.writer.join()
        super().after_train(runner)

    def save_between(self, runner: 'Runner') -> None:
        """Save where training is, unless that is saved already."""
        epoch, iteration = runner.epoch, runner.iter
        if self._saved is None or self._saved[:2] != (epoch, iteration):
            runner.check_state()
            self._save(runner, BETWEEN, dict(epoch=epoch, iter=iteration))

    def save_in_time(self, runner: 'Runner') -> None:
        """Save where training is, if the last time was ``minutes`` ago."""
        if self.minutes is not None:
            due = [time.monotonic() - self._saved_at >= 60 * self.minutes]
            broadcast_object_list(due)
            if due[0]:
                self.save_between(runner)

    def _find_earlier(self, runner: 'Runner') -> list[Path]:
        """The checkpoints of a training that are in the folder, but for what this one reads."""
        steps = re.escape(self.filename_tmpl).replace(r'\{\}', r'\d+')
        own = re.compile(rf'(best_.+_)?{steps}|{re.escape(BETWEEN)}')
        read = filter(None, [runner._load_from, find_pretrained(runner.cfg)])
        kept = {os.path.realpath(path) for path in read}
        paths = sorted(path for path in Path(self.out_dir).glob('*') if own.fullmatch(path.name))
        return [path for path in paths if path.is_file() and os.path.realpath(path) not in kept]

    def _set_earlier_aside(self, runner: 'Runner') -> None:
        """Before the first save: let the folder have the checkpoints of this training alone."""
        if not self._earlier:
            return
        starts = [folder.name for folder in read_starts(Path(runner.work_dir))]
        earlier = [name for name in starts if name != runner.timestamp]
        folder = Path(self.out_dir, earlier[-1] if earlier else 'earlier')
        number = set_aside(runner.work_dir, self._earlier, folder)
        self._earlier = []
        runner.logger.info(f'{number} checkpoints of an earlier training are now in {folder}')

    def _save_checkpoint_with_step(self, runner: 'Runner', step: int, meta: dict) -> None:
        """Save a regular checkpoint; mmengine's would first remove the oldest."""
        runner.check_state()
        self._replaced.append(BETWEEN)
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                self._replaced.append(self.filename_tmpl.format(self.keep_ckpt_ids[0]))
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._save(runner, name, meta)

    def _save(self, runner: 'Runner', name: str, meta: dict) -> None:
        """Save a checkpoint, point to it, remove the files that it replaces."""
        self._set_earlier_aside(runner)
        replaced, self._replaced = [old for old in self._replaced if old != name], []
        # A run that is killed before they are removed reads their names here.
        runner.message_hub.update_info(SAVED, (name, replaced))
        path = self.file_backend.join_path(self.out_dir, name)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=self.save_optimizer,
            save_param_scheduler=self.save_param_scheduler,
            meta=meta,
            wait=False,
            then=partial(self._finish, runner.work_dir, path, replaced),
            **self.args,
        )
        self._saved = meta['epoch'], meta['iter'], name
        self._saved_at = time.monotonic()

    def _finish(self, work_dir: str, path: str, replaced: list[str]) -> None:
        """What follows when a checkpoint is whole; runs in the thread that wrote it."""
        point_to(work_dir, path)
        note_saved(work_dir)
        self._remove(replaced)

    def _remove(self, names: list[str]) -> None:
        """Remove checkpoints that nothing points to any more."""
        if is_main_process():
            for name in names:
                path = self.file_backend.join_path(self.out_dir, name)
                if self.file_backend.isfile(path):
                    self.file_backend.remove(path)

    def _save_best_checkpoint(self, runner: 'Runner', metrics: Mapping[str, float]) -> None:
        """Save a best checkpoint for every score that has improved; the former one is kept yet."""
        if not (self.save_best and runner.is_training) or not runner.check_state():
            return
        step = runner.epoch if self.by_epoch else runner.iter
        if 'auto' in self.key_indicators:
            chosen = runner.message_hub.get_info(BEST)
            self._init_rule(self.rules, [chosen if chosen in metrics else next(iter(metrics))])
            runner.message_hub.update_info(BEST, self.key_indicators[0])
        several = len(self.key_indicators) > 1
        for indicator in self.key_indicators:
            suffix = f'_{indicator}' if several else ''
            info, score = runner.message_hub.runtime_info, metrics[indicator]
            best = info.get(f'best_score{suffix}')
            if best is None:
                best = self.init_value_map[self.rules[self.key_indicators.index(indicator)]]
            if score is None or not self.is_better_than[indicator](score, best):
                continue
            name = f'best_{indicator}_{self.filename_tmpl.format(step)}'.replace('/', '_')
            former = Path(info.get(f'best_ckpt{suffix}') or name).name
            path = self.file_backend.join_path(self.out_dir, name)
            runner.message_hub.update_info(f'best_score{suffix}', score)
            runner.message_hub.update_info(f'best_ckpt{suffix}', path)
            if several:
                self.best_ckpt_path_dict[indicator] = path
            else:
                self.best_ckpt_path = path
            self._save_best(runner, name, former)
            unit = 'epoch' if self.by_epoch else 'iteration'
            runner.logger.info(
                f'best {indicator} {format_score(indicator, score)} so far, at {unit} {step}: '
                f'{name}'
            )

    def _save_best(self, runner: 'Runner', name: str, former: str) -> None:
        """Save the network with what an evaluation needs; it replaces ``former``."""
        self._set_earlier_aside(runner)
        replaced = [former] if former != name else []
        then = None
        self._has_new_best = True
        if self._saved:
            self._replaced += replaced
        else:  # no checkpoint names a best one
            then = partial(self._remove, replaced)
        runner.save_checkpoint(
            self.out_dir,
            name,
            save_optimizer=False,
            save_param_scheduler=False,
            meta=dict(epoch=runner.epoch, iter=runner.iter),
            wait=False,
            then=then,
        )
