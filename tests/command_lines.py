"""The commands of the pages and of the tools' docstrings, as the tools' own parsers read them.

Nothing runs: a tool is started only until it has read its arguments. So a misspelt option is found
where the command itself would take hours, a GPU or a browser.
"""

import ast
import configparser
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from senet_mm.__main__ import find_tools
from senet_mm.config.names import find_config

from .blocks import FENCE, PAGES, blocks_of, commands_of
from .conftest import ROOT
from .forked import run_forked

# Programs of others, whose arguments are not looked at.
OTHERS = {'aws', 'find', 'mim', 'pre-commit', 'scancel', 'sed', 'tar', 'tensorboard', 'wandb'}
# What timm's script takes that has the name of one of ours, and options of timm, tensorpack,
# SENet.mxnet and mmpretrain.
FOREIGN = {
    'train.py DIR --model seresnet50 --lr 0.1 -b 256', '--amp-dtype', '--aug-level',
    '--channels-last', '--depth', '--in-chans', '--include-outliers', '--mixup', '--mode',
    '--model-ema', '--num-classes', '--smoothing', '--torchcompile',
}  # fmt: skip
# A script -> the tool that it starts, and the arguments: those at these places, then the rest.
SCRIPTS = {
    'tools/dist_train.sh': ('tools/dist.py', ['train', 1, 0]),
    'tools/dist_test.sh': ('tools/dist.py', ['test', 2, 0, 1]),
    'tools/slurm_train.sh': ('tools/train.py', [2]),
    'tools/slurm_test.sh': ('tools/test.py', [2]),
    'tools/slurm_train.sbatch': ('tools/train.py', []),
    'tools/benchmarks/gpu.sh': ('tools/benchmarks/gpu/run.py', []),
}
SPAN = re.compile(r'(?<!`)(`{1,2})(?!`)(.+?)(?<!`)\1(?!`)', re.S)
# How a command begins: an environment, then a program or a script of ours.
COMMAND = re.compile(
    r'(\w+=\S+ )*(\S*python3? |bash |sbatch |torchrun |make \w|pip install |senet_mm \w'
    r'|\S*\.(py|sh|sbatch) )'
)
CONFIG = re.compile(r'(configs/\S+\.py|\w[\w-]*_\d+xb\d+[\w-]*)')


class WrongCommandError(ValueError):
    """A command that does not work as it stands."""


def commands_of_page(page: Path) -> Iterator[tuple[str, bool]]:
    """Each command of a page, and whether prose names it, perhaps in part."""
    name = str(page.relative_to(ROOT))
    for block in blocks_of(name):
        if block.language == 'bash':
            yield from ((command, False) for command in commands_of(block.text))
    yield from spans_of(FENCE.sub('', page.read_text()))


def commands_of_script(script: Path) -> Iterator[tuple[str, bool]]:
    """Each command of the docstring of a script: of paragraphs that begin with one."""
    text = ast.get_docstring(ast.parse(script.read_text())) or ''
    for part in text.split('\n\n'):
        for line in part.splitlines() if COMMAND.match(part) else ():
            yield re.sub(r'\[(-.*?)\]', r'\1', line), False
    yield from spans_of(text)


def spans_of(text: str) -> Iterator[tuple[str, bool]]:
    """The commands between backticks."""
    for _, span in SPAN.findall(text):
        command = ' '.join(span.split())
        script = re.match(r'([\w-]+\.py) ', command)
        is_ours = script is None or any(ROOT.glob(f'tools/**/{script[1]}'))
        is_command = is_ours and COMMAND.match(command)
        if command not in FOREIGN and (is_command or command.startswith('--')):
            yield command, True


def all_commands() -> dict[tuple[str, bool], str]:
    """Each command and whether it may be a part of one -> where it stands first."""
    scripts = [*ROOT.glob('tools/**/*.py'), *ROOT.glob('.dev_scripts/*.py')]
    found: dict[tuple[str, bool], str] = {}
    for page in PAGES:
        for command in commands_of_page(page):
            found.setdefault(command, str(page.relative_to(ROOT)))
    for script in scripts:
        for command in commands_of_script(script):
            found.setdefault(command, str(script.relative_to(ROOT)))
    return found


def problems_of(commands: list[tuple[str, bool]], folder: Path) -> list[str]:
    """For each command what is wrong with it; empty if nothing is.

    Args:
        commands: Each with whether it may be a part of one, without what a tool requires.
        folder: For files.
    """
    calls, owners, problems = [], [], [''] * len(commands)
    for number, (command, is_part) in enumerate(commands):
        try:
            for words in split(command):
                for script, arguments in calls_of(words):
                    calls.append([script, arguments, is_part])
                    owners.append(number)
        except ValueError as error:
            problems[number] = str(error)
    file = folder / 'calls.json'
    file.write_text(json.dumps(calls))
    run = run_forked(['tests/parse_calls.py', file])
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    for number, problem in zip(owners, found['problems'], strict=True):
        problems[number] = problems[number] or problem
    known = {*found['options'], *FOREIGN}
    for number, (command, _) in enumerate(commands):
        if command.startswith('--') and (unknown := options_of(command) - known):
            problems[number] = f'no tool has {unknown}'
    return problems


def options_of(command: str) -> set[str]:
    return {word for word in command.split() if word.startswith('--')}


def split(command: str) -> Iterator[list[str]]:
    """The words of each program of a command, without its environment and redirections."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars='|&;<>')
    lexer.whitespace_split = True
    words: list[str] = []
    tokens = iter(lexer)
    for token in tokens:
        if token.strip('|&;') == '':
            yield words
            words = []
        elif token.strip('<>') == '':
            next(tokens)  # a file
        elif words or not re.match(r'\w+=', token):
            words.append(token)
    yield words


def calls_of(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The scripts that a program runs, and the arguments that their parsers must accept."""
    program, *rest = words
    if program.startswith('--'):  # an option alone
        return
    if program == 'pip' or program.endswith('/pip'):
        check_extras(rest)
    elif program == 'make':
        check_targets(rest)
    elif re.search(r'(^|/)python3?$', program):
        yield from calls_of_python(rest)
    elif program == 'torchrun':
        yield from calls_of_python(rest[rest.index('-m') :])
    elif program == 'senet_mm':
        yield from calls_of_python(['-m', *words])
    elif program == 'bash':
        yield from calls_of(rest)
    elif program == 'sbatch':
        while rest and not rest[0].endswith('.sbatch'):  # options of sbatch
            del rest[0]
        yield from calls_of(rest) if rest else ()
    elif program.endswith(('.py', '.sh', '.sbatch')):
        yield from calls_of_script(program, rest)
    elif program not in OTHERS:
        raise WrongCommandError(f'{program} is not known')


def calls_of_python(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """What ``python`` runs: a file, a module, a text."""
    first, *rest = words
    if first == '-c':
        compile(rest[0], 'text', 'exec')
    elif first != '-m':
        yield from calls_of_script(first, rest)
    elif rest[0] == 'senet_mm':
        tools = find_tools()
        if rest[1] not in tools:
            raise WrongCommandError(f'python -m senet_mm has no tool {rest[1]}')
        yield from calls_of_script(str(tools[rest[1]].relative_to(ROOT)), rest[2:])
    elif rest[0].startswith('tests.'):
        yield from calls_of_script(rest[0].replace('.', '/') + '.py', rest[1:])
    elif rest[0] not in ('pytest', 'venv'):
        raise WrongCommandError(f'python -m {rest[0]} is not known')


def calls_of_script(script: str, rest: list[str]) -> Iterator[tuple[str, list[str]]]:
    """A script by its path, or by its name alone where only one has it."""
    if '/' not in script:
        [path] = ROOT.glob(f'tools/**/{script}')
        script = str(path.relative_to(ROOT))
    if not (ROOT / script).is_file():
        raise WrongCommandError(f'{script} does not exist')
    check_configs(rest)
    if script in SCRIPTS:
        script, places = SCRIPTS[script]
        first = [rest[place] if isinstance(place, int) else place for place in places]
        known = max((place + 1 for place in places if isinstance(place, int)), default=0)
        rest = first + rest[known:]
    if script == 'tools/benchmarks/gpu/run.py' and '--wheels' in rest:  # the script's own
        place = rest.index('--wheels')
        del rest[place : place + 2]
    yield script, rest
    if script == 'tools/dist.py':
        yield f'tools/{rest[0]}.py', rest[2:]


def check_configs(words: list[str]) -> None:
    for word in words:
        if CONFIG.fullmatch(word):
            try:
                find_config(word)
            except FileNotFoundError as error:
                raise WrongCommandError(str(error)) from error


def check_extras(words: list[str]) -> None:
    parser = configparser.ConfigParser()
    parser.read(ROOT / 'setup.cfg')
    for extras in re.findall(r'(?:\.|senet_mm)\[(.+?)\]', ' '.join(words)):
        if missing := set(extras.split(',')) - set(parser['options.extras_require']):
            raise WrongCommandError(f'setup.cfg has no extra {missing}')


def check_targets(words: list[str]) -> None:
    targets = re.search(r'^\.PHONY: (.*)', (ROOT / 'Makefile').read_text(), re.M)[1].split()
    if missing := {word for word in words if '=' not in word} - set(targets):
        raise WrongCommandError(f'Makefile has no target {missing}')
