import os
import socket
import stat
import threading

import pytest

from senet_mm.utils.files import (
    atomic_file,
    check_inside,
    check_regular_file,
    check_writable,
    output_file,
)


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


WRITE = (atomic_file, output_file)


@pytest.mark.parametrize('write', WRITE)
@pytest.mark.parametrize('is_there', [True, False])
def test_link_stays(tmp_path, write, is_there):
    """The file that it leads to, by another link, is replaced or made."""
    (tmp_path / 'real').mkdir()
    if is_there:
        (tmp_path / 'real/file').write_bytes(b'old')
    (tmp_path / 'middle').symlink_to('real/file')
    (tmp_path / 'link').symlink_to('middle')
    with write(tmp_path / 'link') as file:
        file.write(b'new')
    assert (tmp_path / 'link').is_symlink()
    assert (tmp_path / 'middle').is_symlink()
    assert (tmp_path / 'real/file').read_bytes() == b'new'
    assert sorted(os.listdir(tmp_path)) == ['link', 'middle', 'real']
    assert os.listdir(tmp_path / 'real') == ['file']


@pytest.mark.parametrize('write', [*WRITE, check_writable])
@pytest.mark.parametrize('name', ['x', 'link'])
def test_folder_and_socket_are_not_replaced(tmp_path, monkeypatch, write, name):
    monkeypatch.chdir(tmp_path)
    for make, kind in ((os.mkdir, 'a folder'), (make_socket, 'a socket')):
        make('x')
        (tmp_path / 'link').symlink_to('x')
        with pytest.raises(ValueError, match=f'^{name} is {kind}; allowed: a file, or a new name$'):
            enter(write(name))
        assert sorted(os.listdir()) == ['link', 'x']
        (os.rmdir if kind == 'a folder' else os.unlink)('x')
        os.unlink('link')


def enter(context):
    """Does what is left to do of one; a function has done all."""
    if context is not None:
        with context as file:
            file.write(b'')


@pytest.mark.parametrize('name', ['fifo', 'link'])
def test_fifo(tmp_path, name):
    """It is refused by ``atomic_file``, and written as it is by ``output_file``."""
    os.mkfifo(tmp_path / 'fifo')
    (tmp_path / 'link').symlink_to('fifo')
    path = tmp_path / name
    with pytest.raises(ValueError, match=f'{name} is a fifo; allowed: a file, or a new name$'):
        enter(atomic_file(path))
    check_writable(path)
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / 'fifo').read_bytes()))
    reader.start()
    with output_file(path) as file:
        file.write(b'text')
    reader.join()
    assert read == [b'text']
    assert stat.S_ISFIFO((tmp_path / 'fifo').stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ['fifo', 'link']


def test_stdout_that_is_a_file_keeps_its_content(tmp_path):
    """As after ``>> file``; ``/dev/stdout`` leads to it."""
    (tmp_path / 'file').write_bytes(b'old ')
    (tmp_path / 'link').symlink_to('file')
    kept = os.dup(1)
    try:
        with open(tmp_path / 'file', 'ab') as file:
            os.dup2(file.fileno(), 1)
            with output_file(tmp_path / 'link') as out:
                out.write(b'new')
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert (tmp_path / 'file').read_bytes() == b'old new'


@pytest.mark.parametrize('write', [*WRITE, check_writable])
def test_error_names_what_was_given(tmp_path, write):
    """Not the temporary file beside it: the folder is the system's, and takes no file."""
    (tmp_path / 'link').symlink_to('/proc/self/file.csv')
    for path in (tmp_path / 'link', '/proc/self/file.csv'):
        with pytest.raises(OSError, match=r'.') as raised:
            enter(write(path))
        assert raised.value.filename == str(path)
    (tmp_path / 'loop').symlink_to('loop')
    with pytest.raises(OSError, match='symbolic links'):
        enter(write(tmp_path / 'loop'))
    assert (tmp_path / 'loop').is_symlink()


def test_nothing_is_left_of_a_check(tmp_path):
    (tmp_path / 'file').write_bytes(b'old')
    check_writable(tmp_path / 'file')
    check_writable(tmp_path / 'new')
    assert os.listdir(tmp_path) == ['file']
    assert (tmp_path / 'file').read_bytes() == b'old'


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
