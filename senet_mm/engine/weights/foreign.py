"""What to do with a file of another project: the command that converts it."""

from collections.abc import Iterable

from senet_mm.registry import FUNCTIONS


def describe_conversion(filename: str, names: Iterable[str] = (), scope: str = '') -> str:
    """Whose file it is and how it is converted, in one line; empty where nothing tells.

    ``it is a file of mmpretrain; allowed: what python ...convert.py mmpretrain ... writes``.

    Args:
        filename: The file.
        names: Names of its tensors.
        scope: Default scope of the config in it.
    """
    # By its name: the converters are above the engine.
    kinds = FUNCTIONS.get('find_kinds')(filename, names, scope)
    if not kinds:
        return ''
    return (
        f'it is a file of {" or ".join(kinds)}; allowed: what python tools/model_converters/'
        f'convert.py {"|".join(kinds)} {filename} NEW.pth --model CONFIG writes'
    )


def with_conversion(message: str, filename: str, names: Iterable[str] = ()) -> str:
    """A message about a file, and how it is converted; see :func:`describe_conversion`."""
    return '; '.join(filter(None, [message, describe_conversion(filename, names)]))
