"""What is removed from a recording, wherever it stands, and what must stay so that the recording still answers."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from headwater.testing.recording import Recording
from headwater.testing.routes import Answer, Playback, Request, read_routes
from headwater.testing.scrubbing import Scrubber

CANARY = "canary-4711+ü/x"
FORM = {"content-type": "application/x-www-form-urlencoded"}
BASIC = base64.b64encode(b"user:canary-basic-1").decode()
KEY_AS_USER = base64.b64encode(b"canary-key-as-user:").decode()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOiIxIn0.c2lnbmF0dXJl"


def get(url: str = "https://a.example/orders", **headers: str) -> Request:
    return Request("GET", url, {name.replace("_", "-").lower(): value for name, value in headers.items()})


def post(url: str, body: str, headers: dict[str, str] | None = None) -> Request:
    return Request("POST", url, headers or {}, body.encode())


# Each holds the word canary somewhere, in some spelling, and the recording must not.
EXCHANGES = [
    # the request                                                  the answer
    (get("https://a.example/orders?key=canary-4711%2B%C3%BC%2Fx"), Answer()),
    (get("https://a.example/canary-4711+%C3%BC%2fx/orders"),       Answer()),
    (get("https://user:canary-in-url@a.example/orders"),           Answer()),
    (get(),                                                        Answer(body=CANARY.encode())),
    (get(),                                                        Answer(body=json.dumps([{"k": CANARY}]).encode())),
    (get(),                                                        Answer(body=base64.b64encode(CANARY.encode()))),
    (get(),                                                        Answer(body=b"\xff\xfe" + b"canary-ascii-1")),
    (get(),                                                        Answer(headers={"X-Echo": CANARY})),
    (get(authorization="Bearer canary-bearer-1"),                  Answer(body=b'{"you": "canary-bearer-1"}')),
    (get(authorization="canary-bare-token"),                       Answer(body=b"canary-bare-token")),
    (get(authorization='Token token="canary-quoted"'),             Answer(body=b"canary-quoted")),
    (get(authorization=f"Basic {BASIC}"),                          Answer(body=b"canary-basic-1 " + BASIC.encode())),
    (get(authorization=f"Basic {KEY_AS_USER}"),                    Answer(body=b"hello canary-key-as-user")),
    (get(x_api_key="canary-header-1"),                             Answer(body=b"<me>canary-header-1</me>")),
    (get(cookie="sid=canary-cookie-1234567"),                      Answer(body=b"canary-cookie-1234567")),
    (get(),                            Answer(headers={"Set-Cookie": "a=canary-cookie-7654321; Path=/\nb=canary"})),
    (get(),                            Answer(headers={"Location": "https://a.example/?access_token=canary-1"})),
    (get(),                            Answer(headers={"X-Auth-Token": "canary-token"}, body=b"canary-token")),
    (get("https://a.example/x?client_secret=canary"),              Answer()),
    (get("https://s3.example/x?X-Amz-Signature=canary&X-Amz-Credential=canary%2F1"), Answer()),
    (post("https://a.example/oauth/token", "client_secret=canary&refresh_token=canary", FORM), Answer()),
    (post("https://a.example/graphql", '{"variables": {"password": "canary"}}'), Answer()),
    (get(),        Answer(body=b'{"data": [{"access_token": "canary-json-1"}], "id_token": "canary-json-1"}')),
    (get(),        Answer(body=b"access_token=canary-form-1&token_type=bearer")),
    (get(),        Answer(body=b"<r><access_token>canary-xml-1</access_token></r>")),
    (get(),        Answer(body=b'{"refresh_token": "canary-ndjson"}\n{"x": "canary-ndjson"}\n')),
    (get(),        Answer(body=b'{"raw": "{\\"access_token\\": \\"canary-nested-1\\"}"}')),
    (post("https://a.example/api/login", "{}"), Answer(body=b'{"token": "canary-login-1", "who": "canary-login-1"}')),
    (get(),        Answer(body=JWT.encode())),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "answer"), EXCHANGES)
def test_no_secret_is_kept_in_any_place_and_spelling(tmp_path: Path, request_: Request, answer: Answer) -> None:
    recording = Recording({"api_key": CANARY, "password": "canary-ascii-1", "page_size": "2"})
    recording.add(request_, answer)
    recording.write(tmp_path / "kept")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "kept").iterdir())

    assert b"canary" not in kept.lower()
    assert base64.b64encode(CANARY.encode())[:12] not in kept
    assert JWT[10:20].encode() not in kept


def test_a_token_is_removed_from_what_came_before_it_was_known(tmp_path: Path) -> None:
    recording = Recording({})
    recording.add(get("https://a.example/early"), Answer(body=b"late-secret-1"))
    recording.add(get("https://a.example/late", authorization="Bearer late-secret-1"), Answer())
    recording.write(tmp_path / "kept")

    assert [path.read_bytes() for path in (tmp_path / "kept").glob("*early*")] == [b"***"]


# What looks like a secret to no one, and must stay: the next request is made of it.
STAYS = [
    b'{"next_page_token": "abc123abc123abc123abc123"}',
    b'{"token": "cursor-0000001", "key": "PROJ-1", "author": "Ada", "session_id": "s-1", "sort_key": "x"}',
    b'[{"id": 12345678901234567890, "price": 1.10, "a": 1, "a": 2}]',
    b"id,name\n1,\xc3\xa9\n",
    bytes(range(256)),
]  # fmt: skip


@pytest.mark.parametrize("body", STAYS)
def test_what_is_no_secret_stays_byte_for_byte(body: bytes) -> None:
    scrubber = Scrubber({"api_key": CANARY})
    request = get("https://a.example/authors?key=PROJ-1&token=cursor-0000001&page=2")
    answer = Answer(headers={"X-Next-Page-Token": "abc", "ETag": '"1"', "Retry-After": "1"}, body=body)
    scrubber.learn(request, answer)

    assert scrubber.answer(request, answer) == answer
    assert scrubber.request(request).target == request.target


def test_a_recorded_request_is_answered_whatever_its_secrets_are_now(tmp_path: Path) -> None:
    recording = Recording({"api_key": CANARY})
    login = {"client_secret": CANARY, "grant": "x"}
    asked = [
        get(f"https://a.example/bot{CANARY.replace('/', '%2F')}/rows?key={CANARY[:11]}", authorization="Bearer t-1"),
        post("https://a.example/token", json.dumps(login)),
        post("https://a.example/token", "client_secret=canary&grant=x", FORM),
    ]
    for number, request in enumerate(asked):
        recording.add(request, Answer(body=b"%d" % number))
    recording.write(tmp_path / "kept")
    playback = Playback(read_routes(tmp_path / "kept"))
    scrubber = Scrubber({"api_key": "new one"})
    again = [
        get("https://a.example/botnew%20one/rows?key=canary-4711", authorization="Bearer t-2"),
        post("https://a.example/token", '{"grant":"x","client_secret":"new one"}'),
        post("https://a.example/token", "grant=x&client_secret=new+one", FORM),
    ]
    answers = [playback.answer(scrubber.request(request))[0] for request in again]

    assert [answer and answer.body for answer in answers] == [b"0", b"1", b"2"]
