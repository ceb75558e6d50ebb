"""``init_cfg=dict(type='Pretrained')`` that loads everything or says why not."""

from mmengine.logging import print_log
from mmengine.model import PretrainedInit as _PretrainedInit
from mmengine.model import update_init_info
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from senet_mm.registry import WEIGHT_INITIALIZERS

from .checkpoint import load_strictly
from .state_dict import get_state_dict, under_prefix


@WEIGHT_INITIALIZERS.register_module(name='Pretrained')
class PretrainedInit(_PretrainedInit):
    """Fill a module from a checkpoint; what does not fit is an error, where mmengine warns.

    ``init_cfg=dict(type='Pretrained', checkpoint='seresnet50.pth')`` on a backbone takes its own
    weights as well as those of a whole classifier. A head of another class count is left as it
    was initialised, and a stem for three channels is adapted to the module's images; a line says
    so.

    Args:
        checkpoint: Path or URL, see :func:`senet_mm.engine.weights.download.fetch`.
        prefix: Part of the checkpoint that is for this module: ``backbone.``. None is the whole,
            or what is under ``backbone.`` where only that can be meant.
        map_location: Device to which tensors are read.

    Raises:
        ValueError: Names or shapes differ, or nothing is under the prefix.
    """

    def __call__(self, module: nn.Module) -> None:
        checkpoint = CheckpointLoader.load_checkpoint(
            self.checkpoint, self.map_location, logger='silent'
        )
        state_dict = self._select(get_state_dict(checkpoint, self.checkpoint), module)
        load_strictly(module, state_dict, self.checkpoint, new_head=True, new_stem=True)
        print_log(f'{type(module).__name__}: loaded {self.checkpoint}', logger='current')
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=self._get_init_info())

    def _select(self, state_dict: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
        """The part of a state dict that is for the module, with the module's names."""
        prefix = self.prefix
        if prefix is None and not state_dict.keys() & module.state_dict().keys():
            prefix = 'backbone.' if any(name.startswith('backbone.') for name in state_dict) else ''
        if not prefix:
            return state_dict
        selected = under_prefix(state_dict, prefix.removesuffix('.') + '.')
        if not selected:
            parts = sorted({name.partition('.')[0] for name in state_dict})
            raise ValueError(
                f'checkpoint {self.checkpoint} has nothing under prefix={self.prefix!r}; '
                f'allowed: {", ".join(parts)}'
            )
        return selected
