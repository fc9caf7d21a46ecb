"""The HTTP client against a real server on loopback."""

import email.message
import email.policy
import gzip
import io
import json
import logging
import os
import random
import socket
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pytest
import requests

from sdk_helpers.auth import ApiKey, Basic, Bearer
from sdk_helpers.http import (
    ERROR_BODY_BYTES,
    AccessDenied,
    ApiClient,
    ApiError,
    AuthError,
    BadBody,
    FilePart,
    HostRefused,
    Limits,
    Multipart,
    NoAnswer,
    NotFound,
    RateLimited,
    RequestRefused,
    ServerError,
    joined_url,
    origin,
    query_parameters,
    quota_wait_seconds,
    redact,
    resolved_url,
    retry_after_seconds,
)
from sdk_helpers.retry import Backoff, RateLimit
from tests.unit.sdk_helpers.loopback import Asked, Clock, Reply, Server, served, tls_of_its_own

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECRET = "s3cr3t/+ü"


def client(server: Server, clock: Clock | None = None, **options: Any) -> ApiClient:
    clock = clock or Clock()
    options.setdefault("backoff", Backoff(sleep=clock.sleep, clock=clock.monotonic, jitter=random.Random(1)))
    return ApiClient(f"{server.url}/v1", now=clock.now, **options)


# --- Where calls go ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base",                 "path",               "url"),
    [
        ("https://x.test",       "a",                  "https://x.test/a"),
        ("https://x.test/v1",    "a/b",                "https://x.test/v1/a/b"),
        ("https://x.test/v1/",   "/a",                 "https://x.test/v1/a"),
        ("https://x.test/v1/",   "a/",                 "https://x.test/v1/a/"),
        ("https://x.test/v1/",   "",                   "https://x.test/v1/"),
        ("https://x.test/v1",    "?a=1",               "https://x.test/v1?a=1"),
        ("https://x.test/v1",    "a?next=http://y/..", "https://x.test/v1/a?next=http://y/.."),
        ("https://x.test/v1",    "a:b",                "a:b"),
        ("https://x.test/v1",    "http://y.test/z",    "http://y.test/z"),
        ("https://x.test/v1",    "//y.test/z",         "https://y.test/z"),
    ],
)  # fmt: skip
def test_paths_are_joined_under_the_base(base: str, path: str, url: str) -> None:
    assert joined_url(base, path) == url


@pytest.mark.parametrize("path", ["../admin", "users/../../admin", "users/..", "users/./x", "users\\..\\x"])
def test_a_path_that_leads_out_of_the_base_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="lead out of"):
        joined_url("https://x.test/v1", path)


@pytest.mark.parametrize("url", ["ftp://x.test/", "file:///etc/passwd", "x.test/v1", "https:///v1", ""])
def test_what_is_no_http_url_has_no_origin(url: str) -> None:
    with pytest.raises(ValueError, match="no http:// or https:// URL"):
        origin(url)


@pytest.mark.parametrize("url", ["https://u:p@x.test", "https://x.test/v1?key=1", "https://x.test/#top"])
def test_a_base_url_with_more_than_a_base_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url"):
        ApiClient(url)


def test_a_request_carries_what_was_said_and_leaves_out_none() -> None:
    with served({"ok": True}) as server:
        answer = client(server, headers={"X-Team": "red", "X-Off": "1"}, auth=Basic("ann", "")).post_json(
            "/orders",
            params={"since": date(2026, 1, 31), "open": False, "n": None},
            json={"a": [1, None]},
            headers={"x-team": "blue", "X-Off": None},
        )
    asked = server.asked[0]

    assert answer == {"ok": True}
    assert (asked.method, asked.path, asked.json) == ("POST", "/v1/orders", {"a": [1, None]})
    assert asked.params == {"since": "2026-01-31", "open": "false"}
    assert asked.headers["authorization"] == "Basic YW5uOg=="
    assert asked.headers["x-team"] == "blue"
    assert "x-off" not in asked.headers
    assert "cookie" not in asked.headers


def test_every_method_reaches_the_server() -> None:
    with served(b"") as server:
        api = client(server)
        statuses = [call("x").status_code for call in (api.get, api.post, api.put, api.patch, api.delete, api.head)]

    assert statuses == [200] * 6
    assert [asked.method for asked in server.asked] == ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


@pytest.mark.parametrize(
    ("data",                            "sent"),
    [
        ({"a": None, "b": True, "c": "ü"},  b"b=true&c=%C3%BC"),
        ("text ü",                          "text ü".encode()),
        (b"\x00\x01",                       b"\x00\x01"),
    ],
)  # fmt: skip
def test_bodies_that_are_not_json(data: Any, sent: bytes) -> None:
    with served(b"") as server:
        client(server).post("x", data=data)

    assert server.asked[0].body == sent


def test_lists_of_parameters_are_repeated() -> None:
    assert query_parameters({"id": (1, None, "b"), "x": []}) == [("id", "1"), ("id", "b")]


# --- What comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 206, 226])
def test_every_2xx_is_an_answer_and_never_none(status: int) -> None:
    with served(Reply(b"" if status == 204 else b"[1]", status)) as server:
        response = client(server).get("x")

    assert (response.status_code, response.content) == (status, b"" if status == 204 else b"[1]")


@pytest.mark.parametrize(
    ("status", "error",         "calls"),
    [
        (300,  ApiError,        1),
        (304,  ApiError,        1),
        (400,  RequestRefused,  1),
        (401,  AuthError,       1),
        (403,  AccessDenied,    1),
        (404,  NotFound,        1),
        (408,  RequestRefused,  3),
        (410,  NotFound,        1),
        (422,  RequestRefused,  1),
        (429,  RateLimited,     3),
        (500,  ServerError,     3),
        (501,  ServerError,     1),
        (503,  ServerError,     3),
        (599,  ServerError,     1),
    ],
)  # fmt: skip
def test_each_status_has_its_error_and_only_what_may_pass_is_tried_again(
    status: int, error: type[ApiError], calls: int
) -> None:
    clock = Clock()
    with served(Reply({"reason": "because"}, status)) as server:
        api = client(server, clock, backoff=Backoff(attempts=3, sleep=clock.sleep, clock=clock.monotonic))
        with pytest.raises(ApiError) as raised:
            api.get("x")

    assert type(raised.value) is error
    assert raised.value.status == status
    assert len(server.asked) == calls
    if status != 304:
        assert str(raised.value) == (
            f'GET {server.url}/v1/x answered {status}.\nThe answer began: {{"reason": "because"}}'
        )


def test_an_accepted_status_is_returned() -> None:
    with served(Reply({"why": 1}, 404)) as server:
        response = client(server).get("x", accept=[404])

    assert (response.status_code, response.json()) == (404, {"why": 1})


def test_the_message_shows_two_hundred_bytes_on_one_clean_line() -> None:
    with (
        served(Reply(b"\x1b[2Jred\r\n" + b"x" * 500, 400)) as server,
        pytest.raises(RequestRefused) as raised,
    ):
        client(server).get("x")
    shown = str(raised.value).split("The answer began: ")[1]

    assert shown == ("[2Jred " + "x" * 500)[:200]


def test_decimals_keep_every_digit_when_asked() -> None:
    with served(b'{"total": 12.345678901234567890}') as server:
        value = client(server).get_json("x", parse_float=Decimal)

    assert value == {"total": Decimal("12.345678901234567890")}


@pytest.mark.parametrize(
    ("body",                     "kind",                                   "value"),
    [
        (b"\xef\xbb\xbf[1]",     "application/json",                       [1]),
        ('"ü"'.encode(),         "application/json; charset=utf-8",        "ü"),
        ('"ü"'.encode("latin1"), "application/json; charset=ISO-8859-1",   "ü"),
        ('"ü"'.encode("utf-16"), "application/json",                       "ü"),
        (b"null",                "text/plain",                             None),
    ],
)  # fmt: skip
def test_json_in_the_encodings_that_servers_use(body: bytes, kind: str, value: Any) -> None:
    with served(Reply(body, headers={"Content-Type": kind})) as server:
        assert client(server).get_json("x") == value


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b'[{"id": 1}, {"id"'),
        Reply(b"<html>Sign in</html>", headers={"Content-Type": "text/html"}),
        Reply(b""),
        Reply(b"[" * 1_000_000),
        Reply(b'{"n": ' + b"9" * 5000 + b"}"),
        Reply(b'"\xff"'),
        Reply(b"[1]", headers={"Content-Type": "application/json; charset=klingon"}),
        Reply(b"[1, 2, 3]", length=500),
        Reply(gzip.compress(b"[1, 2, 3]")[:-3], headers={"Content-Encoding": "gzip"}),
        Reply(gzip.compress(b"[1, 2, 3]")[:-9] + b"x" * 9, headers={"Content-Encoding": "gzip"}),
        Reply(b"not gzip", headers={"Content-Encoding": "gzip"}),
        Reply(b"[1]", headers={"Content-Encoding": "br"}),
    ],
    ids=(
        [
            "truncated",
            "html",
            "empty",
            "deep",
            "huge-int",
            "not-utf8",
            "charset",
            "short",
            "torn-gzip",
            "bad-crc",
            "no-gzip",
            "brotli",
        ]
    ),
)
def test_a_body_that_is_not_one_whole_json_value_is_an_error_after_the_retries(reply: Reply) -> None:
    clock = Clock()
    with served(reply) as server:
        api = client(server, clock, backoff=Backoff(attempts=2, sleep=clock.sleep, clock=clock.monotonic))
        with pytest.raises((BadBody, NoAnswer)) as raised:
            api.get_json("x")

    assert raised.value.status == 200
    assert len(server.asked) == 2
    assert len(str(raised.value)) < 600


def test_no_content_is_no_json_and_is_not_asked_for_again() -> None:
    with served(Reply(b"", 204)) as server, pytest.raises(BadBody):
        client(server).get_json("x")

    assert len(server.asked) == 1


def test_a_torn_body_heals_when_the_next_one_is_whole() -> None:
    with served(Reply(b"[1, 2", length=100), Reply(b"[1, 2"), [1, 2]) as server:
        assert client(server).get_json("x") == [1, 2]


@pytest.mark.parametrize("parts", [[b"[1, 2]"], [b"[1", b", 2]"]], ids=["one", "two members"])
def test_gzip_is_unpacked(parts: list[bytes]) -> None:
    body = b"".join(gzip.compress(part) for part in parts)
    with served(Reply(body, headers={"Content-Encoding": "gzip"})) as server:
        assert client(server).get_json("x") == [1, 2]


@pytest.mark.parametrize(
    "reply",
    [
        Reply(b"x" * 2_000_001),
        Reply(gzip.compress(b"\0" * 300_000_000, 1), headers={"Content-Encoding": "gzip"}),
    ],
    ids=["large", "bomb"],
)
def test_a_body_over_the_limit_is_refused_once(reply: Reply) -> None:
    with served(reply) as server, pytest.raises(BadBody, match="larger than 2000000 bytes"):
        client(server, limits=Limits(max_bytes=2_000_000)).get("x")

    assert len(server.asked) == 1


def test_a_call_may_allow_more_than_the_client() -> None:
    with served(Reply(b"x" * 2000)) as server:
        response = client(server, limits=Limits(max_bytes=1000)).get("x", max_bytes=2000)

    assert len(response.content) == 2000


def test_the_body_of_an_error_is_read_to_64_kib_and_keeps_its_status() -> None:
    with served(Reply(b"x" * 5_000_000, 400)) as server, pytest.raises(RequestRefused) as raised:
        client(server, limits=Limits(max_bytes=10)).get("x")

    assert len(raised.value.body) == 65_536


def test_a_body_that_trickles_ends_at_the_total_time() -> None:
    clock = Clock()
    reply = Reply(b"x" * 200_000, stall=lambda: clock.sleep(700))
    with served(reply) as server, pytest.raises(NoAnswer, match="too long"):
        client(server, clock, backoff=Backoff(attempts=1, clock=clock.monotonic)).get("x")


# --- Retry and rate limit ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers",                                                 "seconds"),
    [
        ({"Retry-After": "120"},                                120.0),
        ({"Retry-After": " 0 "},                                0.0),
        ({"Retry-After": "1.5"},                                1.5),
        ({"Retry-After": "Sun, 01 Nov 2026 12:02:00 GMT"},      120.0),
        ({"Retry-After": "Sun, 01 Nov 2026 12:02:00 -0000"},    120.0),
        ({"Retry-After": "Sun, 01 Nov 2026 11:00:00 GMT"},      0.0),
        ({"Retry-After": "-5"},                                 None),
        ({"Retry-After": "soon"},                               None),
        ({"Retry-After": ""},                                   None),
        ({},                                                    None),
    ],
)  # fmt: skip
def test_retry_after_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, now=NOON) == seconds


@pytest.mark.parametrize(
    ("headers",                                                                              "seconds"),
    [
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"},                          30.0),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{NOON.timestamp() + 5:.0f}"}, 5.0),
        ({"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": f"{NOON.timestamp() + 5:.0f}000"}, 5.0),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "9"},                               9.0),
        ({"RateLimit": '"burst";r=0;t=4, "day";r=10;t=9999'},                                4.0),
        ({"RateLimit": '"burst";r=3;t=4'},                                                   None),
        ({"X-RateLimit-Remaining": "1", "X-RateLimit-Reset": "30"},                          None),
        ({"X-RateLimit-Remaining": "0"},                                                     None),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "tomorrow"},                    None),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000000001"},                  0.0),
    ],
)  # fmt: skip
def test_the_quota_in_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert quota_wait_seconds(headers, now=NOON) == seconds


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_429_is_waited_for_as_demanded(form: str) -> None:
    clock = Clock()
    value = "90" if form == "seconds" else (clock.now() + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    with served(Reply(b"", 429, {"Retry-After": value}), [1]) as server:
        assert client(server, clock).get_json("x") == [1]

    assert 90 <= clock.seconds <= 91


def test_a_403_with_a_used_up_quota_is_a_rate_limit() -> None:
    clock = Clock()
    reset = f"{clock.unix() + 50:.0f}"
    with served(Reply(b"", 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}), [1]) as server:
        assert client(server, clock).get_json("x") == [1]

    assert 50 <= clock.seconds <= 51


def test_a_wait_that_is_too_long_is_an_error_that_says_how_long() -> None:
    clock = Clock()
    with served(Reply(b"", 429, {"Retry-After": "86400"})) as server, pytest.raises(RateLimited) as raised:
        client(server, clock).get("x")

    assert raised.value.retry_after_seconds == 86_400
    assert clock.sleeps == []


def test_the_last_call_of_a_quota_makes_the_next_one_wait() -> None:
    clock = Clock()
    with served(Reply([1], headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "20"}), [2]) as server:
        api = client(server, clock)
        first, between, second = api.get_json("x"), clock.seconds, api.get_json("x")

    assert (first, between, second, clock.seconds) == ([1], 0, [2], 20)


def test_a_wait_for_the_quota_does_not_count_as_the_servers_time() -> None:
    clock = Clock()
    with served(Reply([1], headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "700"}), [2]) as server:
        api = client(server, clock, limits=Limits(total_seconds=60))
        values = [api.get_json("x"), api.get_json("x")]

    assert (values, clock.seconds) == ([[1], [2]], 700)


def test_calls_keep_to_a_rate_limit_by_count_with_retries_counted() -> None:
    clock = Clock()
    limit = RateLimit(1, per_seconds=100, clock=clock.monotonic, sleep=clock.sleep)
    with served(Reply(b"", 500), [1]) as server:
        client(server, clock, rate_limit=limit).get_json("x")

    assert clock.seconds == 100


@pytest.mark.parametrize(
    ("method",  "reply",                                    "options",             "calls"),
    [
        ("PUT",     Reply(b"", 500),                            {},                    2),
        ("DELETE",  Reply(b"", 502),                            {},                    2),
        ("POST",    Reply(b"", 500),                            {},                    1),
        ("POST",    Reply(b"", 503),                            {},                    1),
        ("POST",    Reply(b"[1", length=9),                     {},                    1),
        ("POST",    Reply(b"", 500),                            {"idempotent": True},  2),
        ("POST",    Reply(b"", 429),                            {},                    2),
        ("POST",    Reply(b"", 503, {"Retry-After": "1"}),      {},                    2),
        ("PATCH",   Reply(b"", 500),                            {},                    1),
        ("GET",     Reply(b"", 500),                            {"idempotent": False}, 1),
    ],
)  # fmt: skip
def test_only_what_may_be_repeated_is_repeated(method: str, reply: Reply, options: Any, calls: int) -> None:
    clock = Clock()
    with served(reply) as server:
        api = client(server, clock, backoff=Backoff(attempts=2, sleep=clock.sleep, clock=clock.monotonic))
        with pytest.raises(ApiError):
            api.request(method, "x", **options)

    assert len(server.asked) == calls


def test_a_connection_that_breaks_before_the_answer_is_tried_again() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    connections = 0

    def hang_up() -> None:
        nonlocal connections
        for _ in range(3):
            connection, _ = listener.accept()
            connections += 1
            connection.recv(1000)
            connection.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    clock = Clock()
    api = ApiClient(
        f"http://127.0.0.1:{listener.getsockname()[1]}",
        backoff=Backoff(attempts=3, sleep=clock.sleep, clock=clock.monotonic),
    )
    with pytest.raises(NoAnswer) as raised:
        api.get("x")
    thread.join()
    listener.close()

    assert (connections, raised.value.sent, raised.value.status) == (3, True, None)


def test_a_post_that_never_reached_the_server_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    clock = Clock()
    api = ApiClient(f"http://127.0.0.1:{port}", backoff=Backoff(attempts=4, sleep=clock.sleep, clock=clock.monotonic))
    with pytest.raises(NoAnswer, match="Connection refused") as raised:
        api.post("x")

    assert (raised.value.sent, len(clock.sleeps)) == (False, 3)


def test_silence_ends_at_the_read_limit() -> None:
    released = threading.Event()

    def answer(asked: Asked) -> Any:
        released.wait(5)
        return [1]

    with Server(answer) as server:
        api = client(server, backoff=Backoff(attempts=1), limits=Limits(read_seconds=0.1))
        with pytest.raises(NoAnswer, match="timed out"):
            api.get("x")
        released.set()


# --- Other hosts -------------------------------------------------------------------------------------------


CREDENTIALS: dict[str, Any] = {"auth": Bearer(SECRET.replace("ü", "u")), "headers": {"X-Api-Key": "k-12345"}}


def test_a_redirect_on_the_same_host_keeps_the_credentials() -> None:
    with served(Reply(b"", 302, {"Location": "/v2/x?b=2"}), [1]) as server:
        assert client(server, **CREDENTIALS).get_json("x", params={"a": 1}) == [1]
    there = server.asked[1]

    assert (there.path, there.params) == ("/v2/x", {"b": "2"})
    assert there.headers["authorization"].startswith("Bearer ")
    assert there.headers["x-api-key"] == "k-12345"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_refused(status: int) -> None:
    with (
        served([1]) as other,
        served(Reply(b"", status, {"Location": f"{other.url}/x"})) as server,
        pytest.raises(HostRefused, match="other_hosts"),
    ):
        client(server, **CREDENTIALS).get("x")

    assert (len(server.asked), other.asked) == (1, [])


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://x.test/", "//x.test", "javascript:alert(1)", "http://[", "//x:99999"]
)
def test_a_redirect_to_what_is_no_http_url_is_refused(location: str) -> None:
    with served(Reply(b"", 302, {"Location": location})) as server, pytest.raises(HostRefused):
        client(server).get("x")


def test_a_host_that_is_allowed_gets_no_credentials() -> None:
    with served([1]) as other, served(Reply(b"", 302, {"Location": f"{other.url}/x?sig=1"})) as server:
        api = client(server, other_hosts=[other.address], **CREDENTIALS)
        assert (api.get_json("x", headers={"X-Trace": "1"}), api.get_json(f"{other.url}/y")) == ([1], [1])

    for asked in other.asked:
        assert not {"authorization", "x-api-key", "x-trace"} & asked.headers.keys()
    assert other.asked[0].params == {"sig": "1"}


def test_a_key_in_the_query_does_not_follow_to_another_host() -> None:
    with served([1]) as other, served([1]) as server:
        client(server, auth=ApiKey("k-12345", query="api_key"), other_hosts=[other.address]).get(f"{other.url}/y")

    assert other.asked[0].params == {}


def test_an_absolute_url_on_another_host_is_refused() -> None:
    with served([1]) as other, served([1]) as server, pytest.raises(HostRefused):
        client(server).get(f"{other.url}/x")

    assert other.asked == []


def test_passwords_of_netrc_are_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password pw\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with served([1]) as server:
        client(server).get("x")
        requests.get(f"{server.url}/plain", timeout=5)

    assert "authorization" not in server.asked[0].headers
    assert "authorization" in server.asked[1].headers  # what requests alone would do


@pytest.mark.parametrize(
    ("base",                  "url",                        "home"),
    [
        ("https://x.test",        "https://X.TEST:443/a",       True),
        ("http://x.test",         "https://x.test/a",           True),
        ("https://x.test",        "http://x.test/a",            None),
        ("https://x.test",        "https://x.test:8443/a",      None),
        ("http://x.test:8080",    "https://x.test/a",           None),
        ("https://x.test",        "https://sub.x.test/a",       None),
        ("https://x.test",        "https://x.test@evil.test/",  None),
        ("https://x.test",        "https://x.test.evil.test/",  None),
        ("https://x.test",        "https://files.test/a",       False),
        ("https://x.test",        "http://files.test/a",        None),
        ("https://x.test",        "https://files.test:8443/a",  None),
        ("http://x.test",         "http://files.test/a",        False),
    ],
)  # fmt: skip
def test_credentials_are_for_one_origin_and_never_go_from_tls_to_none(base: str, url: str, home: bool | None) -> None:
    api = ApiClient(base, other_hosts=["Files.test"])
    if home is None:
        with pytest.raises(HostRefused):
            api.home(url)
    else:
        assert api.home(url) is home


@pytest.mark.parametrize(
    ("asked",                    "reference",                    "meant"),
    [
        ("https://x.test/a",         "http://x.test/b?c=1#d",        "https://x.test/b?c=1#d"),
        ("https://x.test:8443/a",    "http://X.test:8443/b",         "https://X.test:8443/b"),
        ("https://x.test/a",         "http://x.test:8080/b",         "http://x.test:8080/b"),
        ("https://x.test/a",         "http://y.test/b",              "http://y.test/b"),
        ("https://x.test/a",         "http://x.test@y.test/b",       "http://x.test@y.test/b"),
        ("http://x.test/a",          "http://x.test/b",              "http://x.test/b"),
        ("http://x.test/a",          "https://x.test/b",             "https://x.test/b"),
        ("https://x.test/a",         "b",                            "https://x.test/b"),
    ],
)  # fmt: skip
def test_a_reference_to_the_same_host_keeps_the_encryption(asked: str, reference: str, meant: str) -> None:
    response = requests.Response()
    response.url = asked

    assert resolved_url(response, reference) == meant


def test_a_flood_of_headers_is_no_answer() -> None:
    reply = Reply(b"[1]", headers={f"X-{n}": "1" for n in range(200)})
    with served(reply) as server, pytest.raises(NoAnswer, match="100 headers"):
        client(server, backoff=Backoff(attempts=1)).get("x")


def test_redirects_in_a_circle_end() -> None:
    with served(Reply(b"", 302, {"Location": "/v1/x"})) as server, pytest.raises(HostRefused, match="a loop"):
        client(server).get("x")

    assert len(server.asked) == 6


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [
        (303, "GET", b""),
        (307, "POST", b'{"q": 1}'),
        (308, "POST", b'{"q": 1}'),
    ],
)
def test_a_redirected_post_keeps_its_body_or_becomes_a_get(status: int, method: str, body: bytes) -> None:
    with served(Reply(b"", status, {"Location": "/v1/y"}), [1]) as server:
        client(server).post("x", json={"q": 1})

    assert (server.asked[1].method, server.asked[1].body) == (method, body)


@pytest.mark.parametrize("status", [301, 302])
def test_a_post_that_would_lose_its_body_on_the_way_is_refused(status: int) -> None:
    with (
        served(Reply(b"", status, {"Location": "/v1/y"})) as server,
        pytest.raises(HostRefused, match="base URL"),
    ):
        client(server).post("x", json={})

    assert len(server.asked) == 1


def test_cookies_are_kept_only_when_asked_for() -> None:
    with served(Reply([1], headers={"Set-Cookie": "sid=1"})) as server:
        for keep_cookies in (False, True):
            api = client(server, keep_cookies=keep_cookies)
            api.get("x")
            api.get("x")

    assert [asked.headers.get("cookie") for asked in server.asked] == [None, None, None, "sid=1"]


# --- Secrets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text",                                    "shown"),
    [
        ("a s3cr3t/+ü b",                       "a *** b"),
        ("?q=s3cr3t%2F%2B%C3%BC",               "?q=***"),
        ('{"x": "s3cr3t/+\\u00fc"}',            '{"x": "***"}'),
        ("czNjcjN0LyvDvA==",                    "***=="),
        ("https://x.test/?access_token=abc&n=1", "https://x.test/?access_token=***&n=1"),
        ("/?x-api-key=abc'",                    "/?x-api-key=***'"),
        ("/?hapikey=abc",                       "/?hapikey=***"),
        ("/?monkey=abc&state=ny",               "/?monkey=abc&state=ny"),
        ('{"client_secret": "a\\"b"}',          '{"client_secret": "***"}'),
        ('{"refresh_token":"abc',               '{"refresh_token":"***'),
        ('{"code": "E17", "key": "AB-1"}',      '{"code": "E17", "key": "AB-1"}'),
        ("postgres://ann:pw@host/db",           "postgres://***@host/db"),
    ],
)  # fmt: skip
def test_secrets_are_blanked_out_in_the_forms_they_travel_in(text: str, shown: str) -> None:
    assert redact(text, [SECRET, "abc"[:2]]) == shown


@pytest.mark.parametrize("piece", [";", ";a", "&a", "?", "://", '"a"', '"a" :', "<", "\\"])
def test_blanking_out_takes_no_longer_for_a_hostile_body(piece: str) -> None:
    text = piece * (ERROR_BODY_BYTES // len(piece))
    started = time.process_time()

    assert redact(text, [SECRET]) == text
    assert time.process_time() - started < 2  # what grows with the square takes a minute and more


FAILURES: dict[str, Callable[[Server], Any]] = {
    "status": lambda server: client(server, auth=ApiKey("kkey-123", query="api_key")).get("400"),
    "body": lambda server: client(server, auth=ApiKey("kkey-123", header="X-Api-Key")).get("echo"),
    "no json": lambda server: client(server, auth=ApiKey("kkey-123", query="k")).get_json("html"),
    "client header": lambda server: client(server, headers={"X-Auth-Token": "kkey-123"}).get("echo"),
    "basic": lambda server: client(server, auth=("ann", "kkey-123")).get("echo"),
    "parameter": lambda server: client(server).get("x", params={"api_key": "kkey-123"}),
    "refused": lambda server: ApiClient("http://127.0.0.1:9", auth=ApiKey("kkey-123", query="k"),
                                        backoff=Backoff(attempts=1)).get("x"),
    "reset": lambda server: client(server, auth=ApiKey("kkey-123", query="k"), backoff=Backoff(attempts=1)).get("cut"),
    "bad host": lambda server: ApiClient("http://no-such-host.invalid", auth=ApiKey("kkey-123", query="k"),
                                         backoff=Backoff(attempts=1)).get("x"),
    "redirect": lambda server: client(server, auth=ApiKey("kkey-123", query="k")).get("away"),
    "header": lambda server: client(server, headers={"X-Auth-Token": "kkey-123\n"}).get("x"),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_no_failure_shows_the_key(failure: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="sdk_helpers")

    def answer(asked: Asked) -> Any:
        if asked.path == "/v1/away":
            return Reply(b"", 302, {"Location": f"https://other.test/?token={asked.params.get('k')}"})
        if asked.path == "/v1/cut":
            return Reply(b"half", length=100)
        if asked.path == "/v1/html":
            return Reply(b"<b>" + asked.params["k"].encode())
        return Reply(json.dumps({"asked": asked.headers, "query": asked.params}).encode(), 400)

    with Server(answer) as server, pytest.raises(ApiError) as raised:
        FAILURES[failure](server)
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + caplog.text
    contexts = repr(raised.value.__context__) + repr(raised.value.__cause__)

    # The line of this file that makes the call is part of a traceback; what the helpers say comes after it.
    assert "kkey-123" not in shown.replace('"kkey-123', "")
    assert "a2tleS0xMjM" not in shown
    assert "kkey-123" not in contexts


def test_a_client_does_not_show_its_credentials() -> None:
    api = ApiClient("https://x.test/v1", auth=Bearer("kkey-123"), headers={"X-Api-Key": "kkey-123"})

    assert repr(api) == "ApiClient('https://x.test/v1')"


def test_threads_share_one_client() -> None:
    def answer(asked: Asked) -> Any:
        return Reply(asked.params, headers={"Set-Cookie": f"n{asked.params['n']}=1"})

    wrong: list[Any] = []
    with Server(answer) as server, client(server) as api:

        def work(start: int) -> None:
            for n in range(start, start + 25):
                found = api.get_json("x", params={"n": n})
                if found != {"n": str(n)}:
                    wrong.append(found)

        threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 200, 25)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert (wrong, len(server.asked)) == ([], 200)


def test_certificates_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with pytest.raises((NoAnswer, OSError), match=r"missing\.pem"):
        ApiClient("https://127.0.0.1:9", backoff=Backoff(attempts=1)).get("x")

    assert os.environ["REQUESTS_CA_BUNDLE"]


def test_the_certificates_that_the_author_names_win_over_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tls, certificate = tls_of_its_own(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    with Server(lambda asked: [1], tls=tls) as server:
        api = client(server)
        api.session.verify = str(certificate)

        assert api.get_json("x") == [1]


# --- Files to the server -----------------------------------------------------------------------------------


def parts_of(asked: Asked) -> list[tuple[str, str | None, str, bytes]]:
    """Name, file name, type and content of each part, as the standard library reads them."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + asked.body, policy=email.policy.HTTP)
    found = []
    for part in message.iter_parts():
        name, content = part.get_param("name", header="Content-Disposition"), part.get_payload(decode=True)
        assert isinstance(name, str)
        assert isinstance(content, bytes)
        found.append((name, part.get_filename(), part.get_content_type(), content))
    return found


def test_files_go_out_beside_the_fields_of_a_form(tmp_path: Path) -> None:
    path = tmp_path / "a b.csv"
    path.write_bytes(b"1,x\r\n--\r\n" * 50_000)
    with served({"ok": True}) as server:
        client(server).post(
            "lookups",
            data={"kind": "zip", "none": None, "open": True},
            files={"addresses": FilePart(path, content_type="text/csv"), "note": FilePart(b"\x00", 'a"b\n.bin')},
        )
    asked = server.asked[0]

    assert parts_of(asked) == [
        ("kind", None, "text/plain", b"zip"),
        ("open", None, "text/plain", b"true"),
        ("addresses", "a b.csv", "text/csv", path.read_bytes()),
        ("note", "a%22b%0A.bin", "application/octet-stream", b"\x00"),
    ]
    assert int(asked.headers["content-length"]) == len(asked.body)


@pytest.mark.parametrize(
    "first",
    [Reply(status=503), Reply(status=429), Reply(status=307, headers={"Location": "/v1/there"})],
    ids=["503", "429", "redirect"],
)
def test_a_file_is_read_again_for_the_next_attempt(first: Reply, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"x" * 100_000)
    with served(first, {"ok": True}) as server:
        client(server).post("a", files={"f": FilePart(path)}, idempotent=True)

    assert [parts_of(asked)[0][3] for asked in server.asked] == [path.read_bytes()] * 2


def test_files_and_another_body_are_refused() -> None:
    with served({"ok": True}) as server, pytest.raises(TypeError, match="give data as a dict"):
        client(server).post("a", data=b"x", files={"f": FilePart(b"y")})


def test_a_file_that_grows_while_it_is_sent_is_no_form() -> None:
    class Growing(FilePart):
        def open(self) -> BinaryIO:
            class File(io.BytesIO):
                def seek(self, offset: int, whence: int = 0) -> int:
                    size = super().seek(offset, whence)
                    return size - 1 if whence == io.SEEK_END else size

            return File(b"abc")

    form = Multipart([], {"f": Growing(b"abc")})

    with pytest.raises(OSError, match="changed its size"):
        form.read()


def test_a_stream_is_read_as_it_comes_and_its_failures_are_typed() -> None:
    with served(Reply(b"x" * 100_000), Reply(b"x" * 10, length=20), Reply(status=404)) as server:
        api = client(server)
        with api.stream("a") as whole:
            sizes = [len(chunk) for chunk in whole]
        with api.stream("b") as cut, pytest.raises(ApiError) as broken:
            list(cut)
        with pytest.raises(NotFound), api.stream("c"):
            pass

    assert sum(sizes) == 100_000
    assert len(sizes) > 1
    assert broken.value.retryable
    assert len(server.asked) == 3
