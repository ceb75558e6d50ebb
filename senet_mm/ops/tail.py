"""The tail of an SE block: normalise, recalibrate, add the shortcut, rectify."""

import torch.nn.functional as F
from torch import Tensor, nn


def se_tail(
    z: Tensor,
    shortcut: Tensor,
    norm: nn.Module,
    se: nn.Module | None = None,
    drop_path: nn.Module | None = None,
) -> Tensor:
    """``relu(drop_path(se(norm(z))) + shortcut)``, the plain reference.

    Args:
        z: Output of the block's last convolution, (N, C, H, W).
        shortcut: The block's shortcut, (N, C, H, W).
        norm: Normalisation of ``z``.
        se: Recalibration layer, None in a plain network.
        drop_path: Stochastic depth, acts on the residual branch alone.
    """
    residual = norm(z)
    if se is not None:
        residual = se(residual)
    if drop_path is not None:
        residual = drop_path(residual)
    return F.relu(residual + shortcut, inplace=True)
