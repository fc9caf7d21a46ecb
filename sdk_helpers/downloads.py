"""Files from an HTTP API: whole, or an error; a transfer that breaks goes on where it stopped.

In a connector::

    client = ApiClient(configuration["base_url"], auth=Bearer(configuration["token"]))
    with downloaded(client, "exports/users.csv") as file:        # a temporary file, gone afterwards
        for row in csv_rows(file):
            op.upsert("users", row)

The length that the server states is checked. After a break the rest is asked for (`Range`), if the server says how to
tell that the file is still the same one (`ETag`, `Last-Modified`); if not, or if it has changed, it is fetched from
its start. A server that does not say how long the file is, in any way, is refused: half of it would look whole.
Needs the sibling modules `http` and `retry`.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Unpack

import requests

from .http import ApiClient, ApiError, BadBody, RequestOptions

logger = logging.getLogger(__name__)

RANGE_NOT_SATISFIABLE = 416


def download(client: ApiClient, path: str, target: str | Path, **options: Unpack[RequestOptions]) -> Path:
    """Fetch a file to `target`, which is there only when it is whole; one that was there before is replaced.

    options  as for `ApiClient.get`; `max_bytes` is the limit of the file, else that of the client

    Errors: those of `ApiClient.get`.
    """
    target = Path(target)
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as file:
        part = Path(file.name)
        try:
            _fetch(client, path, file, options)
            file.flush()
            os.fsync(file.fileno())
            part.replace(target)
        except BaseException:
            part.unlink()
            raise
    return target


@contextmanager
def downloaded(client: ApiClient, path: str, **options: Unpack[RequestOptions]) -> Iterator[IO[bytes]]:
    """Fetch a file, and give it open, at its beginning; it is removed afterwards."""
    with tempfile.TemporaryFile() as file:
        _fetch(client, path, file, options)
        file.seek(0)
        yield file


def download_chunks(client: ApiClient, path: str, **options: Unpack[RequestOptions]) -> Iterator[bytes]:
    """Give the bytes of a file as they come, and go on where a transfer broke.

    Errors: those of `ApiClient.get`, also in the middle: when the transfer cannot go on, because the server does not
    give ranges, or because the file has changed. What was given until then is not to be kept.
    """
    given = 0
    for position, chunk in _Transfer(client, path, options).pieces(may_restart=False):
        assert position == given  # a restart is an error here
        given += len(chunk)
        yield chunk


def strong_validator(response: requests.Response) -> str | None:
    """Give what `If-Range` may say, or None: a weak `ETag` is of files that are alike, not of the same bytes.

    >>> answer = requests.Response()
    >>> answer.headers["ETag"] = 'W/"1"'
    >>> strong_validator(answer)
    >>> answer.headers["ETag"] = '"1"'
    >>> strong_validator(answer)
    '"1"'

    Source: RFC 9110, section 13.1.5.
    """
    if "Content-Encoding" in response.headers or response.headers.get("Accept-Ranges", "").lower() == "none":
        return None
    tag = response.headers.get("ETag", "")
    if tag:
        return tag if tag.startswith('"') else None
    return response.headers.get("Last-Modified")


def _fetch(client: ApiClient, path: str, file: IO[bytes], options: RequestOptions) -> None:
    end = 0
    for position, chunk in _Transfer(client, path, options).pieces(may_restart=True):
        file.seek(position)
        file.write(chunk)
        end = position + len(chunk)
    file.truncate(end)  # a file that changed in between may have become shorter


class _Transfer:
    """One file on its way, over as many answers as it takes.

    position   how many of its bytes have come
    validator  says whether the file is still the same one; None: only a new start is safe
    total      how many bytes it has; None where the form of the body shows its end
    """

    def __init__(self, client: ApiClient, path: str, options: RequestOptions) -> None:
        self._client = client
        self._path = path
        self._options = options
        self._max_bytes = options.get("max_bytes", client.limits.max_bytes)
        self.position = 0
        self.validator: str | None = None
        self.total: int | None = None

    def pieces(self, *, may_restart: bool) -> Iterator[tuple[int, bytes]]:
        """Give positions and the bytes that belong there; a position of 0 after others is a new start."""
        backoff, failures = self._client.backoff, 0
        while True:
            reached = self.position
            try:
                yield from self._answer(may_restart)
                return
            except _Broken as broken:
                # One that got further is not the same failure once more.
                failures = 1 if self.position > reached else failures + 1
                error = broken.error
            may_go_on = may_restart or self.validator or not self.position
            if not error.retryable or failures >= backoff.attempts or not may_go_on:
                raise error
            logger.warning("%s: the transfer broke after %d bytes", type(error).__name__, self.position)
            backoff.sleep(backoff.wait_seconds(failures, error))

    def _answer(self, may_restart: bool) -> Iterator[tuple[int, bytes]]:
        """Give what one answer brings. Errors: _Broken when it broke off, ApiError when there is none."""
        options = {**self._options, "headers": self._headers(), "accept": [RANGE_NOT_SATISFIABLE]}
        with self._client.stream(self._path, **options) as stream:  # type: ignore[arg-type]  # the same options
            self._begin(stream.response, may_restart)
            chunks = iter(stream)
            while (chunk := _next(chunks)) is not None:
                position, self.position = self.position, self.position + len(chunk)
                if self.position > self._max_bytes:
                    raise BadBody(f"{self._path}: the file is larger than {self._max_bytes} bytes: raise max_bytes.")
                yield position, chunk
        if self.total is not None and self.position != self.total:
            raise _Broken(BadBody(f"{self._path}: {self.position} of {self.total} bytes came", retryable=True))

    def _headers(self) -> dict[str, str | None]:
        # As it is on the server: the positions within a compressed body are not those of the file.
        headers = {**(self._options.get("headers") or {}), "Accept-Encoding": "identity"}
        if self.position and self.validator:
            headers |= {"Range": f"bytes={self.position}-", "If-Range": self.validator}
        return headers

    def _begin(self, response: requests.Response, may_restart: bool) -> None:
        """Read from the head of an answer where its bytes belong."""
        if response.status_code == 206 and self.position:
            self._continue(response)
            return
        if self.position and not may_restart:
            raise BadBody(f"{self._path}: the file has changed after {self.position} of its bytes were read")
        self.position = 0
        if response.status_code == RANGE_NOT_SATISFIABLE:
            self.validator = None
            raise _Broken(BadBody(f"{self._path}: the file has become shorter", retryable=True))
        if response.status_code != 200:
            raise BadBody(f"{self._path}: answered {response.status_code}, which brings no file")
        self.validator = strong_validator(response)
        self.total = _stated_length(response)
        if self.total is None and not _shows_its_end(response):
            raise BadBody(
                f"{self._path}: the server does not say how long the file is, so half of it would look whole.\n"
                "If the content shows by itself whether it is whole, read it with ApiClient.get or stream."
            )

    def _continue(self, response: requests.Response) -> None:
        stated = response.headers.get("Content-Range", "")
        match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", stated.strip())
        if match is None or int(match[1]) != self.position or match[3] not in (str(self.total), "*"):
            raise BadBody(
                f"{self._path}: asked for what follows byte {self.position}, the server sent {stated[:100]!r}"
            )


class _Broken(Exception):
    """A transfer that broke off after it had begun: whether it may go on is for the transfer to say."""

    def __init__(self, error: ApiError) -> None:
        super().__init__(str(error))
        self.error = error


def _next(chunks: Iterator[bytes]) -> bytes | None:
    try:
        return next(chunks, None)
    except ApiError as error:
        broken = _Broken(error)
    raise broken


def _stated_length(response: requests.Response) -> int | None:
    stated = response.headers.get("Content-Length", "")
    return int(stated) if stated.isdigit() and "Content-Encoding" not in response.headers else None


def _shows_its_end(response: requests.Response) -> bool:
    """Whether the end of the body is told from a broken connection: by its length, its chunks, or its compression."""
    chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return chunked or "Content-Length" in response.headers or "Content-Encoding" in response.headers
