"""Put recalibration layers into a backbone."""

from torch import nn

from senet_mm.models.backbones import SlotBlock


def insert_se(backbone: nn.Module, layer: dict) -> None:
    """Fill the ``se`` slot of every block of ``backbone``, in place.

    Args:
        backbone: A plain network (``se=None``) whose blocks have the slot.
        layer: Config of the layer, built once per block with the block's ``channels``.

    Raises:
        ValueError: The backbone has no block with a slot, or its slots are filled.
    """
    blocks = [module for module in backbone.modules() if isinstance(module, SlotBlock)]
    if not blocks:
        raise ValueError(
            f'{type(backbone).__name__} has no block with an `se` slot; '
            'allowed: SEBNInception, SENet, SEResNeXt, SEResNet'
        )
    for block in blocks:
        block.add_se(layer)
