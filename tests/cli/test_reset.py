"""`headwater reset`: what it removes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.cli_project import CliProject
from tests.postgres_server import PostgresServer, postgres_server


def paths_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


LEFT_BY_SYNCS = [
    "files/warehouse.db", "files/warehouse.db.wal", "files/warehouse.db.tmp/duckdb_temp_0.tmp", "files/state.json",
    "files/.state.json.4711", "files/.warehouse.db.0badcafe", "files/runs.db", "files/runs.db-journal",
    "files/sync.lock", "files/uploads/orders/photo.png", "crash-reports/crash_20260102-030405.log",
]  # fmt: skip
OF_THE_AUTHOR = [
    "connector.py",
    "configuration.json",
    "files/shop.zip",
    "files/.keep",
    "crash-reports/notes.txt",
    "other.db",
]


def test_reset_removes_what_syncs_left_and_nothing_else(project: CliProject) -> None:
    for name in LEFT_BY_SYNCS + OF_THE_AUTHOR:
        project.write(name, "")
    outcome = project.run("reset", "--yes")

    assert (outcome.code, outcome.out, outcome.err) == (0, "reset successful\n", "")
    assert paths_in(project.path) == sorted(OF_THE_AUTHOR)


def test_reset_starts_the_next_sync_from_nothing_and_leaves_no_empty_folder(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": state.get("n", 0)})\nop.checkpoint({"n": 1})')
    first = project.debug()
    reset = project.run("reset", "--non-interactive")
    again = project.run("reset", "-y")
    left = paths_in(project.path)
    second = project.debug()

    assert [outcome.code for outcome in (first, reset, again, second)] == [0, 0, 0, 0]
    assert left == ["configuration.json", "connector.py"]
    assert not list(project.path.glob("crash-reports"))
    assert "Previous state:\n{}\n" in second.out
    assert project.ids() == [0]


def test_reset_without_a_terminal_asks_for_yes_and_removes_nothing(project: CliProject) -> None:
    project.write("files/state.json", "{}")
    outcome = project.run("reset")

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.endswith("Error: there is no terminal to ask on: say --yes\n")
    assert paths_in(project.path) == ["files/state.json"]


def test_reset_follows_no_link_out_of_the_project(project: CliProject, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("")
    (project.path / "files").mkdir()
    (project.path / "files" / "uploads").symlink_to(outside)
    outcome = project.run("reset", "--yes")

    assert (outcome.code, outcome.err) == (0, "")
    assert (outside / "precious").exists()
    assert not (project.path / "files").exists()


DESTINATIONS = [
    # destination               what is said after "reset successful"                    is the file removed
    ("duckdb:files/shop.db",    "",                                                      True),
    ("duckdb:nowhere.db",       "",                                                      False),
    ("snowflake://me:pw@host/",
     "Note: the tables are not in <project>/files, and stay: snowflake://me:***@host/\n", False),
]  # fmt: skip


@pytest.mark.parametrize(("destination", "said", "removed"), DESTINATIONS, ids=[row[0] for row in DESTINATIONS])
def test_reset_says_when_the_tables_are_elsewhere(
    project: CliProject, destination: str, said: str, removed: bool
) -> None:
    project.write("headwater.toml", f'destination = "{destination}"\n')
    file = project.write("files/shop.db" if removed else "files/other.db", "")
    outcome = project.run("reset", "--yes")

    assert outcome.out == f"reset successful\n{said}"
    assert file.exists() is not removed


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture(params=["duckdb", "postgres"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give a destination outside the project, which other connections may share."""
    if request.param == "duckdb":
        yield f"duckdb:{tmp_path / 'shared.db'}"
        return
    running: PostgresServer = request.getfixturevalue("server")
    with running.database() as database:
        yield running.url(database)


def test_reset_removes_this_connection_s_tables_from_a_shared_destination(project: CliProject, shared: str) -> None:
    project.connector('op.upsert("orders", {"id": 1})\nop.upsert("eu", {"id": 2}, schema="x")\nop.checkpoint({"n": 1})')
    for schema in ("shop", "shop_eu", "other"):
        project.write("headwater.toml", f'destination = "{shared}"\nschema = "{schema}"\n')
        assert project.debug().code == 0
    project.write("headwater.toml", f'destination = "{shared}"\nschema = "shop"\n')
    refused = project.run("reset")
    outcome = project.run("reset", "--yes")
    left = project.run("show", "--sql", "SELECT schema, name FROM _headwater.tables ORDER BY 1, 2", "--csv")
    again = project.debug()

    assert refused.code == 2
    said = outcome.out.splitlines()
    assert (said[0], said[1].startswith("2 tables removed from ")) == ("reset successful", True)
    assert left.out.split() == [
        "schema,name", "other,orders", "other_x,eu", "shop_eu,orders", "shop_eu_x,eu",
    ]  # fmt: skip
    assert "Previous state:\n{}\n" in again.out


def test_reset_keeps_the_project_when_the_destination_cannot_be_reached(project: CliProject) -> None:
    project.write("headwater.toml", 'destination = "postgresql://me@127.0.0.1:1/shop"\n')
    project.write("files/state.json", "{}")
    outcome = project.run("reset", "--yes")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("Error: postgresql://127.0.0.1:1/shop cannot be reached: ")
    assert paths_in(project.path) == ["files/state.json", "headwater.toml"]
