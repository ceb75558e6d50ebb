"""Check that Python will import the maintained OpenMMLab packages."""

from importlib.metadata import PackageNotFoundError, version

# import name -> (maintained distribution, distributions that write into the same folder)
MAINTAINED = {
    'mmengine': ('onedl-mmengine', ('mmengine', 'mmengine-lite')),
    'mmcv': ('onedl-mmcv', ('mmcv', 'mmcv-full', 'mmcv-lite')),
    'mmpretrain': ('onedl-mmpretrain', ('mmpretrain',)),
}


def installed_version(distribution: str) -> str | None:
    """Version of an installed distribution, None where it is not installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def check_stack() -> None:
    """Refuse an environment in which original packages overwrite the maintained ones.

    Both install into the same folders (``mmengine/``). The one that is installed last overwrites
    files of the other, and ``pip check`` does not notice.

    Raises:
        ImportError: An original is installed, or a maintained distribution is missing.
    """
    originals, missing = [], []
    for maintained, rivals in MAINTAINED.values():
        originals += [name for name in rivals if installed_version(name)]
        if installed_version(maintained) is None:
            missing.append(maintained)
    maintained = ' '.join(name for name, _ in MAINTAINED.values())
    if originals:
        raise ImportError(
            f'senet_mm: {", ".join(originals)} overwrites files of the maintained distributions; '
            f'mend it with: pip uninstall -y {" ".join(originals)} && '
            f'pip install --force-reinstall --no-deps {maintained}'
        )
    if missing:
        raise ImportError(
            f'senet_mm: {", ".join(missing)} not installed; '
            f'mend it with: pip install {" ".join(missing)}'
        )
