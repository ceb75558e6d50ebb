"""Before a run an error is one line; in its middle it is, unless it is a UserError, a bug."""

import pytest
from mmengine.hooks import Hook

from senet_mm.apis import get_config
from senet_mm.cli import reported_errors
from senet_mm.engine import Runner
from senet_mm.utils.errors import InputError


class Raising(Hook):
    """Raises an error at a point of a run."""

    def __init__(self, point, error):
        def fail(*args, **kwargs):
            raise error

        setattr(self, point, fail)


def run(point, error, work_dir):
    cfg = get_config('seresnet8_1xb64_digits')
    cfg.work_dir = str(work_dir)
    cfg.train_cfg.max_epochs = cfg.train_cfg.val_interval = 1
    cfg.custom_hooks = [dict(type=Raising, point=point, error=error)]
    runner = Runner.from_cfg(cfg)
    return runner.test() if 'test' in point else runner.train()


@pytest.mark.parametrize(
    ('point', 'error', 'has_traceback'),
    [
        ('before_run', ValueError('wrong'), False),
        ('before_run', RuntimeError('wrong'), True),
        ('before_train_iter', ValueError('wrong'), True),
        ('before_train_iter', InputError('wrong'), False),
        ('before_val_iter', OSError('wrong'), True),
        ('before_test_iter', KeyError('wrong'), True),
        ('before_test_epoch', InputError('wrong'), False),
    ],
)
def test_traceback(point, error, has_traceback, tmp_path, capsys):
    with pytest.raises(SystemExit, match=r'^error: wrong$'), reported_errors():
        run(point, error, tmp_path)
    assert ('Traceback' in capsys.readouterr().err) == has_traceback
