"""Files beside rows: `op.upsert(..., file=FileUpload(path, stream))`.

Takes     a name and anything that can be read in bytes
Gives     the file, stored whole in a folder of the project
Promises  the file is there before its row is; no name leads out of the folder; a read that hangs is given up
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from queue import Empty, SimpleQueue
from typing import Protocol, runtime_checkable

from headwater.errors import ConnectorError, RowError

CHUNK_BYTES = 2 * 1024 * 1024
# What one read may take, as in fivetran-connector-sdk 2.13.1 (rule A-111).
READ_SECONDS = 300.0
_MAX_BYTES = 2**63 - 1


class ReadTimedOut(ConnectorError, TimeoutError):
    """An author's stream has given nothing for too long."""


@runtime_checkable
class ByteStream(Protocol):
    """What a file is read from: `read(n)` gives at most n bytes, and none at the end."""

    def read(self, size: int = -1, /) -> bytes: ...


class StreamWithoutRead(ValueError, TypeError):
    """What a file is to be read from has no `read()`: 2.13.1 raises ValueError here, and Python itself a TypeError."""


@dataclass(frozen=True)
class FileUpload:
    """A file to store with a row.

    path            where it goes, relative, with `/` between folders
    stream          read to its end, in pieces of 2 MB
    expected_bytes  if given, the file must have exactly this size

    Errors: ValueError for a path, stream or size that cannot be used (rule A-110): here, in the author's own line;
    2.13.1 raises it in the operation that gets the file.
    """

    path: str
    stream: ByteStream
    expected_bytes: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", _usable_path(self.path))  # once, before anyone has it
        if not callable(getattr(self.stream, "read", None)):
            kind = type(self.stream).__name__
            raise StreamWithoutRead(f"Invalid stream: object of type '{kind}' does not have a read() method.")
        if self.expected_bytes is not None:
            _check_size(self.expected_bytes)


def _usable_path(path: object) -> str:
    if not isinstance(path, str):
        raise ValueError(f"Invalid file path: expected a string, but received {type(path).__name__}.")
    path = path.strip()
    if not path:
        raise ValueError("Invalid file path: path cannot be empty or contain only whitespace.")
    if "\0" in path:
        raise ValueError("Invalid file path: path contains null bytes (\\x00), which are not allowed.")
    if path.endswith("/"):
        raise ValueError(f"Invalid file path '{path}': path cannot end with a slash.")
    if "//" in path:
        raise ValueError(f"Invalid file path '{path}': path contains double slashes (//).")
    return path


def _check_size(size: object) -> None:
    if isinstance(size, bool) or not isinstance(size, int):
        raise ValueError(f"Invalid expected_bytes: expected an integer, but received {type(size).__name__}.")
    if size < 0:
        raise ValueError(f"Invalid expected_bytes: {size} is negative.")
    if size > _MAX_BYTES:
        raise ValueError(f"Invalid expected_bytes: {size} exceeds maximum allowed size of {_MAX_BYTES:,} bytes")


class FileStore:
    """A folder that holds the files of a destination.

    read_seconds  what one read of an author's stream may take
    """

    def __init__(self, folder: Path, *, read_seconds: float = READ_SECONDS) -> None:
        self._folder = folder
        self._read_seconds = read_seconds

    def store(self, table: str, upload: FileUpload) -> str:
        """Store a file under the table's name, whole or not at all; give its path relative to the folder.

        Errors: RowError for a path that leads out of the folder, or a wrong size; those of `chunks`.
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
            with closing(chunks(table, upload, read_seconds=self._read_seconds)) as content:
                size = _copy(content, temporary)
            if upload.expected_bytes is not None and size != upload.expected_bytes:
                raise RowError(f"{table}: the file {upload.path} has {size} bytes, not {upload.expected_bytes}")
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        return PurePosixPath(table, *parts).as_posix()


def chunks(table: str, upload: FileUpload, *, read_seconds: float = READ_SECONDS) -> Generator[bytes, None, None]:
    """Read a file's stream to its end, in chunks of 2 MB, of which the last may be smaller.

    read_seconds  what one read may take

    Errors: ReadTimedOut; TypeError when a read gives no bytes; whatever a read raises.
    """
    reader = _Reader(upload.stream)
    try:
        while chunk := reader.next_chunk(read_seconds):
            yield chunk
    except _Silent:
        raise ReadTimedOut(
            f"{table}: the file {upload.path}: one read() of its stream gave nothing for {read_seconds:g} seconds",
            hint="Give the stream a timeout of its own, such as requests.get(…, timeout=60), and check its source.",
        ) from None
    finally:
        reader.close()


class _Silent(Exception):
    """A read has not returned in time."""


class _Reader:
    """Reads a stream in a thread of its own: whoever waits for a read that never returns can give it up.

    That thread is a daemon, as it may hang for as long as the process lives.
    """

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._given: SimpleQueue[bytes | BaseException] = SimpleQueue()
        self._reading_since = 0.0
        threading.Thread(target=self._answer, name="headwater-file", daemon=True).start()

    def next_chunk(self, read_seconds: float) -> bytes:
        """Give the next chunk, none at the end.

        Errors: _Silent when one read of it takes longer than `read_seconds`; what a read raises.
        """
        self._reading_since = time.monotonic()
        self._asked.put(True)
        while (left := self._reading_since + read_seconds - time.monotonic()) > 0:
            try:
                given = self._given.get(timeout=left)
            except Empty:
                continue  # other reads may have come meanwhile
            if isinstance(given, BaseException):
                raise given
            return given
        raise _Silent

    def close(self) -> None:
        """Let the thread end, once its read returns."""
        self._asked.put(False)

    def _answer(self) -> None:
        content = self._chunks()
        while self._asked.get():
            try:
                self._given.put(next(content, b""))
            except BaseException as error:  # noqa: BLE001 - the top of a thread: it is raised where the chunk is awaited
                self._given.put(error)

    def _chunks(self) -> Iterator[bytes]:
        chunk = bytearray()
        while piece := self._read(CHUNK_BYTES - len(chunk)):
            chunk += piece
            while len(chunk) >= CHUNK_BYTES:  # more, where a stream gives more than what it is asked for
                yield bytes(chunk[:CHUNK_BYTES])
                del chunk[:CHUNK_BYTES]
        if chunk:
            yield bytes(chunk)

    def _read(self, size: int) -> bytes:
        self._reading_since = time.monotonic()
        piece = self._stream.read(size)
        if not isinstance(piece, bytes):
            raise TypeError(f"Invalid stream.read() return type: expected bytes, but received {type(piece).__name__}.")
        return piece


def _copy(content: Iterator[bytes], target: Path) -> int:
    size = 0
    with target.open("wb") as file:
        for chunk in content:
            size += file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return size
