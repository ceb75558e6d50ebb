"""What the page draws."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import Tensor

from senet_mm.analysis.cam import overlay
from senet_mm.apis.explainer import Explanation
from senet_mm.utils.figures import GREY, PALETTE, WIDTH, new_figure, styled

# Least side of a picture on the page, pixels.
SIDE = 320


def draw_look(explained: Explanation) -> np.ndarray:
    """The picture as the network saw it, and beside it where it looked, uint8 RGB (H, W, 3)."""
    looked = overlay(explained.picture, explained.cam)
    saw = np.broadcast_to(explained.picture, looked.shape)
    gap = np.full((len(saw), max(1, saw.shape[1] // 32), 3), 255, np.uint8)
    factor = max(1, -(-SIDE // max(saw.shape[:2])))
    return np.concatenate([saw, gap, looked], 1).repeat(factor, 0).repeat(factor, 1)


@styled()
def draw_own_gates(
    gates: Mapping[str, Tensor],
    average: Mapping[str, Tensor],
    stages: Mapping[str, Sequence[str]],
    name: str,
) -> np.ndarray:
    """The gates of the last block of each stage, uint8 RGB (H, W, 3).

    Args:
        gates: Gates of the picture by block, (C,).
        average: Mean gates of its class, (C,); channels are in their order. Empty for none.
        stages: Blocks by stage.
        name: Of the class, and of how many pictures the average is.
    """
    figure = new_figure(1.6 * len(stages) + 0.5, width=WIDTH)
    panels = figure.subplots(len(stages), 1, squeeze=False)[:, 0]
    for axes, blocks in zip(panels, stages.values(), strict=True):
        block = blocks[-1]
        own = gates[block].numpy()
        mean = average[block].numpy() if average else own
        order = mean.argsort(kind='stable')
        axes.plot(own[order], '.', color=PALETTE[1], markersize=3, label='this picture')
        if average:
            axes.plot(mean[order], color=PALETTE[0], label=f'average of {name}')
        axes.axhline(0.5, color=GREY, linewidth=0.5, linestyle=':')
        axes.set(title=block, xlim=(-0.5, len(own) - 0.5), ylabel='gate')
    panels[-1].set_xlabel(f'channel, sorted by {"the average" if average else "gate"}')
    figure.legend(*panels[0].get_legend_handles_labels(), loc='outside upper center', ncols=2)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
