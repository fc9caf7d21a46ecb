"""Downloads from a real server on loopback that breaks off, forgets, changes its file, and lies."""

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from sdk_helpers.auth import Bearer
from sdk_helpers.downloads import download, download_chunks, downloaded, strong_validator
from sdk_helpers.http import ApiClient, ApiError, BadBody, NotFound
from sdk_helpers.retry import Backoff
from tests.unit.sdk_helpers.loopback import Asked, Clock, Reply, Server, served

FILE = random.Random(4).randbytes(300_000)
CHANGED = FILE[:1000][::-1]
TAG = {"ETag": '"1"'}


def client(server: Server, **options: Any) -> ApiClient:
    clock = Clock()
    backoff = Backoff(sleep=clock.sleep, clock=clock.monotonic, jitter=random.Random(1))
    return ApiClient(server.url, backoff=backoff, auth=Bearer("t0ken-t0ken"), **options)


def file_server(*cuts: int, content: bytes = FILE, tag: dict[str, str] = TAG, ranges: bool = True) -> Server:
    """A server of one file: its first answers hang up after so many bytes each, those that follow are whole."""
    left = list(cuts)

    def answer(asked: Asked) -> Reply:
        wanted = re.fullmatch(r"bytes=(\d+)-", asked.headers.get("range", "")) if ranges else None
        start, status, headers = 0, 200, dict(tag)
        if wanted and asked.headers.get("if-range") in tag.values():
            start, status = int(wanted[1]), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        rest = content[start:]
        sent = rest[: left.pop(0)] if left else rest
        return Reply(sent, status, headers, length=len(rest))

    return Server(answer)


def ranges_asked(server: Server) -> list[str | None]:
    return [asked.headers.get("range") for asked in server.asked]


@pytest.mark.parametrize(
    ("server",                                             "ranges"),
    [
        (lambda: file_server(),                            [None]),
        (lambda: file_server(100_000, 50_000),             [None, "bytes=100000-", "bytes=150000-"]),
        (lambda: file_server(0, 0, 200_000),               [None, None, None, "bytes=200000-"]),
        (lambda: file_server(100_000, tag={"ETag": 'W/"1"'}), [None, None]),
        (lambda: file_server(100_000, tag={}),             [None, None]),
        (lambda: file_server(100_000, tag={"Last-Modified": "Fri, 01 Mar 2024 08:00:00 GMT"}), [None, "bytes=100000-"]),
        (lambda: file_server(100_000, ranges=False),       [None, "bytes=100000-"]),
        (lambda: file_server(content=b""),                 [None]),
    ],
    ids=["whole", "broken twice", "broken at once", "weak tag", "no tag", "by date", "no ranges", "empty"],
)  # fmt: skip
def test_a_file_comes_whole_however_often_it_breaks(
    server: Callable[[], Server], ranges: list[str | None], tmp_path: Path
) -> None:
    with server() as running:
        path = download(client(running), "f", tmp_path / "f.bin")

    assert path.read_bytes() in (FILE, b"")
    assert ranges_asked(running) == ranges
    assert all(asked.headers["accept-encoding"] == "identity" for asked in running.asked)
    assert all(asked.headers["authorization"] == "Bearer t0ken-t0ken" for asked in running.asked)
    assert [each.name for each in tmp_path.iterdir()] == ["f.bin"]


def test_a_file_that_changed_after_the_break_is_fetched_from_its_start(tmp_path: Path) -> None:
    with served(
        Reply(FILE[:5000], headers=TAG, length=len(FILE)),
        Reply(CHANGED, headers={"ETag": '"2"'}),
    ) as server:
        path = download(client(server), "f", tmp_path / "f.bin")

    assert path.read_bytes() == CHANGED
    assert server.asked[1].headers["if-range"] == '"1"'


def test_a_file_that_became_too_short_for_its_rest_is_fetched_from_its_start(tmp_path: Path) -> None:
    with served(Reply(FILE[:5000], headers=TAG, length=len(FILE)), Reply(status=416), Reply(CHANGED)) as server:
        path = download(client(server), "f", tmp_path / "f.bin")

    assert path.read_bytes() == CHANGED
    assert ranges_asked(server) == [None, "bytes=5000-", None]


@pytest.mark.parametrize(
    ("replies", "error", "message", "calls"),
    [
        ([Reply(FILE[:9], length=99)], ApiError, "cut short|no whole answer", 5),
        ([Reply(status=404)], NotFound, "answered 404", 1),
        ([Reply(b"x", 206)], BadBody, "answered 206, which brings no file", 1),
        ([Reply(status=204)], BadBody, "answered 204", 1),
        ([Reply(FILE)], BadBody, "larger than 200000 bytes", 1),
        ([Reply(FILE[:9], headers=TAG, length=99), Reply(b"x", 206, {"Content-Range": "bytes 3-98/99"})],
         BadBody, "the server sent 'bytes 3-98/99'", 2),
        ([Reply(FILE[:9], headers=TAG, length=99), Reply(b"x", 206, {"Content-Range": "bytes 9-49/50"})],
         BadBody, "asked for what follows byte 9", 2),
    ],
    ids=["always cut", "gone", "part unasked", "no content", "too large", "another part", "another length"],
)  # fmt: skip
def test_what_is_not_a_whole_file_leaves_the_old_one(
    replies: list[Reply], error: type[ApiError], message: str, calls: int, tmp_path: Path
) -> None:
    target = tmp_path / "f.bin"
    target.write_bytes(b"old")
    with served(*replies) as server, pytest.raises(error, match=message):
        download(client(server), "f", target, max_bytes=200_000)

    assert len(server.asked) == calls
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_body_that_ends_with_the_connection_is_refused(tmp_path: Path) -> None:
    with served(Reply(FILE, length=-1)) as server, pytest.raises(BadBody, match="does not say how long"):
        download(client(server), "f", tmp_path / "f.bin")

    assert len(server.asked) == 1


def test_a_temporary_file_is_at_its_beginning() -> None:
    with file_server(100_000) as server, downloaded(client(server), "f") as file:
        assert file.read() == FILE


def test_chunks_go_on_where_the_transfer_broke() -> None:
    with file_server(100_000, 50_000) as server:
        chunks = list(download_chunks(client(server), "f"))

    assert b"".join(chunks) == FILE
    assert len(chunks) > 2


@pytest.mark.parametrize(
    ("replies", "message"),
    [
        ([Reply(FILE[:5000], headers=TAG, length=len(FILE)), Reply(CHANGED)], "has changed after 5000 of its bytes"),
        ([Reply(FILE[:5000], length=len(FILE)), Reply(FILE)],                 "cut short|no whole answer"),
    ],
    ids=["changed", "no way to tell"],
)  # fmt: skip
def test_chunks_never_start_again(replies: list[Reply], message: str) -> None:
    given = b""
    with served(*replies) as server, pytest.raises(ApiError, match=message):
        for chunk in download_chunks(client(server), "f"):
            given += chunk

    assert FILE.startswith(given)


@pytest.mark.parametrize(
    ("headers",                                        "validator"),
    [
        ({"ETag": '"1"'},                              '"1"'),
        ({"ETag": 'W/"1"', "Last-Modified": "then"},   None),
        ({"Last-Modified": "then"},                    "then"),
        ({"ETag": '"1"', "Content-Encoding": "gzip"},  None),
        ({"ETag": '"1"', "Accept-Ranges": "none"},     None),
        ({},                                           None),
    ],
)  # fmt: skip
def test_only_a_strong_validator_allows_to_go_on(headers: dict[str, str], validator: str | None) -> None:
    answer = requests.Response()
    answer.headers.update(headers)

    assert strong_validator(answer) == validator
