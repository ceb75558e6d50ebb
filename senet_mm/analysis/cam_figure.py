"""A picture of where a network looked."""

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from senet_mm.utils.figures import WIDTH, new_figure, styled

from .cam import COLOURS, describe_look, overlay

# Height of the title's line and of the captions, inches; share of the width that the key takes.
LINE, CAPTIONS, KEY = 0.2, 0.3, 0.12


@styled()
def draw_cam(image: np.ndarray, cam: np.ndarray, title: str) -> Figure:
    """What the network saw, and beside it the same below its map.

    Args:
        image: uint8 RGB (H, W, 3) or grey (H, W, 1).
        cam: The map, (H, W), from 0 to 1; of zeros if no place speaks for the class.
        title: File, class and score.
    """
    height, width = image.shape[:2]
    panel = WIDTH * (1 - KEY) / 2 * min(2, height / width)
    figure = new_figure(panel + CAPTIONS + LINE * (1 + title.count('\n')), title, WIDTH)
    panels = figure.subplots(1, 2)
    looked = describe_look(cam, 'the class')
    captions = f'as the network saw it, {width} x {height} pixels', looked
    pictures = image, overlay(image, cam)
    for axes, picture, caption in zip(panels, pictures, captions, strict=True):
        axes.imshow(picture, cmap='gray', vmin=0, vmax=255)
        axes.set(xticks=[], yticks=[], title=caption)
        axes.spines[:].set_visible(False)
    bar = figure.colorbar(ScalarMappable(cmap=COLOURS), ax=panels, shrink=0.8, pad=0.02)
    bar.set_label('importance / largest importance' if cam.any() else 'importance: 0 everywhere')
    return figure
