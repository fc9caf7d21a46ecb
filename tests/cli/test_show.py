"""`headwater show`, on what a real sync has loaded."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from tests.cli.cli_project import CliProject
from tests.cli.test_terminal import on_a_terminal

ROWS = """
op.upsert("orders", {"id": 1, "name": "käse, \\"mild\\"", "total": 1.5, "paid": True, "photo": b"ab", "empty": ""})
op.upsert("orders", {"id": 2, "name": "日本", "total": float("nan")})
op.upsert("people", {"who": "me"})
op.delete("orders", {"id": 2})
"""


SCHEMA = """
def schema(configuration):
    columns = {"name": "STRING", "total": "DOUBLE", "paid": "BOOLEAN", "photo": "BINARY", "empty": "STRING"}
    orders = {"table": "orders", "primary_key": ["id"], "columns": {"id": "LONG", **columns}}
    return [orders, {"table": "people", "columns": {"who": "STRING"}}]
"""


@pytest.fixture
def loaded(project: CliProject) -> CliProject:
    assert project.connector(ROWS, schema=SCHEMA).debug().code == 0
    with closing(duckdb.connect(str(project.warehouse))) as db:
        db.execute("SET TimeZone = 'UTC'; UPDATE tester.orders SET _fivetran_synced = '2026-01-02 03:04:05+00'")
        db.execute("UPDATE tester.people SET _fivetran_synced = 'infinity', _fivetran_id = 'f00'")
    return project


def test_show_lists_tables_types_and_first_rows(loaded: CliProject) -> None:
    outcome = loaded.run("show", "--limit", "1")

    assert outcome.out == (
        "tester.orders: 2 rows\n"
        "\n"
        "  id                 BIGINT\n"
        "  name               VARCHAR\n"
        "  total              DOUBLE\n"
        "  paid               BOOLEAN\n"
        "  photo              BLOB\n"
        "  empty              VARCHAR\n"
        "  _fivetran_synced   TIMESTAMP WITH TIME ZONE\n"
        "  _fivetran_deleted  BOOLEAN\n"
        "\n"
        '  id  name          total  paid  photo  empty  _fivetran_synced        _fivetran_deleted\n'
        '  --  ------------  -----  ----  -----  -----  ----------------------  -----------------\n'
        '  1   käse, "mild"  1.5    true  YWI=          2026-01-02 03:04:05+00  false\n'
        "\n"
        "tester.people: 1 row\n"
        "\n"
        "  _fivetran_id       VARCHAR\n"
        "  who                VARCHAR\n"
        "  _fivetran_synced   TIMESTAMP WITH TIME ZONE\n"
        "  _fivetran_deleted  BOOLEAN\n"
        "\n"
        "  _fivetran_id  who  _fivetran_synced  _fivetran_deleted\n"
        "  ------------  ---  ----------------  -----------------\n"
        "  f00           me   infinity          false\n"
        "\n"
    )  # fmt: skip
    assert (outcome.code, outcome.err) == (0, "")


def test_show_gives_every_row_as_csv_and_json(loaded: CliProject) -> None:
    csv = loaded.run("show", "tester.orders", "--format", "csv")
    rows = json.loads(loaded.run("show", "ORDERS", "--format", "json").out)
    tables = json.loads(loaded.run("show", str(loaded.path), "--format", "json").out)

    assert csv.out == (
        "id,name,total,paid,photo,empty,_fivetran_synced,_fivetran_deleted\n"
        '1,"käse, ""mild""",1.5,true,YWI=,"",2026-01-02 03:04:05+00,false\n'
        "2,日本,nan,,,,2026-01-02 03:04:05+00,true\n"
    )
    assert rows == [
        {"id": 1, "name": 'käse, "mild"', "total": 1.5, "paid": True, "photo": "YWI=", "empty": "",
         "_fivetran_synced": "2026-01-02 03:04:05+00", "_fivetran_deleted": False},
        {"id": 2, "name": "日本", "total": "nan", "paid": None, "photo": None, "empty": None,
         "_fivetran_synced": "2026-01-02 03:04:05+00", "_fivetran_deleted": True},
    ]  # fmt: skip
    assert [(table["table"], table["rows"], len(table["first_rows"])) for table in tables] == [
        ("tester.orders", 2, 2), ("tester.people", 1, 1),
    ]  # fmt: skip
    assert tables[1]["columns"]["who"] == "VARCHAR"


ONE_QUERY = "Error: this takes one query, such as a SELECT; nothing was run\n"
QUERIES = [
    # query                                         exit code, what is said
    ("SELECT count(*) AS n, sum(id) n FROM orders -- all", 0, "n,n_1\n2,3\n"),
    ("DESCRIBE people",                             0, "column_name,column_type,null,key,default,extra\n"),
    ("SELECT 1 WHERE false",                        0, "1\n"),
    ("DELETE FROM orders",                          1, ONE_QUERY),
    ("SELECT 1; DROP TABLE orders",                 1, ONE_QUERY),
    ("COPY orders TO 'stolen.csv'",                 1, ONE_QUERY),
    ("SELECT * FROM read_csv('connector.py')",      1, "Error: DuckDB refuses this query: Permission Error"),
    ("FROM (SELECT 'infinity'::TIMESTAMPTZ a, 340282366920938463463374607431768211455::UHUGEINT b)",
                                                    0, "a,b\ninfinity,340282366920938463463374607431768211455\n"),
    ("",                                            1, ONE_QUERY),
    ("SELEC 1",                                     1, "Error: DuckDB refuses this query: Parser Error"),
    ("SELECT 1 / nothing",                          1, "Error: DuckDB refuses this query: Binder Error"),
]  # fmt: skip


def test_a_query_reads_this_file_and_nothing_else(loaded: CliProject) -> None:
    before = loaded.warehouse.read_bytes()
    outcomes = [loaded.run("show", "--sql", query, "--format", "csv") for query, _, _ in QUERIES]

    said = [(outcome.code, outcome.out + outcome.err) for outcome in outcomes]
    assert [
        (query, code, text)
        for (query, code, start), (found, text) in zip(QUERIES, said, strict=True)
        if found != code or not text.startswith(start)
    ] == []
    assert not (loaded.path / "stolen.csv").exists()
    assert loaded.warehouse.read_bytes() == before


WRONG = [
    (["order"],     "Error: there is no table 'order': did you mean 'orders'?\n"),
    (["zzz"],       "Error: there is no table 'zzz': there are: tester.orders, tester.people\n"),
    (["nowhere", "orders"], "Error: nowhere is not a folder\nName the folder that holds connector.py.\n"),
    (["--destination", "duckdb:none.db"],
     "Error: there is nothing to show: <project>/none.db does not exist\nRun `headwater debug` first.\n"),
    (["--destination", "duckdb:connector.py"], "Error: <project>/connector.py cannot be read: IO Error"),
    (["--destination", "snowflake://me:canary@host/db"],
     "Error: headwater reads DuckDB and Postgres, and this project loads into snowflake://me:***@host/db\n"),
]  # fmt: skip


def test_what_cannot_be_shown_is_said_in_a_sentence(loaded: CliProject) -> None:
    outcomes = [loaded.run("show", *arguments) for arguments, _ in WRONG]

    assert [
        (arguments, outcome.err)
        for (arguments, said), outcome in zip(WRONG, outcomes, strict=True)
        if not outcome.err.startswith(said) or outcome.code != 1 or outcome.out
    ] == []


def test_show_reads_what_a_killed_sync_left_in_the_log(project: CliProject) -> None:
    project.connector('op.upsert("orders", {"id": 1})\nop.checkpoint({})\nos.kill(os.getpid(), 9)', top="import os")
    killed = project.debug()
    outcome = project.run("show", "orders", "--format", "csv")

    assert killed.code == -9
    assert Path(f"{project.warehouse}.wal").exists()
    assert outcome.out.startswith("id,_fivetran_synced,_fivetran_deleted\n1,")


def test_a_terminal_that_is_too_narrow_gets_the_columns_that_fit(project: CliProject) -> None:
    project.connector('op.upsert("wide", {"id": 1, **{f"column_{n}": n for n in range(500)}})')
    assert project.debug().code == 0
    with on_a_terminal(project, "show", "--sql", "SELECT * FROM wide") as (terminal, process):
        process.wait(timeout=30)
        terminal.all()
    piped = project.run("show", "--sql", "SELECT * FROM wide")

    lines = terminal.plain.splitlines()
    assert [len(line) <= 100 for line in lines] == [True] * 4
    assert lines[0].startswith("  _fivetran_id                              id  column_0  column_1")
    assert lines[3] == "… 497 more columns: choose with --columns, or see all with --json"
    assert piped.out.split("\n")[0].split()[-3:] == ["column_499", "_fivetran_synced", "_fivetran_deleted"]


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    ("folder", "code", "said"),
    [
        (b"sh\xc3\xb6p", 0, "Sync SUCCEEDED in"),
        (b"sh\xffp", 1, "DuckDB opens files only where the whole path is UTF-8\n  Rename the folder"),
    ],
)
def test_a_folder_whose_name_is_not_ascii_where_the_locale_is(
    project: CliProject, folder: bytes, code: int, said: str
) -> None:
    project.connector('op.upsert("orders", {"id": 1})')
    project.path = project.path.rename(project.path.parent / os.fsdecode(folder))
    synced = project.run("debug", env_extra=ASCII)
    shown = project.run("show", "orders", "--columns", "id", "--csv", env_extra=ASCII)

    assert (synced.code, said in synced.out) == (code, True), synced
    assert (shown.code, shown.out) == ((0, "id\n1\n") if code == 0 else (1, ""))
    assert "Traceback" not in shown.err
