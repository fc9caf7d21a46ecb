"""`headwater show TABLE` with --columns, --where and --sort, on DuckDB and on Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from tests.cli.cli_project import CliProject, environment
from tests.postgres_server import PostgresServer, postgres_server

ROWS = """
op.upsert("orders", {"id": 1, "Total": 1.5, "paid": True, "photo": b"ab", "at": "0001-01-01T00:00:00Z"})
op.upsert("orders", {"id": 2, "Total": None, "paid": False, "photo": None, "at": "9999-12-31T00:00:00Z"})
op.upsert("orders", {"id": 3, "Total": 0.25, "paid": True, "photo": b"", "at": None})
"""
SCHEMA = """
def schema(configuration):
    columns = {"Total": "DOUBLE", "paid": "BOOLEAN", "photo": "BINARY", "at": "UTC_DATETIME"}
    return [{"table": "orders", "primary_key": ["id"], "columns": {"id": "LONG", **columns}}]
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CliProject]:
    folder = tmp_path_factory.mktemp("shop")
    project = CliProject(folder, environment(tmp_path_factory.mktemp("shadows")))
    running: PostgresServer = request.getfixturevalue("server")
    with running.database() as database:
        destination = "duckdb:files/warehouse.db" if request.param == "duckdb" else running.url(database)
        project.write("headwater.toml", f'destination = "{destination}"\nnaming = "SOURCE"\n')
        assert project.connector(ROWS, schema=SCHEMA).debug().code == 0
        yield project


SELECTIONS = [
    # arguments                                                   lines
    (["--columns", "id,Total"],                                   ["id,Total", "1,1.5", "2,", "3,0.25"]),
    (["--columns", "TOTAL, id", "--sort", "total"],               ["Total,id", "0.25,3", "1.5,1", ",2"]),
    (["--columns", "id", "--sort", "total desc"],                 ["id", "1", "3", "2"]),
    (["--columns", "id", "--sort", "paid DESC,id desc"],          ["id", "3", "1", "2"]),
    (["--columns", "id", "--where", 'paid AND "Total" > 1'],      ["id", "1"]),
    (["--columns", "id", "--where", "id > 1 -- all", "--limit", "1", "--sort", "id"], ["id", "2"]),
    (["--columns", "id", "--where", "id > 9"],                    ["id"]),
    (["--columns", "paid,photo", "--sort", "id"],                 ["paid,photo", "true,YWI=", "false,", 'true,""']),
    (["--columns", "at", "--sort", "id", "--limit", "1"],         ["at", "0001-01-01 00:00:00+00"]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "lines"), SELECTIONS, ids=[" ".join(row[0]) for row in SELECTIONS])
def test_a_selection_gives_these_lines(loaded: CliProject, arguments: list[str], lines: list[str]) -> None:
    sort = [] if "--sort" in arguments else ["--sort", "id"]
    outcome = loaded.run("show", "orders", *arguments, *sort, "--csv")

    assert (outcome.out.splitlines(), outcome.err) == (lines, "")


WRONG = [
    # arguments                                         exit code, how the message begins
    (["orders", "--columns", "totl"],                   1, "Error: there is no column 'totl': did you mean 'Total'?"),
    (["orders", "--sort", "id down"],                   1, "Error: there is no column 'id down': there are: "),
    (["orders", "--where", "no_column > 1"],            1, "Error: <database> refuses this query: "),
    (["orders", "--where", "1 = 1); DELETE FROM orders; SELECT (1"], 1, "Error: "),
    (["orders", "--where", "1 = 1) UNION SELECT * FROM other; COMMIT; DROP TABLE orders; --"], 1, "Error: "),
    (["--sql", "COMMIT; DROP TABLE orders"],            1, "Error: "),
    (["--sql", "DELETE FROM orders RETURNING id"],      1, "Error: "),
    (["--where", "id = 1"],                             2, "Usage: "),
    (["orders", "--sql", "SELECT 1"],                   2, "Usage: "),
    (["--browse"],                                      2, "Usage: "),
]  # fmt: skip


def test_what_cannot_be_selected_is_said_and_changes_nothing(loaded: CliProject) -> None:
    outcomes = [loaded.run("show", *arguments) for arguments, _, _ in WRONG]
    rows = loaded.run("show", "--sql", "SELECT count(*) AS n FROM orders", "--csv")

    assert [
        (arguments, outcome)
        for (arguments, code, start), outcome in zip(WRONG, outcomes, strict=True)
        if (outcome.code, outcome.out) != (code, "") or not _neutral(outcome.err).startswith(start)
    ] == []
    assert rows.out == "n\n3\n"


def _neutral(message: str) -> str:
    return message.replace("DuckDB refuses", "<database> refuses").replace("Postgres refuses", "<database> refuses")


def test_json_has_numbers_and_booleans_whatever_the_database(loaded: CliProject) -> None:
    outcome = loaded.run("show", "orders", "--columns", "id,Total,paid", "--where", "id = 1", "--json")

    assert outcome.out == '[\n  {\n    "id": 1,\n    "Total": 1.5,\n    "paid": true\n  }\n]\n'


def test_postgres_shows_what_was_loaded_and_no_other_tables(server: PostgresServer, tmp_path: Path) -> None:
    project = CliProject(tmp_path, environment(tmp_path / "shadows"))
    with server.database() as database:
        project.write("headwater.toml", f'destination = "{server.url(database)}"\n')
        nothing = project.run("show")
        server.execute("CREATE TABLE public.of_another_program (a integer)", database=database)
        assert project.connector('op.upsert("orders", {"id": 1})').debug().code == 0
        outcome = project.run("show", "--csv")

    assert nothing.err.startswith("Error: there is nothing to show: no sync has loaded into postgresql://127.0.0.1:")
    assert outcome.out == (
        "table,rows,column,type\n"
        "tester.orders,1,id,bigint\n"
        "tester.orders,1,_fivetran_synced,timestamp with time zone\n"
        "tester.orders,1,_fivetran_deleted,boolean\n"
    )


def test_a_function_that_writes_is_refused_by_postgres(server: PostgresServer, tmp_path: Path) -> None:
    project = CliProject(tmp_path, environment(tmp_path / "shadows"))
    with server.database() as database:
        project.write("headwater.toml", f'destination = "{server.url(database)}"\n')
        assert project.connector('op.upsert("orders", {"id": 1})').debug().code == 0
        erase = "CREATE FUNCTION public.erase() RETURNS int LANGUAGE sql AS 'DELETE FROM tester.orders RETURNING 1'"
        server.execute(erase, database=database)
        outcome = project.run("show", "--sql", "SELECT public.erase()")
        left = server.fetch("SELECT count(*) FROM tester.orders", database=database)

    assert (outcome.code, left) == (1, [(1,)])
    assert "read-only transaction" in outcome.err


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_what_a_newer_headwater_keeps_is_refused_by_its_number_and_stays(
    server: PostgresServer, project: CliProject, kind: str
) -> None:
    with server.database() as database:
        url = "duckdb:files/warehouse.db" if kind == "duckdb" else server.url(database)
        where = (
            "<project>/files/warehouse.db" if kind == "duckdb" else f"postgresql://127.0.0.1:{server.port}/{database}"
        )
        project.write("headwater.toml", f'destination = "{url}"\n')
        assert project.connector('op.upsert("orders", {"id": 1})').debug().code == 0

        def sets_format(version: int) -> None:
            sql = f"UPDATE _headwater.format SET version = {version}"
            if kind == "postgres":
                server.execute(sql, database=database)
                return
            with duckdb.connect(str(project.warehouse)) as db:
                db.execute(sql)

        sets_format(2)
        refused = [project.run(*command) for command in (["show"], ["show", "orders"], ["show", "--sql", "SELECT 1"])]
        sets_format(1)
        shown = project.run("show", "orders", "--columns", "id", "--csv")

    said = f"Error: {where} is of a newer headwater: format 2, and this one knows up to 1\n"
    assert [(outcome.code, outcome.out) for outcome in refused] == [(1, "")] * 3
    assert [outcome.err for outcome in refused if not outcome.err.startswith(said)] == []
    assert "upgrade this one: pip install --upgrade headwater" in refused[0].err
    assert (shown.code, shown.out) == (0, "id\n1\n")
