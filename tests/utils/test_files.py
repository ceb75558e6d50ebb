import os
import socket
import stat

import pytest

from senet_mm.utils.files import atomic_file, check_inside, check_regular_file


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


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


@pytest.mark.parametrize(
    ('make', 'kind'), [(os.mkdir, 'a folder'), (os.mkfifo, 'a fifo'), (make_socket, 'a socket')]
)
def test_what_is_no_regular_file(tmp_path, monkeypatch, make, kind):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    make('x')
    (tmp_path / 'link').symlink_to('x')
    for name in ('x', 'link'):
        with pytest.raises(ValueError, match=f'^shard {name} is {kind}; allowed: a regular file$'):
            check_regular_file(name, 'shard')


def test_devices_and_nothing(tmp_path):
    with pytest.raises(ValueError, match=r'^file /dev/null is a device'):
        check_regular_file('/dev/null')
    (tmp_path / 'file').touch()
    (tmp_path / 'broken').symlink_to('nowhere')
    for name in ('none', 'file/below', 'broken'):
        with pytest.raises(FileNotFoundError, match=f'^file {tmp_path}/{name} does not exist$'):
            check_regular_file(tmp_path / name)
    check_regular_file(tmp_path / 'file')


def test_paths_in_a_folder(tmp_path):
    folder = tmp_path / 'folder'
    (folder / 'sub').mkdir(parents=True)
    (tmp_path / 'alias').symlink_to(folder)
    (folder / 'inner').symlink_to('sub')
    (folder / 'outer').symlink_to(tmp_path)
    for name in ('a', 'sub/a', 'sub/../a', 'inner/a', folder / 'a'):
        check_inside(folder / name, folder)
        check_inside(folder / name, tmp_path / 'alias')
    for name in ('../a', 'sub/../../a', '/etc/passwd', 'outer/a', '../folder2/a'):
        with pytest.raises(ValueError, match=r'leads out of .*folder; allowed: files in it$'):
            check_inside(folder / name, folder)
