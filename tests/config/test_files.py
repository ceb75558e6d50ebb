"""Files that are no configs, or whose bases are none: one line that names the file, at once."""

import os
import textwrap

import pytest

from senet_mm.apis import get_config

LAZY = 'from mmengine.config import read_base\nwith read_base():\n    from .{base} import *\n'
# File -> its text or bytes, and what is said of it; those without a message are parts of others.
FILES = {
    'whole.py': ('a = 1\n', None),
    'self.py': ("_base_ = 'self.py'\n", r'self.py is a base of itself: \S*self.py -> \S*self.py;'),
    'self.yml': ('_base_: self.yml\n', 'self.yml is a base of itself'),
    'self.json': ('{"_base_": "./self.json"}', 'self.json is a base of itself'),
    'self_lazy.py': (LAZY.format(base='self_lazy'), 'self_lazy.py is a base of itself'),
    'one.py': ("_base_ = ['whole.py', 'two.py']\n", r'\S*/one.py -> \S*two.py -> \S*three.py -> '),
    'two.py': (
        "_base_ = 'three.py'\n",
        r'two.py -> \S*three.py -> \S*one.py -> \S*two.py; allowed',
    ),
    'three.py': ("_base_ = 'one.py'\n", 'is a base of itself'),
    'to_circle.py': ("_base_ = 'self.yml'\n", 'self.yml is a base of itself'),
    'no_base.py': ("_base_ = 'none.py'\n", "no_base.py: _base_ 'none.py' does not exist; allowed"),
    'folder_base.py': ("_base_ = 'folder'\n", "folder_base.py: _base_ 'folder' is a folder; allow"),
    'fifo_base.py': ("_base_ = 'fifo.py'\n", "fifo_base.py: _base_ 'fifo.py' is a fifo; allowed"),
    'number_base.py': ('_base_ = [3]\n', 'number_base.py: _base_ holds 3; allowed: paths'),
    'syntax.py': ('x = 1\n\nx = (\n', r"syntax.py, line 3: SyntaxError: '\(' was never closed"),
    'syntax_base.py': ("_base_ = 'to_syntax.py'\n", 'config .*/syntax.py, line 3: SyntaxError'),
    'to_syntax.py': ("_base_ = 'syntax.py'\n", '/syntax.py, line 3: SyntaxError'),
    'syntax_lazy.py': (LAZY.format(base='syntax'), 'syntax.py, line 3: SyntaxError'),
    'name_base.py': ("_base_ = 'name.py'\n", '/name.py, line 2: NameError'),
    'name.py': ('x = 1\ny = z\n', 'name.py, line 2: NameError'),
    'exit.py': ('import sys\nsys.exit(3)\n', 'exit.py, line 2: SystemExit: 3'),
    'text.txt': ('hello', 'config text.txt; allowed: files that end with .py, .json, .yaml, .yml'),
    'text.yml': ('hello', 'text.yml holds str; allowed: names with their values'),
    'list.json': ('[1]', 'list.json holds list; allowed: names with their values'),
    'numbers.yml': ('1: 2', 'numbers.yml holds keys that are no names; allowed'),
    'empty.yml': ('', 'empty.yml holds NoneType; allowed'),
    'empty.json': ('', 'empty.json, line 1: Expecting value'),
    'broken.json': ('{"a": 1,\n"b": }', 'broken.json, line 2: Expecting value'),
    'broken.yml': ('a: 1\nb: [1', 'broken.yml, line 2: '),
    'broken_base.py': ("_base_ = 'broken.json'\n", '/broken.json, line 2: Expecting value'),
    'latin.py': ('x = 1\ny = "ä"\n'.encode('latin1'), 'latin.py, line 2: byte 0xe4 is not UTF-8'),
    'latin.yml': ('x: "ä"'.encode('latin1'), 'latin.yml, line 1: byte 0xe4 is not UTF-8'),
    'latin_base.py': ("_base_ = 'latin.py'\n", '/latin.py, line 2: byte 0xe4 is not UTF-8'),
    'wide.py': ('x = 1\n'.encode('utf-16'), 'wide.py, line 1: byte 0xff is not UTF-8'),
    'marked.py': ('\ufeffx = 1\n', 'marked.py, line 1: a byte order mark; allowed'),
    'null.py': ('x = 1\0\n', 'null.py, line 1: a null byte; allowed'),
    'deep.py': (f'x = {"[" * 3000}{"]" * 3000}\n', 'deep.py, line 1: SyntaxError: too many nested'),
    'deep.json': (f'{{"x": {"[" * 9000}{"]" * 9000}}}', 'deep.json: nested too deeply'),
    'deep.yml': (f'x: {"[" * 900}{"]" * 900}', 'deep.yml: nested too deeply'),
    'holds_itself.py': ("x = {}\nx['x'] = x\n", 'holds_itself.py: nested too deeply, or a value'),
    'fifo.py': (None, 'config fifo.py is a fifo; allowed: a regular file'),
    'folder': (None, 'config folder is a folder; allowed: a file, or the name of one'),
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('files')
    (folder / 'folder').mkdir()
    os.mkfifo(folder / 'fifo.py')
    for name, (content, _) in FILES.items():
        if content is not None:
            data = content if isinstance(content, bytes) else textwrap.dedent(content).encode()
            (folder / name).write_bytes(data)
    return folder


@pytest.mark.parametrize('name', [name for name, (_, message) in FILES.items() if message])
def test_one_line_names_the_file(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    with pytest.raises((ValueError, FileNotFoundError), match=FILES[name][1]) as raised:
        get_config(name)
    assert len(str(raised.value)) < 600


def test_a_base_of_two_files_is_no_circle(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'whole.py').write_text('a = 1\n')
    (tmp_path / 'left.py').write_text("_base_ = 'whole.py'\nb = _base_.a\n")
    (tmp_path / 'right.py').write_text("_base_ = ['left.py', 'other.py']\n")
    (tmp_path / 'other.py').write_text("_base_ = ['empty.py']\nc = 3\n")
    (tmp_path / 'empty.py').write_text('')
    assert get_config('right.py').to_dict() == dict(a=1, b=1, c=3)
