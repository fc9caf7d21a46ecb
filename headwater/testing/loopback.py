"""An HTTP server on this machine for tests: any number of clients at once, and nothing of it left at the end."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import sys
import threading
from abc import abstractmethod
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from headwater.errors import ConfigurationError
from headwater.testing.routes import Answer, Request


class LoopbackServer:
    """Listens on 127.0.0.1, on a port the system chooses or `port`.

    A context manager: it answers from the `with` line on, and has ended, its connections closed, after it.

    Errors: ConfigurationError when the port is taken.
    """

    def __init__(self, port: int = 0) -> None:
        self._closing = threading.Event()
        try:
            self._http = _Server(self, port)
        except OSError as error:
            raise ConfigurationError(f"port {port} cannot be used: {error}") from error
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="loopback-server", daemon=True
        )
        # An address like http://127.0.0.1:43817, without a slash at its end.
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    @abstractmethod
    def answer(self, request: Request) -> Answer:
        """Give the answer to a request; called from a thread of its client."""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._http.shutdown()
        self._thread.join()
        self._http.hang_up()
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    """Accepts connections and remembers the open ones, so that closing need not wait for a client.

    Its threads are daemons, for whoever forgets to close; who closes has waited for all of them.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, loopback: LoopbackServer, port: int) -> None:
        self.loopback = loopback
        self._open: dict[threading.Thread, socket.socket] = {}
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="loopback-client", daemon=True
        )
        with self._open_lock:
            self._open[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._open_lock:
                del self._open[threading.current_thread()]

    def hang_up(self) -> None:
        """Close every open connection and wait for its thread."""
        with self._open_lock:
            open_connections = dict(self._open)
        for thread, connection in open_connections.items():
            with contextlib.suppress(OSError):  # the client was faster
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hung up: tests kill theirs on purpose."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Reads requests of one connection and writes their answers."""

    server: socketserver.BaseServer
    protocol_version = "HTTP/1.1"
    server_version = "headwater"
    sys_version = ""
    disable_nagle_algorithm = True  # else each answer may wait 40 ms for the client's delayed ACK

    def _answer(self) -> None:
        assert isinstance(self.server, _Server)
        length = self._body_length()
        if length is None:
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        self._send(self.server.loopback.answer(request))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _answer

    def _body_length(self) -> int | None:
        """Give the length of the body; None after having refused one whose length is not said."""
        length = self.headers.get("Content-Length", "0")
        if self.headers.get("Transfer-Encoding") or not length.isdecimal():
            self.close_connection = True
            self.send_error(HTTPStatus.LENGTH_REQUIRED)
            return None
        return int(length)

    def _send(self, answer: Answer) -> None:
        if answer.disconnect:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        has_body = answer.status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED)
        if has_body:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if has_body and self.command != "HEAD":
            self.wfile.write(answer.body[: answer.cut_after_bytes])
        if answer.cut_after_bytes is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: `received` holds every request."""
