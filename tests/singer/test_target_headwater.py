"""The command `target-headwater` at the end of a pipe: what goes out when, and what a kill leaves."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headwater import __version__
from tests.cli.cli_project import environment
from tests.contract.postgres_driver import postgres_driver
from tests.contract.postgres_driver import server as server  # the fixture
from tests.singer.tap_messages import COMMAND, INTEGER, TEXT, Shop, feed, record, schema, state, text

ORDERS = schema("orders", {"id": INTEGER, "name": TEXT}, "id")
EVENTS = schema("events", {"n": INTEGER})


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_state_that_has_gone_out_is_committed_with_its_rows(shop: Shop) -> None:
    with shop.start() as target:
        assert target.stdout is not None
        feed(target, ORDERS, record("orders", id=1), state({"id": 1}), record("orders", id=2))
        line = target.stdout.readline()
        target.kill()

    assert line == '{"id": 1}\n'
    assert shop.rows("SELECT id FROM orders") == [(1,)]


def test_nothing_waits_longer_than_the_limit(shop: Shop) -> None:
    with shop.start(batch_wait_limit_seconds=1) as target:
        assert target.stdout is not None
        feed(target, ORDERS, record("orders", id=1), state(1), record("orders", id=2), state(2), record("orders", id=3))
        lines = [target.stdout.readline(), target.stdout.readline()]
        target.kill()

    assert lines == ["1\n", "2\n"]
    assert shop.rows("SELECT id FROM orders ORDER BY id") == [(1,), (2,), (3,)]


def test_sigterm_ends_the_target_at_the_last_commit(shop: Shop) -> None:
    with shop.start() as target:
        assert target.stdout is not None
        assert target.stderr is not None
        feed(target, ORDERS, record("orders", id=1), state(1))
        target.stdout.readline()
        feed(target, record("orders", id=2), state(2))
        target.send_signal(signal.SIGTERM)
        code = target.wait(timeout=20)
        said = target.stderr.read()

    assert code == 128 + signal.SIGTERM
    assert "interrupted; what came after the last commit is not loaded" in said
    assert shop.rows("SELECT id FROM orders") == [(1,)]


ROWS = 6_000
KILLS = int(os.environ.get("HEADWATER_KILLS", "3"))


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    if request.param == "duckdb":
        yield Shop(tmp_path)
        return
    with postgres_driver(request.getfixturevalue("server")) as driver:
        yield Shop(tmp_path, driver)


@pytest.mark.slow
def test_after_any_kill_a_tap_that_resumes_from_the_last_state_loses_and_doubles_nothing(warehouse: Shop) -> None:
    seed = int(os.environ.get("HEADWATER_SEED", random.randrange(10**6)))
    print(f"HEADWATER_SEED={seed}")
    moments = random.Random(seed)
    bookmark = 0
    for _ in range(KILLS):
        bookmark = max([bookmark, *run_tap(warehouse, bookmark, kill_after=moments.uniform(0.0, 0.4))])

    bookmark = max([bookmark, *run_tap(warehouse, bookmark, kill_after=None)])

    assert bookmark == ROWS
    assert warehouse.rows("SELECT count(*), count(DISTINCT id), min(id), max(id) FROM shop.orders") == [
        (ROWS, ROWS, 1, ROWS)
    ]
    assert warehouse.rows("SELECT count(*), count(DISTINCT n), min(n), max(n) FROM shop.events") == [
        (ROWS, ROWS, 1, ROWS)
    ]


def run_tap(shop: Shop, bookmark: int, *, kill_after: float | None) -> list[int]:
    """Send every row from the bookmark on; kill the target some seconds after its first commit, if at all.

    Gives the bookmarks that have gone out.
    """
    with shop.start(batch_size_rows=300) as target:
        assert target.stdout is not None
        feed(target, ORDERS, EVENTS)
        killed_at = None
        for start in range(bookmark, ROWS, 100):
            ids = range(start + 1, start + 101)
            rows = [each for n in ids for each in (record("orders", id=n, name=f"order {n}"), record("events", n=n))]
            feed(target, *rows, state(start + 100))
            if kill_after is not None and killed_at is None and shop.is_begun():
                killed_at = time.monotonic() + kill_after
            if killed_at is not None and time.monotonic() > killed_at:
                target.kill()
                break
        out, err = target.communicate()
    assert kill_after is not None or target.returncode == 0, err
    return [int(line) for line in out.splitlines()]


def test_what_is_wrong_is_said_on_standard_error_alone(shop: Shop) -> None:
    with shop.start() as target:
        out, err = target.communicate("Traceback (most recent call last):\n")

    assert target.returncode == 1
    assert out == ""
    assert err.startswith("ERROR    a line is not JSON: Expecting value")
    assert "Only messages belong on a tap's standard output" in err


SETTINGS: list[tuple[dict[str, Any], str]] = [
    # settings                                          what is said
    ({},                                                "the setting 'destination' is missing"),
    ({"destination": "duckdb:x.db", "chema": "a"},      "the setting 'chema' is unknown"),
    ({"destination": "duckdb:x.db", "schema": "A b"},   "schema is 'A b'; use small letters"),
    ({"destination": "duckdb:x.db", "naming": "SNAKE"}, "naming is 'SNAKE'; use FIVETRAN or SOURCE"),
    ({"destination": "duckdb:x.db", "hard_delete": 1},  "hard_delete must be boolean, not 1"),
    ({"destination": "nosuch:x"},                       "destination: 'nosuch:' is of no known kind"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "said"), SETTINGS, ids=[said for _, said in SETTINGS])
def test_wrong_settings_are_refused(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(settings))

    done = run(tmp_path, "--config", "config.json")

    assert done.returncode == 1
    assert said in done.stderr


def test_settings_come_from_files_and_the_environment_and_the_later_wins(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text('{"destination": "duckdb:one.db", "schema": "one"}')
    (tmp_path / "two.json").write_text('{"schema": "two"}')
    variables = {"TARGET_HEADWATER_DESTINATION": "duckdb:three.db", "TARGET_HEADWATER_HARD_DELETE": "true"}
    (tmp_path / "messages").write_text(json.dumps(ORDERS))

    sources = ["--config=one.json", "--config=two.json", "--config=ENV"]
    done = run(tmp_path, *sources, "--input", "messages", variables=variables)

    assert done.returncode == 0
    assert (tmp_path / "three.db").exists()
    assert not (tmp_path / "one.db").exists()


def test_about_names_every_setting_for_people_and_for_programs(tmp_path: Path) -> None:
    about = json.loads(run(tmp_path, "--about", "--format=json").stdout)
    plain = run(tmp_path, "--about").stdout
    markdown = run(tmp_path, "--about", "--format=markdown").stdout

    assert about["name"] == "target-headwater"
    assert about["settings"]["required"] == ["destination"]
    assert about["settings"]["properties"]["batch_size_rows"] == {
        "type": "integer",
        "description": "A STATE is committed once at least so many records have come.",
        "default": 100_000,
    }
    assert [name for name in about["settings"]["properties"] if f"- {name} (" not in markdown] == []
    assert [name for name in about["settings"]["properties"] if f"  {name} (" not in plain] == []


def test_the_version_is_headwater_s(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout == f"target-headwater v{__version__}\n"


def run(folder: Path, *arguments: str, variables: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder, env=environment(folder / "shadows") | (variables or {}), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_table_that_somebody_has_dropped_is_told_of_with_what_the_tap_can_do(shop: Shop) -> None:
    shop.load(ORDERS, record("orders", id=1), state(1))
    with duckdb.connect(str(shop.folder / "warehouse.db")) as warehouse:
        warehouse.execute("DROP TABLE shop.orders")
    with shop.start() as target:
        _, err = target.communicate(text(ORDERS, record("orders", id=2), state(2)))

    assert target.returncode == 0
    assert "the rows it had come back when the tap runs without a STATE and sends them anew" in err
    assert "--full-resync" not in err
