"""Let tools read arguments, and no more; prints what is wrong with each call, and all options.

python tests/parse_calls.py CALLS

CALLS is a JSON file of lists: a script, its arguments, whether required ones may be missing.
"""

import argparse
import contextlib
import io
import json
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from senet_mm.apis import get_config
from senet_mm.config.names import find_project_config

# Between the words of a page that stand for the reader's own.
PLACEHOLDER = '...'
# Whether what a tool requires may be missing, last: of the present call.
PARTS = [False]
# Of all tools so far.
OPTIONS: set[str] = set()


class Parsed(BaseException):
    """The arguments are read."""


def patch() -> None:
    """Let parsers end the tool, and accept the names in capitals that stand for values."""

    def ending(parse: Any) -> Any:
        def parse_and_end(self: argparse.ArgumentParser, *args: Any, **kwargs: Any) -> None:
            OPTIONS.update(self._option_string_actions)
            for action in self._actions if PARTS[-1] else ():
                action.required = False
                if action.option_strings and action.nargs is None:
                    action.nargs = '?'
            raise Parsed(parse(self, *args, **kwargs))

        return parse_and_end

    def accepting(check: Any) -> Any:
        def accept(self: argparse.ArgumentParser, action: argparse.Action, value: Any) -> Any:
            stands = isinstance(value, str) and (value.isupper() or value == PLACEHOLDER)
            return value if stands else check(self, action, value)

        return accept

    parser: Any = argparse.ArgumentParser
    for name in ('parse_args', 'parse_intermixed_args'):
        setattr(parser, name, ending(getattr(parser, name)))
    for name in ('_get_value', '_check_value'):
        setattr(parser, name, accepting(getattr(parser, name)))


@contextlib.contextmanager
def started(script: str, arguments: list[str]) -> Iterator[None]:
    """As for a process of its own: other scripts have neighbours of the same names."""
    modules, folder = set(sys.modules), os.path.dirname(script)
    sys.argv, sys.path[0] = [script, *arguments], folder
    yield
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], '__file__', None)
        if file and os.path.dirname(os.path.relpath(file)) == folder:
            del sys.modules[name]


def read_arguments(script: str, arguments: list[str]) -> dict[str, Any]:
    """The arguments as the tool's parser reads them.

    Raises:
        ValueError: It refuses them.
    """
    printed = io.StringIO()
    with started(script, arguments):
        try:
            with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(printed):
                if script.startswith('tests/'):
                    runpy.run_module(script[:-3].replace('/', '.'), run_name='__main__')
                else:
                    runpy.run_path(script, run_name='__main__')
        except Parsed as parsed:
            return vars(parsed.args[0])
        except SystemExit as end:
            raise ValueError(printed.getvalue().strip().rpartition('\n')[2]) from end
    raise AssertionError(f'{script} has read no arguments')


def find_problem(script: str, arguments: list[str], is_part: bool) -> str:
    """What the tool, or the config that it is to read, has against its arguments."""
    if 'pars' not in Path(script).read_text():  # it would do its work
        return f'{script} takes no options' * any(word[0] == '-' for word in arguments)
    PARTS.append(is_part)
    try:
        args = read_arguments(script, arguments)
        name = args.get('config') or args.get('model') or args.get('name')
        if name and args.get('cfg_options') and find_project_config(name):
            get_config(name, args['cfg_options'])
    except Exception as error:
        return str(error)
    return ''


if __name__ == '__main__':
    calls = json.loads(Path(sys.argv[1]).read_text())
    patch()
    problems = [find_problem(*call) for call in calls]
    print(json.dumps(dict(problems=problems, options=sorted(OPTIONS))))
