"""A web server on 127.0.0.1 that answers as a test says, and a clock that a test moves."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

Headers = dict[str, str]


@dataclass
class Asked:
    """A request as the server got it; header names in lower case."""

    method: str
    path: str
    params: dict[str, str]
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """An answer.

    body    bytes go out as they are, anything else as JSON
    length  the Content-Length to claim, when it is not that of the body; below 0: none, the end of the connection
            is that of the body
    stall   called after the first half of the body
    """

    body: Any = b""
    status: int = 200
    headers: Headers = field(default_factory=dict)
    length: int | None = None
    stall: Callable[[], object] | None = None

    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class Server:
    """`url` is where it listens, `asked` what it was asked, in order.

    tls  encrypts, with a certificate of its own: see `tls_of_its_own`
    """

    def __init__(self, answer: Callable[[Asked], Any], *, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        self._answer = answer
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.address = f"127.0.0.1:{self._http.server_address[1]}"
        self.url = f"http://{self.address}"
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
            self.url = f"https://{self.address}"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # `self` is the handler below
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                asked = self._asked()
                server.asked.append(asked)
                found = server._answer(asked)
                self._send(found if isinstance(found, Reply) else Reply(found))

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer

            def _asked(self) -> Asked:
                parts = urlsplit(self.path)
                params = {k: v[-1] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers.get("content-length", 0)))
                return Asked(self.command, parts.path, params, headers, body)

            def _send(self, reply: Reply) -> None:
                content = reply.content()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                length = len(content) if reply.length is None else reply.length
                if length >= 0:
                    self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content[: len(content) // 2])
                    if reply.stall is not None:
                        self.wfile.flush()
                        reply.stall()
                    self.wfile.write(content[len(content) // 2 :])
                self.close_connection = reply.length is not None

            def log_message(self, format: str, *args: object) -> None:
                pass

            def handle(self) -> None:
                try:
                    super().handle()
                except (ConnectionError, ValueError):
                    self.close_connection = True  # the client has had enough

        return Handler

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


def tls_of_its_own(directory: Path) -> tuple[ssl.SSLContext, Path]:
    """Make a certificate for 127.0.0.1; a client that is told of the file trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    today = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, private = directory / "certificate.pem", directory / "key.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, private)
    return context, file


@contextmanager
def served(*replies: Any) -> Iterator[Server]:
    """A server that gives these answers in order, and the last one for ever."""
    left = list(replies)
    lock = threading.Lock()

    def answer(asked: Asked) -> Any:
        with lock:
            return left.pop(0) if len(left) > 1 else left[0]

    with Server(answer) as server:
        yield server


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self, start: datetime = datetime(2026, 11, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._lock = threading.Lock()
        self.seconds = 0.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        with self._lock:
            self.sleeps.append(seconds)
            self.seconds += seconds

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.seconds)

    def unix(self) -> float:
        return self.now().timestamp()
