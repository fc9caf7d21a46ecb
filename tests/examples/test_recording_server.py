"""The recording server in front of an API, over real HTTP: what it passes on and keeps, and that it plays again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from headwater.errors import ConfigurationError
from headwater.testing import RecordingServer, ReplayServer

# The live API is played, too: at /v1, with a login, links to itself, and an export that takes its time.
LIVE = """
[[route]]
request = "POST /v1/login"
json = { user = "ada", password = "canary-password" }
answer = { text = '{"token": "canary-token-1234"}', headers = { Set-Cookie = "sid=canary-cookie-1234567; Path=/" } }

[[route]]
request = "GET /v1/orders?page=1"
authentication = { Authorization = "Bearer canary-token-1234" }
answer = { text = '{"next": "{replay}/v1/orders?page=2"}', headers = { Link = '<{replay}/v1/orders?page=2>' } }

[[route]]
request = "GET /v1/orders?page=2"
authentication = { Authorization = "Bearer canary-token-1234" }
answer = { status = 404, text = "no such page, canary-token-1234" }

[[route]]
request = "GET /v1/export"
answer = { text = "running" }

[[route]]
request = "GET /v1/export"
answer = { text = "done" }

[[route]]
request = "GET /v1/picture"
answer = { file = "picture.png" }
"""
PICTURE = bytes(range(256))


def asked(url: str, token: str) -> list[Any]:
    """Ask all there is; give what came, the server's own address left out."""
    with requests.Session() as session:
        session.trust_env = False
        bearer = {"Authorization": f"Bearer {token}"}
        session.post(f"{url}/login", json={"user": "ada", "password": "canary-password"}, timeout=10)
        first = session.get(f"{url}/orders", params={"page": 1}, headers=bearer, timeout=10)
        second = session.get(first.json()["next"], headers=bearer, timeout=10)
        exports = [session.get(f"{url}/export", timeout=10).text for _ in range(2)]
        picture = session.get(f"{url}/picture", timeout=10)
    link = first.headers["Link"].replace(url, "")
    return [link, second.status_code, second.text[:12], exports, picture.content, picture.headers["Content-Type"]]


@pytest.fixture
def live(tmp_path: Path) -> Path:
    folder = tmp_path / "live"
    folder.mkdir()
    (folder / "routes.toml").write_text(LIVE, encoding="utf-8")
    (folder / "picture.png").write_bytes(PICTURE)
    return folder


def test_what_was_recorded_is_played_without_the_api_and_holds_no_secret(live: Path, tmp_path: Path) -> None:
    with ReplayServer(live) as api, RecordingServer(f"{api.url}/v1", tmp_path / "kept") as recorder:
        seen = asked(recorder.url, "canary-token-1234")
    with ReplayServer(tmp_path / "kept") as server:
        played = asked(server.url, "any token")
        without_token = requests.get(f"{server.url}/orders?page=1", timeout=10).status_code
    kept = b"".join(path.read_bytes() for path in sorted((tmp_path / "kept").iterdir()))

    assert seen == [
        "</orders?page=2>", 404, "no such page", ["running", "done"], PICTURE, "application/octet-stream",
    ]  # fmt: skip
    assert (played, server.refused[0].refused) == (seen, "authorization is missing or wrong")
    assert without_token == 401
    assert b"canary" not in kept
    assert api.url.encode() not in kept


def test_an_exception_keeps_the_earlier_recording(live: Path, tmp_path: Path) -> None:
    with ReplayServer(live) as api:
        with RecordingServer(api.url, tmp_path / "kept") as first:
            requests.get(f"{first.url}/v1/export", timeout=10)
        before = (tmp_path / "kept" / "routes.toml").read_text(encoding="utf-8")
        with pytest.raises(ZeroDivisionError), RecordingServer(api.url, tmp_path / "kept") as second:
            requests.get(f"{second.url}/v1/picture", timeout=10)
            raise ZeroDivisionError

    assert (tmp_path / "kept" / "routes.toml").read_text(encoding="utf-8") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "live"]


def test_an_api_that_is_not_there_is_not_there_here_either(tmp_path: Path) -> None:
    with RecordingServer("http://127.0.0.1:9", tmp_path / "kept") as recorder:
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{recorder.url}/orders", timeout=10)
        count = len(recorder.recording)

    assert count == 0


def test_what_is_no_address_and_a_folder_of_another_kind_are_refused(live: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not the address of an API"):
        RecordingServer("api.example.com", tmp_path / "kept")
    with pytest.raises(ConfigurationError, match="is there already, and no recording of headwater's"):
        RecordingServer("http://127.0.0.1:9", live)


def test_the_command_records_until_ctrl_c_without_the_secrets_of_a_configuration(live: Path, tmp_path: Path) -> None:
    configuration = tmp_path / "configuration.json"
    configuration.write_text('{"password": "running"}', encoding="utf-8")
    with (
        ReplayServer(live) as api,
        subprocess.Popen(
            [sys.executable, "-m", "headwater.testing", "record", api.url, tmp_path / "kept",
             "--configuration", configuration],
            stdout=subprocess.PIPE,
            encoding="utf-8",
            # A test run that was started in the background ignores SIGINT, and so would its children.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        try:
            url = process.stdout.readline().partition(" ")[0]
            text = requests.get(f"{url}/v1/export", timeout=10).text
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=30)
        finally:
            process.kill()
    with ReplayServer(tmp_path / "kept") as server:
        played = requests.get(f"{server.url}/v1/export", timeout=10).text

    assert (text, played, process.returncode) == ("running", "***", 0)
    assert out == f"\n1 answer is in {tmp_path / 'kept'}\n"
