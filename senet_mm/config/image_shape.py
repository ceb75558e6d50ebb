"""The shape of the images for which a network of a config is counted or drawn."""

from collections.abc import Sequence

from mmengine.config import Config

from senet_mm.utils.errors import InputError


def find_image_shape(cfg: Config, size: Sequence[int] | None = None) -> tuple[int, int, int]:
    """(C, H, W): ``input_shape`` of a config, or another size.

    mmpretrain's configs have no ``input_shape``; the channels are then those of the mean.

    Args:
        cfg: The config.
        size: Side, or height and width, as ``--shape`` gives them.

    Raises:
        InputError: Neither is there, or the size is none.
    """
    known = cfg.get('input_shape')
    if size is None:
        if not known:
            raise InputError('the config has no input_shape; allowed: --shape SIZE')
        return tuple(known)
    if not 1 <= len(size) <= 2 or min(size) < 1:
        raise InputError(f'--shape {" ".join(map(str, size))}: allowed: SIZE or HEIGHT WIDTH')
    model = cfg.get('model', {})
    preprocessor = cfg.get('data_preprocessor') or model.get('data_preprocessor') or {}
    channels = known[0] if known else len(preprocessor.get('mean') or (0, 0, 0))
    return (channels, size[0], size[-1])
