"""New objects of a bucket, once each and none missed, against moto's S3 server over real HTTP."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import IncompleteReadError
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from sdk_helpers.files import csv_rows
from sdk_helpers.s3 import S3Feed, S3Object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
BUCKET = "exports"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def client(endpoint: str) -> Iterator[S3Client]:
    made = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}),
    )
    made.create_bucket(Bucket=BUCKET)
    yield made
    made.close()
    requests.post(f"{endpoint}/moto-api/reset", timeout=10).raise_for_status()


def put(client: S3Client, key: str, minutes: float, body: bytes = b"x") -> None:
    """Put an object that was modified so many minutes after noon."""
    client.put_object(Bucket=BUCKET, Key=key, Body=body)
    modified(backend().buckets[BUCKET].keys[key], minutes)


def backend() -> Any:
    """The server's own store, for what S3 lets nobody set: the time of modification."""
    return s3_backends["123456789012"]["aws"]


def modified(stored: Any, minutes: float) -> None:
    stored.last_modified = (NOON + timedelta(minutes=minutes)).replace(tzinfo=None)


def feed_of(client: S3Client, state: dict[str, Any], **options: Any) -> S3Feed:
    return S3Feed(client, BUCKET, state=state, **options)


def sync(
    client: S3Client, state: dict[str, Any], *, stop_after: int | None = None, **options: Any
) -> tuple[list[str], dict[str, Any]]:
    """Do all new objects, or so many, and give their keys and the saved state."""
    feed = feed_of(client, state, **options)
    items = feed.new()[:stop_after]
    for item in items:
        feed.done(item)
    return [item.key for item in items], json.loads(json.dumps(feed.state(), sort_keys=True))


def test_objects_come_in_the_order_they_were_modified_and_once(client: S3Client) -> None:
    for key, minutes in (("b", 1), ("a", 2), ("d", 0), ("c", 1)):
        put(client, key, minutes)
    first, state = sync(client, {})
    second, after = sync(client, state)

    assert (first, second) == (["d", "b", "c", "a"], [])
    assert after == state


def test_a_sync_that_broke_off_goes_on_with_the_next_object(client: S3Client) -> None:
    for number in range(5):
        put(client, f"k{number}", number // 2)
    first, state = sync(client, {}, stop_after=2)
    second, _ = sync(client, state)

    assert (first, second) == (["k0", "k1"], ["k2", "k3", "k4"])


@pytest.mark.parametrize(("key", "minutes"), [("a", 10), ("z", 10), ("late", 9), ("much-later", -300)])
def test_an_object_that_appears_behind_the_newest_is_not_missed(client: S3Client, key: str, minutes: float) -> None:
    put(client, "m", 10)
    _, state = sync(client, {})
    put(client, key, minutes)

    assert sync(client, state)[0] == [key]


def test_what_is_older_than_the_lookback_stays_done_when_the_lookback_grows(client: S3Client) -> None:
    put(client, "old", 0)
    put(client, "new", 120)
    _, state = sync(client, {}, lookback=timedelta(hours=1))

    assert len(state["done"]) == 1
    assert sync(client, state, lookback=timedelta(days=9))[0] == []


def test_an_object_that_is_overwritten_comes_again(client: S3Client) -> None:
    put(client, "a", 0, b"1")
    _, state = sync(client, {})
    put(client, "a", 5, b"2")

    assert sync(client, state)[0] == ["a"]


def test_an_object_that_is_not_done_is_not_passed_by_newer_ones(client: S3Client) -> None:
    put(client, "failed", 0)
    put(client, "fine", 24 * 60)
    feed = feed_of(client, {})
    feed.done(feed.new()[1])

    assert sync(client, feed.state())[0] == ["failed"]


def test_prefix_suffix_and_folder_markers_choose_the_objects(client: S3Client) -> None:
    for key in ("in/a.csv", "in/b.txt", "out/c.csv"):
        put(client, key, 0)
    put(client, "in/", 0, b"")

    assert sync(client, {}, prefix="in/", suffix=".csv")[0] == ["in/a.csv"]
    assert sync(client, {}, prefix="in/")[0] == ["in/a.csv", "in/b.txt"]


def test_more_objects_than_one_page_of_the_listing(client: S3Client) -> None:
    for number in range(1005):
        modified(backend().put_object(BUCKET, f"k{number:04}", b"x"), number)
    keys, state = sync(client, {}, lookback=timedelta(minutes=10))

    assert keys == [f"k{number:04}" for number in range(1005)]
    assert len(state["done"]) == 11


def test_an_empty_bucket_has_nothing(client: S3Client) -> None:
    assert sync(client, {}) == ([], {})


def test_a_lookback_below_zero_is_refused(client: S3Client) -> None:
    with pytest.raises(ValueError, match="must not be below zero"):
        feed_of(client, {}, lookback=timedelta(-1))


# Reading


def test_an_object_is_streamed_into_rows(client: S3Client) -> None:
    put(client, "a.csv.gz", 0, gzip.compress(b"id,name\n1,Ada\n"))
    feed = feed_of(client, {})
    (item,) = feed.new()
    with feed.open(item) as body:
        rows = list(csv_rows(body))

    assert rows == [{"id": "1", "name": "Ada"}]


def test_an_empty_object_has_no_bytes(client: S3Client) -> None:
    put(client, "empty", 0, b"")
    feed = feed_of(client, {})

    assert feed.open(feed.new()[0]).read() == b""


class Breaking(io.BytesIO):
    """A body whose connection breaks after some bytes."""

    def __init__(self, content: bytes, error: Exception | None) -> None:
        super().__init__(content)
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        if not chunk and self._error is not None:
            raise self._error
        return chunk


class BreakingClient:
    """The real client, whose first bodies break after 100,000 bytes; notes what was asked for."""

    def __init__(self, client: S3Client, times: int, error: Exception | None) -> None:
        self._client = client
        self._times = times
        self._error = error
        self.ranges: list[str | None] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_object(self, **request: Any) -> Any:
        self.ranges.append(request.get("Range"))
        response = self._client.get_object(**request)
        if len(self.ranges) > self._times:
            return response
        return {"Body": Breaking(response["Body"].read(100_000), self._error)}


@pytest.mark.parametrize("error", [IncompleteReadError(actual_bytes=1, expected_bytes=2), ConnectionResetError(), None])
def test_a_download_that_breaks_goes_on_where_it_stopped(client: S3Client, error: Exception | None) -> None:
    content = bytes(range(256)) * 2000
    put(client, "large", 0, content)
    breaking: Any = BreakingClient(client, 2, error)
    feed = feed_of(breaking, {})

    assert feed.open(feed.new()[0]).read() == content
    assert breaking.ranges == [None, "bytes=100000-", "bytes=200000-"]


def test_a_download_that_always_breaks_is_an_error(client: S3Client) -> None:
    put(client, "large", 0, b"x" * 10)
    breaking: Any = BreakingClient(client, 99, None)
    breaking.get_object = lambda **_: {"Body": Breaking(b"", None)}
    feed = feed_of(breaking, {})

    with pytest.raises(OSError, match=f"s3://{BUCKET}/large: reading broke 4 times at byte 0"):
        feed.open(feed.new()[0]).read()


def test_an_object_deleted_or_overwritten_since_the_listing_is_told(client: S3Client) -> None:
    put(client, "a", 0, b"1")
    put(client, "b", 0, b"1")
    feed = feed_of(client, {})
    deleted, overwritten = feed.new()
    client.delete_object(Bucket=BUCKET, Key="a")
    put(client, "b", 1, b"2")

    with pytest.raises(FileNotFoundError, match="was deleted after it was listed"):
        feed.open(deleted)
    with pytest.raises(OSError, match="was overwritten after it was listed"):
        feed.open(overwritten)


def test_an_archived_object_is_told(client: S3Client) -> None:
    client.put_object(Bucket=BUCKET, Key="cold", Body=b"x", StorageClass="GLACIER")
    feed = feed_of(client, {})
    (item,) = feed.new()

    with pytest.raises(OSError, match=r"is archived \(GLACIER\)"):
        feed.open(item)


def test_a_bucket_that_is_not_there_is_told(client: S3Client) -> None:
    item = S3Object("no-such-bucket", "a", 1, NOON, '"x"')

    with pytest.raises(OSError, match="NoSuchBucket"):
        feed_of(client, {}).open(item)
