"""`headwater verify --record` and `--replay`: the source is asked once, no secret is kept, it is not needed again."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.cli.cli_project import CliProject
from tests.cli.recorded_api import COOKIE, TOKENS, recorded_api

SCHEMA = """
def schema(configuration):
    return [{"table": "orders", "primary_key": ["id"]}, {"table": "counts", "primary_key": ["page"]}]
"""
# Each page through another library; one request, /count, is asked for every page and answered differently each time.
CLIENTS = """
api, key = configuration["api"], configuration["api_key"]
session = requests.Session()
form = {"grant_type": "client_credentials", "client_secret": key}
token = session.post(f"{api}/oauth/token", data=form).json()["access_token"]
def through_requests(page):
    return session.get(f"{api}/orders", params={"page": page, "api_key": key}, headers={"Authorization": token}).json()
def through_httpx(page):
    return httpx.get(f"{api}/orders/{token}?page={page}", auth=("user", key)).json()
def through_http_client(page):
    client = http.client.HTTPConnection(api.removeprefix("http://"))
    client.request("GET", f"/orders?page={page}", headers={"X-Api-Key": key})
    return json.loads(client.getresponse().read())
def through_urllib3(page):
    with ThreadPoolExecutor(4) as pool:
        urls = [f"{api}/orders?page={page}&part={part}" for part in range(8)]
        return list(pool.map(lambda url: urllib3.PoolManager().request("GET", url).json(), urls))[3]
clients = [through_requests, through_httpx, through_http_client, through_urllib3]
for page in range(state.get("page", 0), 4):
    for row in clients[page](page)["rows"]:
        op.upsert("orders", row)
    with urllib.request.urlopen(f"{api}/count") as answer:
        op.upsert("counts", {"page": page, "count": json.load(answer)["count"]})
    op.checkpoint({"page": page + 1})
"""
TOP = """
import http.client, json, urllib.request
from concurrent.futures import ThreadPoolExecutor
import httpx, requests, urllib3
"""
KEY = "canary/4711+ü secret"
RESUMES = (
    "The connector resumes: 4 checkpoints; started again from the start and from 3 of them, it gives the same tables.\n"
)
RECORDING = Path("files") / "recording"


def spellings(secret: str) -> list[bytes]:
    raw = secret.encode()
    written = [quote(secret, safe=""), quote_plus(secret), raw.hex(), json.dumps(secret).strip('"')]
    return [raw, *map(str.encode, written), base64.b64encode(raw), base64.b64encode(b"user:" + raw)]


def test_a_recording_holds_no_secret_and_takes_the_place_of_a_source_that_is_gone(project: CliProject) -> None:
    project.connector(CLIENTS, schema=SCHEMA, top=TOP)
    with recorded_api() as api:
        project.configuration({"api": api, "api_key": KEY})
        recorded = project.run("verify", "--record")
    kept = b"".join(path.read_bytes() for path in sorted((project.path / RECORDING).iterdir()))
    secrets = [KEY, COOKIE, TOKENS["access_token"], TOKENS["refresh_token"]]
    project.configuration({"api": api, "api_key": "another one"})
    replayed = project.run("verify", "--replay")

    assert (recorded.code, recorded.out) == (0, RESUMES), recorded.err
    assert f"16 answers are kept in <project>/{RECORDING}\n" in recorded.err
    assert [each for secret in secrets for each in spellings(secret) if each in kept] == []
    assert b"canary" not in kept
    assert (replayed.code, replayed.out) == (0, RESUMES), replayed.err


ROUTES = """
[[route]]
request = "GET https://api.example.com/orders?page=1"
answer = { text = '[{"id": 1}]' }
"""
SWALLOWS = """
try:
    rows = requests.get("https://api.example.com/orders", params={"page": 2, "key": configuration["api_key"]}).json()
except Exception:
    rows = []
"""
CONNECTS = """
try:
    socket.create_connection(("127.0.0.1", 9), timeout=5)
except Exception:
    pass
"""
NOT_HELD = [
    # update   what the recording does not hold
    (SWALLOWS, ("GET https://api.example.com/orders?page=2&key=*** (/orders is recorded with the query page=1, "
                "not with key=***&page=2)")),
    (CONNECTS, "127.0.0.1:9"),
]  # fmt: skip


@pytest.mark.parametrize(("update", "what"), NOT_HELD, ids=["request", "connection"])
def test_what_the_recording_does_not_hold_is_an_error_even_where_the_connector_goes_on(
    project: CliProject, update: str, what: str
) -> None:
    project.connector(update, top="import requests, socket").configuration({"api_key": "canary-4711"})
    project.write("kept/routes.toml", ROUTES)
    outcome = project.run("verify", ".", "--replay", "kept")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == (
        f"Error: the sync itself fails: the recording kept does not hold {what}\n"
        "Mend that first: `headwater debug` shows where it comes from.\n"
    )


def test_a_folder_of_examples_is_a_recording_too(project: CliProject) -> None:
    project.connector(
        SWALLOWS.replace('"page": 2, "key": configuration["api_key"]', '"page": 1'), top="import requests"
    )
    project.write("kept/routes.toml", ROUTES.replace("https://api.example.com", ""))

    assert project.run("verify", ".", "--replay=kept").code == 0


REFUSED = [
    # arguments                            code  what is said
    (("--record", "--replay"),             2,    "--record asks the source, --replay does not: give one of them"),
    (("--record", "."),                    2,    ". is a project, no recording: write `headwater verify . --record`"),
    ((".", "--record", "mine"),            1,    "mine is there already, and no recording of headwater's"),
    ((".", "--replay", "nothing"),         1,    "nothing/routes.toml cannot be read"),
    ((".", "--ignore", "orders.none"),     1,    "no table has the column orders.none"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "said"), REFUSED)
def test_what_cannot_be_meant_is_refused_before_the_source_is_asked(
    project: CliProject, arguments: tuple[str, ...], code: int, said: str
) -> None:
    project.connector("pass").write("mine/letter.txt", "dear")
    outcome = project.run("verify", *arguments)

    assert outcome.code == code
    assert said in outcome.err
    assert (project.path / "mine" / "letter.txt").exists()


def test_a_sync_that_fails_leaves_the_earlier_recording(project: CliProject) -> None:
    project.connector('raise ValueError("no")')
    kept = project.write("files/recording/routes.toml", "# Recorded by headwater; secrets were removed.\n")
    outcome = project.run("verify", "--record")

    assert outcome.code == 1
    assert sorted(kept.parent.parent.rglob("*")) == [kept.parent, kept]
