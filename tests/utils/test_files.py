import os
import stat

import pytest

from senet_mm.utils.files import atomic_file


def test_file_is_new_or_replaced(tmp_path):
    for content in (b'one', b'two'):
        with atomic_file(tmp_path / 'file') as file:
            file.write(content)
        assert (tmp_path / 'file').read_bytes() == content
    assert os.listdir(tmp_path) == ['file']


def test_error_leaves_what_was_there(tmp_path):
    def write_half():
        with atomic_file(tmp_path / 'file') as file:
            file.write(b'half')
            file.flush()
            assert (tmp_path / 'file').read_bytes() == b'old'
            raise KeyboardInterrupt

    (tmp_path / 'file').write_bytes(b'old')
    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert (tmp_path / 'file').read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['file']


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / 'plain').touch()
    with atomic_file(tmp_path / 'file') as file:
        file.write(b'')
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        atomic_file(tmp_path / 'none/file').__enter__()
