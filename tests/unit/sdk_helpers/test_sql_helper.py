"""Rows of a real Postgres and of SQLite in batches, and what changed since, at the boundary and after crashes."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import duckdb
import psycopg
import pytest
import sqlalchemy

from sdk_helpers.sql import ChangedRows, arrow_batches, quoted, row_batches
from tests.postgres_server import postgres_server

NOON = datetime(2024, 2, 29, 12, tzinfo=UTC)
ODD = '100% "odd" `[a]`:b ?'  # a name with everything that drivers and dialects treat specially


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as server:
        yield server.dsn


@pytest.fixture
def postgres(server: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server) as connection:
        connection.execute("DROP SCHEMA IF EXISTS shop CASCADE")
        connection.execute("CREATE SCHEMA shop")
        connection.commit()
        yield connection
        connection.rollback()


@pytest.fixture
def sqlite() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()


@pytest.fixture(params=["psycopg", "sqlalchemy on postgres", "sqlite3", "sqlalchemy on sqlite", "duckdb"])
def connection(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Any]:
    """A connection of each kind to a database whose schema `shop` is empty."""
    if request.param == "sqlite3":
        with sqlite3.connect(":memory:") as lite:
            lite.execute("ATTACH ':memory:' AS shop")
            yield lite
        lite.close()
    elif request.param == "duckdb":
        with duckdb.connect() as duck:
            duck.execute("CREATE SCHEMA shop")
            yield duck
    elif request.param == "sqlalchemy on sqlite":
        engine = sqlalchemy.create_engine("sqlite://")
        with engine.connect() as alchemy:
            alchemy.exec_driver_sql("ATTACH ':memory:' AS shop")
            yield alchemy
        engine.dispose()
    else:
        real = request.getfixturevalue("postgres")
        if request.param == "psycopg":
            yield real
            return
        engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(real.info.dsn))
        with engine.connect() as alchemy:
            yield alchemy
        engine.dispose()


def run(connection: Any, statement: str) -> None:
    """Run one statement as it is, whatever the connection."""
    if hasattr(connection, "exec_driver_sql"):
        # psycopg sees no parameters through this, and takes % as it stands only when it is doubled.
        doubled = statement.replace("%", "%%") if connection.dialect.name == "postgresql" else statement
        connection.exec_driver_sql(doubled)
    else:
        connection.execute(statement)


def numbers_query(connection: Any, count: int) -> str:
    return (
        f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}) SELECT n, 'x' AS t FROM c"
    )


# Batches


def test_rows_come_in_batches_from_every_kind_of_connection(connection: Any) -> None:
    batches = list(row_batches(connection, numbers_query(connection, 25), batch_rows=10))

    assert [len(batch) for batch in batches] == [10, 10, 5]
    assert [row for batch in batches for row in batch] == [{"n": n, "t": "x"} for n in range(1, 26)]


def test_no_rows_are_no_batches(connection: Any) -> None:
    assert list(row_batches(connection, "SELECT 1 AS a WHERE 1 = 0")) == []


def test_two_columns_of_one_name_are_refused(connection: Any) -> None:
    with pytest.raises(ValueError, match="two columns named a: give one an alias"):
        list(row_batches(connection, "SELECT 1 AS a, 2 AS a"))


@pytest.mark.parametrize("autocommit", [False, True])
def test_postgres_keeps_the_rows_on_the_server(postgres: psycopg.Connection[Any], autocommit: bool) -> None:
    postgres.autocommit = autocommit
    open_cursors = "SELECT count(*) FROM pg_cursors WHERE name LIKE 'headwater%'"
    batches = row_batches(postgres, numbers_query(postgres, 100_000), batch_rows=10)
    next(batches)
    while_reading = postgres.execute(open_cursors).fetchone()
    batches.close()  # type: ignore[attr-defined]  # it is a generator
    afterwards = postgres.execute(open_cursors).fetchone()

    assert (while_reading, afterwards) == ((1,), (0,))


def test_two_queries_can_be_read_at_once_on_one_connection(postgres: psycopg.Connection[Any]) -> None:
    left = row_batches(postgres, numbers_query(postgres, 20), batch_rows=10)
    right = row_batches(postgres, numbers_query(postgres, 20), batch_rows=10)

    assert [len(next(left)), len(next(right)), len(next(left)), len(next(right))] == [10] * 4


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("SELECT %s::int AS a", (5,)),
        ("SELECT %(v)s::int AS a", {"v": 5}),
        ("SELECT 5 AS a, '%' AS p", None),
    ],
)
def test_parameters_go_to_the_driver_as_they_are(
    postgres: psycopg.Connection[Any], query: str, parameters: Any
) -> None:
    ((row,),) = row_batches(postgres, query, parameters)

    assert row["a"] == 5


def test_arrow_tables_keep_late_types(sqlite: sqlite3.Connection) -> None:
    query = "SELECT 1 AS id, 5 AS v UNION ALL SELECT 2, 'x' UNION ALL SELECT 3, NULL"
    tables = list(arrow_batches(sqlite, query, batch_rows=2))

    assert [table.to_pylist() for table in tables] == [
        [{"id": 1, "v": "5"}, {"id": 2, "v": "x"}],
        [{"id": 3, "v": None}],
    ]


def test_arrow_tables_hold_every_type_of_postgres(postgres: psycopg.Connection[Any]) -> None:
    query = """SELECT 1::bigint AS i, 1.10::numeric AS d, 'x'::text AS t, true AS b, '{"a": [1]}'::jsonb AS j,
        ARRAY[1, 2] AS l, '2024-02-29'::date AS day, '2024-02-29 12:00+00'::timestamptz AS at, '\\xff'::bytea AS y,
        '00000000-0000-0000-0000-000000000007'::uuid AS u, NULL::int AS n"""
    (table,) = arrow_batches(postgres, query)

    assert table.to_pylist() == [
        {
            "i": 1, "d": Decimal("1.10"), "t": "x", "b": True, "j": '{"a": [1]}', "l": "[1, 2]", "day": NOON.date(),
            "at": NOON, "y": b"\xff", "u": "00000000-0000-0000-0000-000000000007", "n": None,
        }
    ]  # fmt: skip


# Names


class Driver:
    """Stands for a connection of a driver that is not installed here: only its module counts."""

    def __init__(self, module: str) -> None:
        self.kind = type("Connection", (), {"__module__": module})


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("sqlite3", '"s"."a""b`c]d"'),
        ("psycopg2.extensions", '"s"."a""b`c]d"'),
        ("_duckdb", '"s"."a""b`c]d"'),
        ("oracledb.connection", '"s"."a""b`c]d"'),
        ("pymysql.connections", '`s`.`a"b``c]d`'),
        ("mysql.connector.connection", '`s`.`a"b``c]d`'),
        ("pymssql._pymssql", '[s].[a"b`c]]d]'),
    ],
)
def test_names_are_quoted_as_the_database_wants(module: str, expected: str) -> None:
    assert quoted(Driver(module).kind(), "s", 'a"b`c]d') == expected


@pytest.mark.parametrize(("url", "expected"), [("postgresql+psycopg://", '"a""b"'), ("sqlite://", '"a""b"')])
def test_sqlalchemy_quotes_by_its_dialect(url: str, expected: str) -> None:
    engine = sqlalchemy.create_engine(url)
    connection = sqlalchemy.Connection.__new__(sqlalchemy.Connection)
    connection.dialect = engine.dialect

    assert quoted(connection, 'a"b') == expected


@pytest.mark.parametrize(
    ("connection", "name", "error", "message"),
    [
        (Driver("nobody").kind(), "a", ValueError, "use SQLAlchemy with it"),
        (Driver("sqlite3").kind(), "", ValueError, "cannot be a name"),
        (Driver("sqlite3").kind(), "a\0b", ValueError, "cannot be a name"),
        (sqlalchemy.create_engine("sqlite://"), "a", TypeError, "give engine.connect()"),
    ],
)
def test_what_cannot_be_quoted_is_refused(connection: Any, name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        quoted(connection, name)

    assert message in str(raised.value)


# What changed


def sync(
    changed: ChangedRows, connection: Any, state: dict[str, Any], *, batches: int | None = None, batch_rows: int = 2
) -> tuple[list[Any], dict[str, Any]]:
    """Read up to so many batches, as a sync that is killed then; give the ids read and the saved state."""
    ids: list[Any] = []
    reading = changed.batches(connection, state, batch_rows=batch_rows)
    for number, (batch, saved) in enumerate(reading, start=1):
        ids += [row[changed.key[-1]] for row in batch]
        state = json.loads(json.dumps(saved))
        if number == batches:
            break
    reading.close()  # type: ignore[attr-defined]  # it is a generator
    return ids, state


def orders(connection: Any, *rows: tuple[int, int | None]) -> None:
    for key, value in rows:
        run(connection, f"INSERT INTO shop.orders VALUES ({key}, {'NULL' if value is None else value})")


@pytest.fixture
def changed(connection: Any) -> ChangedRows:
    run(connection, "CREATE TABLE shop.orders (id integer, v integer)")
    orders(connection, (1, 10), (2, 20), (3, 20), (4, 20), (5, 30))
    return ChangedRows("orders", cursor="v", key=["id"], schema="shop")


def test_a_first_sync_reads_all_and_the_next_starts_at_the_last_value(connection: Any, changed: ChangedRows) -> None:
    first, state = sync(changed, connection, {})
    orders(connection, (0, 30), (6, 40))
    second, after = sync(changed, connection, state)

    assert (first, state) == ([1, 2, 3, 4, 5], {"cursor": 30})
    assert (second, after) == ([0, 5, 6], {"cursor": 40})


def test_a_sync_that_broke_off_goes_on_inside_equal_values(connection: Any, changed: ChangedRows) -> None:
    first, state = sync(changed, connection, {}, batches=1)
    second, state_2 = sync(changed, connection, state, batches=1)
    third, after = sync(changed, connection, state_2)

    assert (first, state) == ([1, 2], {"cursor": 20, "key": [2]})
    assert (second, state_2) == ([3, 4], {"cursor": 20, "key": [4], "reread": 20})
    assert (third, after) == ([5], {"cursor": 20})


def test_a_row_that_slipped_in_behind_a_crash_is_read_by_the_next_sync(connection: Any, changed: ChangedRows) -> None:
    _, state = sync(changed, connection, {}, batches=1)
    orders(connection, (0, 20))
    resumed, state = sync(changed, connection, state)
    following, state = sync(changed, connection, state)

    assert (resumed, following, state) == ([3, 4, 5], [0, 2, 3, 4, 5], {"cursor": 30})


def test_rows_without_a_cursor_value_come_in_every_sync(connection: Any, changed: ChangedRows) -> None:
    orders(connection, (7, None))
    first, state = sync(changed, connection, {})
    second, _ = sync(changed, connection, state)

    assert (first, second) == ([7, 1, 2, 3, 4, 5], [7, 5])


def test_a_lookback_reads_again_what_may_have_been_committed_late(connection: Any, changed: ChangedRows) -> None:
    late = ChangedRows("orders", cursor="v", key=["id"], schema="shop", lookback=10)

    assert sync(late, connection, {"cursor": 30}) == ([2, 3, 4, 5], {"cursor": 30})


def test_nothing_new_leaves_the_state(connection: Any, changed: ChangedRows) -> None:
    run(connection, "DELETE FROM shop.orders")

    assert sync(changed, connection, {"cursor": 30}) == ([], {"cursor": 30})
    assert sync(changed, connection, {}) == ([], {})


def test_only_the_wanted_columns_are_read(connection: Any, changed: ChangedRows) -> None:
    run(connection, "ALTER TABLE shop.orders ADD COLUMN secret integer")
    narrow = ChangedRows("orders", cursor="v", key=["id"], schema="shop", columns=["id", "v"])
    batch, _ = next(narrow.batches(connection, {"cursor": 30}))

    assert batch == [{"id": 5, "v": 30}]


def test_names_with_every_special_character_work(connection: Any) -> None:
    name = quoted(connection, ODD)
    run(connection, f"CREATE TABLE shop.{name} ({name} integer, id integer)")
    run(connection, f"INSERT INTO shop.{name} VALUES (1, 1), (2, 2), (2, 3)")
    odd = ChangedRows(ODD, cursor=ODD, key=[ODD, "id"], schema="shop")
    first, state = sync(odd, connection, {}, batches=1)
    rest, _ = sync(odd, connection, state)

    assert (first, rest) == ([1, 2], [3])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key": "id"}, "key must be a list"),
        ({"key": []}, "key must be a list"),
        ({"key": ["id"], "columns": ["id"]}, "columns leaves out v"),
    ],
)
def test_a_table_without_a_position_is_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ChangedRows("t", cursor="v", **options)


def test_times_and_composite_keys_of_postgres_are_saved_exactly(postgres: psycopg.Connection[Any]) -> None:
    postgres.execute("CREATE TABLE shop.t (at timestamptz, tenant uuid, id text)")
    moments = [NOON, NOON + timedelta(microseconds=1), NOON + timedelta(microseconds=1)]
    for number, moment in enumerate(moments):
        postgres.execute("INSERT INTO shop.t VALUES (%s, %s, %s)", (moment, UUID(int=number), f"k{number}"))
    changed = ChangedRows("t", cursor="at", key=["tenant", "id"], schema="shop", lookback=timedelta(0))
    first, state = sync(changed, postgres, {}, batches=1)
    rest, after = sync(changed, postgres, state)

    assert (first, rest) == (["k0", "k1"], ["k2"])
    assert after == {"cursor": {"datetime": "2024-02-29T12:00:00.000001+00:00"}}


@pytest.mark.parametrize("seed", range(30))
def test_random_changes_and_crashes_miss_nothing(seed: int, sqlite: sqlite3.Connection) -> None:
    """What the destination holds in the end is what the source holds, whatever came between."""
    source = random.Random(seed)
    sqlite.execute("CREATE TABLE t (id integer PRIMARY KEY, v integer, body integer)")
    changed = ChangedRows("t", cursor="v", key=["id"])
    clock = 0
    state: dict[str, Any] = {}
    copy: dict[int, tuple[int, int]] = {}
    for step in range(60):
        for _ in range(source.randint(0, 6)):
            clock += source.choice([0, 0, 0, 1])  # a clock that ticks rarely: many rows share a value
            sqlite.execute("INSERT OR REPLACE INTO t VALUES (?, ?, ?)", (source.randint(1, 40), clock, step))
        kill_after = source.choice([None, None, 1, 2, 5]) if step < 57 else None
        lost_state = source.random() < 0.1 and step < 57
        reading = changed.batches(sqlite, state, batch_rows=3)
        for number, (batch, saved) in enumerate(reading, start=1):
            copy.update({row["id"]: (row["v"], row["body"]) for row in batch})
            state = state if lost_state else json.loads(json.dumps(saved))
            if number == kill_after:
                break
        reading.close()  # type: ignore[attr-defined]  # it is a generator

    assert copy == {key: (v, body) for key, v, body in sqlite.execute("SELECT * FROM t")}
