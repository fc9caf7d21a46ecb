"""Takes the secrets out of recorded requests and answers.

Three things are secrets: what the configuration holds as one, what a request sent to prove who it is, and what an
answer gave under a name like `access_token`. Each is removed wherever it stands, in every spelling.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import unquote_plus, urlsplit, urlunsplit

from headwater.log import Redactor, redact
from headwater.testing.routes import REMOVED, Answer, Request

# A shorter one, from an answer or a header, is a word like `basic` more often than a secret.
_LEAST_CHARACTERS = 8

# Always secrets, in a query, a form, a JSON document or a text; `token` alone may be a cursor.
_NAMES = (
    r"access[-_]?tokens?|refresh[-_]?tokens?|id[-_]?token|api[-_]?token|auth[-_]?token|session[-_]?token|bearer[-_]?token"
    r"|security[-_]?token|x-amz-(?:signature|credential|security-token)|csrf[-_]?token|personal[-_]?access[-_]?token"
    r"|api[-_]?key|app[-_]?key|secret[-_]?key|access[-_]?key[-_]?id|secret[-_]?access[-_]?key|private[-_]?key|signing[-_]?key"
    r"|client[-_]?secret|consumer[-_]?secret|app[-_]?secret|secret|client[-_]?assertion|assertion|password|passwd|pwd"
    r"|authorization|jwt|oauth[-_](?:token|signature|nonce)|code[-_]?verifier|signature|sig"
)
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
# What a login gives may have any of these names, too.
_LOGIN = re.compile(
    r"(?:^|/)[\w.-]*?(?:oauth2?|auth|tokens?|log-?[io]n|sign-?in|sessions?|authenticate|authorize)(?:\.\w+)?/?$",
    re.IGNORECASE,
)
_LOGIN_NAME = re.compile(rf"{_NAMES}|token|key|ticket|sid|bearer|session[-_]?id", re.IGNORECASE)
# In HTML, XML, CSV-like and half-cut JSON.
_NAMED_IN_TEXT = re.compile(
    rf"""(?<![\w-])(?:{_NAMES})(?:\\?["'])?\s*(?:[:=>]|=>)\s*(?:\\?["'])?([^"'&<>\s,;\\]{{8,}})""", re.IGNORECASE
)
_NAMED_MEMBER = re.compile(rf'"(?:{_LOGIN_NAME.pattern})"\s*:', re.IGNORECASE)
_JWT = re.compile(r"\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*")

_AUTHENTICATION = re.compile(r"authorization|.*api-?key")
_CREDENTIAL_HEADER = re.compile(
    r"(proxy-)?authorization|cookie2?|.*(api-?key|token|secret|password|session|auth-?key|access-?key|credential).*",
    re.IGNORECASE,
)
# A cursor, though some call it a token.
_POSITION = re.compile(r"page|next|prev|cursor|contin|offset|sync|delta|resume|start", re.IGNORECASE)
# Of these the header holds signatures for one request, and names.
_SIGNING = re.compile(r"aws4-|oauth |digest |hawk |signature ", re.IGNORECASE)


class Scrubber:
    """Learns secrets from requests and answers, and removes them from others.

    configuration  its secrets are known from the beginning, and those of the process's log
    """

    def __init__(self, configuration: Mapping[str, object]) -> None:
        self._redactor = Redactor()
        self._redactor.learn(configuration)
        self._learned: set[str] = set()

    # --- learning

    def learn(self, request: Request, answer: Answer) -> None:
        """Take what a request sent to prove who it is, and what its answer gave for that."""
        found = {secret for secret in (*_sent(request), *_given(request, answer)) if len(secret) >= _LEAST_CHARACTERS}
        if new := found - self._learned:
            self._learned |= new
            self._redactor.add(new)

    # --- removing

    def text(self, text: str) -> str:
        return _JWT.sub(REMOVED, redact(self._redactor(text)))

    def request(self, request: Request) -> Request:
        """Give a request without secrets; of its headers, those that say who asks, and which answer is wanted."""
        headers = {name: self.text(value) for name, value in request.headers.items() if _selects(name, value)}
        headers |= {name: REMOVED for name in request.headers if _AUTHENTICATION.fullmatch(name)}
        body = self._body(request.body, _SECRET_NAME)
        if request.is_form:
            body = self._pairs(body.decode("utf-8", "replace")).encode()
        return Request(request.method, self._url(request.target), headers, body)

    def answer(self, request: Request, answer: Answer) -> Answer:
        """Give the answer to a request without secrets, and without the headers that say how it was carried."""
        names = _token_names(request)
        headers = {name: self._header(name, value) for name, value in answer.headers.items() if not _carries(name)}
        return replace(answer, headers=headers, body=self._body(answer.body, names))

    def _url(self, url: str) -> str:
        parts = urlsplit(self.text(url))
        netloc = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, netloc, parts.path, self._pairs(parts.query), ""))

    def _pairs(self, text: str) -> str:
        pairs = [pair.partition("=") for pair in text.split("&")]
        return "&".join(
            f"{name}{equals}{REMOVED if value and _SECRET_NAME.fullmatch(unquote_plus(name)) else value}"
            for name, equals, value in pairs
        )

    def _header(self, name: str, value: str) -> str:
        if name.lower() == "set-cookie":
            return "\n".join(map(_without_cookie, value.split("\n")))
        if _CREDENTIAL_HEADER.fullmatch(name) and not _POSITION.search(name):
            return REMOVED
        return self._url(value) if re.match("https?://", value) else self._plain(value)

    def _body(self, body: bytes, names: re.Pattern[str]) -> bytes:
        try:
            text = body.decode()
        except UnicodeDecodeError:
            # Latin-1 gives each byte a character, and takes it back.
            raw = body.decode("latin-1")
            clean = self._redactor(raw)
            return body if clean == raw else clean.encode("latin-1", "replace")
        plain = self._plain(text)
        if plain == text and not _NAMED_MEMBER.search(text):
            return body
        try:
            document = json.loads(text)
        except ValueError:
            return plain.encode()
        clean_document = self._document(document, names)
        # What holds no secret stays as the source wrote it.
        if repr(clean_document) == repr(document):
            return body
        return json.dumps(clean_document, ensure_ascii=False).encode()

    def _document(self, value: Any, names: re.Pattern[str]) -> Any:
        if isinstance(value, dict):
            return {
                self.text(name) if len(name) >= _LEAST_CHARACTERS else name: REMOVED
                if isinstance(each, str) and each and names.fullmatch(name)
                else self._document(each, names)
                for name, each in value.items()
            }
        if isinstance(value, list):
            return [self._document(each, names) for each in value]
        if isinstance(value, str):
            return self._plain(value) if value else value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return REMOVED if self.text(str(value)) == REMOVED else value
        return value

    def _plain(self, text: str) -> str:
        def without(match: re.Match[str]) -> str:
            return match[0].replace(match[1], REMOVED)

        return _NAMED_IN_TEXT.sub(without, self.text(text))


# --- where secrets stand


def _sent(request: Request) -> Iterator[str]:
    """Give the credentials of a request."""
    for name, value in request.headers.items():
        if name in ("cookie", "cookie2"):
            yield from _cookies(value)
        elif name in ("authorization", "proxy-authorization"):
            yield from _credentials(value)
        elif _CREDENTIAL_HEADER.fullmatch(name) and not _POSITION.search(name):
            yield value
            yield value.rpartition(" ")[2]
    for name, value in (*request.query, *request.form.items()):
        if _SECRET_NAME.fullmatch(name):
            yield value
    yield from _named(request.json, _SECRET_NAME)


def _credentials(value: str) -> Iterator[str]:
    """Give the secrets in the value of `Authorization`.

    >>> sorted(set(_credentials("Basic dXNlcjpzZWNyZXQtMQ=="))), list(_credentials("Bearer t-1"))
    (['=', 'dXNlcjpzZWNyZXQtMQ==', 'secret-1', 'user:secret-1'], ['t-1', ''])
    """
    if _SIGNING.match(value):
        return
    scheme, _, rest = value.partition(" ")
    secret = rest.strip() or scheme
    yield secret
    yield secret.partition("=")[2].strip('"')  # Token token="…"
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(secret, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return  # not Basic after all; the value itself is taken
        yield pair
        user, _, password = pair.partition(":")
        yield password or user  # some send the key as the user


def _cookies(value: str) -> Iterator[str]:
    """Give the values of cookies that may stand for a session: long ones."""
    jar = SimpleCookie()
    try:
        jar.load(value)
    except CookieError:
        return  # the header itself is never kept
    yield from (each.value for each in jar.values() if len(each.value) >= 16)


def _given(request: Request, answer: Answer) -> Iterator[str]:
    """Give the tokens in an answer."""
    names = _token_names(request)
    for name, value in answer.headers.items():
        if name.lower() == "set-cookie":
            for line in value.split("\n"):
                yield from _cookies(line)
        elif _CREDENTIAL_HEADER.fullmatch(name) and not _POSITION.search(name):
            yield value
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        return
    try:
        yield from _named(json.loads(text), names)
    except ValueError:
        yield from (match[1] for match in _NAMED_IN_TEXT.finditer(text))
        yield from (unquote_plus(match[1]) for match in _NAMED_IN_TEXT.finditer(text))


def _token_names(request: Request) -> re.Pattern[str]:
    """Give the names under which an answer may hold a token."""
    return _LOGIN_NAME if request.method == "POST" and _LOGIN.search(request.path) else _SECRET_NAME


def _named(document: Any, names: re.Pattern[str]) -> Iterator[str]:
    """Give the texts that stand under one of the names, at any depth."""
    if isinstance(document, dict):
        for name, value in document.items():
            if isinstance(value, str) and names.fullmatch(name):
                yield value
            else:
                yield from _named(value, names)
    elif isinstance(document, list):
        for each in document:
            yield from _named(each, names)


def _without_cookie(line: str) -> str:
    """Keep the name and the attributes of a cookie.

    >>> _without_cookie("sid=31d4d96e407aad42; Path=/; HttpOnly")
    'sid=***; Path=/; HttpOnly'
    """
    pair, semicolon, attributes = line.partition(";")
    return f"{pair.partition('=')[0]}={REMOVED}{semicolon}{attributes}"


# --- which headers matter

_SELECTING = re.compile(
    r"range|prefer|accept|accept-language|soapaction|x-amz-target|x-http-method-override|if-.*|.*version|content-type"
)
_CARRYING = re.compile(
    r"connection|keep-alive|transfer-encoding|content-encoding|content-length|date|server|via|age|trailer|upgrade|alt-svc"
    r"|nel|report-to|strict-transport-security|.*request-?id|.*trace-?id|cf-ray|x-amz-id-2|x-runtime|proxy-.*|set-cookie2",
    re.IGNORECASE,
)


def _selects(name: str, value: str) -> bool:
    """Say whether a request's header chooses between answers; what only tells who asks, and when, does not."""
    return value != "*/*" and bool(_SELECTING.fullmatch(name) or _POSITION.search(name))


def _carries(name: str) -> bool:
    """Say whether an answer's header is about this one transfer of it."""
    return _CARRYING.fullmatch(name) is not None
