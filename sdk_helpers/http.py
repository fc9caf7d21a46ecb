"""A client for one HTTP API: base URL, time limits, retry, rate limit, typed errors, secrets kept secret.

Needs the sibling module `retry`, and `requests`. In a connector.py:

    from sdk_helpers.auth import Bearer
    from sdk_helpers.http import ApiClient, NotFound
    from sdk_helpers.retry import RateLimit

    def update(configuration, state):
        client = ApiClient(
            "https://api.example.com/v1", auth=Bearer(configuration["token"]), rate_limit=RateLimit(10)
        )
        for order in client.get_json("orders", params={"since": state.get("since")}):   # None is not sent
            op.upsert("orders", order)
        client.post("exports", json={"kind": "full"})
        with client.stream("exports/1.csv") as chunks:      # see `downloads` for files that must come whole
            ...
        client.post("lookups", data={"kind": "zip"}, files={"addresses": FilePart(Path("addresses.csv"))})

What it holds to:

- Credentials go to the host of the base URL only. Another host, in a path, a next URL or a redirect, is
  refused unless `other_hosts` names it, and then it is called without `auth` and the client's headers.
- A body that is cut short, is not JSON where JSON was asked for, or is larger than allowed is an error,
  never an empty page.
- Calls that may be repeated are repeated after a failure that may pass (GET, HEAD, PUT, DELETE, and others
  with `idempotent=True`); `Retry-After` is obeyed.
- Messages show method, URL, status and the first 200 bytes of the body, with secrets blanked out.
"""

import base64
import copy
import io
import json as json_module
import logging
import re
import secrets as secrets_module
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self, TypedDict, TypeVar, Unpack
from urllib.parse import quote, quote_plus, urljoin, urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from .retry import Backoff, RateLimit

logger = logging.getLogger(__name__)

Read = TypeVar("Read")

MASK = "***"
SHOWN_BODY_BYTES = 200
ERROR_BODY_BYTES = 65_536
SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
WORTH_REPEATING = frozenset({408, 425, 429, 500, 502, 503, 504})
# In a query "key" and "code" are credentials; in a body they are usually the name of a thing and of an error.
SECRET_MEMBER = re.compile(
    r"(?i)(^|[^a-z])(token|secret|passw(or)?d|pwd|authorization|signature|credentials?|jwt|cookie)($|[^a-z])"
    r"|api.?key|access.?key|private.?key|accesstoken|refreshtoken|clientsecret"
)
SECRET_PARAMETER = re.compile(rf"{SECRET_MEMBER.pattern}|(^|[^a-z])(key|code|auth|sig|session|sid)($|[^a-z])")


# --- Errors ------------------------------------------------------------------------------------------------


class ApiError(Exception):
    """A call that did not give what was asked for.

    status               the HTTP status, or None when no answer came
    retry_after_seconds  what the server demanded, if it did
    retryable            whether the failure may pass by itself
    sent                 False when the call surely never reached the server
    body                 the first 64 KiB of the answer, as they came: secrets are not blanked out in it
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_seconds: float | None = None,
        retryable: bool = False,
        sent: bool = True,
        body: bytes = b"",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after_seconds = retry_after_seconds
        self.retryable = retryable
        self.sent = sent
        self.body = body


class AuthError(ApiError):
    """401: the credentials are missing, wrong or expired."""


class AccessDenied(ApiError):
    """403: the credentials are good, but not for this."""


class NotFound(ApiError):
    """404 or 410: there is no such thing."""


class RequestRefused(ApiError):
    """Any other 4xx: the call itself is wrong."""


class RateLimited(ApiError):
    """429, or 403 with the headers of a rate limit: too many calls."""


class ServerError(ApiError):
    """5xx: the server failed."""


class NoAnswer(ApiError):
    """No connection, no answer in time, or a connection that broke before the answer began."""


class BadBody(ApiError):
    """The body is cut short, too large, wrongly compressed, or not JSON."""


class HostRefused(ApiError):
    """Another host, a redirect that may not be followed, or an address that is no HTTP URL."""


# --- Secrets -----------------------------------------------------------------------------------------------


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Blank out secrets: the given values in the forms they travel in, and parameters with a telling name.

    secrets  values, found raw, percent-encoded, as in JSON, and in base64; shorter than 4 characters they are
             left alone, for the text would become unreadable and show where they stood

    >>> redact("GET https://u:p@x.test/a?api_key=k-1&page=2 said s3cr3t", ["s3cr3t"])
    'GET https://***@x.test/a?api_key=***&page=2 said ***'
    >>> redact('{"access_token": "abc", "n": 1}')
    '{"access_token": "***", "n": 1}'
    """
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True):
        text = text.replace(form, MASK)
    text = re.sub(r"(://)[^/\s?#@]+@", rf"\1{MASK}@", text)
    # A name ends where the next one may begin: else a stranger's text of many ";" would take minutes.
    text = re.sub(r"([?&;])([^=&;\s?#]+)=([^&#\s'\"]*)", _masked_parameter, text)
    # The closing quote may be missing: bodies are shown cut off.
    return re.sub(r'"([^"\\]{1,100})"(\s*:\s*)"((?:[^"\\]|\\.)*)("?)', _masked_member, text)


def _forms(secret: str) -> Iterator[str]:
    if len(secret) >= 4:
        yield secret
        yield quote(secret, safe="")
        yield quote(secret)
        yield quote_plus(secret)
        yield json_module.dumps(secret)[1:-1]
        yield base64.b64encode(secret.encode()).decode().rstrip("=")
        yield base64.urlsafe_b64encode(secret.encode()).decode().rstrip("=")


def _masked_parameter(match: re.Match[str]) -> str:
    mark, name, _ = match.groups()
    return f"{mark}{name}={MASK}" if SECRET_PARAMETER.search(name) else match.group()


def _masked_member(match: re.Match[str]) -> str:
    name, colon, _, end = match.groups()
    return f'"{name}"{colon}"{MASK}{end}' if SECRET_MEMBER.search(name) else match.group()


# --- URLs --------------------------------------------------------------------------------------------------


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an HTTP URL: credentials for one origin are for no other.

    >>> origin("HTTPS://Api.Example.com/v1")
    ('https', 'api.example.com', 443)

    Errors: ValueError for anything that is no http or https URL with a host.
    """
    parts = urlsplit(url)
    default_port = {"http": 80, "https": 443}.get(parts.scheme)
    if default_port is None or not parts.hostname:
        raise ValueError(f"{redact(url)!r} is no http:// or https:// URL with a host")
    return parts.scheme, parts.hostname.rstrip("."), parts.port or default_port


def joined_url(base_url: str, path: str) -> str:
    """The URL of `path` under `base_url`; a path with a scheme or a host of its own stands for itself.

    A leading slash does not leave the base path. `.` and `..` would, and are refused: put a value that comes
    from data through `urllib.parse.quote(value, safe="")` before it becomes part of a path.

    >>> joined_url("https://x.test/v1", "/orders?open=1")
    'https://x.test/v1/orders?open=1'
    >>> joined_url("https://x.test/v1/", "https://y.test/z")
    'https://y.test/z'
    >>> joined_url("https://x.test/v1", "")
    'https://x.test/v1'
    """
    if re.match(r"(?i)[a-z][a-z0-9+.-]*:|//|\\\\", path):
        return urljoin(base_url, path)
    if any(part in (".", "..") for part in re.split(r"[/\\]", re.split("[?#]", path)[0])):
        raise ValueError(f"path {path!r}: '.' and '..' lead out of {redact(base_url)}")
    if not path.strip("/"):
        return base_url
    separator = "" if path.startswith("?") else "/"
    return base_url.rstrip("/") + separator + path.lstrip("/")


def resolved_url(response: requests.Response, reference: str) -> str:
    """The URL that an answer refers to, whole or relative to its own. Errors: HostRefused when it is none.

    A server behind a proxy that ends the encryption calls itself `http://`: on the same host it is kept.
    """
    try:
        url = urljoin(response.url, reference)
        asked, named = urlsplit(response.url), urlsplit(url)
        same_host = (named.hostname, named.port) == (asked.hostname, asked.port)
    except ValueError as error:
        raise HostRefused(f"the server refers to {_printable(redact(reference))!r}: {error}") from None
    forgotten = same_host and (asked.scheme, named.scheme) == ("https", "http")
    return urlunsplit(named._replace(scheme="https")) if forgotten else url


def query_parameters(params: Mapping[str, object]) -> list[tuple[str, str]]:
    """Query parameters: None left out, booleans as in JSON, times in ISO 8601, lists repeated.

    >>> query_parameters({"a": None, "b": False, "c": [1, 2], "d": date(2026, 1, 31)})
    [('b', 'false'), ('c', '1'), ('c', '2'), ('d', '2026-01-31')]
    """
    return [
        (name, _parameter_text(item))
        for name, value in params.items()
        for item in (value if isinstance(value, list | tuple | set | frozenset) else [value])
        if item is not None
    ]


def _parameter_text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):  # a datetime is one, too
        return value.isoformat()
    return str(value)


# --- What the server says about waiting --------------------------------------------------------------------


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """`Retry-After` in seconds from `now`, never below 0; None when it is missing or unreadable.

    >>> retry_after_seconds({"Retry-After": "Wed, 21 Oct 2026 07:28:30 GMT"},
    ...                     now=datetime(2026, 10, 21, 7, 28, tzinfo=UTC))
    30.0

    Source: RFC 9110, section 10.2.3: a number of seconds, or an HTTP date.
    """
    value = headers.get("Retry-After", "").strip()
    # Fractions are not in the RFC; servers send them.
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    if when.tzinfo is None:  # "-0000": UTC, from an unknown place
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())


def quota_wait_seconds(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """How long the quota stays used up, by the answer's own headers; None while calls are left.

    Understood: `X-RateLimit-*`, `X-Rate-Limit-*` and `RateLimit-*` with Remaining and Reset, and the newer
    `RateLimit: "name";r=0;t=30`. A reset is a number of seconds, a Unix time in seconds or in milliseconds.

    >>> quota_wait_seconds({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "42"}, now=datetime.now(UTC))
    42.0

    Source: draft-ietf-httpapi-ratelimit-headers, versions 03 and 10.
    """
    waits = [_reset_seconds(headers.get(f"{prefix}Reset", ""), now) for prefix in _used_up(headers)]
    for policy in headers.get("RateLimit", "").split(","):
        fields = dict(re.findall(r";\s*([rt])=(\d{1,15})", policy))
        if fields.get("r") and int(fields["r"]) == 0:
            waits.append(_reset_seconds(fields.get("t", ""), now))
    return max((wait for wait in waits if wait is not None), default=None)


def _used_up(headers: Mapping[str, str]) -> list[str]:
    prefixes = ("X-RateLimit-", "X-Rate-Limit-", "RateLimit-")
    return [prefix for prefix in prefixes if re.fullmatch(r"0+", headers.get(f"{prefix}Remaining", "").strip())]


def _reset_seconds(value: str, now: datetime) -> float | None:
    if not re.fullmatch(r"\s*\d{1,15}(\.\d{1,9})?\s*", value):
        return None
    seconds = float(value)
    if seconds > 1e11:
        seconds /= 1000
    # A wait of thirty years is none: it is a point in time.
    return max(0.0, seconds - now.timestamp()) if seconds > 1e9 else seconds


# --- Bodies ------------------------------------------------------------------------------------------------


def json_value(
    response: requests.Response, *, parse_float: Callable[[str], object] = float, secrets: Iterable[str] = ()
) -> Any:
    """The JSON value in the body of `response`.

    parse_float  `decimal.Decimal` keeps every digit of 12.345678901234567890
    secrets      values to blank out in the message of an error

    Errors: BadBody when the body is empty or is not one whole JSON value.
    """
    try:
        return json_module.loads(_json_text(response), parse_float=parse_float)
    except (ValueError, RecursionError, LookupError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else "it cannot be parsed"
    # Outside the handler: the parser's exception carries the whole body along.
    kind = _printable(response.headers.get("Content-Type", "no content type"))
    raise BadBody(
        f"{_asked(response.request, secrets)} answered {response.status_code} and no JSON: {reason} ({kind})."
        f"{_beginning(response.content, secrets)}",
        status=response.status_code,
        retryable=response.status_code not in (204, 205, 304),
        body=response.content[:ERROR_BODY_BYTES],
    )


def _json_text(response: requests.Response) -> str | bytes:
    # JSON is UTF-8, -16 or -32 and says so by itself; only a charset that is none of them must be believed.
    match = re.search(r"(?i)charset=\"?([\w-]+)", response.headers.get("Content-Type", ""))
    if match is None or match.group(1).lower().startswith("utf"):
        return response.content
    return response.content.decode(match.group(1))


def _asked(request: requests.PreparedRequest, secrets: Iterable[str]) -> str:
    return f"{request.method} {_printable(redact(request.url or '', secrets))}"


def _beginning(body: bytes, secrets: Iterable[str]) -> str:
    # Blanked out before it is cut: half a secret would not be recognised.
    text = _printable(redact(body[:ERROR_BODY_BYTES].decode("utf-8", "replace"), secrets))
    return f"\nThe answer began: {text[:SHOWN_BODY_BYTES]}" if text else "\nThe answer was empty."


def _printable(text: str) -> str:
    """Text of a stranger on one line, without the control characters that move a terminal's cursor."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+", " ", text).strip()


class _Body:
    """Reads the body of an answer to its true end, within its limits."""

    def __init__(self, response: requests.Response, max_bytes: int, in_time: Callable[[], bool]) -> None:
        self._response = response
        self._max_bytes = max_bytes
        self._in_time = in_time

    def chunks(self) -> Iterator[bytes]:
        """All of it, unpacked, as it comes.

        Errors: ValueError or zlib.error when it is not whole, and what urllib3 raises.
        """
        size = 0
        for chunk in self._unpacked():
            size += len(chunk)
            if size > self._max_bytes:
                raise TooLarge
            yield chunk

    def beginning(self) -> bytes:
        """What can be read of it, for a message: the status has already said that the call failed."""
        begun = b""
        try:
            for chunk in self._unpacked():
                begun += chunk
                if len(begun) >= self._max_bytes:
                    break
        except (urllib3.exceptions.HTTPError, ValueError, OSError, zlib.error):
            logger.debug("the body of an error could not be read to its end")
        return begun[: self._max_bytes]

    def _unpacked(self) -> Iterator[bytes]:
        encoding = self._response.headers.get("Content-Encoding", "").strip().lower()
        if encoding in ("", "identity"):
            return self._received()
        if encoding in ("gzip", "x-gzip"):
            return _gunzipped(self._received())
        raise ValueError(f"compressed with {_printable(encoding)}, but only gzip was asked for")

    def _received(self) -> Iterator[bytes]:
        raw = self._response.raw
        for chunk in raw.stream(65_536, decode_content=False):
            yield chunk
            if not self._in_time():
                raise TimeoutError("the body took too long")
        announced = self._response.headers.get("Content-Length", "")
        # urllib3 before 2.0 ends a short body as if it were whole.
        if announced.isdigit() and self._has_body() and raw.tell() != int(announced):
            raise ValueError(f"cut short: {raw.tell()} of {announced} bytes came")

    def _has_body(self) -> bool:
        return self._response.request.method != "HEAD" and self._response.status_code not in (204, 304)


class TooLarge(ValueError):
    """The body exceeds `max_bytes`."""


def _gunzipped(received: Iterable[bytes]) -> Iterator[bytes]:
    # urllib3 takes the end of the bytes for the end of the stream, and unpacks a bomb in one go.
    unzip = zlib.decompressobj(wbits=31)
    begun = False
    for chunk in received:
        begun = True
        while chunk:
            if unzip.eof:  # a gzip file may have several members
                unzip = zlib.decompressobj(wbits=31)
            yield unzip.decompress(chunk, 1_000_000)
            chunk = unzip.unused_data if unzip.eof else unzip.unconsumed_tail
    if begun and not unzip.eof:
        raise ValueError("cut short: the gzip stream has no end")


# --- The client --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Limits:
    """What one attempt may take.

    read_seconds   silence of the server
    total_seconds  from the first byte sent to the last byte of the body
    max_bytes      of the body, unpacked
    """

    connect_seconds: float = 10.0
    read_seconds: float = 60.0
    total_seconds: float = 600.0
    max_bytes: int = 100_000_000
    max_redirects: int = 5


@dataclass(frozen=True)
class FilePart:
    """A file in the body of a call; the one on disk is read while it is sent, and again for each attempt.

    content  the path of a file, or bytes
    name     what the server is told it is called; left out: the last part of the path
    """

    content: Path | bytes
    name: str | None = None
    content_type: str = "application/octet-stream"

    @property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    @property
    def file_name(self) -> str:
        return self.name or ("file" if isinstance(self.content, bytes) else self.content.name)

    def open(self) -> BinaryIO:
        return io.BytesIO(self.content) if isinstance(self.content, bytes) else self.content.open("rb")


class Multipart:
    """A form with files, as a file to read: it is never in memory as a whole.

    >>> form = Multipart([("kind", "zip")], {"list": FilePart(b"1,2", "list.csv", "text/csv")}, boundary="b")
    >>> len(form) == len(form.read())
    True

    Source: RFC 7578; quotes and line ends in names are written as browsers do (HTML, section 4.10.21.8).
    """

    def __init__(
        self, fields: Iterable[tuple[str, str]], files: Mapping[str, FilePart], *, boundary: str | None = None
    ) -> None:
        self.boundary = boundary or secrets_module.token_hex(16)
        self._parts = [*self._written(fields, files), io.BytesIO(f"--{self.boundary}--\r\n".encode())]
        self._size = self._left = sum(_remaining(part) for part in self._parts)
        self.content_type = f"multipart/form-data; boundary={self.boundary}"

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most `size` of them; b"" at the end. Errors: OSError when a file has changed its size."""
        wanted = self._size if size < 0 else size
        found = b""
        while self._parts and len(found) < wanted:
            piece = self._parts[0].read(wanted - len(found))
            if not piece:
                self._parts.pop(0).close()
            found += piece
        self._left -= len(found)
        shrunk = self._left > 0 and not self._parts
        grown = self._left <= 0 and any(part.read(1) for part in self._parts)
        if shrunk or grown:
            raise OSError("a file has changed its size while it was sent")
        return found

    def close(self) -> None:
        for part in self._parts:
            part.close()

    def _written(self, fields: Iterable[tuple[str, str]], files: Mapping[str, FilePart]) -> Iterator[BinaryIO]:
        for name, value in fields:
            yield io.BytesIO(f"{self._head(name)}\r\n\r\n{value}\r\n".encode())
        for name, part in files.items():
            file_name = f'; filename="{_quoted_name(part.file_name)}"\r\nContent-Type: {part.content_type}'
            yield io.BytesIO(f"{self._head(name)}{file_name}\r\n\r\n".encode())
            yield part.open()
            yield io.BytesIO(b"\r\n")

    def _head(self, name: str) -> str:
        return f'--{self.boundary}\r\nContent-Disposition: form-data; name="{_quoted_name(name)}"'


def _remaining(file: BinaryIO) -> int:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    return size


def _quoted_name(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


class RequestOptions(TypedDict, total=False):
    """What a call may say beside method and path.

    params      for the query, see `query_parameters`
    json, data  the body: a JSON value; or a form (mapping), text or bytes
    files       makes `data`, a form, a multipart one with these files
    headers     laid over those of the client; None takes one away
    accept      statuses of 300 and above to return instead of raising
    idempotent  True: a POST or PATCH may be repeated after a failure; False: a GET may not
    max_bytes   instead of the client's limit
    """

    params: Mapping[str, object] | None
    json: Any
    data: Mapping[str, object] | str | bytes | None
    files: Mapping[str, FilePart] | None
    headers: Mapping[str, str | None] | None
    accept: Iterable[int]
    idempotent: bool
    max_bytes: int


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Leave redirects to the client: requests would read their bodies without limit."""


class _NoAuth(AuthBase):
    """Says that there is no auth; without it, requests looks for the host in ~/.netrc."""

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        return r


class ApiClient:
    """Calls one HTTP API; may be shared by threads.

    base_url      of the API; paths are joined under it (see `joined_url`)
    auth          one of `sdk_helpers.auth`, another requests auth object, or (user, password)
    headers       sent with each call, to the host of the base URL only
    rate_limit    share one between clients of one account; the server's own limits are obeyed in any case
    backoff       attempts, waits, clock and sleep of the retries
    other_hosts   host names to which redirects, next URLs and calls may lead, without credentials
    secrets       further values to blank out in messages; those of `auth` and of telling headers are known
    now           the current time, with a time zone
    keep_cookies  for an API that logs in by cookie; such a client is for one thread

    `session` is the requests.Session underneath, for proxies, certificates and adapters.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: AuthBase | tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        rate_limit: RateLimit | None = None,
        backoff: Backoff | None = None,
        limits: Limits | None = None,
        other_hosts: Iterable[str] = (),
        secrets: Iterable[str] = (),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        keep_cookies: bool = False,
    ) -> None:
        self._origin = origin(base_url)
        parts = urlsplit(base_url)
        if parts.query or parts.fragment or parts.username is not None:
            raise ValueError(f"base_url {redact(base_url)}: leave out user, query and fragment (use auth and params)")
        self.base_url = base_url
        self.backoff = backoff or Backoff()
        self.limits = limits or Limits()
        self.rate_limit = rate_limit or RateLimit(None, clock=self.backoff.clock, sleep=self.backoff.sleep)
        self.auth = HTTPBasicAuth(*map(str.encode, auth)) if isinstance(auth, tuple) else auth
        self.headers = dict(headers or {})
        self._other_hosts = frozenset(host.lower() for host in other_hosts)
        self._secrets = (*secrets, *(auth if isinstance(auth, tuple) else ()), *_header_secrets(self.headers))
        self.now = now
        self.session = _session(keep_cookies)

    def __repr__(self) -> str:
        return f"ApiClient({self.base_url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next call would open new ones."""
        self.session.close()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that `redact` blanks out in this client's messages."""
        return (*self._secrets, *getattr(self.auth, "secrets", ()))

    def get(self, path: str, **options: Unpack[RequestOptions]) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Unpack[RequestOptions]) -> requests.Response:
        return self.request("POST", path, **options)

    def put(self, path: str, **options: Unpack[RequestOptions]) -> requests.Response:
        return self.request("PUT", path, **options)

    def patch(self, path: str, **options: Unpack[RequestOptions]) -> requests.Response:
        return self.request("PATCH", path, **options)

    def delete(self, path: str, **options: Unpack[RequestOptions]) -> requests.Response:
        return self.request("DELETE", path, **options)

    def head(self, path: str, **options: Unpack[RequestOptions]) -> requests.Response:
        return self.request("HEAD", path, **options)

    def get_json(
        self, path: str, *, parse_float: Callable[[str], object] = float, **options: Unpack[RequestOptions]
    ) -> Any:
        """GET `path` and give the JSON value in the body (see `json_value`)."""
        return self.request_json("GET", path, parse_float=parse_float, **options).value

    def post_json(
        self, path: str, *, parse_float: Callable[[str], object] = float, **options: Unpack[RequestOptions]
    ) -> Any:
        """POST to `path` and give the JSON value in the body (see `json_value`)."""
        return self.request_json("POST", path, parse_float=parse_float, **options).value

    def request_json(
        self,
        method: str,
        path: str,
        *,
        parse_float: Callable[[str], object] = float,
        **options: Unpack[RequestOptions],
    ) -> "JsonAnswer":
        """The JSON value in the body, and the answer; what cannot be parsed is asked for again.

        Errors: those of `request`, and BadBody (see `json_value`).
        """
        call = _Call(self, method, path, options)

        def fetch() -> JsonAnswer:
            response = call.answer()
            return JsonAnswer(json_value(response, parse_float=parse_float, secrets=self.secrets), response)

        return self.backoff.call(fetch, on=ApiError, when=call.may_repeat)

    def request(self, method: str, path: str, **options: Unpack[RequestOptions]) -> requests.Response:
        """The answer, its body already read: 2xx or one of `accept`; anything else is an error."""
        call = _Call(self, method, path, options)
        return self.backoff.call(call.answer, on=ApiError, when=call.may_repeat)

    @contextmanager
    def stream(self, path: str, *, method: str = "GET", **options: Unpack[RequestOptions]) -> Iterator["Stream"]:
        """The answer with its body still to come, to be read within the `with`.

        Opening it is repeated like any other call; what breaks while the body is read is raised to the reader.
        """
        call = _Call(self, method, path, options, streamed=True)
        response = self.backoff.call(call.answer, on=ApiError, when=call.may_repeat)
        with response:
            yield Stream(response, call)

    def home(self, url: str) -> bool:
        """Whether `url` is on the host of the base URL, so that credentials may go there.

        Errors: HostRefused for every other host that `other_hosts` does not name.
        """
        try:
            there = origin(url)
        except ValueError as error:
            raise HostRefused(str(error)) from None
        if there == self._origin or (there, self._origin) == _upgrade(self._origin[1]):
            return True
        scheme, host, port = there
        named = host if port in (80, 443) else f"{host}:{port}"
        if named in self._other_hosts and (scheme == "https" or self._origin[0] == "http"):
            return False
        raise HostRefused(
            f"{_printable(redact(url, self.secrets))} is not on {self._origin[0]}://{self._origin[1]}:{self._origin[2]}.\n"
            f"If the API really sends callers there: other_hosts=[{named!r}]; no credentials will go there."
        )


class Stream:
    """The body of an answer, chunk by chunk, once.

    response  status and headers; its own body is not to be read

    Errors while it is read: NoAnswer when the connection breaks, BadBody when the body is cut short or too large.
    """

    def __init__(self, response: requests.Response, call: "_Call") -> None:
        self.response = response
        self._call = call

    def __iter__(self) -> Iterator[bytes]:
        return self._call.chunks(self.response)


class JsonAnswer(NamedTuple):
    """The JSON value of a body, and the answer it came in."""

    value: Any
    response: requests.Response


def _upgrade(host: str) -> tuple[tuple[str, str, int], tuple[str, str, int]]:
    return ("https", host, 443), ("http", host, 80)


def _session(keep_cookies: bool) -> requests.Session:
    session = _Session()
    session.headers.update({"Accept": "application/json, */*;q=0.5", "Accept-Encoding": "gzip"})
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=32))
    if not keep_cookies:
        # A jar that stays empty is what makes a session safe to share between threads.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _header_secrets(headers: Mapping[str, str]) -> Iterator[str]:
    for name, value in headers.items():
        if SECRET_PARAMETER.search(name):
            yield value
            yield value.rpartition(" ")[2]  # "Bearer abc": the token alone, too


def _body_to_send(
    data: Mapping[str, object] | str | bytes | None, files: Mapping[str, FilePart] | None
) -> list[tuple[str, str]] | bytes | Multipart | None:
    if files:
        if data is not None and not isinstance(data, Mapping):
            raise TypeError("files go into a form: give data as a dict, or leave it out")
        return Multipart(query_parameters(data or {}), files)
    if isinstance(data, Mapping):
        return query_parameters(data)
    return data.encode() if isinstance(data, str) else data


class _Call:
    """One call of a client: the request, sent once per attempt, and its redirects."""

    def __init__(
        self, client: ApiClient, method: str, path: str, options: RequestOptions, *, streamed: bool = False
    ) -> None:
        self._client = client
        self._streamed = streamed
        self._method = method.upper()
        self._url = joined_url(client.base_url, path)
        self._options = options
        self._accept = frozenset(options.get("accept", ()))
        self._repeatable = options.get("idempotent", self._method in SAFE_TO_REPEAT)

    def may_repeat(self, error: Exception) -> bool:
        if not isinstance(error, ApiError) or not error.retryable:
            return False
        # Refused before anything was done: then even a POST may come again.
        refused = error.status == 429 or (error.status == 503 and error.retry_after_seconds is not None)
        return self._repeatable or refused or not error.sent

    def answer(self) -> requests.Response:
        """Make one attempt: send, follow redirects, judge the status."""
        request = self._request()
        for _ in range(self._client.limits.max_redirects + 1):
            response = self._exchange(request)
            if not self._redirects(response):
                return self._judged(response)
            request = self._redirected(request, response)
        raise HostRefused(f"{self._asked()}: more than {self._client.limits.max_redirects} redirects; a loop?")

    def _request(self) -> requests.Request:
        given = self._options.get("headers") or {}
        headers = {name: value for name, value in given.items() if value is not None}
        data = _body_to_send(self._options.get("data"), self._options.get("files"))
        if isinstance(data, Multipart):
            headers["Content-Type"] = data.content_type
        return requests.Request(
            self._method,
            self._url,
            params=query_parameters(self._options.get("params") or {}),
            json=self._options.get("json"),
            data=data,
            headers=headers,
        )

    def _exchange(self, request: requests.Request) -> requests.Response:
        """Send `request`, with credentials if it goes home, and read the body of the answer."""
        prepared = self._prepared(request)
        started = self._client.backoff.clock()  # the wait for the rate limit and for a token is over
        # Raised outside the handlers, here and below: what requests and urllib3 raise shows the whole URL,
        # keys included, and would be printed with the chain.
        try:
            response = self._sent(prepared)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            failed = self._no_answer(prepared, error)
        else:
            return response if self._streamed and self._is_good(response) else self._read(response, started)
        finally:
            if isinstance(request.data, Multipart):
                request.data.close()
        raise failed

    def _prepared(self, request: requests.Request) -> requests.PreparedRequest:
        client = self._client
        session = client.session
        if client.home(request.url):
            client.rate_limit.wait()
            taken = {name.lower() for name in (self._options.get("headers") or {})}
            kept = {name: value for name, value in client.headers.items() if name.lower() not in taken}
            request = copy.copy(request)
            request.headers = {**kept, **request.headers}
            request.auth = client.auth or _NoAuth()
        else:
            request.auth = _NoAuth()
        try:
            return session.prepare_request(request)
        except (requests.RequestException, UnicodeError) as error:
            reason = redact(str(error), client.secrets)
        raise HostRefused(f"{self._asked()}: the request cannot be built: {_printable(reason)}")

    def _sent(self, prepared: requests.PreparedRequest) -> requests.Response:
        session, limits = self._client.session, self._client.limits
        # requests puts REQUESTS_CA_BUNDLE above what the author has set on the session.
        named = None if session.verify is True else session.verify
        settings = session.merge_environment_settings(prepared.url or "", {}, True, named, None)
        timeout = (limits.connect_seconds, limits.read_seconds)
        return session.send(prepared, timeout=timeout, allow_redirects=False, **settings)

    def _read(self, response: requests.Response, started: float) -> requests.Response:
        """Give the same answer with its body read; requests alone would read without limit."""
        with response:  # closes the connection of a body that was not read to its end
            body = self._guarded(response, lambda: self._body(response, started))
        # With these two set, `content`, `text` and `json()` of requests are what was read here.
        response._content = body
        response._content_consumed = True  # type: ignore[attr-defined]  # not in the stubs of requests
        return response

    def chunks(self, response: requests.Response) -> Iterator[bytes]:
        """Give the body of an answer that was streamed."""
        body = _Body(response, self._max_bytes(), self._in_time(self._client.backoff.clock()))
        chunks = body.chunks()
        while (chunk := self._guarded(response, lambda: next(chunks, None))) is not None:
            yield chunk

    def _guarded(self, response: requests.Response, reading: Callable[[], Read]) -> Read:
        """Read from a body; what goes wrong is an ApiError."""
        failed: ApiError
        try:
            return reading()
        except TooLarge:
            failed = BadBody(
                f"{self._asked(response.request)}: the body is larger than {self._max_bytes()} bytes.\n"
                "Ask for less at a time, or raise max_bytes."
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            failed = self._no_answer(response.request, error)
        except (ValueError, zlib.error) as error:
            reason = _printable(redact(str(error), self._client.secrets))
            failed = BadBody(f"{self._asked(response.request)}: the body is broken: {reason}", retryable=True)
        failed.status = response.status_code
        raise failed

    def _body(self, response: requests.Response, started: float) -> bytes:
        in_time = self._in_time(started)
        if self._redirects(response):
            return b""
        if self._fails(response):
            return _Body(response, ERROR_BODY_BYTES, in_time).beginning()
        return b"".join(_Body(response, self._max_bytes(), in_time).chunks())

    def _in_time(self, started: float) -> Callable[[], bool]:
        limits, clock = self._client.limits, self._client.backoff.clock
        return lambda: clock() - started <= limits.total_seconds

    def _is_good(self, response: requests.Response) -> bool:
        return not self._redirects(response) and not self._fails(response)

    def _max_bytes(self) -> int:
        return self._options.get("max_bytes", self._client.limits.max_bytes)

    def _fails(self, response: requests.Response) -> bool:
        return response.status_code >= 300 and response.status_code not in self._accept

    def _redirects(self, response: requests.Response) -> bool:
        followed = response.status_code in (301, 302, 303, 307, 308) and "Location" in response.headers
        return followed and response.status_code not in self._accept

    def _redirected(self, request: requests.Request, response: requests.Response) -> requests.Request:
        # http.client reads headers as Latin-1; a URL that is not all ASCII comes as UTF-8.
        location = response.headers["Location"].encode("latin-1", "replace").decode("utf-8", "replace")
        url = resolved_url(response, location)
        at_home = self._client.home(url)
        status, reads = response.status_code, request.method in ("GET", "HEAD")
        if not reads and status != 303 and (status in (301, 302) or not at_home):
            raise HostRefused(
                f"{self._asked()} answered {status}: it wants to be called at {_printable(redact(url))}.\n"
                f"A {request.method} would not arrive there with its body: correct the base URL.",
                status=status,
            )
        again = requests.Request(request.method, url, headers=request.headers if at_home else {})
        if not reads and status == 303:
            again.method = "GET"
        elif not reads:
            fresh = self._request()  # a body that was read is at its end
            again.data, again.json, again.headers = fresh.data, fresh.json, fresh.headers
        return again

    def _judged(self, response: requests.Response) -> requests.Response:
        client, status = self._client, response.status_code
        now = client.now()
        quota = quota_wait_seconds(response.headers, now=now)
        demanded = retry_after_seconds(response.headers, now=now)
        limited = status == 429 or (status == 403 and (quota is not None or demanded is not None))
        pause = demanded if demanded is not None and limited else quota
        # What is too long to wait for is left to the next call, whose refusal says so.
        if pause and pause <= client.backoff.total_seconds:
            client.rate_limit.pause(pause)
        if not self._fails(response):
            return response
        raise _error_class(status, limited)(
            f"{self._asked(response.request)} answered {status}.{_beginning(response.content, client.secrets)}",
            status=status,
            retry_after_seconds=pause if limited else demanded,
            retryable=status in WORTH_REPEATING or limited,
            body=response.content,
        )

    def _no_answer(self, prepared: requests.PreparedRequest, error: Exception) -> ApiError:
        secrets = self._client.secrets
        reason = _printable(redact(_root_cause(error), secrets))
        never_sent = isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in repr(error)
        certificate = isinstance(error, requests.exceptions.SSLError)
        return NoAnswer(
            f"{self._asked(prepared)}: no whole answer came: {reason}",
            retryable=not certificate,
            sent=not never_sent,
        )

    def _asked(self, prepared: requests.PreparedRequest | None = None) -> str:
        if prepared is not None:
            return _asked(prepared, self._client.secrets)
        return f"{self._method} {_printable(redact(self._url, self._client.secrets))}"


def _error_class(status: int, limited: bool) -> type[ApiError]:
    if limited:
        return RateLimited
    if status >= 500:
        return ServerError
    if status < 400:
        return ApiError
    return {401: AuthError, 403: AccessDenied, 404: NotFound, 410: NotFound}.get(status, RequestRefused)


def _root_cause(error: BaseException) -> str:
    """The innermost reason: the outer layers of requests and urllib3 only repeat the URL."""
    for inner in (getattr(error, "reason", None), *reversed(error.args), error.__cause__, error.__context__):
        if isinstance(inner, BaseException):
            return _root_cause(inner)
    return f"{type(error).__name__}: {error}"
