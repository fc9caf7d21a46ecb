"""Credentials against real servers: loopback HTTP, Authlib's OAuth 2.0 with rotating refresh tokens, moto's IAM."""

import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests

from sdk_helpers.auth import (
    ApiKey,
    AwsSignature,
    Basic,
    Bearer,
    OAuth2ClientCredentials,
    OAuth2RefreshToken,
    ReauthoriseError,
    SessionToken,
    TokenFile,
    TokenInState,
)
from sdk_helpers.http import AccessDenied, ApiClient, AuthError, BadBody, NoAnswer, ServerError
from sdk_helpers.retry import Backoff
from tests.unit.sdk_helpers.loopback import Asked, Clock, Reply, Server, served
from tests.unit.sdk_helpers.oauth_server import CLIENT, CLIENT_SECRET, FIRST, OAuthServer, Token, oauth_server

# --- Fixed credentials --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("auth",                                                 "header",        "value"),
    [
        (ApiKey("k-1", header="X-Api-Key"),                  "x-api-key",     "k-1"),
        (ApiKey("k-1", header="Authorization", prefix="Key "), "authorization", "Key k-1"),
        (Basic("ann", "pw"),                                 "authorization", "Basic YW5uOnB3"),
        (Basic("key-as-user"),                               "authorization", "Basic a2V5LWFzLXVzZXI6"),
        (Basic("änn", "pü:x"),                               "authorization", "Basic w6Rubjpww7w6eA=="),
        (Bearer("t-1"),                                      "authorization", "Bearer t-1"),
        (Bearer("t-1", scheme="Token"),                      "authorization", "Token t-1"),
        (Bearer("t-1", scheme=""),                           "authorization", "t-1"),
    ],
)  # fmt: skip
def test_fixed_credentials_as_the_server_sees_them(auth: Any, header: str, value: str) -> None:
    with served(b"") as server:
        requests.get(server.url, auth=auth, timeout=5)
        ApiClient(server.url, auth=auth).get("x")

    assert [asked.headers[header] for asked in server.asked] == [value, value]


def test_a_key_in_the_query_replaces_an_older_one() -> None:
    with served(b"") as server:
        client = ApiClient(server.url, auth=ApiKey("k/1&2", query="api_key"))
        client.get("x", params={"a": "1"})
        client.get("x?api_key=old&b=%2F")

    assert [asked.params for asked in server.asked] == [{"a": "1", "api_key": "k/1&2"}, {"b": "/", "api_key": "k/1&2"}]


@pytest.mark.parametrize("key", ["", " k", "k\n", "k\tx"])
def test_a_credential_that_was_copied_wrong_is_refused_without_showing_it(key: str) -> None:
    for make in (lambda: ApiKey(key, header="X"), lambda: Bearer(key)):
        with pytest.raises(ValueError, match=r"empty|copy it again"):
            make()


@pytest.mark.parametrize("places", [{}, {"header": "X", "query": "x"}])
def test_an_api_key_goes_to_one_place(places: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="only one"):
        ApiKey("k-1", **places)


def test_a_user_with_a_colon_is_refused() -> None:
    with pytest.raises(ValueError, match="colon"):
        Basic("a:b", "c")


# --- Session token ------------------------------------------------------------------------------------------


@dataclass
class SessionApi:
    """Gives session tokens, and takes only the newest."""

    logins: int = 0
    calls: list[str] = field(default_factory=list)

    def answer(self, asked: Asked) -> Any:
        if asked.path == "/login":
            self.logins += 1
            return {"token": f"session-{self.logins}"}
        token = asked.headers.get("x-session", "")
        self.calls.append(token)
        return [1] if token == f"session-{self.logins}" else Reply(b"", 401)


def session_client(server: Server) -> ApiClient:
    login = ApiClient(server.url)
    auth = SessionToken(lambda: str(login.post_json("login")["token"]), header="X-Session", scheme="")
    return ApiClient(server.url, auth=auth)


def test_a_session_token_is_fetched_when_needed_and_again_after_a_401() -> None:
    api = SessionApi()
    with Server(api.answer) as server:
        client = session_client(server)
        before = api.logins
        first = client.get_json("x")
        api.logins += 1  # the server ends the session
        second = client.post_json("x", json={"a": 1})

    assert (before, first, second) == (0, [1], [1])
    assert api.calls == ["session-1", "session-1", "session-3"]
    assert server.asked[-1].json == {"a": 1}


def test_a_401_that_a_new_session_does_not_mend_is_an_error_after_one_renewal() -> None:
    def answer(asked: Asked) -> Any:
        return {"token": "t"} if asked.path == "/login" else Reply(b"", 401)

    with Server(answer) as server, pytest.raises(AuthError):
        session_client(server).get("x")

    assert [asked.path for asked in server.asked] == ["/login", "/x", "/login", "/x"]


def test_threads_that_lose_one_session_log_in_once() -> None:
    logins: list[str] = []
    all_refused = threading.Barrier(8)

    def login() -> str:
        logins.append("login")
        return f"session-{len(logins)}"

    def answer(asked: Asked) -> Any:
        if asked.headers["authorization"] == "Bearer session-1":
            all_refused.wait(10)
            return Reply(b"", 401)
        return [1]

    with Server(answer) as server:
        client = ApiClient(server.url, auth=SessionToken(login))
        threads = [threading.Thread(target=client.get, args=("x",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert logins == ["login", "login"]
    assert len(server.asked) == 16


def test_a_login_that_fails_is_not_repeated_by_every_attempt_of_the_call() -> None:
    clock = Clock()
    policy = Backoff(attempts=3, sleep=clock.sleep, clock=clock.monotonic)
    with served(Reply(b"", 500)) as server:
        login = ApiClient(server.url, backoff=policy)
        auth = SessionToken(lambda: str(login.post_json("login", idempotent=True)["token"]))
        with pytest.raises(ServerError):
            ApiClient(server.url, auth=auth, backoff=policy).get("x")

    assert [asked.path for asked in server.asked] == ["/login"] * 3


def test_a_401_of_another_host_renews_nothing() -> None:
    logins: list[int] = []

    def login() -> str:
        logins.append(1)
        return f"session-{len(logins)}"

    with served(Reply(b"", 401)) as other, served(Reply(b"", 302, {"Location": f"{other.url}/x"})) as server:
        requests.get(server.url, auth=SessionToken(login), timeout=5)

    assert [asked.headers.get("authorization") for asked in other.asked] == [None]
    assert len(logins) == 1


# --- OAuth 2.0 ----------------------------------------------------------------------------------------------


@pytest.fixture
def oauth(monkeypatch: pytest.MonkeyPatch) -> Iterator[OAuthServer]:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    with oauth_server(OAuthServer()) as server:
        yield server


def refreshing(server: OAuthServer, store: Any, **options: Any) -> OAuth2RefreshToken:
    options = {"client_id": CLIENT, "client_secret": CLIENT_SECRET, "refresh_token": FIRST, **options}
    options.setdefault("client_auth", "body")  # Authlib does not decode the header form (RFC 6749, 2.3.1)
    return OAuth2RefreshToken(f"{server.url}/token", store=store, **options)


def test_client_credentials_are_exchanged_once_for_many_calls(oauth: OAuthServer) -> None:
    auth = OAuth2ClientCredentials(
        f"{oauth.url}/token", client_id=CLIENT, client_secret=CLIENT_SECRET, client_auth="body"
    )
    client = ApiClient(oauth.url, auth=auth)

    assert [client.get_json("api") for _ in range(3)] == [[1], [1], [1]]
    assert oauth.token_calls == ["client_credentials"]


def test_a_token_is_renewed_before_it_expires(oauth: OAuthServer) -> None:
    clock = Clock()
    auth = OAuth2ClientCredentials(
        f"{oauth.url}/token", client_id=CLIENT, client_secret=CLIENT_SECRET, client_auth="body", now=clock.unix
    )
    client = ApiClient(oauth.url, auth=auth)
    calls = []
    for seconds in (0, 3539, 2):
        clock.seconds += seconds
        client.get("api")
        calls.append(len(oauth.token_calls))

    assert calls == [1, 1, 2]


def test_a_token_that_is_revoked_early_is_renewed_after_the_401(oauth: OAuthServer, tmp_path: Path) -> None:
    client = ApiClient(oauth.url, auth=refreshing(oauth, TokenFile(tmp_path / "token.json")))
    client.get("api")
    oauth.tokens[-1].expires_at = 0

    assert client.get_json("api") == [1]
    assert oauth.token_calls == ["refresh_token", "refresh_token"]


@pytest.mark.parametrize("kind", ["file", "state"])
def test_a_rotated_refresh_token_serves_the_next_run(kind: str, oauth: OAuthServer, tmp_path: Path) -> None:
    saved: list[str] = []
    state: dict[str, Any] = {"cursor": 7}

    def store() -> Any:
        if kind == "file":
            return TokenFile(tmp_path / "deep" / "token.json")
        return TokenInState(json.loads(saved[-1]) if saved else state, save=lambda s: saved.append(json.dumps(s)))

    for _ in range(3):
        oauth.tokens[-1].expires_at = 0
        assert ApiClient(oauth.url, auth=refreshing(oauth, store())).get_json("api") == [1]

    assert oauth.token_calls == ["refresh_token"] * 3
    assert all(json.loads(text)["cursor"] == 7 for text in saved)


def test_the_new_token_is_saved_before_it_is_used(oauth: OAuthServer) -> None:
    state: dict[str, Any] = {}
    uses: list[str] = []

    def save(state: Any) -> None:
        uses.append(state["oauth_tokens"]["access_token"])
        raise OSError("disk full")

    client = ApiClient(oauth.url, auth=refreshing(oauth, TokenInState(state, save=save)))
    with pytest.raises(OSError, match="disk full"):
        client.get("api")

    assert uses == [oauth.tokens[-1].access_token]
    assert state["oauth_tokens"]["refresh_token"] == oauth.tokens[-1].refresh_token


def test_a_dead_refresh_token_asks_a_person_to_authorise_again(oauth: OAuthServer, tmp_path: Path) -> None:
    oauth.tokens[0].revoked = True
    client = ApiClient(oauth.url, auth=refreshing(oauth, TokenFile(tmp_path / "token.json")))
    with pytest.raises(ReauthoriseError, match="Re-authorise") as raised:
        client.get("api")

    assert isinstance(raised.value, AuthError)
    assert raised.value.status == 400
    assert FIRST not in str(raised.value)
    assert CLIENT_SECRET not in str(raised.value)
    assert oauth.token_calls == ["refresh_token"]


def test_a_crash_between_refresh_and_save_ends_in_the_clear_error(oauth: OAuthServer, tmp_path: Path) -> None:
    requests.post(
        f"{oauth.url}/token",
        data={
            "grant_type": "refresh_token",
            "refresh_token": FIRST,
            "client_id": CLIENT,
            "client_secret": CLIENT_SECRET,
        },
        timeout=5,
    ).raise_for_status()  # and nobody keeps the answer

    with pytest.raises(ReauthoriseError, match="lost in a crash"):
        ApiClient(oauth.url, auth=refreshing(oauth, TokenFile(tmp_path / "token.json"))).get("api")


def test_a_new_refresh_token_in_the_configuration_replaces_the_stored_one(oauth: OAuthServer, tmp_path: Path) -> None:
    store = TokenFile(tmp_path / "token.json")
    ApiClient(oauth.url, auth=refreshing(oauth, store)).get("api")
    for token in oauth.tokens:
        token.revoked = True
    oauth.tokens.append(Token("access-new", "refresh-new", time.time()))

    assert ApiClient(oauth.url, auth=refreshing(oauth, store, refresh_token="refresh-new")).get_json("api") == [1]


def test_a_wrong_client_secret_is_an_auth_error_and_is_not_tried_again(oauth: OAuthServer, tmp_path: Path) -> None:
    auth = refreshing(oauth, TokenFile(tmp_path / "token.json"), client_secret="wrong-secret")
    with pytest.raises(AuthError, match="invalid_client") as raised:
        ApiClient(oauth.url, auth=auth).get("api")

    assert not isinstance(raised.value, ReauthoriseError)
    assert "wrong-secret" not in str(raised.value)
    assert oauth.token_calls == ["refresh_token"]


def test_threads_refresh_once(oauth: OAuthServer, tmp_path: Path) -> None:
    client = ApiClient(oauth.url, auth=refreshing(oauth, TokenFile(tmp_path / "token.json")))
    threads = [threading.Thread(target=client.get, args=("api",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert oauth.token_calls == ["refresh_token"]


OTHER_PROCESS = """
import sys
from sdk_helpers.auth import OAuth2RefreshToken, TokenFile
from sdk_helpers.http import ApiClient

url, path, client, secret, token = sys.argv[1:]
auth = OAuth2RefreshToken(f"{url}/token", store=TokenFile(path), client_id=client, client_secret=secret,
                          refresh_token=token, client_auth="body")
assert ApiClient(url, auth=auth).get_json("api") == [1]
"""


def test_processes_refresh_once(oauth: OAuthServer, tmp_path: Path) -> None:
    oauth.token_seconds = 1.0  # long enough for all of them to want a token
    command = [sys.executable, "-c", OTHER_PROCESS, oauth.url, str(tmp_path / "t.json"), CLIENT, CLIENT_SECRET, FIRST]
    processes = [subprocess.Popen(command) for _ in range(3)]

    assert [process.wait() for process in processes] == [0, 0, 0]
    assert oauth.token_calls == ["refresh_token"]


def test_the_token_file_is_for_its_owner_and_leaves_no_drafts(tmp_path: Path) -> None:
    store = TokenFile(tmp_path / "token.json")
    with store.locked():
        store.save({"access_token": "a"})
        store.save({"access_token": "b"})
        found = store.load()

    assert found == {"access_token": "b"}
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()} == {
        "token.json": 0o600,
        "token.json.lock": 0o600,
    }


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_token_file_that_is_torn_says_what_to_do(text: str, tmp_path: Path) -> None:
    (tmp_path / "token.json").write_text(text)

    with pytest.raises(ValueError, match="Delete it"):
        TokenFile(tmp_path / "token.json").load()


def test_a_refresh_whose_answer_was_lost_is_not_sent_twice(tmp_path: Path) -> None:
    with served(Reply(b"{", length=100)) as server:
        auth = refreshing(OAuthServer(url=server.url), TokenFile(tmp_path / "token.json"))
        with pytest.raises(NoAnswer):
            ApiClient(server.url, auth=auth).get("api")

    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("reply",                                       "error",      "calls"),
    [
        (Reply(b"", 500),                           ServerError,  2),
        (Reply({"error": "invalid_client"}, 401),   AuthError,    1),
        (Reply({"error": "access_denied"}, 403),    AuthError,    1),
        (Reply(b"no", 403),                         AccessDenied, 1),
        ({"error": "use POST"},                     BadBody,      1),
        ([],                                        BadBody,      1),
        ({"access_token": ""},                      BadBody,      1),
    ],
)  # fmt: skip
def test_a_token_endpoint_that_fails_is_not_called_again_by_the_outer_call(
    reply: Any, error: type[Exception], calls: int
) -> None:
    clock = Clock()
    policy = Backoff(attempts=2, sleep=clock.sleep, clock=clock.monotonic)
    with served(reply) as server:
        endpoint = ApiClient(server.url, backoff=policy)
        auth = OAuth2ClientCredentials(
            f"{server.url}/token?v=2", client_id="c", client_secret="s-12345", client=endpoint
        )
        with pytest.raises(error) as raised:
            ApiClient(server.url, auth=auth, backoff=policy).get("api")

    assert type(raised.value) is error
    assert len(server.asked) == calls
    assert "s-12345" not in str(raised.value)


def test_client_and_secret_go_form_encoded_into_the_header() -> None:
    with served({"access_token": "t-1", "token_type": "bearer", "expires_in": "3600"}) as server:
        auth = OAuth2ClientCredentials(
            f"{server.url}/token?v=2", client_id="a:b", client_secret="s +/", parameters={"scope": "orders read"}
        )
        ApiClient(server.url, auth=auth).get("api")
    token, api = server.asked

    assert (token.method, token.path, token.params) == ("POST", "/token", {"v": "2"})
    assert token.headers["authorization"] == "Basic YSUzQWI6cyslMkIlMkY="
    assert token.body == b"scope=orders+read&grant_type=client_credentials"
    assert api.headers["authorization"] == "Bearer t-1"


def test_a_refresh_token_that_is_not_rotated_goes_on(tmp_path: Path) -> None:
    with served({"access_token": "a-1"}, Reply(b"", 401), {"access_token": "a-2"}, [1]) as server:
        store = TokenFile(tmp_path / "token.json")
        auth = refreshing(OAuthServer(url=server.url), store)
        assert ApiClient(server.url, auth=auth).get_json("api") == [1]

    bodies = [asked.body.decode() for asked in server.asked if asked.path == "/token"]
    assert all(f"refresh_token={FIRST}" in body for body in bodies)
    assert len(bodies) == 2
    assert store.load()["refresh_token"] == FIRST


def test_no_credential_object_shows_its_secret(tmp_path: Path) -> None:
    objects = [
        ApiKey("k-12345", header="X"),
        Basic("ann", "k-12345"),
        Bearer("k-12345"),
        SessionToken(lambda: "k-12345"),
        OAuth2ClientCredentials("https://x.test/token", client_id="c", client_secret="k-12345"),
    ]

    assert not [each for each in objects if "k-12345" in repr(each) + str(each)]


# --- AWS ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """moto's server, which checks signatures once an IAM user exists."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                requests.get(f"{url}/moto-api/data.json", timeout=5).raise_for_status()
                break
            except requests.ConnectionError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def session(key: str, secret: str) -> boto3.Session:
    return boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1")


def test_an_aws_signature_is_accepted_and_a_wrong_key_is_not(aws: str) -> None:
    iam = session("setup", "setup").client("iam", endpoint_url=aws)
    iam.create_user(UserName="ann")
    iam.put_user_policy(
        UserName="ann",
        PolicyName="all",
        PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
        ),
    )
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    requests.post(f"{aws}/moto-api/reset-auth", data="0", timeout=5).raise_for_status()

    def caller(secret: str) -> str:
        auth = AwsSignature("sts", "us-east-1", session=session(key["AccessKeyId"], secret))
        return ApiClient(aws, auth=auth).post("", data={"Action": "GetCallerIdentity", "Version": "2011-06-15"}).text

    try:
        assert "user/ann" in caller(key["SecretAccessKey"])
        with pytest.raises(AccessDenied, match="SignatureDoesNotMatch"):
            caller("wrong" + key["SecretAccessKey"])
    finally:
        requests.post(f"{aws}/moto-api/reset-auth", data="Infinity", timeout=5).raise_for_status()


def test_the_signature_is_that_of_botocore_for_paths_and_parameters() -> None:
    with served(b"") as server:
        auth = AwsSignature("s3", "eu-west-1", session=session("AKIAEXAMPLE", "k-12345"))
        ApiClient(server.url, auth=auth).get("bucket/a%20b", params={"list-type": 2, "prefix": "ü/"})
    sent = server.asked[0].headers

    assert sent["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    assert "SignedHeaders=host;x-amz-content-sha256;x-amz-date" in sent["authorization"]
    assert auth.secrets == ("k-12345",)


def test_missing_aws_credentials_say_where_was_looked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))

    with pytest.raises(AuthError, match="no credentials"):
        AwsSignature("sts", "us-east-1")
