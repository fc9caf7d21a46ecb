"""A TCP proxy between headwater and Postgres that cuts the connection around a COMMIT, or in the middle of rows."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

# A simple query of the protocol: 'Q', the length of what follows, and the text, ended by a zero byte.
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"

# So much comes at once only of rows.
PIECE_BYTES = 65_536

Cut = Literal["before", "after", "after, half", "amid rows"]


class CuttingProxy:
    """Passes bytes on, until the COMMIT it waits for.

    cut       "before": the COMMIT does not reach the server; "after": it does, and the answer is lost;
              "after, half": the same, but the server is not told that the client has gone;
              "amid rows": the connection ends while rows are copied, after the COMMIT before
    commit    which COMMIT is cut, counted from 1 over all connections; None for none
    cuts      how many connections were cut
    """

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._counting = threading.Lock()
        self.port: int = self._listener.getsockname()[1]
        self.cut: Cut = "before"
        self.commit: int | None = None
        self.commits = 0
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, cut: Cut, *, after: int = 0) -> None:
        """Cut the next COMMIT, or the one that comes after so many more."""
        self.cut, self.commit = cut, self.commits + after + 1

    def refuse(self) -> None:
        """Let nobody connect any more; connections that stand stay."""
        _end(self._listener)

    def close(self) -> None:
        for each in [self._listener, *self._sockets]:
            _end(each)

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                gone = threading.Event()
                threading.Thread(target=self._to_server, args=(client, server, gone), daemon=True).start()
                threading.Thread(target=self._to_client, args=(client, server, gone), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket, gone: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(PIECE_BYTES):
                cut = self._is_the_one(data)
                if cut and self.cut in ("before", "amid rows"):
                    _end(client)
                    break
                if cut:
                    gone.set()
                server.sendall(data)
        if not gone.is_set():
            _end(server)

    def _to_client(self, client: socket.socket, server: socket.socket, gone: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(PIECE_BYTES):
                if gone.is_set():
                    break
                client.sendall(data)
        _end(client)
        if not (gone.is_set() and self.cut == "after, half"):
            _end(server)

    def _is_the_one(self, data: bytes) -> bool:
        with self._counting:
            if data.endswith(COMMIT):
                self.commits += 1
                cut = self.cut != "amid rows" and self.commits == self.commit
            else:
                amid = self.cut == "amid rows" and len(data) == PIECE_BYTES
                cut = amid and self.commit is not None and self.commits + 1 >= self.commit
            if cut:
                self.cuts += 1
                self.commit = None if self.cut == "amid rows" else self.commit
            return cut


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def cutting_proxy(port: int) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(("127.0.0.1", port))
    try:
        yield proxy
    finally:
        proxy.close()
