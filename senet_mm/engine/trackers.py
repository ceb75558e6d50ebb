"""TensorBoard, and Weights & Biases without a network, by one word: ``tracker='tensorboard'``.

Each run has one folder for a tracker, and one curve for a value: steps are iterations, also of
validations, and a resumed run goes on where its checkpoint was.
"""

import importlib.util
import logging
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.visualization import BaseVisBackend, TensorboardVisBackend, WandbVisBackend

from senet_mm.utils.errors import InputError, MissingModuleError, describe

PROJECT = 'senet_mm'
RUN_ID = 'run-id'
# Of a line of a log, and no curves.
PLACES = ('epoch', 'iter', 'step')


class Tracker(BaseVisBackend):
    """What our trackers share: they begin with the first scalars, and a failure ends no training.

    Args:
        save_dir: Folder.
        place: Gives the iterations that are trained, None in an evaluation.
    """

    name: str

    def __init__(self, save_dir: str, place: Callable[[], int | None]) -> None:
        super().__init__(save_dir)
        self.place = place
        self.config: Config | None = None
        self.has_begun = self.has_failed = False

    def add_config(self, config: Config, **kwargs: object) -> None:
        """Keep the config; a runner adds it also where nothing is trained."""
        self.config = config

    def add_scalars(
        self, scalar_dict: dict, step: int = 0, file_path: str | None = None, **kwargs: object
    ) -> None:
        """Add a line of the log; the first one begins the run."""
        done = self.place()
        if self.has_failed or done is None:
            return
        try:
            if not self.has_begun:
                self._init_env()
                self._env_initialized = self.has_begun = True
                self.begin(self.config)
            self.write(name_scalars(scalar_dict), int(scalar_dict.get('iter') or done))
        except Exception as error:
            self.has_failed = True
            line = f'{self.name}: {describe(error)}; the training continues without it'
            print_log(line, logger='current', level=logging.WARNING)

    def begin(self, config: Config | None) -> None:
        """Write what is known of the run at its start."""
        raise NotImplementedError

    def write(self, scalars: Mapping[str, float], step: int) -> None:
        """Write scalars by name at an iteration."""
        raise NotImplementedError


def name_scalars(line: Mapping[str, object]) -> dict[str, float]:
    """The numbers of a line of the log by name of a curve, as ``val/accuracy/top1``."""
    is_cost = any(str(key).startswith('complexity/') for key in line)
    prefix = '' if is_cost else 'train/' if 'lr' in line else 'val/'
    return {
        f'{prefix}{key}': float(value)
        for key, value in line.items()
        if key not in PLACES and isinstance(value, int | float | np.number)
    }


class Tensorboard(Tracker, TensorboardVisBackend):
    """TensorBoard's event files in ``WORK_DIR/tensorboard``."""

    name = 'tensorboard'

    def _init_env(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # What was written after the checkpoint, or by a run before this one, is not shown.
        done = self.place()
        purge_step = done + 1 if done else 0
        self._tensorboard = SummaryWriter(self._save_dir, purge_step=purge_step)

    def begin(self, config: Config | None) -> None:
        if config is not None:
            self._tensorboard.add_text(
                'config', f'```\n{config.pretty_text}\n```', self.place() or 0
            )

    def write(self, scalars: Mapping[str, float], step: int) -> None:
        for name, value in scalars.items():
            self._tensorboard.add_scalar(name, value, step)
        self._tensorboard.flush()  # else a kill would lose two minutes


class Wandb(Tracker, WandbVisBackend):
    """Weights & Biases in ``WORK_DIR/wandb``, without a network unless ``WANDB_MODE`` says so."""

    name = 'wandb'

    def _init_env(self) -> None:
        os.environ.setdefault('WANDB_ERROR_REPORTING', 'false')  # it would be sent
        import wandb

        Path(self._save_dir, 'wandb').mkdir(parents=True, exist_ok=True)
        self._wandb = wandb
        self._run = wandb.init(
            dir=self._save_dir, id=self._get_id(), name=Path(self._save_dir).name, resume='allow',
            project=os.environ.get('WANDB_PROJECT', PROJECT),
            mode=os.environ.get('WANDB_MODE', 'offline'),  # type: ignore[arg-type]  # any text
            settings=wandb.Settings(
                console='off', silent=True, disable_git=True, save_code=False,
                x_disable_stats=True,
            ),
        )  # fmt: skip

    def _get_id(self) -> str:
        """That of the run, which is new unless it is resumed."""
        file = Path(self._save_dir, 'wandb', RUN_ID)
        if not (self.place() and file.is_file()):
            file.write_text(uuid.uuid4().hex[:8])
        return file.read_text()

    def begin(self, config: Config | None) -> None:
        if config is not None:
            self._run.config.update(config.to_dict(), allow_val_change=True)

    def write(self, scalars: Mapping[str, float], step: int) -> None:
        self._run.log(dict(scalars), step=step)

    def close(self) -> None:
        """End the run, if it has begun."""
        if self.has_begun and not self.has_failed:
            self._run.finish()


TRACKERS = {kind.name: kind for kind in (Tensorboard, Wandb)}


def open_trackers(
    given: str | Sequence[str] | None, work_dir: str, place: Callable[[], int | None]
) -> dict[str, Tracker]:
    """The trackers of a config, which write nothing yet.

    Args:
        given: ``tracker`` of the config: a name, or a list of names.
        work_dir: Folder of the run.
        place: Gives the iterations that are trained, None in an evaluation.

    Raises:
        InputError: There is no such tracker.
        MissingModuleError: It is not installed.
    """
    names = [given] if isinstance(given, str) else list(given or ())
    for name in names:
        if name not in TRACKERS:
            raise InputError(f'tracker={name!r}; allowed: {", ".join(TRACKERS)}, None')
        if importlib.util.find_spec(name) is None:
            raise MissingModuleError(
                f'tracker={name!r}: {name} is not installed; mend it with: '
                "pip install -e '.[loggers]'"
            )
    folders = {'tensorboard': os.path.join(work_dir, 'tensorboard'), 'wandb': work_dir}
    return {name: TRACKERS[name](folders[name], place) for name in dict.fromkeys(names)}
