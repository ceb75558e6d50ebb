"""The house: imports run one way, from its top to its bottom, and functions are short."""

import ast
from pathlib import Path

import pytest

from .conftest import ROOT

# From the top; a room may import those below it. `CONTRIBUTING.md` has the same list.
ROOMS = (
    '__main__', 'cli', 'exits', 'demo', 'study', 'detection', 'apis', 'converters', 'deploy',
    'analysis', 'engine', 'config', 'ops', 'models', 'datasets', 'evaluation', 'registry', 'utils',
    'version',
)  # fmt: skip
# Within the models.
MODELS = (
    'classifiers', 'se_networks', 'recalibration', 'backbones', 'layers', 'heads',
    'data_preprocessors', 'num_classes', 'scoped_init',
)  # fmt: skip


def imports(path: Path) -> set[str]:
    """Modules of ours that a file imports, late imports and those for types included."""
    package = path.relative_to(ROOT).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(package[: len(package) - node.level + 1]) if node.level else ''
            module = '.'.join(filter(None, [base, node.module]))
            found |= {module, *(f'{module}.{alias.name}' for alias in node.names)}
    return {name for name in found if name.startswith('senet_mm.')}


def above(path: Path, rooms: tuple[str, ...], prefix: str) -> list[str]:
    """Imports of a file that lead to a room above its own."""
    depth = prefix.count('.') + 1
    own = path.relative_to(ROOT).with_suffix('').parts[depth]
    if own == '__init__':
        return []
    assert own in rooms, f'{path} is in no room of {prefix}'
    names = [name for name in imports(path) if name.startswith(f'{prefix}.')]
    targets = {name: name.split('.')[depth] for name in names}
    return sorted(
        name
        for name, room in targets.items()
        if room in rooms and rooms.index(room) < rooms.index(own)
    )


FILES = sorted((ROOT / 'senet_mm').rglob('*.py'))


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_down(path):
    assert above(path, ROOMS, 'senet_mm') == []
    if ('models' in path.parts and path.parent.name != 'models') or path.stem == 'se_networks':
        assert above(path, MODELS, 'senet_mm.models') == []


def test_the_plain_networks_know_no_recalibration():
    for path in (ROOT / 'senet_mm/models/backbones').glob('*.py'):
        assert not [name for name in imports(path) if 'recalibration' in name or '.ops' in name]


def modules(path: Path) -> set[str]:
    """First names of the modules that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = {node.module or '' for node in nodes if isinstance(node, ast.ImportFrom)}
    return {name.partition('.')[0] for name in names | froms}


def test_image_operations_are_in_one_room():
    users = {path for path in FILES if modules(path) & {'cv2', 'PIL'}}
    room = ROOT / 'senet_mm/datasets/images'
    assert users
    assert {path.parent for path in users} == {room}
    for path in room.glob('*.py'):
        assert {
            name for name in imports(path) if not name.startswith('senet_mm.datasets.images')
        } == set()


def lines_of_code(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    total = function.end_lineno - function.lineno + 1
    first = function.body[0]
    has_docstring = isinstance(first, ast.Expr) and ast.get_docstring(function)
    return total - (first.end_lineno - first.lineno + 1 if has_docstring else 0)


def test_functions_are_short():
    long = [
        f'{path.relative_to(ROOT)} {node.name}: {lines_of_code(node)}'
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and lines_of_code(node) > 40
    ]
    assert long == []
