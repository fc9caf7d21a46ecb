"""Files beside rows: what is refused; a file is stored whole, in its folder, or not at all (rules A-110 to A-112)."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.destinations.memory import MemoryDestination
from headwater.errors import RowError
from headwater.file_upload import CHUNK_BYTES, FileStore, FileUpload, ReadTimedOut, StreamWithoutRead
from headwater.options import Options
from headwater.sync import Quiet, Result, Sync

PATH = "Invalid file path: "
READ = "Invalid stream.read() return type: expected bytes, but received "
SIZE = "Invalid expected_bytes: "
NO_READ = "Invalid stream: object of type '{}' does not have a read() method."


class Pieces:
    """A stream that gives what it is told to, and remembers how much it was asked for."""

    def __init__(self, *pieces: Any) -> None:
        self._pieces = list(pieces)
        self.asked: list[int] = []

    def read(self, size: int = -1, /) -> Any:
        self.asked.append(size)
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece


WRONG: list[tuple[tuple[Any, ...], Exception]] = [
    # path, stream, expected_bytes          error
    ((None, Pieces()),                      ValueError(PATH + "expected a string, but received NoneType.")),
    ((1, Pieces()),                         ValueError(PATH + "expected a string, but received int.")),
    (("", Pieces()),                        ValueError(PATH + "path cannot be empty or contain only whitespace.")),
    ((" \t", Pieces()),                     ValueError(PATH + "path cannot be empty or contain only whitespace.")),
    (("a\0b", Pieces()),
     ValueError(PATH + "path contains null bytes (\\x00), which are not allowed.")),
    (("a/", Pieces()),                      ValueError("Invalid file path 'a/': path cannot end with a slash.")),
    (("a//b", Pieces()),                    ValueError("Invalid file path 'a//b': path contains double slashes (//).")),
    (("a", b"bytes"),                       StreamWithoutRead(NO_READ.format("bytes"))),
    (("a", None),                           StreamWithoutRead(NO_READ.format("NoneType"))),
    (("a", Pieces(), -1),                   ValueError(SIZE + "-1 is negative.")),
    (("a", Pieces(), 2**63),
     ValueError(SIZE + f"{2**63} exceeds maximum allowed size of {2**63 - 1:,} bytes")),
    (("a", Pieces(), True),                 ValueError(SIZE + "expected an integer, but received bool.")),
    (("a", Pieces(), 1.0),                  ValueError(SIZE + "expected an integer, but received float.")),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "error"), WRONG, ids=[repr(arguments[0]) for arguments, _ in WRONG])
def test_a110_a_wrong_file_is_refused_where_it_is_made(arguments: tuple[Any, ...], error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        FileUpload(*arguments)

    assert str(caught.value) == str(error)


@pytest.mark.parametrize("kind", [ValueError, TypeError])
def test_a110_a_stream_that_cannot_be_read_is_what_either_way_of_asking_expects(kind: type[Exception]) -> None:
    with pytest.raises(kind, match="does not have a read"):
        FileUpload("a", object())  # type: ignore[arg-type]  # what it refuses is what is tested


def test_a110_a_file_does_not_change_after_it_was_looked_at() -> None:
    upload = FileUpload("a", io.BytesIO())

    with pytest.raises(AttributeError):
        upload.path = "../b"  # type: ignore[misc]  # what it refuses is what is tested


@pytest.mark.parametrize("expected_bytes", [None, 0, 2**63 - 1])
def test_a110_a_right_file_keeps_what_it_is_given_and_its_path_is_stripped(expected_bytes: int | None) -> None:
    stream = io.BytesIO()
    upload = FileUpload(" a/b.txt ", stream, expected_bytes)

    assert (upload.path, upload.stream, upload.expected_bytes) == ("a/b.txt", stream, expected_bytes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


def stored(folder: Path) -> dict[str, bytes]:
    """Read everything in the folder, hidden files too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


CONTENTS = [
    # pieces                                      the file
    ((),                                          b""),
    ((b"x",),                                     b"x"),
    ((b"a", b"b" * CHUNK_BYTES, b"c"),            b"a" + b"b" * CHUNK_BYTES + b"c"),
]  # fmt: skip


@pytest.mark.parametrize(("pieces", "content"), CONTENTS, ids=["empty", "one piece", "three pieces"])
def test_a111_a_file_is_read_in_pieces_and_stored_whole(
    folder: Path, pieces: tuple[bytes, ...], content: bytes
) -> None:
    stream = Pieces(*pieces)

    path = FileStore(folder).store("orders", FileUpload("2024/a.bin", stream, len(content)))

    assert path == "orders/2024/a.bin"
    assert stored(folder) == {"orders/2024/a.bin": content}
    assert [0 < size <= CHUNK_BYTES for size in stream.asked] == [True] * (len(pieces) + 1)


def test_a112_a_file_that_comes_again_takes_the_place_of_the_first(folder: Path) -> None:
    store = FileStore(folder)

    store.store("orders", FileUpload("a.txt", io.BytesIO(b"first")))
    store.store("orders", FileUpload("a.txt", io.BytesIO(b"second")))
    store.store("lines", FileUpload("a.txt", io.BytesIO(b"third")))

    assert stored(folder) == {"orders/a.txt": b"second", "lines/a.txt": b"third"}


OUTSIDE = ["/etc/passwd", "../a", "a/../../b", "a/..", "..", "\\\\host\\share", "a\\..\\b"]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a110_no_path_leads_out_of_the_folder(folder: Path, path: str) -> None:
    with pytest.raises(RowError) as caught:
        FileStore(folder).store("orders", FileUpload(path, io.BytesIO(b"x")))

    assert str(caught.value) == f"orders: the file path {path!r} leads out of the folder of files"
    assert not folder.exists()


@pytest.mark.parametrize("table", ["..", "/tmp", "../orders"])
def test_no_name_of_a_table_leads_out_of_the_folder_either(folder: Path, table: str) -> None:
    with pytest.raises(RowError):
        FileStore(folder).store(table, FileUpload("a", io.BytesIO(b"x")))

    assert list(folder.parent.iterdir()) == []


def test_a_link_in_the_folder_leads_nowhere(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (folder / "orders").mkdir(parents=True)
    (folder / "orders" / "link").symlink_to(outside)

    with pytest.raises(RowError):
        FileStore(folder).store("orders", FileUpload("link/a", io.BytesIO(b"x")))

    assert list(outside.iterdir()) == []


BROKEN: list[tuple[Pieces, int | None, Exception]] = [
    # stream                          expected   error
    (Pieces(b"abc"),                  4,         RowError("orders: the file a.txt has 3 bytes, not 4")),
    (Pieces(b"abc"),                  0,         RowError("orders: the file a.txt has 3 bytes, not 0")),
    (Pieces(b"abc", "text"),          None,      TypeError(READ + "str.")),
    (Pieces(None),                    None,      TypeError(READ + "NoneType.")),
    (Pieces(b"abc", OSError("gone")), None,      OSError("gone")),
]  # fmt: skip


@pytest.mark.parametrize(("stream", "expected", "error"), BROKEN, ids=[str(error) for *_, error in BROKEN])
def test_a_file_that_is_not_whole_leaves_the_one_before(
    folder: Path, stream: Pieces, expected: int | None, error: Exception
) -> None:
    store = FileStore(folder)
    store.store("orders", FileUpload("a.txt", io.BytesIO(b"before")))

    with pytest.raises(type(error)) as caught:
        store.store("orders", FileUpload("a.txt", stream, expected))

    assert str(caught.value) == str(error)
    assert stored(folder) == {"orders/a.txt": b"before"}


# --- a stream that hangs


class Hanging:
    """A stream that gives its pieces, each after a while, and then hangs until it is let go."""

    def __init__(self, *pieces: bytes, wait_seconds: float = 0.0) -> None:
        self._pieces = list(pieces)
        self._wait_seconds = wait_seconds
        self.let_go = threading.Event()

    def read(self, size: int = -1, /) -> bytes:
        if not self._pieces:
            self.let_go.wait(60)
            return b""
        time.sleep(self._wait_seconds)
        return self._pieces.pop(0)


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    stream = Hanging(b"abc")
    yield stream
    stream.let_go.set()


HANGS = "orders: the file a.txt: one read() of its stream gave nothing for 0.2 seconds"


def test_a111_a_read_that_never_returns_is_given_up_and_leaves_the_file_before(folder: Path, hanging: Hanging) -> None:
    store = FileStore(folder, read_seconds=0.2)
    store.store("orders", FileUpload("a.txt", io.BytesIO(b"before")))

    with pytest.raises(ReadTimedOut) as caught:
        store.store("orders", FileUpload("a.txt", hanging))

    assert isinstance(caught.value, TimeoutError)  # as 2.13.1 raises
    assert caught.value.message == HANGS
    assert stored(folder) == {"orders/a.txt": b"before"}


def test_a111_the_limit_is_for_one_read_not_for_a_file(folder: Path) -> None:
    stream = Hanging(b"a", b"b", b"c", b"d", b"", wait_seconds=0.15)

    FileStore(folder, read_seconds=0.5).store("orders", FileUpload("a.txt", stream))

    assert stored(folder) == {"orders/a.txt": b"abcd"}


def test_threads_that_read_end_with_their_file(folder: Path, hanging: Hanging) -> None:
    store = FileStore(folder, read_seconds=0.2)
    store.store("orders", FileUpload("a.txt", io.BytesIO(b"whole")))
    with pytest.raises(OSError, match="gone"):
        store.store("orders", FileUpload("a.txt", Pieces(OSError("gone"))))
    with pytest.raises(ReadTimedOut):
        store.store("orders", FileUpload("a.txt", hanging))
    reading = [thread for thread in threading.enumerate() if thread.name == "headwater-file"]
    hanging.let_go.set()
    for thread in reading:
        thread.join(10)

    assert [thread.daemon for thread in reading] == [True] * len(reading)
    assert [thread.is_alive() for thread in reading] == [False] * len(reading)


def sync(folder: Path, *emitted: tuple[int, Any], caught: list[str]) -> tuple[Result, MemoryDestination]:
    """Run a sync that emits rows with files into an own folder and goes on after a read that timed out."""

    def update(configuration: dict[str, Any], state: dict[str, Any]) -> None:
        for id, stream in emitted:
            try:
                op.upsert("orders", {"id": id}, file=FileUpload("a.txt", stream) if stream else None)
            except TimeoutError as error:
                caught.append(str(error).splitlines()[0])

    schema = [{"table": "orders", "primary_key": ["id"]}]
    destination = MemoryDestination()
    destination.open()
    result = Sync(
        Connector(update=update, schema=lambda configuration: schema),
        {},
        destination,
        Options(),
        Quiet(),
        files=FileStore(folder, read_seconds=0.2),
    ).run()
    return result, destination


def test_a_sync_goes_on_without_the_row_whose_file_hangs_and_ends(folder: Path, hanging: Hanging) -> None:
    caught: list[str] = []

    result, destination = sync(folder, (1, None), (2, hanging), (3, io.BytesIO(b"third")), caught=caught)

    assert (result.error, caught) == (None, [HANGS])
    assert stored(folder) == {"orders/a.txt": b"third"}
    rows = [(row["id"], row["_fivetran_file_path"]) for row in destination.rows("orders")]
    assert sorted(rows) == [(1, None), (3, "orders/a.txt")]
