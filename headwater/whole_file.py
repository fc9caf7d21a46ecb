"""Files that a crash leaves old or new, never half."""

from __future__ import annotations

import glob
import os
from contextlib import suppress
from pathlib import Path

StrPath = str | Path


def write_whole(path: Path, content: str | bytes, *, durable: bool = True, private: bool = False) -> None:
    """Write a file so that a crash leaves the old or the new one, never half.

    durable  wait for the disk. A copy that can be made again need not: a crash may also leave none.
    private  for the owner's eyes only
    """
    temporary = _half(path)
    try:
        _write(temporary, content, durable=durable, private=private)
        if not durable:  # taking the place of another file sends it to the disk at once, which takes most of the time
            _remove(path)
        os.replace(temporary, path)
    except BaseException:  # after Ctrl-C too no half is left
        _remove(temporary)
        raise


def write_new(path: Path, content: str | bytes, *, private: bool = False) -> None:
    """Write a file whole and durably, unless there is one.

    Errors: FileExistsError.
    """
    temporary = _half(path)
    try:
        _write(temporary, content, durable=True, private=private)
        name_unless_taken(temporary, path)
    finally:
        _remove(temporary)


def name_unless_taken(temporary: StrPath, path: Path) -> None:
    """Give a file its name.

    Errors: FileExistsError when another process has made one of this name.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links, as exFAT, can only rename
        os.rename(temporary, path)


def remove_halves(path: Path) -> None:
    """Remove what was left of `path` where its writer was killed; one that lives may still be writing."""
    for half in path.parent.glob(f".{glob.escape(path.name)}.*"):
        if not _is_alive(half.name.rpartition(".")[2]):
            half.unlink(missing_ok=True)


def _half(path: Path) -> str:
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{os.getpid()}")


def _remove(path: StrPath) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _is_alive(pid: str) -> bool:
    if not pid.isdecimal() or int(pid) == os.getpid():
        return not pid.isdecimal()  # what another program has named so is none of ours
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _write(temporary: str, content: str | bytes, *, durable: bool, private: bool) -> None:
    # What a killed process of this number has left is not written on: it may be open to others.
    _remove(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if private else 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
