"""Words: public functions of tensors say their shapes, and a name has one meaning."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import ROOT

# (N, C, H, W), (N, C', H/s, W/s), (C,), (..., 1), (rows,), (1000,)
SHAPE = re.compile(r"\((?:[A-Z]\w*'?|\d+|\.\.\.|rows|classes),[^()]*(?:\([^()]*\)[^()]*)*\)")


def has_tensor(annotation: ast.expr | None) -> bool:
    """Whether an annotation has a Tensor, or some; a dict or callable says its shapes elsewhere."""
    match annotation:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name == 'Tensor'
        case ast.Subscript(value=ast.Name(id='tuple' | 'list' | 'Sequence'), slice=items):
            return has_tensor(items)
        case ast.Tuple(elts=items):
            return any(map(has_tensor, items))
        case ast.BinOp(left=left, right=right):
            return has_tensor(left) or has_tensor(right)
    return False


def without_shape(body: list[ast.stmt], outer: str = '', path: str = '') -> Iterator[str]:
    """Public functions of tensors without a shape; a method may have it in its class's docstring.

    Args:
        body: Statements of a module or class.
        outer: Docstring of the class.
        path: Name of the class, for the message.
    """
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or node.name.startswith('_'):
            continue
        docstring, name = ast.get_docstring(node), f'{path}{node.name}'
        if isinstance(node, ast.ClassDef):
            yield from without_shape(node.body, docstring or '', f'{name}.')
            continue
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        annotations = [argument.annotation for argument in arguments]
        of_tensors = any(map(has_tensor, [*annotations, node.returns]))
        if of_tensors and not SHAPE.search(outer if docstring is None else docstring):
            yield name


@pytest.mark.parametrize(
    ('source', 'found'),
    [
        ('def f(x: Tensor): "Scale a map."', ['f']),
        ('def f(x: Tensor): "Scale (N, C, H, W)."', []),
        ('def f() -> tuple[Tensor, int]: "(N, C\', ceil(H/s), W) and more"', []),
        ('def f(x: list[Tensor] | None): "Of (some, words) in brackets."', ['f']),
        ('def f(x: dict[str, Tensor]): "A state dict."', []),
        ('def _f(x: Tensor): "Private."', []),
        ('class A:\n "Scales (N, C)."\n def forward(self, x: Tensor): pass', []),
        ('class A:\n "Scales."\n def forward(self, x: torch.Tensor): pass', ['A.forward']),
    ],
)
def test_a_missing_shape_is_found(source, found):
    assert [*without_shape(ast.parse(source).body)] == found


def test_functions_of_tensors_say_shapes():
    files: list[Path] = sorted((ROOT / 'senet_mm').rglob('*.py'))
    missing = [
        f'{path.relative_to(ROOT)}: {name}'
        for path in files
        for name in without_shape(ast.parse(path.read_text()).body)
    ]
    assert missing == []


# The plain and the fast form of the same function, see `senet_mm.ops.fused.backend`.
TWINS = {('ops/kernels.py', 'ops/plain.py')}


def test_a_name_has_one_meaning():
    """No public function or class has the name of another one."""
    places: dict[str, list[str]] = {}
    for path in sorted((ROOT / 'senet_mm').rglob('*.py')):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith('_'):
                file = path.relative_to(ROOT / 'senet_mm').as_posix()
                places.setdefault(node.name, []).append(file)
    twice = {name: files for name, files in places.items() if len(files) > 1}
    assert {name: files for name, files in twice.items() if tuple(files) not in TWINS} == {}
