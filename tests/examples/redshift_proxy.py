"""Lets `redshift_connector` talk to Postgres: takes away what only Redshift understands, and passes on the rest.

What it changes, seen with redshift_connector 2.2.0 and Postgres 15: the start-up packet names parameters that
Postgres refuses, and the server's version "15.18 (Debian ...)" is no number to the driver.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_KNOWN_TO_POSTGRES = frozenset({b"user", b"database", b"application_name", b"client_encoding"})
_HEADER = struct.Struct("!ci")
_LENGTH = struct.Struct("!i")


@contextmanager
def redshift_proxy(postgres_port: int) -> Iterator[int]:
    """Give the port of a proxy to the Postgres on `postgres_port`, both on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=_accept, args=(listening, postgres_port), name="redshift-proxy")
        accepting.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listening: socket.socket, postgres_port: int) -> None:
    while True:
        try:
            client, _ = listening.accept()
        except OSError:  # closed: the proxy ends
            return
        threading.Thread(target=_serve, args=(client, postgres_port), name="redshift-client", daemon=True).start()


def _serve(client: socket.socket, postgres_port: int) -> None:
    """Pass one connection on until either side hangs up; killed clients do so in the middle."""
    with client, contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", postgres_port)) as server:
        server.sendall(_startup_for_postgres(_packet(client)))
        back = threading.Thread(target=_answers, args=(server, client), name="redshift-answers", daemon=True)
        back.start()
        _pump(client, server)
        back.join()


def _packet(stream: socket.socket) -> bytes:
    """Read a start-up packet, without its length."""
    [length] = _LENGTH.unpack(_exactly(stream, 4))
    return _exactly(stream, length - 4)


def _startup_for_postgres(packet: bytes) -> bytes:
    version, words = packet[:4], packet[4:].split(b"\0")
    pairs = [(name, value) for name, value in zip(words[::2], words[1::2], strict=False) if name in _KNOWN_TO_POSTGRES]
    rest = version + b"".join(name + b"\0" + value + b"\0" for name, value in pairs) + b"\0"
    return _LENGTH.pack(len(rest) + 4) + rest


def _answers(server: socket.socket, client: socket.socket) -> None:
    """Pass on what the server says; until it is ready for queries, message by message."""
    with contextlib.suppress(ConnectionError, OSError):
        kind = b""
        while kind != b"Z":
            kind, length = _HEADER.unpack(_exactly(server, 5))
            body = _exactly(server, length - 4)
            if kind == b"S" and body.startswith(b"server_version\0"):
                body = b"server_version\0" + body.split(b"\0")[1].split(b" ")[0] + b"\0"
            client.sendall(_HEADER.pack(kind, len(body) + 4) + body)
        _pump(server, client)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65_536):
            sink.sendall(chunk)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _exactly(stream: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = stream.recv(size - len(received))
        if not chunk:
            raise ConnectionError("the other side hung up in the middle of a message")
        received += chunk
    return received
