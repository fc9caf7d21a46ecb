"""Reading what an operator hands over in a file or through a FIFO."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.errors import ConfigurationError
from headwater.piped_file import WAIT_SECONDS, read_text


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


@pytest.fixture
def writing() -> Iterator[list[threading.Thread]]:
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join(5)


def write(path: Path, pieces: list[bytes], threads: list[threading.Thread], pause: float = 0.05) -> None:
    """Write pieces into a FIFO from another thread, a pause after each."""

    def run() -> None:
        with path.open("wb", buffering=0) as pipe:
            for piece in pieces:
                pipe.write(piece)
                time.sleep(pause)

    threads.append(threading.Thread(target=run, daemon=True))
    threads[-1].start()


@pytest.mark.parametrize(
    "pieces",
    [
        [b"{}"],
        [b'{"a": "', "é".encode()[:1], "é".encode()[1:], b'"}'],
        [b"\xef\xbb\xbf{}"],
        [b"x" * 300_000],
        [],
    ],
    ids=["at once", "in the middle of a character", "byte order mark", "more than a pipe holds", "nothing"],
)  # fmt: skip
def test_a124_a_fifo_is_read_to_its_end(fifo: Path, pieces: list[bytes], writing: list[threading.Thread]) -> None:
    write(fifo, pieces, writing)

    assert read_text(fifo) == b"".join(pieces).decode("utf-8-sig")


def test_a124_a_fifo_that_nobody_writes_to_is_given_up(fifo: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_text(fifo, wait_seconds=0.1)

    assert WAIT_SECONDS == 30
    assert str(caught.value) == (
        f"{fifo}: nothing came through this pipe for 0.1 s\n"
        "See whether the program that writes into it is running, and ends."
    )


def test_a124_a_writer_that_stops_half_way_is_given_up_too(fifo: Path, writing: list[threading.Thread]) -> None:
    write(fifo, [b"{"], writing, pause=0.4)

    with pytest.raises(ConfigurationError, match=r"nothing came through this pipe for 0\.2 s"):
        read_text(fifo, wait_seconds=0.2)


def test_a_file_is_read_as_it_is_and_a_missing_one_says_so(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_bytes(b"\xef\xbb\xbf{}")

    assert read_text(tmp_path / "state.json") == "{}"
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "missing.json")
