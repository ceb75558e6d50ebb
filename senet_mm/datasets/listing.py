"""Which files of a folder are images, and what is left out."""

import heapq
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.logging import print_log
from mmpretrain.datasets import CustomDataset

from senet_mm.utils.names import printable

from .images.decoding import EXTENSIONS

# Files of the operating system; names that begin with a dot are ignored, too.
IGNORED = frozenset(('Thumbs.db', 'desktop.ini', '__MACOSX', '@eaDir', 'lost+found'))


def is_ignored(name: str) -> bool:
    """Whether a file or folder is a system's, not the user's: ``.ipynb_checkpoints``, ..."""
    return name.startswith('.') or name in IGNORED


def list_files(root: str) -> Iterator[str]:
    """Paths below ``root`` of its files, in all folders, that are not ignored; in any order.

    Links are followed. One to nowhere is among them, an image that cannot be read. One to a folder
    that is read by another path, or to a folder around it, is skipped, and a line of the log says
    so.
    """
    backend = get_file_backend(root, enable_singleton=True)
    if isinstance(backend, LocalBackend):
        yield from _walk(root)
        return
    for path in backend.list_dir_or_file(root, list_dir=False, recursive=True):
        if not any(map(is_ignored, path.split('/'))):
            yield path


def _walk(root: str) -> Iterator[str]:
    """Reads each folder once, by its own path where it has one below ``root``."""
    top = Path(root).resolve()
    seen = {_identify(folder) for folder in top.parents}
    folders = ['']
    links: list[str] = []
    while folders or links:
        prefix = folders.pop() if folders else heapq.heappop(links)
        folder = os.path.join(root, prefix)
        if (identity := _identify(folder)) in seen:
            text = f'{printable(folder)} is a link to a folder that is read, or around it: skipped'
            print_log(text, logger='current', level=logging.WARNING)
            continue
        seen.add(identity)
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_ignored(entry.name):
                    continue
                if _is_folder(entry):
                    path = f'{prefix}{entry.name}/'
                    heapq.heappush(links, path) if entry.is_symlink() else folders.append(path)
                elif entry.is_symlink() or entry.is_file():
                    yield prefix + entry.name


def _identify(folder: str | os.PathLike) -> tuple[int, int]:
    """What the folder has by whatever path."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def find_folders(root: str) -> tuple[list[str], dict[str, int]]:
    """Like mmpretrain's: the sorted class folders, and their numbers; none that is ignored."""
    backend = get_file_backend(root, enable_singleton=True)
    names = backend.list_dir_or_file(root, list_dir=True, list_file=False)
    folders = sorted(name for name in names if not is_ignored(name))
    return folders, {folder: i for i, folder in enumerate(folders)}


def get_samples(
    root: str, folder_to_idx: dict[str, int] | None, is_valid_file: Callable[[str], bool]
) -> tuple[list, set[str] | None]:
    """Like mmpretrain's: (path, label) or path of each image, and the folders that have none."""
    if folder_to_idx is None:
        return sorted(filter(is_valid_file, list_files(root))), None
    samples, empty = [], set()
    for folder, label in sorted(folder_to_idx.items()):
        paths = sorted(filter(is_valid_file, list_files(os.path.join(root, folder))))
        samples += [(f'{folder}/{path}', label) for path in paths]
        if not paths:
            empty.add(folder)
    return samples, empty


def suffix_of(path: str) -> str:
    """``.jpg`` of ``a/B.JPG``; a word for a name without one."""
    return os.path.splitext(path)[1].lower() or 'without suffix'


def describe_left_out(paths: Iterable[str]) -> str:
    """``7 files left out: 4 .mp4, 3 .txt, the first a/b.mp4``; empty for no file."""
    paths = sorted(paths)
    if not paths:
        return ''
    counts = Counter(map(suffix_of, paths)).most_common()
    kinds = ', '.join(f'{count} {printable(suffix)}' for suffix, count in counts)
    files = 'files' if len(paths) > 1 else 'file'
    return f'{len(paths)} {files} left out: {kinds}, the first {printable(paths[0])}'


class ListedImages(CustomDataset):
    """What mmpretrain's data sets of folders list here: all that the decoder reads.

    Files of other suffixes are counted in one line of the log; a system's files and folders are
    ignored, so that ``.ipynb_checkpoints`` is no class.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.left_out: list[str] = []
        super().__init__(*args, **{'extensions': EXTENSIONS, **kwargs})

    def is_valid_file(self, filename: str) -> bool:
        """Whether a file is an image, by its suffix; others are noted."""
        if any(map(is_ignored, filename.split('/'))):
            return False
        valid = super().is_valid_file(filename)
        if not valid:
            self.left_out.append(filename)
        return valid

    def _find_samples(self) -> list:
        self.left_out = []
        samples = super()._find_samples()
        if self.left_out:
            print_log(
                f'{printable(self.img_prefix)}: {describe_left_out(self.left_out)}; read are '
                f'{", ".join(sorted(self.extensions))}',
                logger='current',
                level=logging.WARNING,
            )
        self.left_out = []
        return samples
