"""Folders of pictures as people have them."""

import cv2
import numpy as np

SYSTEM = ('.DS_Store', 'Thumbs.db', '._1.jpg', '.hidden/1.jpg')
# Counts by class: an imbalance of 40 to 8 to 3.
UNTIDY = {'Äpfel rot': 40, 'birnen': 8, '猫 🐈': 3}


def draw(path, hue=0, side=24):
    """Write a small picture of one colour and some noise; a path has its own noise."""
    generator = np.random.default_rng(list(str(path).encode()))
    image = generator.integers(0, 60, (side, side + 8, 3), np.uint8)
    image[..., hue % 3] += 60 * (1 + hue // 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


def draw_folder(root, counts, suffixes=('.png', '.JPG')):
    """Write ``root/CLASS/bild 1.JPG``, ..., some pictures of each class."""
    for hue, (name, count) in enumerate(counts.items()):
        for i in range(count):
            draw(root / name / f'bild {i}{suffixes[i % len(suffixes)]}', hue)
    return root


def draw_untidy(root):
    """A folder with a system's files, a broken picture and other files."""
    draw_folder(root, UNTIDY)
    for folder in (root, root / 'birnen'):
        for name in SYSTEM:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b'x')
    (root / 'birnen/kaputt.jpg').write_bytes(b'no picture')
    (root / 'birnen/notes.txt').touch()
    return root
