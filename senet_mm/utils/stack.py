"""Check that Python will import the maintained OpenMMLab packages."""

from importlib.metadata import PackageNotFoundError, version

# import name -> (maintained distribution, distributions that write into the same folder)
MAINTAINED = {
    'mmengine': ('onedl-mmengine', ('mmengine', 'mmengine-lite')),
    'mmcv': ('onedl-mmcv', ('mmcv', 'mmcv-full', 'mmcv-lite')),
    'mmpretrain': ('onedl-mmpretrain', ('mmpretrain',)),
}
# What comes with them, and is imported before them.
BROUGHT = ('rich',)


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

    Where none of them is installed, ``senet_mm.ops`` and ``senet_mm.utils`` can be used, which need
    torch alone; :func:`name_missing_stack` answers what needs more.

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
    if missing and len(missing) < len(MAINTAINED):
        raise ImportError(f'senet_mm: {_advise(missing)}')


def _advise(missing: list[str]) -> str:
    return f'{", ".join(missing)} not installed; mend it with: pip install {" ".join(missing)}'


def name_missing_stack(error: BaseException) -> str | None:
    """One line for a failed import where distributions are missing; None for other errors."""
    package = (getattr(error, 'name', None) or '').partition('.')[0]
    if not isinstance(error, ModuleNotFoundError) or package not in {*MAINTAINED, *BROUGHT}:
        return None
    missing = [name for name, _ in MAINTAINED.values() if installed_version(name) is None]
    return _advise(missing) if missing else None
