"""The stand-ins themselves: they hold what the seeds say, and let the real drivers in."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import boto3
import psycopg
import pyodbc
import pytest
import redshift_connector

from tests.examples.stand_ins import StandIn, StandIns


@pytest.fixture
def postgres(stand_ins: StandIns) -> StandIn:
    [stand_in] = stand_ins.of(["postgres", "an HTTP API"])
    return stand_in


def ids(stand_in: StandIn) -> list[int]:
    with psycopg.connect(f"host=127.0.0.1 port={stand_in.places['{postgres_port}']} dbname=source user=reader") as db:
        return [number for (number,) in db.execute("SELECT id FROM t ORDER BY id").fetchall()]


@pytest.fixture
def seeds(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "seed.sql", tmp_path / "more.sql"]
    for path, sql in zip(
        paths, ["CREATE TABLE t (id int); INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"], strict=True
    ):
        path.write_text(sql, encoding="utf-8")
    return paths


def test_source_holds_the_seeds_of_the_sync_and_nothing_of_another_one(postgres: StandIn, seeds: list[Path]) -> None:
    found = []
    for held in (seeds[:1], seeds, seeds, seeds[:1]):
        postgres.hold(held)
        found.append(ids(postgres))

    assert found == [[1], [1, 2], [1, 2], [1]]


def test_example_can_only_read(postgres: StandIn, seeds: list[Path]) -> None:
    postgres.hold(seeds)
    with (
        psycopg.connect(f"host=127.0.0.1 port={postgres.places['{postgres_port}']} dbname=source user=reader") as db,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        db.execute("DELETE FROM t")


def test_redshift_driver_gets_through_the_proxy(postgres: StandIn, seeds: list[Path]) -> None:
    postgres.hold(seeds)
    port = int(postgres.places["{redshift_port}"])
    with closing(
        redshift_connector.connect(
            host="127.0.0.1", port=port, database="source", user="reader", password="", ssl=False
        )
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT id FROM t WHERE id > %s", (1,))

        assert cursor.fetchall() == ([2],)


def test_odbc_driver_gets_in(postgres: StandIn, seeds: list[Path]) -> None:
    postgres.hold(seeds)
    source = f"DRIVER={{PostgreSQL Unicode}};SERVER=127.0.0.1;PORT={postgres.places['{postgres_port}']}"
    with closing(pyodbc.connect(f"{source};DATABASE=source;UID=reader;PWD=x")) as connection:
        rows = connection.execute("SELECT id FROM t WHERE id > ?", 1).fetchall()

    assert [tuple(row) for row in rows] == [(2,)]


def test_athena_runs_its_queries_and_gives_the_header_first(stand_ins: StandIns, tmp_path: Path) -> None:
    seed = tmp_path / "seed.sql"
    seed.write_text(
        "CREATE SCHEMA shop; CREATE TABLE shop.t AS SELECT 1 AS id, NULL::decimal(12, 2) AS amount, true AS paid, "
        "TIMESTAMP '2024-03-01 09:30:00.5' AS at UNION ALL SELECT 2, 0.5, false, NULL",
        encoding="utf-8",
    )
    [aws] = stand_ins.of(["aws"])
    aws.hold([seed])
    client = boto3.client(
        "athena", region_name="us-east-1", endpoint_url=aws.places["{aws}"],
        aws_access_key_id="k", aws_secret_access_key="s",
    )  # fmt: skip
    query = client.start_query_execution(
        QueryString="SELECT * FROM t WHERE id >= ? ORDER BY id",
        ExecutionParameters=["1"],
        QueryExecutionContext={"Database": "shop"},
    )
    result = client.get_query_results(QueryExecutionId=query["QueryExecutionId"])["ResultSet"]

    assert [(c["Name"], c["Type"], c["Scale"]) for c in result["ResultSetMetadata"]["ColumnInfo"]] == [
        ("id", "integer", 0), ("amount", "decimal", 2), ("paid", "boolean", 0), ("at", "timestamp", 0),
    ]  # fmt: skip
    assert [[value.get("VarCharValue") for value in row["Data"]] for row in result["Rows"]] == [
        ["id", "amount", "paid", "at"],
        ["1", None, "true", "2024-03-01 09:30:00.500"],
        ["2", "0.50", "false", None],
    ]
