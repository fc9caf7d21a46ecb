"""Files beside rows: `op.upsert(..., file=FileUpload(path, stream))`.

Takes     a name and anything that can be read in bytes
Gives     the file, stored whole in a folder of the project
Promises  the file is there before its row is; no name leads out of the folder
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

from headwater.errors import RowError

CHUNK_BYTES = 2 * 1024 * 1024


@runtime_checkable
class ByteStream(Protocol):
    """What a file is read from: `read(n)` gives at most n bytes, and none at the end."""

    def read(self, size: int = -1, /) -> bytes: ...


class FileUpload:
    """A file to store with a row.

    path            where it goes, relative, with `/` between folders
    stream          read to its end, in pieces of 2 MB
    expected_bytes  if given, the file must have exactly this size

    Errors: ValueError or TypeError for a path or stream that cannot be used (rule A-110).
    """

    def __init__(self, path: str, stream: ByteStream, expected_bytes: int | None = None) -> None:
        if not isinstance(path, str) or not path.strip():
            raise ValueError("FileUpload: path must be a non-empty string")
        path = path.strip()
        if "\0" in path or path.endswith("/") or "//" in path:
            raise ValueError(f"FileUpload: {path!r} is not the path of a file")
        if not callable(getattr(stream, "read", None)):
            raise TypeError(f"FileUpload: stream needs a read() method; {type(stream).__name__} has none")
        if expected_bytes is not None and (
            isinstance(expected_bytes, bool) or not isinstance(expected_bytes, int) or not 0 <= expected_bytes < 2**63
        ):
            raise ValueError(f"FileUpload: expected_bytes must be a whole number of bytes, not {expected_bytes!r}")
        self.path = path
        self.stream = stream
        self.expected_bytes = expected_bytes


class FileStore:
    """A folder that holds the files of a destination."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def store(self, table: str, upload: FileUpload) -> str:
        """Store a file under the table's name, whole or not at all; give its path relative to the folder.

        Errors: RowError for a path that leads out of the folder, or a wrong size; TypeError when a read gives no bytes.
        """
        parts = PurePosixPath(upload.path).parts
        if upload.path.startswith("/") or ".." in parts or "\\" in upload.path:
            raise RowError(f"{table}: the file path {upload.path!r} leads out of the folder of files")
        target = self._folder.joinpath(table, *parts)
        if not target.resolve().is_relative_to(self._folder.resolve()):
            raise RowError(f"{table}: the file path {upload.path!r} leads out of the folder of files")
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            size = _copy(upload.stream, temporary)
            if upload.expected_bytes is not None and size != upload.expected_bytes:
                raise RowError(f"{table}: the file {upload.path} has {size} bytes, not {upload.expected_bytes}")
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return PurePosixPath(table, *parts).as_posix()


def chunks(stream: ByteStream) -> Iterator[bytes]:
    """Read a stream to its end, in chunks of 2 MB, of which the last may be smaller.

    Errors: TypeError when a read gives no bytes.
    """
    chunk = bytearray()
    while True:
        piece = stream.read(CHUNK_BYTES - len(chunk))
        if not isinstance(piece, bytes):
            raise TypeError(f"FileUpload: read() must give bytes, got {type(piece).__name__}")
        if not piece:
            break
        chunk += piece
        while len(chunk) >= CHUNK_BYTES:  # more, where a stream gives more than what it is asked for
            yield bytes(chunk[:CHUNK_BYTES])
            del chunk[:CHUNK_BYTES]
    if chunk:
        yield bytes(chunk)


def _copy(stream: ByteStream, target: Path) -> int:
    size = 0
    with target.open("wb") as file:
        for chunk in chunks(stream):
            size += file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size
