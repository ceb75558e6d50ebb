"""Building from a config with mmengine's registries, with errors that name the nearest spelling."""

import difflib
import inspect
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import Registry

from .arguments import check_arguments
from .errors import (
    REFUSALS,
    ArgumentError,
    InputError,
    UnknownTypeError,
    UserError,
    name_error,
)
from .options import suggest

UNKNOWN_ARGUMENT = re.compile(r"got an unexpected keyword argument '(\w+)'")
# From Python 3.13 on, of which it knows the arguments of one class alone.
PYTHONS_HINT = re.compile(r"\. Did you mean '\w+'\?$")
# An argument that a constructor sets for its parent, and that the config gives in `**kwargs` too.
OWN_ARGUMENT = re.compile(r"got multiple values for (?:keyword )?argument '(\w+)'")
# Whose constructors fail because of their arguments, not by a fault that the user could mend.
LIBRARIES = {'mmcv', 'mmdet', 'mmengine', 'mmpretrain', 'senet_mm', 'torch', 'torchvision'}
# Of these, faults of a program; the others are also ways to refuse an argument.
FAULTS = (TypeError, KeyError)
# What mmengine uses without a look at its class.
CLASSES = {'hook': Hook}
NO_TYPE = re.compile(r'Failed to get (.*)$')
UNKNOWN_TYPE = re.compile(r'(\S*) is not in the .+ registry')


class Explained:
    """The build function of a registry, with errors that name the nearest spelling.

    Args:
        build: mmengine's function: config, registry -> object.
    """

    def __init__(self, build: Callable) -> None:
        self.build = build

    def __call__(self, cfg: Any, *args: Any, registry: Registry, **kwargs: Any) -> Any:
        """Build, as mmengine does.

        Raises:
            ArgumentError: An argument is unknown.
            UnknownTypeError: The type is unknown.
            InputError: More stages are to be frozen than there are.
        """
        try:
            return self.build_explained(cfg, *args, registry=registry, **kwargs)
        except Exception as error:
            answer = explain_failure(error, cfg, registry)
            # Where the error is, for `config.places`; that of a part has the part already.
            vars(answer).setdefault('built', vars(error).get('built', cfg))
            if answer is error:
                raise
            raise answer from error

    def build_explained(self, cfg: Any, *args: Any, registry: Registry, **kwargs: Any) -> Any:
        """Build; the errors are explained, but do not say yet where in the config they are."""
        try:
            check_kinds(cfg, registry)
            built = self.build(cfg, *args, registry=registry, **kwargs)
            check_class(built, cfg, registry)
            freeze_stages(built)
        except UserError:  # of a part, which was built in the same way
            raise
        except (TypeError, KeyError, RuntimeError) as error:
            answer = explain_argument(error, cfg, registry) or explain_type(error, registry)
            if answer is None:
                raise
            raise answer from error
        except (AttributeError, IndexError) as error:
            if frozen_stages(cfg) < 0:
                raise
            # If the error has another cause, this raises it again.
            self.build({**cfg, 'frozen_stages': -1}, *args, registry=registry, **kwargs)
            raise InputError(
                f'frozen_stages={cfg["frozen_stages"]}: {type_name(cfg["type"])} has fewer stages; '
                'allowed: -1 to their number'
            ) from error
        return built


def find_type(cfg: Any, registry: Registry) -> Callable | None:
    """The class or function of a config, if it is there."""
    kind = cfg.get('type') if isinstance(cfg, Mapping) else None
    if not isinstance(kind, str):
        return kind if callable(kind) else None
    with registry.switch_scope_and_registry(cfg.get('_scope_')) as scoped:
        try:
            return scoped.get(kind)
        except RuntimeError:  # of an empty name
            return None


def check_kinds(cfg: Any, registry: Registry) -> None:
    """Check the kinds of the arguments in a config."""
    kind = cfg.get('type', '') if isinstance(cfg, Mapping) else ''
    if not isinstance(kind, str) and not callable(kind):
        raise InputError(f'type={kind!r}; allowed: a name in the {registry.name} registry')
    function = find_type(cfg, registry)
    if function and _is_of_library(function):  # the user's own decide themselves
        check_arguments(function, {key: value for key, value in cfg.items() if key != 'type'})


def explain_failure(error: Exception, cfg: Any, registry: Registry) -> Exception:
    """The answer to an error of any class from a library's constructor; or the error itself.

    A class of the user's own shows its traceback, unless it refuses its arguments.
    """
    if isinstance(error, UserError) or 'built' in vars(error):
        return error
    function = find_type(cfg, registry)
    if isinstance(error, REFUSALS):
        if isinstance(error, FAULTS) and _comes_from(function, error):
            vars(error)['while_working'] = True
        return error
    if function is None or not _is_of_library(function):
        return error
    return InputError(
        f'{type_name(cfg["type"])} cannot be built of its arguments: {name_error(error)}'
    )


def _is_of_library(function: Callable) -> bool:
    return function.__module__.partition('.')[0] in LIBRARIES


def _comes_from(function: Callable | None, error: Exception) -> bool:
    """Whether an error was raised in the file of a class or function that is no library's."""
    if function is None or _is_of_library(function):
        return False
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].filename == inspect.getsourcefile(function)


def explain_builds(registry: Registry) -> None:
    """Let a registry and its parents, in which a network builds its parts, explain their errors."""
    for each in upwards(registry):
        if not isinstance(each.build_func, Explained):
            each.build_func = Explained(each.build_func)


def explain_argument(error: Exception, cfg: Any, registry: Registry) -> ArgumentError | None:
    """The answer to an argument that is not known; None for another error."""
    unknown, own = (pattern.search(str(error)) for pattern in (UNKNOWN_ARGUMENT, OWN_ARGUMENT))
    if (match := unknown or own) is None:
        return None
    for part in cfg if isinstance(cfg, list) else [cfg]:
        if isinstance(part, Mapping) and {'type', match[1]} <= part.keys():
            if own:
                return ArgumentError(f'{type_name(part["type"])} sets {match[1]!r} itself')
            message = PYTHONS_HINT.sub('', str(error))
            return ArgumentError(f'{message}{hint_argument(match[1], part, registry)}')
    return None


def explain_type(error: Exception, registry: Registry) -> UnknownTypeError | None:
    """The answer to a ``type`` that no registry has; None for another error."""
    text = str(error.args[0]) if error.args else ''
    match = UNKNOWN_TYPE.match(text) or NO_TYPE.match(text)
    if match is None:
        return None
    with registry.switch_scope_and_registry(None) as scoped:
        names = {known for each in upwards(scoped) for known in each.module_dict}
    near = difflib.get_close_matches(match[1], names, n=3)
    hint = f'; did you mean {" or ".join(near)}?' if near else ''
    return UnknownTypeError(f'type={match[1]!r} is not in the {registry.name} registry{hint}')


def frozen_stages(cfg: Any) -> int:
    """``frozen_stages`` of a config; -1 if it has none."""
    given = cfg.get('frozen_stages') if isinstance(cfg, Mapping) else None
    return given if isinstance(given, int) else -1


def check_class(built: object, cfg: Any, registry: Registry) -> None:
    """Refuse what a dotted ``type`` has built, if it is of another class than the registry's."""
    wanted = CLASSES.get(registry.name)
    if wanted and not isinstance(built, wanted):
        raise InputError(
            f'type={cfg["type"]!r} is no {wanted.__name__}; allowed: a name in the '
            f'{registry.name} registry'
        )


def freeze_stages(network: object) -> None:
    """Freeze the frozen stages of a network at once.

    Many of upstream's networks do it when training starts: too late for a check, for the optimizer,
    and for a distributed model, which waits for the gradients.
    """
    frozen = getattr(network, 'frozen_stages', None)
    if isinstance(frozen, int) and frozen >= 0 and hasattr(network, '_freeze_stages'):
        network._freeze_stages()


def arguments(function: Callable) -> set[str]:
    """Names of the arguments of a function, or of the constructors of a class and its bases."""
    names: set[str] = set()
    for part in inspect.getmro(function) if inspect.isclass(function) else [function]:
        try:
            names |= set(inspect.signature(part).parameters)
        except ValueError:  # written in C
            continue
    return names - {'self', 'args', 'kwargs'}


def hint_argument(argument: str, cfg: Mapping, registry: Registry) -> str:
    """The nearest argument, and the type of the same name in another package that has it."""
    built, name = cfg['type'], type_name(cfg['type'])
    with registry.switch_scope_and_registry(cfg.get('_scope_')) as scoped:
        if isinstance(built, str):
            built = scoped.get(built)
    if instead := getattr(built, 'elsewhere', {}).get(argument):
        return f'; allowed: {instead}'
    hint = suggest(argument, arguments(built) - {argument})
    for each in upwards(scoped.parent):
        other = each.module_dict.get(name)
        if other not in (None, built) and argument in arguments(other):
            return f"{hint}; allowed with type='{each.scope}.{name}'"
    return hint


def type_name(kind: str | Callable) -> str:
    """Name of a type of a config, without the package."""
    return kind.rpartition('.')[2] if isinstance(kind, str) else getattr(kind, '__name__', '')


def upwards(registry: Registry | None) -> Iterator[Registry]:
    """A registry and those above it."""
    while registry is not None:
        yield registry
        registry = registry.parent


def find_registered(name: object, registry: Registry) -> object:
    """What a ``type`` names in a registry or above; None for anything else. Imports no module.

    mmengine itself would import any module that a type names, and call what is there.
    """
    if not isinstance(name, str):
        return None
    registry.import_from_location()
    scope, _, name = name.rpartition('.')
    for each in upwards(registry):
        if scope in ('', each.scope) and name in each.module_dict:
            return each.module_dict[name]
    return None
