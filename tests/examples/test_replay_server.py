"""The replay server, over real HTTP: what it gives, what it refuses, and that nothing of it is left."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from headwater.errors import ConfigurationError
from headwater.testing import ReplayServer

Serve = Callable[..., ReplayServer]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a server of the given routes.toml; keyword arguments are the bodies beside it."""
    servers: list[ReplayServer] = []

    def started(routes: str, **bodies: str) -> ReplayServer:
        server = ReplayServer(folder(tmp_path / "replay", routes, **bodies))
        servers.append(server.__enter__())
        return server

    yield started
    for server in servers:
        server.__exit__(None, None, None)


def folder(path: Path, routes: str, **bodies: str) -> Path:
    path.mkdir(exist_ok=True)
    (path / "routes.toml").write_text(routes, encoding="utf-8")
    for name, body in bodies.items():
        (path / name.replace("_", ".")).write_text(body, encoding="utf-8")
    return path


def get(url: str, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=10, **options)


def post(url: str, **options: Any) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(url, timeout=10, **options)


ORDERS = """
authentication = { X-API-Key = "k-1" }
headers = { Accept = "application/json" }

[[route]]
request = "GET /orders?after=0&since=*"
answer = { file = "orders.json", headers = { Link = '<{replay}/orders?after=2>; rel="next"' } }

[[route]]
request = "POST /orders"
answer = { status = 201 }
"""
KEY = {"X-API-Key": "k-1", "Accept": "application/json"}


def test_recorded_request_gets_the_body_with_the_servers_address_in_it(serve: Serve) -> None:
    server = serve(ORDERS, orders_json='{"next": "{replay}/orders?after=2", "name": "Zoë"}')
    response = get(f"{server.url}/orders?since=2024-01-01&after=0", headers=KEY)

    assert response.status_code == 200
    assert response.json() == {"next": f"{server.url}/orders?after=2", "name": "Zoë"}
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Link"] == f'<{server.url}/orders?after=2>; rel="next"'
    assert server.refused == []


WRONG_QUERY = "/orders is recorded with the query after=0&since=*, not with "
REFUSALS = [
    # target                      headers                        status  reason
    ("/customers",                KEY,                           404, "nothing is recorded for /customers"),
    ("/orders?after=0&since=1",   {**KEY, "X-API-Key": "wrong"}, 401, "X-API-Key is missing or wrong"),
    ("/orders?after=0&since=1",   {"Accept": KEY["Accept"]},     401, "X-API-Key is missing or wrong"),
    ("/orders?after=0&since=1",   {"X-API-Key": "k-1"},          400, "the header Accept is missing or wrong"),
    ("/orders?after=1&since=1",   KEY,                           400, WRONG_QUERY + "after=1&since=1"),
    ("/orders?after=0&since=",    KEY,                           400, WRONG_QUERY + "after=0&since="),
    ("/orders?after=0",           KEY,                           400, WRONG_QUERY + "after=0"),
    ("/orders?after=0&since=1&x", KEY,                           400, WRONG_QUERY + "after=0&since=1&x="),
    ("/orders",                   KEY,                           400, WRONG_QUERY + "(none)"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "headers", "status", "reason"), REFUSALS)
def test_other_requests_are_refused_with_the_reason(
    serve: Serve, target: str, headers: dict[str, str], status: int, reason: str
) -> None:
    server = serve(ORDERS, orders_json="{}")
    response = get(server.url + target, headers=headers)

    assert (response.status_code, response.json()) == (status, {"error": reason})
    assert [(each.method, each.target, each.status, each.refused) for each in server.refused] == [
        ("GET", target, status, reason)
    ]


def test_other_method_is_refused(serve: Serve) -> None:
    server = serve(ORDERS, orders_json="{}")

    assert requests.delete(f"{server.url}/orders", timeout=10).status_code == 405


TOKEN = """
[[route]]
request = "POST /token"
form = { grant_type = "refresh_token", refresh_token = "r-1" }

[[route]]
request = "POST /graphql"
json = { query = "{orders}", variables = { after = 0 } }
"""


@pytest.mark.parametrize(
    ("path", "sent", "status"),
    [
        ("/token",   {"data": {"grant_type": "refresh_token", "refresh_token": "r-1", "scope": "all"}}, 200),
        ("/token",   {"data": {"grant_type": "refresh_token", "refresh_token": "r-0"}},                 400),
        ("/token",   {"data": {"grant_type": "refresh_token"}},                                         400),
        ("/token",   {},                                                                                400),
        ("/graphql", {"json": {"query": "{orders}", "variables": {"after": 0}, "more": 1}},             200),
        ("/graphql", {"json": {"query": "{orders}", "variables": {"after": 1}}},                        400),
        ("/graphql", {"json": ["query"]},                                                               400),
        ("/graphql", {"data": "no JSON"},                                                               400),
    ],
)  # fmt: skip
def test_bodies_must_have_the_recorded_members(serve: Serve, path: str, sent: dict[str, Any], status: int) -> None:
    assert post(f"{serve(TOKEN).url}{path}", **sent).status_code == status


FAULTS = """
[[route]]
request = "GET /busy"
faults = [
    { status = 429, headers = { Retry-After = "7" } },
    { disconnect = true },
    { text = "half a body", cut_after_bytes = 4 },
]
answer = { text = "whole" }
"""


def test_faults_come_first_one_a_request_and_the_answer_from_then_on(serve: Serve) -> None:
    server = serve(FAULTS)
    busy = get(f"{server.url}/busy")
    with pytest.raises(requests.ConnectionError):
        get(f"{server.url}/busy")
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="4 bytes read, 7 more expected"):
        get(f"{server.url}/busy")
    texts = [get(f"{server.url}/busy").text for _ in range(2)]

    assert (busy.status_code, busy.headers["Retry-After"]) == (429, "7")
    assert texts == ["whole", "whole"]
    assert [received.status for received in server.received] == [429, None, 200, 200, 200]


def test_same_request_recorded_twice_is_answered_one_after_the_other(serve: Serve) -> None:
    server = serve(
        """
        [[route]]
        request = "GET /export?id=1"
        answer = { text = "running" }

        [[route]]
        request = "GET /export?id=2"
        answer = { text = "another" }

        [[route]]
        request = "GET /export?id=1"
        answer = { text = "done" }
        """
    )
    texts = [get(f"{server.url}/export?id={number}").text for number in (1, 2, 1, 1)]

    assert texts == ["running", "another", "done", "done"]


POLLED = """
[[route]]
request = "GET /token"
answer = { text = "t" }

[[route]]
request = "GET /count"
answer = { text = "a" }

[[route]]
request = "GET /count"
answer = { text = "b", checkpoint = 1 }

[[route]]
request = "GET /count"
answer = { text = "c", checkpoint = 1 }

[[route]]
request = "GET /count"
answer = { text = "d", checkpoint = 3 }
"""


@pytest.mark.parametrize(
    ("checkpoint", "texts"), [(0, "tabcdd"), (1, "tbcddd"), (2, "tddddd"), (3, "tddddd"), (4, "tddddd")]
)
def test_a_start_from_a_checkpoint_is_given_the_first_answer_from_there_or_the_last_one(
    serve: Serve, tmp_path: Path, checkpoint: int, texts: str
) -> None:
    server = serve(POLLED)
    server.serve(tmp_path / "replay", checkpoint=checkpoint)
    given = [get(f"{server.url}/token").text, *(get(f"{server.url}/count").text for _ in range(5))]

    assert "".join(given) == texts


NARROW = """
[[route]]
request = "GET /rows?fields=*"
answer = { text = "any fields" }

[[route]]
request = "GET /rows?fields=id"
answer = { text = "ids" }

[[route]]
request = "GET /rows?fields=id"
headers = { Range = "bytes=0-1" }
answer = { text = "id" }

[[route]]
request = "POST /rows"
body = '{"a": 1, "b": "***"}'
answer = { text = "one" }
"""


def test_of_the_routes_that_fit_the_narrowest_is_meant(serve: Serve) -> None:
    url = serve(NARROW).url
    texts = [
        get(f"{url}/rows?fields=name").text,
        get(f"{url}/rows?fields=id").text,
        get(f"{url}/rows?fields=id", headers={"Range": "bytes=0-1"}).text,
        post(f"{url}/rows", json={"b": "any", "a": 1}).text,
        post(f"{url}/rows", json={"b": "any", "a": 2}).json()["error"],
    ]

    assert texts == ["any fields", "ids", "id", "one", "/rows is recorded with another body"]


def test_serve_changes_the_folder_and_begins_anew(serve: Serve, tmp_path: Path) -> None:
    server = serve(FAULTS)
    assert get(f"{server.url}/busy").status_code == 429
    server.serve(tmp_path / "replay")
    again = get(f"{server.url}/busy").status_code
    server.serve(folder(tmp_path / "other", '[[route]]\nrequest = "GET /new"'))

    assert again == 429
    assert get(f"{server.url}/new").status_code == 200
    assert [received.target for received in server.received] == ["/new"]


def test_one_connection_carries_many_requests_at_once_from_many_threads(serve: Serve) -> None:
    server = serve('[[route]]\nrequest = "GET /page?n=*"\nanswer = { text = "x" }')
    with requests.Session() as session, ThreadPoolExecutor(8) as pool:
        session.trust_env = False
        texts = list(pool.map(lambda n: session.get(f"{server.url}/page?n={n}", timeout=10).text, range(200)))

    assert texts == ["x"] * 200
    assert sorted(int(each.target.split("=")[1]) for each in server.received) == list(range(200))


def test_closing_does_not_wait_for_clients_and_leaves_no_thread_or_port(tmp_path: Path) -> None:
    before = threading.active_count()
    slow = '[[route]]\nrequest = "GET /slow"\nanswer = { delay_seconds = 3600 }'
    with ReplayServer(folder(tmp_path / "replay", slow)) as server:
        host, port = server.url.removeprefix("http://").split(":")
        idle = socket.create_connection((host, int(port)))
        waiting = socket.create_connection((host, int(port)))
        waiting.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        while not server.received:
            time.sleep(0.001)

    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))
    idle.close()
    waiting.close()


def test_body_of_unknown_length_is_refused(serve: Serve) -> None:
    server = serve('[[route]]\nrequest = "POST /upload"')

    assert post(f"{server.url}/upload", data=iter([b"chunk"])).status_code == 411


def test_answer_without_a_body_keeps_the_connection_usable(serve: Serve) -> None:
    server = serve(
        """
        [[route]]
        request = "GET /empty"
        answer = { status = 204, text = "never sent" }

        [[route]]
        request = "HEAD /full"
        answer = { text = "12345" }

        [[route]]
        request = "GET /full"
        answer = { text = "12345" }
        """
    )
    with requests.Session() as session:
        session.trust_env = False
        empty = session.get(f"{server.url}/empty", timeout=10)
        head = session.head(f"{server.url}/full", timeout=10)
        full = session.get(f"{server.url}/full", timeout=10)

    assert (empty.status_code, empty.text) == (204, "")
    assert (head.headers["Content-Length"], head.text) == ("5", "")
    assert full.text == "12345"


A = '[[route]]\nrequest = "GET /a"\n'
UNREADABLE = [
    # routes.toml                                  what the error says
    ('[[route]]\nrequest = "/orders"',             "route 1: request is '/orders'"),
    ("[[route]]\nanswer = {}",                     "route 1: request is None"),
    (A + 'answer = { file = "none.json" }',        "route 1 (GET /a): the body none.json cannot be read"),
    (A + 'answer = { file = "a", text = "b" }',    "route 1 (GET /a): the answer has both a file and a text"),
    (A + "faults = [{ staus = 429 }]",             "fault 1: the key 'staus' is unknown\nKnown keys: status"),
    (A + "answer = { status = true }",             "route 1 (GET /a): status must be int, not True"),
    (A + "headers = { Retry-After = 1 }",          "route 1 (GET /a): Retry-After must be text in quotes, not 1"),
    ("route = [1]",                                "route 1 must be a table, not 1"),
    ("[[route]",                                   "cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("routes", "message"), UNREADABLE)
def test_unreadable_routes_are_refused_with_the_place(tmp_path: Path, routes: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        ReplayServer(folder(tmp_path / "replay", routes))

    assert message in str(error.value)


def test_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"routes\.toml cannot be read"):
        ReplayServer(tmp_path / "nowhere")


def test_taken_port_is_refused(serve: Serve, tmp_path: Path) -> None:
    port = int(serve("").url.rpartition(":")[2])

    with pytest.raises(ConfigurationError, match=f"port {port} cannot be used"):
        ReplayServer(tmp_path / "replay", port=port)


def test_command_plays_a_folder_until_ctrl_c(tmp_path: Path) -> None:
    replay = folder(tmp_path / "replay", '[[route]]\nrequest = "GET /a"\nanswer = { text = "played" }')
    with subprocess.Popen(
        [sys.executable, "-m", "headwater.testing", replay],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        # A test run that was started in the background ignores SIGINT, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        try:
            url, _, rest = process.stdout.readline().partition(" ")
            text = get(f"{url}/a").text
            process.send_signal(signal.SIGINT)
            exit_code = process.wait(timeout=30)
        finally:
            process.kill()

    assert rest == f"plays {replay}; Ctrl-C ends it\n"
    assert text == "played"
    assert exit_code == 0
