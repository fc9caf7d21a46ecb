"""Stands between this process and HTTP, through vcrpy: requests, urllib3, http.client, boto3, httpx, aiohttp and more.

There is no way back: for a process that ends with the sync.
"""

from __future__ import annotations

import contextlib
import gzip
import http.client
import importlib
import socket
import sys
import types
import zlib
from collections.abc import Callable, Mapping
from http.client import responses
from typing import Any, Protocol

from headwater.errors import ConfigurationError
from headwater.testing.routes import Answer, Request


class Listener(Protocol):
    """Who hears what the network answered; called from any thread."""

    def answered(self, request: Request, answer: Answer) -> None: ...


class Answerer(Protocol):
    """Who answers in the place of the network; called from any thread."""

    def answer(self, request: Request) -> Answer: ...


def load_vcr() -> None:
    """Import vcrpy, and with it the HTTP libraries that are installed.

    Errors: ConfigurationError when it is not installed.
    """
    try:
        importlib.import_module("vcr.cassette")
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"recordings need what the extra `record` installs: {error}", hint="pip install 'headwater[record]'"
        ) from error


def listen(listener: Listener) -> None:
    """From now on, tell `listener` of each HTTP request of this process, and of the answer to it."""
    load_vcr()
    from vcr.cassette import Cassette

    class Listening(Cassette):  # type: ignore[misc]  # vcrpy has no types
        def can_play_response_for(self, request: Any) -> bool:
            return False

        def append(self, request: Any, response: Mapping[str, Any]) -> None:
            listener.answered(_request(request), _answer(response))

    _insert(Listening)


def answer_with(answerer: Answerer) -> None:
    """From now on, let `answerer` answer each HTTP request of this process."""
    load_vcr()
    from vcr.cassette import Cassette

    class Answering(Cassette):  # type: ignore[misc]  # vcrpy has no types
        def can_play_response_for(self, request: Any) -> bool:
            return True

        def play_response(self, request: Any) -> dict[str, Any]:
            return _played(answerer.answer(_request(request)))

    _insert(Answering)


def _insert(kind: Any) -> None:
    import vcr.patch
    import vcr.stubs
    from vcr.record_mode import RecordMode

    # vcrpy takes its classes away from all threads while one of them connects, and the others go past it: it does so
    # only because the classes of http.client name each other.
    vcr.patch.force_reset = contextlib.nullcontext
    vcr.stubs.VCRHTTPSConnection._baseclass = _naming_itself(http.client.HTTPSConnection)
    cassette = kind("headwater", record_mode=RecordMode.ALL)
    for patch in vcr.patch.CassettePatcherBuilder(cassette).build():
        patch.__enter__()


def _naming_itself(original: type) -> type:
    """Copy a class whose `__init__` says `super(HTTPSConnection, self)`, so that the name means the copy."""
    copy = type(original.__name__, (original,), {})
    init: Any = original.__init__  # type: ignore[misc]  # of the class itself, whose signature is known
    names = {**vars(http.client), original.__name__: original}
    copy.__init__ = types.FunctionType(  # type: ignore[misc]  # as above
        init.__code__, names, init.__name__, init.__defaults__, init.__closure__
    )
    copy.__init__.__kwdefaults__ = init.__kwdefaults__  # type: ignore[misc]  # as above
    return copy


def refuse_network(refused: Callable[[str], None]) -> None:
    """From now on, refuse each connection of this process to another host or port, and say where it was to lead."""

    def watch(event: str, values: tuple[Any, ...]) -> None:
        if event == "socket.connect" and values[0].family != socket.AF_UNIX:
            where = ":".join(map(str, values[1][:2]))
            refused(where)
            raise ConfigurationError(f"no connection to {where}: a recording answers here, and it holds HTTP only")

    sys.addaudithook(watch)


# --- vcrpy's requests and responses, and ours


def _request(request: Any) -> Request:
    body = request.body
    if hasattr(body, "read"):
        body = body.read()
    elif body is not None and not isinstance(body, bytes):
        body = b"".join(piece if isinstance(piece, bytes) else str(piece).encode() for piece in body)
    headers = {str(name).lower(): _header(value) for name, value in request.headers.items()}
    return Request(str(request.method), str(request.uri), headers, body or b"")


def _header(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _answer(response: Mapping[str, Any]) -> Answer:
    headers = {name: values if isinstance(values, list) else [values] for name, values in response["headers"].items()}
    # Several cookies cannot be one line.
    joined = {
        name: ("\n" if name.lower() == "set-cookie" else ", ").join(map(_header, values))
        for name, values in headers.items()
    }
    encoding = next((value for name, value in joined.items() if name.lower() == "content-encoding"), "")
    body = response["body"].get("string") or b""
    return Answer(response["status"]["code"], joined, decoded(body, encoding))


def _played(answer: Answer) -> dict[str, Any]:
    if answer.disconnect or answer.cut_after_bytes is not None:
        raise ConnectionResetError("the recorded server hung up")
    headers = {name: value.split("\n") for name, value in answer.headers.items()}
    headers["Content-Length"] = [str(len(answer.body))]
    return {
        "status": {"code": answer.status, "message": responses.get(answer.status, "")},
        "headers": headers,
        "body": {"string": answer.body},
    }


def decoded(body: bytes, encoding: str) -> bytes:
    """Give the body as it was before it was compressed for the way: a secret could not be seen in it otherwise.

    Errors: ConfigurationError for a compression that is not known here.

    >>> decoded(gzip.compress(b"rows"), "gzip"), decoded(b"rows", "")
    (b'rows', b'rows')
    """
    for name in reversed([each.strip().lower() for each in encoding.split(",") if each.strip()]):
        if name in _DECODERS:
            body = _DECODERS[name](body)
        elif name != "identity":
            raise ConfigurationError(
                f"an answer is compressed with {name}, and cannot be searched for secrets",
                hint="Let the connector send the header Accept-Encoding: gzip.",
            )
    return body


def _gunzip(body: bytes) -> bytes:
    # Some libraries hand over what they have decompressed, with the header still there.
    return gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body


def _inflate(body: bytes) -> bytes:
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):  # with zlib's header, as RFC 9110 has it, or without
        with contextlib.suppress(zlib.error):
            return zlib.decompress(body, window)
    return body


def _brotli(body: bytes) -> bytes:
    return _decompress(body, "brotli", "brotlicffi")


def _zstandard(body: bytes) -> bytes:
    if not body.startswith(b"\x28\xb5\x2f\xfd"):
        return body
    return _decompress(body, "compression.zstd", "backports.zstd")


def _decompress(body: bytes, *modules: str) -> bytes:
    for name in modules:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        try:
            return bytes(module.decompress(body))
        except getattr(module, "error", ValueError):
            return body  # decompressed already
    raise ConfigurationError(
        f"an answer is compressed, and {' or '.join(modules)} is not installed",
        hint="Let the connector send the header Accept-Encoding: gzip.",
    )


_DECODERS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _brotli,
    "zstd": _zstandard,
}
