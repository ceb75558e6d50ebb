"""What came out of a training run, in one small file that is there when the run is complete."""

import json
import os
import time

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from senet_mm.registry import HOOKS
from senet_mm.utils.complexity import count_macs, count_params
from senet_mm.utils.device import name_device
from senet_mm.utils.errors import InputError
from senet_mm.utils.files import atomic_file
from senet_mm.version import __version__

RESULT = 'result.json'
# In the message hub, which is saved in checkpoints. mmengine logs what begins with `val` or `test`.
VALIDATIONS = 'past_validations'


@HOOKS.register_module()
class ResultHook(Hook):
    """Write ``result.json`` into the work directory at the end of training.

    It has all validations, the training time (validation, checkpoints and start-up not counted),
    the processor's time (all of it counted), the complexity, and versions. An interrupted run that
    is resumed ends with the same validations, and counts the time of the iterations it kept.

    Args:
        config_hash: Hash of the config that was asked for, to be written with the rest.
    """

    # After CheckpointHook, which must be set up before a validation.
    priority = 'LOWEST'

    def __init__(self, config_hash: str | None = None) -> None:
        self.config_hash = config_hash
        self._mark = 0.0
        self._cpu_before = 0.0  # of the processes that this one resumes

    def before_train(self, runner: Runner) -> None:
        """Start from nothing, or from what the checkpoint holds."""
        if runner.val_loop is None:
            raise InputError('ResultHook needs a validation; allowed: a config with val_dataloader')
        if runner.iter == 0:
            runner.message_hub.update_info('seconds', 0.0)
            runner.message_hub.update_info('cpu_seconds', 0.0)
            runner.message_hub.update_info(VALIDATIONS, [])
        self._cpu_before = runner.message_hub.get_info('cpu_seconds', 0.0)

    def before_train_epoch(self, runner: Runner) -> None:
        self._mark = time.perf_counter()

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        now = time.perf_counter()
        seconds = runner.message_hub.get_info('seconds') + now - self._mark
        runner.message_hub.update_info('seconds', seconds)
        runner.message_hub.update_info('cpu_seconds', self._cpu_seconds)
        self._mark = now

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        values = {name: to_json_value(value) for name, value in (metrics or {}).items()}
        place = {'epoch': runner.epoch, 'iter': runner.iter}
        earlier = runner.message_hub.get_info(VALIDATIONS)
        # Iterations alone are counted anew where a run was resumed with other batches.
        reached = runner.epoch, runner.iter
        earlier = [each for each in earlier if (each['epoch'], each['iter']) < reached]
        runner.message_hub.update_info(VALIDATIONS, [*earlier, {**place, **values}])
        self._mark = time.perf_counter()

    def after_train(self, runner: Runner) -> None:
        if not is_main_process():
            return
        with atomic_file(os.path.join(runner.work_dir, RESULT)) as file:
            file.write(json.dumps(self._get_result(runner), indent=2).encode())

    @property
    def _cpu_seconds(self) -> float:
        """Time of all cores in this process and in those that it resumes."""
        return self._cpu_before + time.process_time()

    def _get_result(self, runner: Runner) -> dict:
        model = runner.model
        while is_model_wrapper(model) or not hasattr(model, 'backbone'):
            model = model.module
        model.eval()
        return {
            'config_hash': self.config_hash,
            'seed': runner.seed,
            'params': count_params(model),
            'macs': count_macs(model, runner.cfg.input_shape)[''],
            'seconds': runner.message_hub.get_info('seconds'),
            'cpu_seconds': self._cpu_seconds,
            'device': name_device(),
            'torch': torch.__version__,
            'senet_mm': __version__,
            'validations': runner.message_hub.get_info(VALIDATIONS),
        }


def to_json_value(score: object) -> object:
    """A score as numbers and lists of them, which JSON can hold."""
    return score.tolist() if hasattr(score, 'tolist') else score
