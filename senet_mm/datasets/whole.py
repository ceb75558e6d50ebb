"""Which pictures of a folder can be read, as far as a split and its classes need to know."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

from mmengine.fileio import get_file_backend

from senet_mm.utils.errors import InputError
from senet_mm.utils.names import printable

from .images.reading import check_image
from .layout import class_of
from .split import Split, make_split


@lru_cache(maxsize=4)
def split_whole(
    root: str, paths: tuple[str, ...], shares: tuple[tuple[str, float], ...], seed: int
) -> tuple[Split, list[str]]:
    """A split, and the pictures that cannot be read; the data sets of a run make the same one."""
    damaged: dict[str, None] = {}

    def is_whole(path: str) -> bool:
        if path not in damaged and find_damage(root, path):
            damaged[path] = None
        return path not in damaged

    return make_split(paths, dict(shares), seed, is_whole), list(damaged)


def check_whole(root: str, paths: Iterable[str]) -> None:
    """Raise an InputError for a class without a picture that can be read.

    Pictures of a class are read until one is whole.

    Args:
        root: The folder.
        paths: Paths from it of the pictures to train on.
    """
    for name, group in groupby(sorted(paths, key=class_of), class_of):
        reasons = []
        for path in group:
            reason = find_damage(root, path)
            if reason is None:
                break
            reasons.append(reason)
        else:
            raise InputError(
                f'{root}: none of the {len(reasons)} pictures of class {printable(name)} can be '
                f'read ({reasons[0]}); allowed: a whole picture in each class folder, or an empty '
                'folder'
            )


@lru_cache(maxsize=4)
def check_evaluated(root: str, paths: tuple[str, ...]) -> None:
    """Raise an InputError for pictures of an own ``val`` that cannot be read; all are looked at.

    In a validation nothing takes their place, and the first one comes after epochs of work. The
    data sets of a run ask for the same ones; after an error they are looked at again.

    Args:
        root: The folder.
        paths: Paths from it of the pictures to validate on.
    """
    damaged = [reason for path in paths if (reason := find_damage(root, path))]
    if damaged:
        raise InputError(
            f'{root}: {len(damaged)} of the {len(paths)} pictures to validate on cannot be '
            f'read ({damaged[0]}); allowed: whole pictures in the folder of the validation'
        )


def find_damage(root: str, path: str) -> str | None:
    """Why a picture cannot be read; None for a whole one."""
    try:
        backend = get_file_backend(root, enable_singleton=True)
        check_image(backend.join_path(root, path))
    except ValueError as error:
        return f'{printable(path)}: {error}'
    return None
