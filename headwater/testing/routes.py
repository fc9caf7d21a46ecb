"""Recorded requests and their answers: how a folder writes them, and which answer belongs to a request.

A folder holds `routes.toml` and the bodies it names; docs/howto/write_an_example.md explains every key.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from email.message import Message
from functools import cached_property
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from headwater.errors import ConfigurationError

ROUTES_FILE = "routes.toml"
# Stands for the address of the server, whose port nobody knows beforehand: in bodies and answer headers.
PLACEHOLDER = "{replay}"
# In a query, a header or a form: any value but an empty one.
ANY = "*"
# Stands where a secret was, in any part of a request: any text but an empty one.
REMOVED = "***"

CONTENT_TYPES = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".csv": "text/csv; charset=utf-8",
    ".xml": "application/xml",
    ".txt": "text/plain; charset=utf-8",
    ".html": "text/html; charset=utf-8",
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


# --- what is recorded


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server sends.

    delay_seconds    wait this long first
    cut_after_bytes  promise the whole body, send this much of it, and hang up
    disconnect       hang up without a word
    checkpoint       how many checkpoints the connector had made when it was given
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay_seconds: float = 0.0
    cut_after_bytes: int | None = None
    disconnect: bool = False
    checkpoint: int = 0

    def at(self, address: str) -> Answer:
        """Put the server's address in its place."""
        return replace(
            self,
            headers={name: value.replace(PLACEHOLDER, address) for name, value in self.headers.items()},
            body=self.body.replace(PLACEHOLDER.encode(), address.encode()),
        )


@dataclass(frozen=True, slots=True)
class Route:
    """One request that is known, and the answers to it: one a request, the last one from then on.

    origin          like https://api.example.com; "" for any
    query           the whole query, sorted: a parameter more or less is another request
    authentication  headers without which the answer is 401
    headers         headers without which the answer is 400
    form, json      members the body must have; it may have more
    body            the whole body, as `Request.text` writes it; None for any
    """

    method: str
    origin: str
    path: str
    query: tuple[tuple[str, str], ...]
    answers: tuple[Answer, ...]
    authentication: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] = field(default_factory=dict)
    body: str | None = None

    @property
    def request(self) -> tuple[object, ...]:
        """What is asked: equal for two routes that describe one request."""
        members = [sorted(each.items()) for each in (self.authentication, self.headers, self.form)]
        return (self.method, self.origin, self.path, self.query, repr(members), repr(self.json), self.body)

    @property
    def is_pattern(self) -> bool:
        """Whether it fits more than one address."""
        values = [value for _, value in self.query]
        return ANY in values or any(REMOVED in part for part in (self.path, *values))

    def fits(self, request: Request) -> bool:
        return all(fits(self, request) for _, fits, _ in _CHECKS)

    @property
    def narrowness(self) -> tuple[int, int, int]:
        """How much it asks for: of the routes that fit a request, the narrowest is meant."""
        members = (self.authentication, self.headers, self.form, self.json)
        return (self.body is not None, sum(map(len, members)), -[value for _, value in self.query].count(ANY))


@dataclass(frozen=True)
class Request:
    """A request as it came; header names in lower case.

    target  the path and the query; or a whole URL, where the origin matters
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @cached_property
    def _url(self) -> SplitResult:
        return urlsplit(self.target)

    @property
    def origin(self) -> str:
        return f"{self._url.scheme}://{self._url.netloc}" if self._url.netloc else ""

    @cached_property
    def path(self) -> str:
        return unquote(self._url.path) or "/"

    @cached_property
    def query(self) -> tuple[tuple[str, str], ...]:
        return _query(self.target)

    @cached_property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @cached_property
    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def is_form(self) -> bool:
        return self._content_type.get_content_type() == "application/x-www-form-urlencoded"

    @cached_property
    def _content_type(self) -> Message:
        message = Message()
        message["Content-Type"] = self.headers.get("content-type", "")
        return message

    @cached_property
    def text(self) -> str:
        """The body in the one spelling in which bodies are compared.

        JSON and forms do not depend on order and spaces; what is no text is its hash.
        """
        body = self.body
        if boundary := self._content_type.get_boundary():
            body = body.replace(boundary.encode(), b"boundary")  # clients throw dice for it
        if self.json is not None:
            return json.dumps(self.json, sort_keys=True, ensure_ascii=False)
        if self.is_form:
            return urlencode(sorted(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)), safe="*")
        try:
            return body.decode()
        except UnicodeDecodeError:
            return f"sha256:{sha256(body).hexdigest()}"


class Playback:
    """Gives each request its answer: those of one request in order, the last one from then on.

    Not for two threads at once.

    checkpoint  where the connector starts again: of a request's answers, the first one it is given is the first that
                was given when it had made so many checkpoints or more; the last one, if all were given before that
    """

    def __init__(self, routes: Sequence[Route], *, checkpoint: int = 0) -> None:
        self._routes = routes
        # A recording may hold thousands of pages of one path.
        self._exact: dict[tuple[object, ...], list[int]] = {}
        self._patterns: list[int] = []
        for index, route in enumerate(routes):
            if route.is_pattern:
                self._patterns.append(index)
            else:
                self._exact.setdefault((route.method, route.path, route.query), []).append(index)
        self._next = [_first(route.answers, checkpoint) for route in routes]

    def answer(self, request: Request) -> tuple[Answer | None, HTTPStatus, str]:
        """Choose the answer to a request; where none is recorded, give the status of a refusal and why.

        Refusals name what was expected, never the value of a header: it may be a secret.
        """
        near = [*self._exact.get((request.method, request.path, request.query), ()), *self._patterns]
        fitting = [index for index in near if self._routes[index].fits(request)]
        if not fitting:
            return None, *self._refusal(request)
        index = max(fitting, key=lambda each: self._routes[each].narrowness)
        answers = self._routes[index].answers
        answer = answers[self._next[index]]
        self._next[index] = min(self._next[index] + 1, len(answers) - 1)
        return answer, HTTPStatus.OK, ""

    def _refusal(self, request: Request) -> tuple[HTTPStatus, str]:
        left = list(self._routes)
        for status, fits, why in _CHECKS:
            candidates, left = left, [route for route in left if fits(route, request)]
            if not left:
                return status, why(candidates, request)
        raise AssertionError("a route fits that was not found")


def _first(answers: Sequence[Answer], checkpoint: int) -> int:
    return next((index for index, each in enumerate(answers) if each.checkpoint >= checkpoint), len(answers) - 1)


def _fits(expected: str, given: str | None) -> bool:
    if expected == ANY:
        return bool(given)
    if given is not None and REMOVED in expected:
        return re.fullmatch(".+".join(map(re.escape, expected.split(REMOVED))), given, re.DOTALL) is not None
    return given == expected


def _query_fits(route: Route, request: Request) -> bool:
    given = request.query
    return len(given) == len(route.query) and all(
        name == given_name and _fits(value, given_value)
        for (name, value), (given_name, given_value) in zip(route.query, given, strict=True)
    )


def _headers_fit(expected: Mapping[str, str], request: Request) -> bool:
    return all(_fits(value, request.headers.get(name.lower())) for name, value in expected.items())


def _body_fits(route: Route, request: Request) -> bool:
    if route.body is not None and not _fits(route.body, request.text):
        return False
    if not all(_fits(value, request.form.get(name)) for name, value in route.form.items()):
        return False
    document = request.json if route.json else {}
    return isinstance(document, dict) and all(
        name in document and document[name] == value for name, value in route.json.items()
    )


def _why_query(routes: Sequence[Route], request: Request) -> str:
    asked = _shown(request.query)
    known = sorted({_shown(route.query) for route in routes})
    near = sorted(difflib.get_close_matches(asked, known, n=3, cutoff=0.0)) if len(known) > 3 else known
    others = f" or {len(known) - len(near)} others" if len(known) > len(near) else ""
    return f"{request.path} is recorded with the query {' or '.join(near)}{others}, not with {asked}"


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
        lambda route, request: _fits(route.path, request.path),
        lambda routes, request: f"nothing is recorded for {request.path}",
    ),
    (
        HTTPStatus.NOT_FOUND,
        lambda route, request: not route.origin or not request.origin or route.origin == request.origin,
        lambda routes, request: f"{request.path} is not recorded for {request.origin}",
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
            f"the body must have the recorded {names}"
            if (names := _names(m for r in routes for m in (r.form, r.json)))
            else f"{request.path} is recorded with another body"
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
    "body": (str,),
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
    "checkpoint": (int,),
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
    routes: dict[tuple[object, ...], Route] = {}
    for number, entry in enumerate(document.get("route", []), start=1):
        route = _read_route(entry, document, folder, f"{path}, route {number}")
        known = routes.get(route.request)
        routes[route.request] = replace(known, answers=(*known.answers, *route.answers)) if known else route
    return list(routes.values())


def _read_route(entry: Any, document: Mapping[str, Any], folder: Path, where: str) -> Route:
    _check(entry, _ROUTE_KEYS, where)
    method, _, target = entry.get("request", "").partition(" ")
    if method not in METHODS or not re.match("/|https?://", target):
        raise ConfigurationError(
            f"{where}: request is {entry.get('request')!r}", hint='Write it as "GET /orders?page=1".'
        )
    where = f"{where} ({method} {target})"
    faults = [
        _read_answer(fault, folder, f"{where}, fault {number}")
        for number, fault in enumerate(entry.get("faults", []), start=1)
    ]
    request = Request(method, target)
    return Route(
        method,
        request.origin,
        request.path,
        request.query,
        answers=(*faults, _read_answer(entry.get("answer", {}), folder, where)),
        authentication=_texts({**document.get("authentication", {}), **entry.get("authentication", {})}, where),
        headers=_texts({**document.get("headers", {}), **entry.get("headers", {})}, where),
        form=_texts(entry.get("form", {}), where),
        json=entry.get("json", {}),
        body=entry.get("body"),
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
        headers = {"Content-Type": CONTENT_TYPES.get(suffix, "application/octet-stream"), **headers}
    return Answer(
        entry.get("status", 200),
        headers,
        body,
        float(entry.get("delay_seconds", 0)),
        entry.get("cut_after_bytes"),
        entry.get("disconnect", False),
        entry.get("checkpoint", 0),
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
