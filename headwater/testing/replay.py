"""A real HTTP server on this machine that gives the recorded answers of an API and refuses everything else.

A folder holds `routes.toml` and the bodies it names:

    authentication = { X-API-Key = "k-123" }          # every request must send it, or is answered 401

    [[route]]
    request = "GET /orders?after=0&limit=2"           # method, path and the whole query, in any order
    answer = { file = "orders-1.json" }

    [[route]]
    request = "GET /orders?after=2&limit=2"
    faults = [{ status = 429, headers = { Retry-After = "1" } }, { status = 503 }]     # first these, one a request
    answer = { file = "orders-2.json", headers = { Link = '<{replay}/orders?after=4>; rel="next"' } }

A test then talks to it as to the API itself:

    with ReplayServer(Path("replay")) as server:
        rows = requests.get(f"{server.url}/orders", params={"after": "0", "limit": "2"}, ...).json()
    assert server.refused == []

docs/howto/write_an_example.md explains every key.
"""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import sys
import threading
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from headwater.errors import ConfigurationError

ROUTES_FILE = "routes.toml"
# Stands for the address of the server, whose port nobody knows beforehand: in bodies and answer headers.
PLACEHOLDER = "{replay}"
# In a query, a header or a form: any value but an empty one.
ANY = "*"

_CONTENT_TYPES = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".csv": "text/csv; charset=utf-8",
    ".xml": "application/xml",
    ".txt": "text/plain; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


# --- what is recorded


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server sends.

    delay_seconds    wait this long first
    cut_after_bytes  promise the whole body, send this much of it, and hang up
    disconnect       hang up without a word
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_seconds: float = 0.0
    cut_after_bytes: int | None = None
    disconnect: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """One request that is known, and the answers to it: one a request, the last one from then on.

    query           the whole query, sorted: a parameter more or less is another request
    authentication  headers without which the answer is 401
    headers         headers without which the answer is 400
    form, json      members the body must have; it may have more
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    answers: tuple[Answer, ...]
    authentication: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] = field(default_factory=dict)

    def asks_the_same(self, other: Route) -> bool:
        """Say whether both describe one request."""
        return all(
            getattr(self, name) == getattr(other, name)
            for name in ("method", "path", "query", "authentication", "headers", "form", "json")
        )


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        return _query(self.target)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Received:
    """A request the server was sent, and how it answered.

    status   the answer's status; None when it hung up instead
    refused  why nothing recorded was given; None when something was
    """

    method: str
    target: str
    status: int | None
    refused: str | None = None


def find_route(routes: Sequence[Route], request: Request) -> tuple[int, HTTPStatus, str]:
    """Find the route of a request: its index and 200; else -1, the status of a refusal and why.

    Refusals name what was expected, never the value of a header: it may be a secret.
    """
    left = list(range(len(routes)))
    for status, fits, why in _CHECKS:
        candidates, left = left, [index for index in left if fits(routes[index], request)]
        if not left:
            return -1, status, why([routes[index] for index in candidates], request)
    return left[0], HTTPStatus.OK, ""


def _fits(expected: str, given: str | None) -> bool:
    return bool(given) if expected == ANY else given == expected


def _query_fits(route: Route, request: Request) -> bool:
    given = request.query
    return len(given) == len(route.query) and all(
        name == given_name and _fits(value, given_value)
        for (name, value), (given_name, given_value) in zip(route.query, given, strict=True)
    )


def _headers_fit(expected: Mapping[str, str], request: Request) -> bool:
    return all(_fits(value, request.headers.get(name.lower())) for name, value in expected.items())


def _body_fits(route: Route, request: Request) -> bool:
    if not all(_fits(value, request.form.get(name)) for name, value in route.form.items()):
        return False
    document = request.json if route.json else {}
    return isinstance(document, dict) and all(
        name in document and document[name] == value for name, value in route.json.items()
    )


def _why_query(routes: Sequence[Route], request: Request) -> str:
    known = " or ".join(sorted({_shown(route.query) for route in routes}))
    return f"{request.path} is recorded with the query {known}, not with {_shown(request.query)}"


def _shown(query: Iterable[tuple[str, str]]) -> str:
    return "&".join(f"{name}={value}" for name, value in query) or "(none)"


def _names(members: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(sorted({name for each in members for name in each}))


_Check = tuple[
    HTTPStatus, Callable[[Route, Request], bool], Callable[[Sequence[Route], Request], str]
]  # the status when no route is left, what a route must pass, the reason given

_CHECKS: tuple[_Check, ...] = (
    (
        HTTPStatus.NOT_FOUND,
        lambda route, request: route.path == request.path,
        lambda routes, request: f"nothing is recorded for {request.path}",
    ),
    (
        HTTPStatus.METHOD_NOT_ALLOWED,
        lambda route, request: route.method == request.method,
        lambda routes, request: f"{request.path} is not recorded for {request.method}",
    ),
    (
        HTTPStatus.UNAUTHORIZED,
        lambda route, request: _headers_fit(route.authentication, request),
        lambda routes, request: f"{_names(r.authentication for r in routes)} is missing or wrong",
    ),
    (
        HTTPStatus.BAD_REQUEST,
        lambda route, request: _headers_fit(route.headers, request),
        lambda routes, request: f"the header {_names(r.headers for r in routes)} is missing or wrong",
    ),
    (HTTPStatus.BAD_REQUEST, _query_fits, _why_query),
    (
        HTTPStatus.BAD_REQUEST,
        _body_fits,
        lambda routes, request: (
            f"the body must have the recorded {_names(m for r in routes for m in (r.form, r.json))}"
        ),
    ),
)


def _query(target: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(parse_qsl(urlsplit(target).query, keep_blank_values=True)))


# --- reading a folder

_ROUTE_KEYS: dict[str, tuple[type, ...]] = {
    "request": (str,),
    "authentication": (dict,),
    "headers": (dict,),
    "form": (dict,),
    "json": (dict,),
    "answer": (dict,),
    "faults": (list,),
}
_ANSWER_KEYS: dict[str, tuple[type, ...]] = {
    "status": (int,),
    "headers": (dict,),
    "file": (str,),
    "text": (str,),
    "delay_seconds": (int, float),
    "cut_after_bytes": (int,),
    "disconnect": (bool,),
}
_FILE_KEYS: dict[str, tuple[type, ...]] = {"authentication": (dict,), "headers": (dict,), "route": (list,)}


def read_routes(folder: Path) -> list[Route]:
    """Read a folder's routes.toml and the bodies it names.

    Two routes with the same request are answers that follow one another.

    Errors: ConfigurationError that names the route and the key.
    """
    path = folder / ROUTES_FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    _check(document, _FILE_KEYS, str(path))
    routes: list[Route] = []
    for number, entry in enumerate(document.get("route", []), start=1):
        route = _read_route(entry, document, folder, f"{path}, route {number}")
        same = next((index for index, known in enumerate(routes) if known.asks_the_same(route)), None)
        if same is None:
            routes.append(route)
        else:
            routes[same] = replace(routes[same], answers=(*routes[same].answers, *route.answers))
    return routes


def _read_route(entry: Any, document: Mapping[str, Any], folder: Path, where: str) -> Route:
    _check(entry, _ROUTE_KEYS, where)
    method, _, target = entry.get("request", "").partition(" ")
    if method not in _METHODS or not target.startswith("/"):
        raise ConfigurationError(
            f"{where}: request is {entry.get('request')!r}", hint='Write it as "GET /orders?page=1".'
        )
    where = f"{where} ({method} {target})"
    faults = [
        _read_answer(fault, folder, f"{where}, fault {number}")
        for number, fault in enumerate(entry.get("faults", []), start=1)
    ]
    return Route(
        method,
        unquote(urlsplit(target).path),
        _query(target),
        answers=(*faults, _read_answer(entry.get("answer", {}), folder, where)),
        authentication=_texts({**document.get("authentication", {}), **entry.get("authentication", {})}, where),
        headers=_texts({**document.get("headers", {}), **entry.get("headers", {})}, where),
        form=_texts(entry.get("form", {}), where),
        json=entry.get("json", {}),
    )


def _read_answer(entry: Any, folder: Path, where: str) -> Answer:
    _check(entry, _ANSWER_KEYS, where)
    if "file" in entry and "text" in entry:
        raise ConfigurationError(f"{where}: the answer has both a file and a text; give one")
    headers = _texts(entry.get("headers", {}), where)
    body = entry.get("text", "").encode()
    if "file" in entry:
        body = _read_body(folder, entry["file"], where)
        suffix = Path(entry["file"]).suffix
        headers = {"Content-Type": _CONTENT_TYPES.get(suffix, "application/octet-stream"), **headers}
    return Answer(
        entry.get("status", 200),
        headers,
        body,
        float(entry.get("delay_seconds", 0)),
        entry.get("cut_after_bytes"),
        entry.get("disconnect", False),
    )


def _read_body(folder: Path, name: str, where: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{where}: the body {name} cannot be read: {error}") from error


def _check(entry: Any, known: Mapping[str, tuple[type, ...]], where: str) -> None:
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{where} must be a table, not {entry!r}")
    for key, value in entry.items():
        if key not in known:
            raise ConfigurationError(f"{where}: the key {key!r} is unknown", hint=f"Known keys: {', '.join(known)}.")
        if not isinstance(value, known[key]) or (isinstance(value, bool) and bool not in known[key]):
            words = " or ".join(each.__name__ for each in known[key])
            raise ConfigurationError(f"{where}: {key} must be {words}, not {value!r}")


def _texts(entry: Mapping[str, Any], where: str) -> dict[str, str]:
    for name, value in entry.items():
        if not isinstance(value, str):
            raise ConfigurationError(f"{where}: {name} must be text in quotes, not {value!r}")
    return dict(entry)


# --- the server


class ReplayServer:
    """Serves a folder of recorded answers on 127.0.0.1, on a port the system chooses.

    A context manager: it answers from the `with` line on, and has ended, its connections closed, after it.
    Any number of clients may ask at once; answers that follow one another are counted over all of them.

    port  another one than the system's choice, for people; a test has no need of it

    Errors: ConfigurationError when the folder's routes cannot be read, or the port is taken.
    """

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self._routes = read_routes(folder)
        self._asked: Counter[int] = Counter()
        self._received: list[Received] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        try:
            self._http = _Server(self, port)
        except OSError as error:
            raise ConfigurationError(f"port {port} cannot be used: {error}") from error
        self._thread = threading.Thread(
            target=self._http.serve_forever, args=(0.05,), name="replay-server", daemon=True
        )
        # An address like http://127.0.0.1:43817, without a slash at its end.
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

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

    def serve(self, folder: Path) -> None:
        """Serve another folder from now on, or the same one from its beginning: faults come again."""
        routes = read_routes(folder)
        with self._lock:
            self._routes = routes
            self._asked.clear()
            self._received.clear()

    @property
    def received(self) -> list[Received]:
        """The requests since the start or the last `serve`, in the order they came."""
        with self._lock:
            return list(self._received)

    @property
    def refused(self) -> list[Received]:
        """The requests for which nothing was recorded."""
        return [received for received in self.received if received.refused is not None]

    def answer(self, request: Request) -> Answer:
        """Choose the answer to a request and note it in `received`."""
        with self._lock:
            index, status, why = find_route(self._routes, request)
            answer = _refusal(status, why) if index < 0 else self._next_answer(index)
            self._received.append(
                Received(request.method, request.target, None if answer.disconnect else answer.status, why or None)
            )
        self._closing.wait(answer.delay_seconds)
        return self._with_address(answer)

    def _next_answer(self, index: int) -> Answer:
        answers = self._routes[index].answers
        answer = answers[min(self._asked[index], len(answers) - 1)]
        self._asked[index] += 1
        return answer

    def _with_address(self, answer: Answer) -> Answer:
        return replace(
            answer,
            headers={name: value.replace(PLACEHOLDER, self.url) for name, value in answer.headers.items()},
            body=answer.body.replace(PLACEHOLDER.encode(), self.url.encode()),
        )


def _refusal(status: HTTPStatus, why: str) -> Answer:
    headers = {"Content-Type": "application/json"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="replay"'
    return Answer(status, headers, json.dumps({"error": why}).encode())


class _Server(ThreadingHTTPServer):
    """Accepts connections and remembers the open ones, so that closing need not wait for a client.

    Its threads are daemons, for whoever forgets to close; who closes has waited for all of them.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, replay: ReplayServer, port: int) -> None:
        self.replay = replay
        self._open: dict[threading.Thread, socket.socket] = {}
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="replay-client", daemon=True
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
    server_version = "replay"
    sys_version = ""
    disable_nagle_algorithm = True  # else each answer may wait 40 ms for the client's delayed ACK

    def _answer(self) -> None:
        assert isinstance(self.server, _Server)
        length = self._body_length()
        if length is None:
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        self._send(self.server.replay.answer(request))

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
