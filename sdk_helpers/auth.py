"""Credentials on requests: API key, basic, bearer, session token, OAuth 2.0 and AWS.

Needs the sibling modules `http` and `retry`, and `requests`; `AwsSignature` also boto3. Each class is a
requests auth object: give it to `ApiClient(auth=...)` or to a requests.Session. In a connector.py:

    from sdk_helpers.auth import OAuth2RefreshToken, TokenFile
    from sdk_helpers.http import ApiClient

    def update(configuration, state):
        auth = OAuth2RefreshToken(
            "https://login.example.com/token",
            client_id=configuration["client_id"],
            client_secret=configuration["client_secret"],
            refresh_token=configuration["refresh_token"],
            store=TokenFile("files/token.json"),     # or TokenInState(state, save=op.checkpoint)
        )
        client = ApiClient("https://api.example.com/v1", auth=auth)

Tokens that run out are renewed by one thread (with `TokenFile`: of one process) while the others wait: before
they expire, and once more when the server answers 401 earlier than that.
"""

import base64
import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, Required, TypedDict, Unpack
from urllib.parse import quote_plus, unquote_plus, urlencode, urlsplit, urlunsplit

import requests
from requests.auth import AuthBase

from .http import ApiClient, ApiError, AuthError, BadBody, origin, redact

if TYPE_CHECKING:
    import boto3

EXPIRY_LEEWAY_SECONDS = 60.0


class ReauthoriseError(AuthError):
    """The refresh token is dead; a person has to log in again and give the connector a new one."""


class ApiKey(AuthBase):
    """An API key in a header, or in a query parameter.

    header  its name; the value is `prefix` and the key
    query   the name of the parameter, instead of a header; an older value of it is replaced
    """

    def __init__(self, key: str, *, header: str | None = None, query: str | None = None, prefix: str = "") -> None:
        if (header is None) == (query is None):
            raise ValueError("ApiKey: say where the key goes, header=... or query=..., and only one of them")
        self._key = _usable(key, "ApiKey: the key")
        self._header = header
        self._query = query
        self._prefix = prefix

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._key,)

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._header is not None:
            r.headers[self._header] = self._prefix + self._key
        elif self._query is not None:
            r.url = _with_parameter(r.url or "", self._query, self._prefix + self._key)
        return r


class Basic(AuthBase):
    """User and password, in UTF-8; an empty password is one."""

    def __init__(self, user: str, password: str = "") -> None:  # many APIs want the key as user
        if ":" in user:
            raise ValueError("Basic: a user name with a colon cannot be told from its password")
        self._secrets = (user, password) if not password else (password,)
        self._value = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")

    @property
    def secrets(self) -> tuple[str, ...]:
        return (*self._secrets, self._value)

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"Basic {self._value}"
        return r


class Bearer(AuthBase):
    """A token that does not change; `scheme` is what some APIs want instead of "Bearer"."""

    def __init__(self, token: str, *, scheme: str = "Bearer") -> None:
        self._token = _usable(token, "Bearer: the token")
        self._scheme = scheme

    @property
    def secrets(self) -> tuple[str, ...]:
        return (self._token,)

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        r.headers["Authorization"] = f"{self._scheme} {self._token}".strip()
        return r


class _RenewedToken(AuthBase):
    """A token that is renewed: before it expires, and once when it is answered with 401."""

    def __init__(self, header: str = "Authorization", scheme: str = "Bearer") -> None:
        self._header = header
        self._scheme = scheme
        self._lock = threading.Lock()
        self._seen: set[str] = set()

    def _valid_token(self, refused: str | None) -> str:
        """A token to use now, renewed where needed; `refused` is one that the server no longer takes."""
        raise NotImplementedError

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(self._seen)

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        token = self._sign(r, refused=None)
        home = origin(r.url or "")

        def renew_once(response: requests.Response, **options: Any) -> requests.Response:
            # requests copies hooks into redirects: the token must not follow to another host.
            if response.status_code != 401 or origin(response.request.url or "") != home:
                return response
            return self._sent_again(response, token, options)

        r.register_hook("response", renew_once)  # type: ignore[no-untyped-call]  # no type in the stubs
        return r

    def _sign(self, request: requests.PreparedRequest, *, refused: str | None) -> str:
        with self._lock:
            token = self._valid_token(refused)
            self._seen.add(token)
        request.headers[self._header] = f"{self._scheme} {token}".strip()
        return token

    def _sent_again(self, response: requests.Response, token: str, options: Mapping[str, Any]) -> requests.Response:
        request = response.request.copy()
        if hasattr(request.body, "read") or hasattr(request.body, "__next__"):
            return response  # a stream has been read to its end
        self._sign(request, refused=token)
        response.close()
        again: requests.Response = response.connection.send(request, **options)
        again.request = request
        again.history.append(response)
        return again


class SessionToken(_RenewedToken):
    """A token that a login call gives, fetched when first needed and again, once, after a 401.

    login  gives the token; called by one thread at a time

        client = ApiClient(url, auth=SessionToken(lambda: login_client.post_json("login", json=...)["token"]))
    """

    def __init__(self, login: Callable[[], str], *, header: str = "Authorization", scheme: str = "Bearer") -> None:
        super().__init__(header, scheme)
        self._login = login
        self._token: str | None = None

    def _valid_token(self, refused: str | None) -> str:
        if self._token is None or self._token == refused:
            try:
                self._token = _usable(self._login(), "SessionToken: what login returned")
            except ApiError as error:
                error.retryable = False  # the login has had its own attempts
                raise
        return self._token


# --- OAuth 2.0 ----------------------------------------------------------------------------------------------


class TokenStore(Protocol):
    """Where tokens live between runs: a JSON object, replaced as a whole."""

    def load(self) -> dict[str, Any]:
        """What was saved last; empty at first."""

    def save(self, tokens: dict[str, Any]) -> None:
        """Return when `tokens` will survive a crash."""

    def locked(self) -> AbstractContextManager[None]:
        """Hold off everyone else who uses the same tokens; load and save happen inside."""


class TokenFile:
    """Tokens in a file that only its owner can read, shared by threads and processes of one machine.

    A lock file stands beside it; Windows has no such locks (ImportError). The disk of a container that is thrown away
    is no place for rotating tokens.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def load(self) -> dict[str, Any]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        try:
            tokens = json.loads(text)
        except ValueError:
            tokens = None
        if not isinstance(tokens, dict):
            raise ValueError(f"{self._path} holds no JSON object.\nDelete it to start from the configuration.")
        return tokens

    def save(self, tokens: dict[str, Any]) -> None:
        """Write beside the file, reach the disk, then rename: after a crash it is the old or the new one."""
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}.{threading.get_ident()}.new")
        with _private_file(draft, os.O_WRONLY | os.O_TRUNC) as handle:
            os.write(handle, json.dumps(tokens).encode())
            os.fsync(handle)
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        import fcntl

        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _private_file(self._path.with_name(f"{self._path.name}.lock"), os.O_RDWR) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)  # let go when the file is closed, and when the process dies
            yield


@contextlib.contextmanager
def _private_file(path: Path, flags: int) -> Iterator[int]:
    handle = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        yield handle
    finally:
        os.close(handle)


class TokenInState:
    """Tokens in the connector's state, for a platform that keeps nothing else.

    save  called with the state after each change: `op.checkpoint`, or an `update` of your own that emits it.
          The checkpoint also commits the rows emitted so far, so change your cursor only after the rows it
          speaks for, and fetch in the main thread.

    The state is stored in the clear, where everyone who sees it can use the tokens.
    """

    def __init__(
        self, state: MutableMapping[str, Any], *, save: Callable[[Any], object], key: str = "oauth_tokens"
    ) -> None:
        self._state = state
        self._save = save
        self._key = key
        self._lock = threading.Lock()

    def load(self) -> dict[str, Any]:
        return dict(self._state.get(self._key) or {})

    def save(self, tokens: dict[str, Any]) -> None:
        self._state[self._key] = tokens
        self._save(self._state)

    def locked(self) -> AbstractContextManager[None]:
        return _held(self._lock)


class _TokenInMemory:
    """Tokens that nobody needs after this run."""

    def __init__(self) -> None:
        self._tokens: dict[str, Any] = {}
        self._lock = threading.Lock()

    def load(self) -> dict[str, Any]:
        return dict(self._tokens)

    def save(self, tokens: dict[str, Any]) -> None:
        self._tokens = tokens

    def locked(self) -> AbstractContextManager[None]:
        return _held(self._lock)


@contextlib.contextmanager
def _held(lock: threading.Lock) -> Iterator[None]:
    with lock:
        yield


class _OAuth2(_RenewedToken):
    """An access token from a token endpoint (RFC 6749), kept in a store.

    token_url      of the token endpoint
    client_id      of the application, as registered there
    client_secret  None for a public client
    client_auth      "header": basic authentication, which every server must know; "body": form parameters
    parameters     further form parameters: scope, audience, resource
    store          where tokens are kept between runs
    now            Unix time in seconds, for expiry over runs
    client         calls the token endpoint; pass one with your own limits, proxy or waits
    """

    def __init__(
        self,
        token_url: str,
        *,
        client_id: str,
        client_secret: str | None = None,
        client_auth: Literal["header", "body"] = "header",
        parameters: Mapping[str, str] | None = None,
        store: TokenStore | None = None,
        now: Callable[[], float] = time.time,
        client: ApiClient | None = None,
    ) -> None:
        super().__init__()
        if client_auth not in ("header", "body"):
            raise ValueError(f"OAuth 2.0: client_auth is {client_auth!r}: 'header' or 'body'")
        self._token_url = token_url
        self._client_id = client_id
        self._client_secret = client_secret
        self._client_auth = client_auth
        self._parameters = dict(parameters or {})
        self._store: TokenStore = store or _TokenInMemory()
        self._now = now
        self._client = client or ApiClient(urlunsplit((*urlsplit(token_url)[:2], "", "", "")))
        self._tokens: dict[str, Any] = {}
        self._remember(client_secret)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._token_url!r}, client_id={self._client_id!r})"

    def _grant(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for new tokens, given those in the store."""
        raise NotImplementedError

    def _belongs(self, tokens: Mapping[str, Any]) -> bool:
        """Whether tokens from the store are for what the configuration says today."""
        return tokens.get("for") == _digest(self._token_url, self._client_id, *self._parameters.values())

    def _valid_token(self, refused: str | None) -> str:
        if not self._good(self._tokens, refused):
            with self._store.locked():
                stored = self._store.load()
                # Another thread or process may have renewed it while this one waited for the lock.
                self._tokens = stored if self._belongs(stored) else {}
                if not self._good(self._tokens, refused):
                    fresh = self._grant(self._tokens)
                    # Saved before anyone uses it: a rotated refresh token exists nowhere else.
                    self._store.save(fresh)
                    self._tokens = fresh
        return str(self._tokens["access_token"])

    def _good(self, tokens: Mapping[str, Any], refused: str | None) -> bool:
        token, renew_at = tokens.get("access_token"), tokens.get("renew_at")
        return bool(token) and token != refused and (renew_at is None or self._now() < renew_at)

    def _ask(self, grant: Mapping[str, str], *, idempotent: bool) -> dict[str, Any]:
        """POST to the token endpoint, and give what is to be stored."""
        form = {**self._parameters, **grant}
        headers = {}
        if self._client_auth == "header" and self._client_secret is not None:
            # RFC 6749, section 2.3.1: both are form-encoded first.
            user, password = quote_plus(self._client_id), quote_plus(self._client_secret)
            headers["Authorization"] = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
        else:
            form["client_id"] = self._client_id
            form["client_secret"] = self._client_secret or ""
        asked_at = self._now()
        try:
            answer = self._client.post_json(
                self._token_url,
                data={name: value for name, value in form.items() if value != ""},
                headers=headers,
                idempotent=idempotent,
            )
        except ApiError as error:
            problem = self._explained(error)
        else:
            return self._kept(answer, asked_at)
        raise problem

    def _explained(self, error: ApiError) -> ApiError:
        """The error of a token endpoint, which no call behind it should repeat: this client has done so."""
        code = _oauth_error(error.body)
        kind = AuthError if code is not None or isinstance(error, AuthError) else type(error)
        message = redact(str(error), self.secrets)
        if code == "invalid_grant":
            kind, message = ReauthoriseError, f"{message}\n{self._way_out()}"
        return kind(message, status=error.status, body=error.body)

    def _way_out(self) -> str:
        return "The grant was refused: check client, secret and scope."

    def _kept(self, answer: Any, asked_at: float) -> dict[str, Any]:
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            given = sorted(answer) if isinstance(answer, dict) else type(answer).__name__
            raise BadBody(f"{redact(self._token_url)} gave no usable access_token, but {given}")
        tokens = {name: answer[name] for name in ("access_token", "refresh_token") if answer.get(name)}
        self._remember(*tokens.values())
        tokens["for"] = _digest(self._token_url, self._client_id, *self._parameters.values())
        tokens["renew_at"] = _renew_at(answer.get("expires_in"), asked_at)
        return tokens

    def _remember(self, *secrets: str | None) -> None:
        self._seen.update(secret for secret in secrets if secret)


class OAuth2ClientCredentials(_OAuth2):
    """OAuth 2.0 for a program that acts for itself (RFC 6749, section 4.4).

    Without a `store`, each run asks for a token of its own.
    """

    def _grant(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        return self._ask({"grant_type": "client_credentials"}, idempotent=True)


class OAuth2RefreshToken(_OAuth2):
    """OAuth 2.0 for a program that acts for a person, who has once agreed to it (RFC 6749, section 6).

    refresh_token  from the configuration: where the first run starts, and any run after it was replaced there
    store          required: servers that rotate refresh tokens accept the configured one only once

    A crash between the server's answer and the save leaves a token that nobody knows: then, as after any use
    of a dead token, the error is `ReauthoriseError`. A refresh whose answer was lost is not sent twice in one
    run, for many servers take a second use for theft and revoke everything.
    """

    def __init__(
        self, token_url: str, *, refresh_token: str, store: TokenStore, **options: Unpack["OAuth2Options"]
    ) -> None:
        super().__init__(token_url, store=store, **options)
        self._configured = _usable(refresh_token, "OAuth2RefreshToken: the refresh token")
        self._remember(refresh_token)

    def _belongs(self, tokens: Mapping[str, Any]) -> bool:
        return super()._belongs(tokens) and tokens.get("configured") == _digest(self._configured)

    def _grant(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        newest = str(tokens.get("refresh_token") or self._configured)
        self._remember(newest)
        fresh = self._ask({"grant_type": "refresh_token", "refresh_token": newest}, idempotent=False)
        # No new one in the answer: the old one goes on (RFC 6749, section 6).
        return {"refresh_token": newest, **fresh, "configured": _digest(self._configured)}

    def _way_out(self) -> str:
        return (
            "The refresh token is dead: used elsewhere, revoked, expired, or its successor lost in a crash.\n"
            "Re-authorise the application, and put the new refresh token into the configuration."
        )


class OAuth2Options(TypedDict, total=False):
    """What both kinds of OAuth 2.0 take beside their own (see `_OAuth2`)."""

    client_id: Required[str]
    client_secret: str | None
    client_auth: Literal["header", "body"]
    parameters: Mapping[str, str] | None
    now: Callable[[], float]
    client: ApiClient | None


def _oauth_error(body: bytes) -> str | None:
    """The error code of RFC 6749, section 5.2."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return None
    code = answer.get("error") if isinstance(answer, dict) else None
    return code if isinstance(code, str) else None


def _renew_at(expires_in: object, asked_at: float) -> float | None:
    """When to renew, in Unix time: a minute before the end, or half-way where that is nearer to the end.

    >>> _renew_at(3600, 1000.0), _renew_at("10", 1000.0), _renew_at(None, 1000.0)
    (4540.0, 1005.0, None)
    """
    if isinstance(expires_in, str) and expires_in.strip().isdigit():
        expires_in = int(expires_in)
    if isinstance(expires_in, bool) or not isinstance(expires_in, int | float):
        return None  # not said (it is only recommended): until a 401
    return asked_at + expires_in - min(EXPIRY_LEEWAY_SECONDS, expires_in / 2)


def _digest(*parts: str) -> str:
    """Tells two configurations apart without keeping them."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


# --- AWS ----------------------------------------------------------------------------------------------------


class AwsSignature(AuthBase):
    """AWS Signature Version 4, for AWS services and for API Gateway with IAM.

    service  "execute-api", "s3", "es", "sts", ...
    session  where credentials come from; None: boto3's own order of environment, profile and role.
             Temporary credentials are renewed by boto3.
    """

    def __init__(self, service: str, region: str, *, session: "boto3.Session | None" = None) -> None:
        import boto3

        self._service = service
        self._region = region
        credentials = (session or boto3.Session()).get_credentials()
        if credentials is None:
            raise AuthError("AwsSignature: boto3 found no credentials in environment, profile or role")
        self._credentials = credentials

    @property
    def secrets(self) -> tuple[str, ...]:
        frozen = self._credentials.get_frozen_credentials()
        return tuple(secret for secret in (frozen.secret_key, frozen.token) if secret)

    def __call__(self, r: requests.PreparedRequest) -> requests.PreparedRequest:
        from botocore.auth import S3SigV4Auth, SigV4Auth
        from botocore.awsrequest import AWSRequest

        if not isinstance(r.body, bytes | str | None):
            raise TypeError("AwsSignature: a stream cannot be signed; pass the body as bytes")
        # Only what nobody changes on the way: requests and proxies touch the other headers after this.
        signed = {k: v for k, v in r.headers.items() if k.lower().startswith(("x-amz-", "content-type"))}
        request = AWSRequest(method=r.method, url=r.url, data=r.body or b"", headers=signed)
        scheme = S3SigV4Auth if self._service == "s3" else SigV4Auth
        scheme(self._credentials.get_frozen_credentials(), self._service, self._region).add_auth(request)
        r.headers.update(dict(request.headers.items()))
        return r


def _usable(value: object, what: str) -> str:
    """`value`, if it can be a credential; a copied line break is the usual reason why one is refused."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{what} is empty")
    if value != value.strip() or any(ord(character) < 32 for character in value):
        raise ValueError(f"{what} has a space or a line break around it or in it: copy it again")
    return value


def _with_parameter(url: str, name: str, value: str) -> str:
    """`url` with this one parameter, whatever it had under that name.

    >>> _with_parameter("https://x.test/a?page=2&api_key=old", "api_key", "a b")
    'https://x.test/a?page=2&api_key=a+b'
    """
    parts = urlsplit(url)
    # The other parameters stay as they are written: a signed URL must not be spelled anew.
    others = [pair for pair in parts.query.split("&") if pair and unquote_plus(pair.split("=")[0]) != name]
    return urlunsplit(parts._replace(query="&".join([*others, urlencode({name: value})])))
