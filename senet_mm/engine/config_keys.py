"""Top-level keys of a config: which ones somebody reads."""

import difflib
import inspect

from mmengine.config import Config
from mmengine.runner import Runner

RUNNER_KEYS = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}

# Top-level keys that a config may have, besides the arguments of the runner.
OTHER_KEYS = {
    'auto_scale_lr', 'channels_last', 'compile', 'custom_imports', 'dry_evaluation',
    'find_unused_parameters', 'input_shape', 'model_wrapper_cfg', 'sync_bn', 'tta_model',
    'tta_pipeline',
}  # fmt: skip


def check_keys(cfg: Config) -> None:
    """Raise a ValueError for a top-level key that looks like a misspelt one.

    A config may define names of its own (``train_pipeline``), so only a near miss is an error.
    """
    for key in cfg.keys() - RUNNER_KEYS - OTHER_KEYS:
        if near := difflib.get_close_matches(key, RUNNER_KEYS, n=1, cutoff=0.8):
            raise ValueError(f'config key {key!r} is not known; did you mean {near[0]!r}?')
