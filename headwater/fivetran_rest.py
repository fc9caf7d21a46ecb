"""Fivetran's REST API, as far as a deployment needs it (rules G-01 to G-07)."""

from __future__ import annotations

import base64
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import requests

import headwater
from headwater.errors import ConfigurationError, HeadwaterError, TransientError
from headwater.log import redact

BASE_URL = "https://api.fivetran.com"
TRIES = 5
TIMEOUT_SECONDS = (10, 300)  # to connect, and for an answer: setup tests run while it is waited for
LONGEST_WAIT_SECONDS = 60.0
PAGE = 500
PACKAGES = "connector-sdk/packages"

# A shorter half of a key is a word, that other texts hold too.
SECRET_CHARACTERS = 8

_REFUSED_FOR_NOW = {429, 503}  # nothing was done: any request may be sent again
_LOST_ON_THE_WAY = {500, 502, 504}


class FivetranError(HeadwaterError):
    """Fivetran refuses a request, or gives an answer that cannot be read."""

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection there is, of whatever service."""

    id: str
    service: str


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """A package that Fivetran has: what it says of it, times and names in its own words.

    connections  the ids of those that run it
    """

    id: str
    connections: list[str]
    sha256: str
    created_at: str
    created_by: str
    updated_at: str
    updated_by: str


def base_url(home: Path | None = None) -> str:
    """Read where the API is: `production_base_url` in ~/.fivetran/connector_sdk/_config.json, else Fivetran itself.

    Errors: ConfigurationError for an address that would carry the key in the clear.
    """
    path = (home or Path.home()) / ".fivetran" / "connector_sdk" / "_config.json"
    try:
        url = str(json.loads(path.read_text(encoding="utf-8")).get("production_base_url") or BASE_URL)
    except FileNotFoundError:
        return BASE_URL
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ConfigurationError(f"{path}: production_base_url must begin with https://, since it is sent the API key")
    return url.rstrip("/")


class FivetranApi:
    """The requests of a deployment, sent again where that does no harm.

    key    base64, as Fivetran shows it; `KEY:SECRET` is taken too
    sleep  seconds
    """

    def __init__(self, key: str, url: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        encoded = base64.b64encode(key.strip().encode()).decode() if ":" in key else key.strip()
        redact.add([key.strip(), encoded, *_parts(encoded)])
        self._url = url
        self._sleep = sleep
        self._session = requests.Session()
        self._session.auth = _Basic(encoded)  # as an object: a ~/.netrc would win over a header
        system = f"{platform.system().lower()}-{platform.machine().lower()}"
        self._session.headers["User-Agent"] = f"headwater/{headwater.__version__}/{system}"
        self._connections = "connections"

    def destinations(self) -> Iterator[tuple[str, str]]:
        """List the destinations: id and name."""
        return ((_said(each, "id"), _said(each, "name")) for each in self._items("groups"))

    def connection(self, destination: str, name: str) -> Connection | None:
        """Find a connection by its name; asks with the older path where a server knows only that (rule G-07)."""
        try:
            data = self._call("GET", f"groups/{destination}/{self._connections}", params={"schema": name})
        except FivetranError as error:
            if error.status not in (404, 405) or self._connections == "connectors":
                raise
            self._connections = "connectors"
            return self.connection(destination, name)
        items = data.get("items", [])
        return Connection(_said(items[0], "id"), _said(items[0], "service")) if items else None

    def package_of(self, connection: str) -> str | None:
        """Give the id of the package that a connection runs."""
        config = self._call("GET", f"{self._connections}/{connection}").get("config") or {}
        return config.get("package_id")

    def packages(self) -> Iterator[PackageRecord]:
        """List the packages of the account."""
        return map(_record, self._items(PACKAGES))

    def package(self, id: str) -> PackageRecord | None:
        """Look up a package; None when there is none of this id."""
        try:
            return _record(self._call("GET", _package_path(id)))
        except FivetranError as error:
            if error.status == 404:
                return None
            raise

    def require_package(self, id: str) -> PackageRecord:
        """Look up a package.

        Errors: FivetranError when there is none of this id.
        """
        found = self.package(id)
        if found is None:
            hint = "See them with `headwater package list`."
            raise FivetranError(f"Fivetran has no package {id}", status=404, hint=hint)
        return found

    def upload(self, path: Path) -> str:
        """Upload a package; give its id."""
        return _said(self._call("POST", PACKAGES, files=_file(path)), "id")

    def replace_package(self, id: str, path: Path) -> None:
        """Put a zip in the place of one that Fivetran has: whatever runs the package runs the new code."""
        self._call("PATCH", _package_path(id), files=_file(path))

    def delete_package(self, id: str) -> None:
        self._call("DELETE", _package_path(id))

    def create(self, payload: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """Make a connection; give its id, and all that is said of it."""
        answer = self._call("POST", self._connections, json=payload)
        return _said(answer, "id"), answer

    def update(self, connection: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        return self._call("PATCH", f"{self._connections}/{connection}", json=payload)

    def _items(self, path: str) -> Iterator[dict[str, Any]]:
        """Read a list page by page.

        Errors: FivetranError, also when the pages go in a circle.
        """
        seen: set[str | None] = set()
        cursor = None
        while cursor not in seen:
            seen.add(cursor)
            data = self._call("GET", path, params={"limit": PAGE, **({"cursor": cursor} if cursor else {})})
            yield from data.get("items", [])
            cursor = data.get("next_cursor")
            if not cursor:
                return
        raise FivetranError(f"GET /v1/{path}: Fivetran gives the same page again", hint="Try again later.")

    def _call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """Send a request until it is answered; give `data` of the answer.

        Errors: FivetranError; TransientError when Fivetran cannot be reached, or goes on refusing for now.
        """
        for attempt in range(1, TRIES + 1):
            response = self._send(method, path, last=attempt == TRIES, **options)
            if response is not None and not _may_repeat(method, response.status_code):
                return _data(response, f"{method} /v1/{path}")
            if attempt < TRIES:
                self._sleep(_wait_seconds(response, attempt))
        assert response is not None
        raise TransientError(
            f"{method} /v1/{path}: Fivetran answers {response.status_code}, {TRIES} times", hint="Try again later."
        )

    def _send(self, method: str, path: str, *, last: bool, **options: Any) -> requests.Response | None:
        """Send a request once; None when it got lost and may be sent again."""
        try:
            return self._session.request(
                method, f"{self._url}/v1/{path}", timeout=TIMEOUT_SECONDS, allow_redirects=False, **options
            )
        except requests.RequestException as error:
            if method != "POST" and not last:
                return None
            hint = "Check the network, and HTTPS_PROXY where a proxy stands in between."
            if method == "POST":
                hint = "Look at Fivetran whether it was done before you try again."
            message = redact(f"{method} /v1/{path}: {self._url} does not answer: {_innermost(error)}")
            raise TransientError(message, hint=hint) from None


def _innermost(error: BaseException) -> str:
    """Say what really happened: requests wraps it, and urllib3 wraps it again."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    wrapped = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    inner = next((each for each in wrapped if isinstance(each, BaseException)), None)
    return _innermost(inner) if inner is not None else f"{type(error).__name__}: {error}"


class _Basic(requests.auth.AuthBase):
    def __init__(self, encoded: str) -> None:
        self._encoded = encoded

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Basic {self._encoded}"
        return request


def _parts(encoded: str) -> list[str]:
    """Give the two halves of a key, which are secrets too; nothing when it is no base64, for Fivetran to refuse."""
    try:
        halves = base64.b64decode(encoded, validate=True).decode().split(":")
    except ValueError:
        return []
    return [half for half in halves if len(half) >= SECRET_CHARACTERS]


def _package_path(id: str) -> str:
    return f"{PACKAGES}/{quote(id, safe='')}"


def _file(path: Path) -> dict[str, tuple[str, bytes, str]]:
    return {"file": (path.name, path.read_bytes(), "application/zip")}


def _said(data: object, name: str) -> str:
    """Give what an answer must say.

    Errors: FivetranError when it does not.
    """
    value = data.get(name) if isinstance(data, Mapping) else None
    if not value:
        raise FivetranError(f"Fivetran's answer has no {name!r}", hint="Look at Fivetran what was done.")
    return str(value)


def _record(data: Mapping[str, Any]) -> PackageRecord:
    one = data.get("connection_id")
    return PackageRecord(
        id=_said(data, "id"),
        connections=[str(each) for each in data.get("connection_ids") or ([one] if one else [])],
        sha256=str(data.get("file_sha256_hash") or ""),
        created_at=str(data.get("created_at") or ""),
        created_by=str(data.get("created_by") or ""),
        updated_at=str(data.get("updated_at") or ""),
        updated_by=str(data.get("last_updated_by") or ""),
    )


def _may_repeat(method: str, status: int) -> bool:
    return status in _REFUSED_FOR_NOW or (method != "POST" and status in _LOST_ON_THE_WAY)


def _wait_seconds(response: requests.Response | None, attempt: int) -> float:
    """Read `Retry-After`, seconds or a date; without it twice as long each time, from one second."""
    default = float(2 ** (attempt - 1))
    text = response.headers.get("Retry-After", "") if response is not None else ""
    try:
        seconds = float(text) if text.isdecimal() else parsedate_to_datetime(text).timestamp() - time.time()
    except (TypeError, ValueError):
        seconds = default
    return min(max(seconds, 0.0), LONGEST_WAIT_SECONDS)


def _data(response: requests.Response, what: str) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not response.ok or response.is_redirect:
        said = answer.get("message") if isinstance(answer, dict) else None
        hint = "The API key is refused: take one that is valid, in base64." if response.status_code == 401 else None
        text = f"{what}: {response.status_code} {said or response.reason}"
        raise FivetranError(redact(text), status=response.status_code, hint=hint)
    data = answer.get("data", {}) if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise FivetranError(f"{what}: the answer is not what Fivetran documents", status=response.status_code)
    return data
