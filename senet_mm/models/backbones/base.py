"""What the backbones share: blocks with a place for SE, a stem and stages that can be frozen."""

from collections.abc import Mapping, Sequence

from mmcv.cnn import build_norm_layer
from mmengine.utils.dl_utils.parrots_wrapper import _BatchNorm
from torch import Tensor, nn

from senet_mm.models.layers import own_initialisation
from senet_mm.models.scoped_init import ScopedInit
from senet_mm.utils.errors import InputError
from senet_mm.utils.options import check_config, check_integer, check_integers, check_option
from senet_mm.utils.recompute import recompute

# He et al., arXiv:1502.01852, with fan-in, as in the paper and in Caffe.
HE_FAN_IN = (
    dict(type='Kaiming', layer='Conv2d', mode='fan_in'),
    dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']),
)


def build_norm(norm_cfg: dict, channels: int) -> nn.Module:
    """A normalisation layer for a map (N, C, H, W).

    Args:
        norm_cfg: Its config.
        channels: C.

    Raises:
        InputError: It is the config of none.
    """
    check_config('norm_cfg', norm_cfg)
    try:
        return build_norm_layer(dict(norm_cfg), channels)[1]
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        reason = 'this type is not known' if isinstance(error, KeyError) else str(error)
        raise InputError(
            f'norm_cfg={dict(norm_cfg)}: {reason or "an argument is missing"}; allowed: a type of '
            'normalisation layer (BN, SyncBN, GN, ...) with its arguments'
        ) from error


class Block(nn.Module):
    """A block with a place for a recalibration layer: ``se``, an ``Identity`` until it is filled.

    A subclass sets ``se`` at the position that the layer shall have in the state dict.

    Args:
        out_channels: Channels of the output, and of the map that ``se`` sees.
        with_cp: Recompute the block in the backward pass instead of storing its activations.
    """

    se: nn.Module

    def __init__(self, out_channels: int, with_cp: bool = False) -> None:
        super().__init__()
        check_option('with_cp', with_cp, (True, False))
        self.out_channels = out_channels
        self.with_cp = with_cp

    @property
    def has_se(self) -> bool:
        """Whether ``se`` is a layer."""
        return type(self.se) is not nn.Identity

    def __call__(self, x: Tensor) -> Tensor:
        if self.with_cp:
            return recompute(self, super().__call__, x)
        return super().__call__(x)


class StagedBackbone(ScopedInit):
    """A stem and stages; the constructor of a subclass ends with :meth:`_freeze_stages`.

    Args:
        num_stages: Number of stages.
        out_indices: Stages whose output is returned, from 0.
        frozen_stages: -1 freezes nothing, 0 the stem, k the stem and k stages.
        norm_eval: Keep the batch norms on their running statistics in training.
        init_cfg: Initialisation.

    Raises:
        ValueError: A stage does not exist.
    """

    # Other networks' arguments, and what this one has instead, for messages.
    elsewhere: Mapping[str, str] = dict.fromkeys(
        ('se', 'se_ratio'), 'model.se=dict(layer=...) in a config, insert_se in Python'
    )

    def __init__(
        self,
        num_stages: int,
        out_indices: Sequence[int],
        frozen_stages: int,
        norm_eval: bool,
        init_cfg: dict | Sequence[dict] | None,
    ) -> None:
        super().__init__(list(init_cfg) if isinstance(init_cfg, tuple) else init_cfg)
        check_integers('out_indices', out_indices, -num_stages)
        for index in out_indices:
            check_option('out_indices', index, range(-num_stages, num_stages))
        check_integer('frozen_stages', frozen_stages, -1)
        check_option('frozen_stages', frozen_stages, range(-1, num_stages + 1))
        check_option('norm_eval', norm_eval, (True, False))
        self.out_indices = {index % num_stages for index in out_indices}
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval

    @property
    def stem_modules(self) -> list[nn.Module]:
        """The modules before the first stage that have parameters."""
        raise NotImplementedError

    @property
    def stages(self) -> Sequence[Sequence[nn.Module]]:
        """The stages, each a sequence of modules to call in turn."""
        raise NotImplementedError

    def forward_stem(self, x: Tensor) -> Tensor:
        """The input of the first stage for an image (N, C, H, W)."""
        raise NotImplementedError

    def _freeze_stages(self) -> None:
        """Set the frozen stages to eval mode, without gradients."""
        if self.frozen_stages < 0:
            return
        for modules in [self.stem_modules, *self.stages[: self.frozen_stages]]:
            for module in modules:
                module.eval().requires_grad_(False)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Depth of a parameter and the number of depths, for learning rates that fall with it.

        The stem has depth 0, stage k depth k, what follows the backbone the last one.

        Args:
            param_name: Name of the parameter in the network.
            prefix: What the names of the backbone's parameters begin with.
        """
        parts = [self.stem_modules, *self.stages]
        if not param_name.startswith(prefix):
            return len(parts), len(parts) + 1
        wanted = self.get_parameter(param_name.removeprefix(prefix))
        for depth, modules in enumerate(parts):
            if any(wanted is parameter for module in modules for parameter in module.parameters()):
                return depth, len(parts) + 1
        return len(parts) - 1, len(parts) + 1

    def init_weights(self) -> None:
        """Initialise the network; recalibration layers by their own rule."""
        with own_initialisation(self):
            super().init_weights()

    def train(self, mode: bool = True) -> 'StagedBackbone':
        """Set the mode; frozen stages, and with ``norm_eval`` all batch norms, stay in eval."""
        super().train(mode)
        self._freeze_stages()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of the stages in ``out_indices`` for an image (N, C, H, W)."""
        x = self.forward_stem(x)
        outs = []
        for i, modules in enumerate(self.stages):
            for module in modules:
                x = module(x)
            if i in self.out_indices:
                outs.append(x)
        return tuple(outs)
