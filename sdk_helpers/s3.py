"""New objects of an S3 bucket, in the order they were modified, streamed.

In a connector::

    def update(configuration, state):
        feed = S3Feed(boto3.client("s3"), "my-bucket", prefix="exports/", state=state)
        for item in feed.new():
            with feed.open(item) as body:
                for row in csv_rows(body):           # from files.py
                    op.upsert("exports", row)
            feed.done(item)
            op.checkpoint(feed.state())

Works with everything that speaks S3 (R2, MinIO, GCS in its S3 mode). boto3 retries requests; this module
goes on where a broken download stopped.
"""

from __future__ import annotations

import hashlib
import io
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_ATTEMPTS = 4  # of one read, each on a new connection


@dataclass(frozen=True)
class S3Object:
    """One object as the listing showed it; `etag` is quoted, as S3 sends it.

    >>> S3Object("lake", "exports/1.csv", 10, datetime(2024, 3, 1, tzinfo=UTC), '"e1"').mark
    'c5341d94b241c60af4d5'
    """

    bucket: str
    key: str
    size: int
    last_modified: datetime
    etag: str
    storage_class: str = "STANDARD"

    @property
    def mark(self) -> str:
        """Name this version of this object, short enough to keep many in the state."""
        text = f"{self.key}\n{self.etag}\n{self.last_modified.isoformat()}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


class S3Feed:
    """The objects under a prefix that were not done yet, oldest first, by (last modified, key).

    state     what `state()` gave before; {} is a first sync
    suffix    only keys that end so, such as ".csv.gz"
    lookback  how long an object may take to appear in the listing. A multipart upload carries the time of its
              *start*, and times are whole seconds, so an object can appear behind newer ones: those of
              this last stretch are remembered one by one. Longer than the longest upload is right

    An object that is overwritten is new again. Folder markers (empty, key ends in "/") are left out.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        *,
        state: Mapping[str, Any],
        prefix: str = "",
        suffix: str = "",
        lookback: timedelta = timedelta(hours=6),
    ) -> None:
        if lookback < timedelta(0):
            raise ValueError(f"lookback must not be below zero: {lookback}")
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._suffix = suffix
        self._lookback = lookback
        newest = state.get("newest")
        self._newest = None if newest is None else datetime.fromisoformat(newest)
        self._done = {mark: datetime.fromisoformat(moment) for mark, moment in state.get("done", {}).items()}
        # Saved, because a longer lookback than the last run's must not bring back objects whose marks are gone.
        start = state.get("since")
        self._since = None if start is None else datetime.fromisoformat(start)
        self._listed: deque[S3Object] = deque()  # oldest first
        self._pending: set[str] = set()

    def new(self) -> list[S3Object]:
        """List what is not done, oldest first.

        The whole listing is read first, since S3 lists by key; only the new objects stay in memory.
        """
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        found = (
            S3Object(
                self._bucket,
                entry["Key"],
                entry["Size"],
                entry["LastModified"].astimezone(UTC),
                entry.get("ETag", ""),
                entry.get("StorageClass", "STANDARD"),
            )
            for page in pages
            for entry in page.get("Contents", [])
        )
        new = sorted(filter(self._is_new, found), key=lambda item: (item.last_modified, item.key))
        self._listed, self._pending = deque(new), {item.mark for item in new}
        return new

    def open(self, item: S3Object) -> io.BufferedReader:
        """Give the bytes of the object, read as they are asked for.

        Errors: FileNotFoundError if it was deleted since the listing; OSError if it was overwritten,
        before or while it was read (the next listing has it again), or is archived.
        """
        return io.BufferedReader(_ObjectReader(self._client, item), 1024 * 1024)

    def done(self, item: S3Object) -> None:
        """Note that everything of the object was emitted, or that it is left out on purpose.

        In any order: one that is not done is listed again in the next sync, however many newer ones are.
        """
        self._done[item.mark] = item.last_modified
        self._newest = max(filter(None, [self._newest, item.last_modified]))
        self._pending.discard(item.mark)
        while self._listed and self._listed[0].mark not in self._pending:
            self._listed.popleft()
        since = min([self._newest - self._lookback, *(first.last_modified for first in islice(self._listed, 1))])
        self._since = max(filter(None, [self._since, since]))

    def state(self) -> dict[str, Any]:
        if self._newest is None or self._since is None:
            return {}
        done = {mark: moment.isoformat() for mark, moment in self._done.items() if moment >= self._since}
        return {"newest": self._newest.isoformat(), "since": self._since.isoformat(), "done": done}

    def _is_new(self, item: S3Object) -> bool:
        if not item.key.endswith(self._suffix) or (item.key.endswith("/") and item.size == 0):
            return False
        return (self._since is None or item.last_modified >= self._since) and item.mark not in self._done


class _ObjectReader(io.RawIOBase):
    """Reads one version of one object, and asks for the rest when the connection breaks."""

    def __init__(self, client: S3Client, item: S3Object) -> None:
        self._client = client
        self._item = item
        self._position = 0
        self._body = self._request()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._position += len(chunk)
        return len(chunk)

    def close(self) -> None:
        if not self.closed:
            self._body.close()
        super().close()

    def _read(self, size: int) -> bytes:
        from botocore.exceptions import HTTPClientError, IncompleteReadError, ResponseStreamingError

        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if self._position >= self._item.size:
                    return b""
                chunk = self._body.read(size)
                if chunk:
                    return bytes(chunk)
                raise OSError(f"the body ended at byte {self._position} of {self._item.size}")
            except (HTTPClientError, IncompleteReadError, ResponseStreamingError, OSError) as error:
                if attempt == _ATTEMPTS:
                    raise OSError(f"{self._name}: reading broke {_ATTEMPTS} times at byte {self._position}") from error
                self._body.close()
                self._body = self._request()
        raise AssertionError("the last attempt returns or raises")

    @property
    def _name(self) -> str:
        return f"s3://{self._item.bucket}/{self._item.key}"

    def _request(self) -> Any:
        from botocore.exceptions import ClientError

        # If-Match: the halves of two versions must never become one file.
        request: dict[str, Any] = {"Bucket": self._item.bucket, "Key": self._item.key}
        if self._item.etag:
            request["IfMatch"] = self._item.etag
        if self._position:
            request["Range"] = f"bytes={self._position}-"
        try:
            return self._client.get_object(**request)["Body"]
        except ClientError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Any) -> OSError:
        code = error.response["Error"]["Code"]
        if code in ("NoSuchKey", "404"):
            return FileNotFoundError(f"{self._name} was deleted after it was listed")
        if code in ("PreconditionFailed", "412"):
            return OSError(f"{self._name} was overwritten after it was listed; the next sync reads the new version")
        if code == "InvalidObjectState":
            return OSError(f"{self._name} is archived ({self._item.storage_class}): restore it, or leave it out")
        return OSError(f"{self._name} cannot be read: {code}: {error.response['Error'].get('Message', '')}")
