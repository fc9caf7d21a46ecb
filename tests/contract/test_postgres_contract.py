"""The contract over Postgres, and what is particular to it: names, types, values, privileges."""

from __future__ import annotations

import json
import random
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headwater.destinations import open_destination
from headwater.destinations.postgres import Postgres
from headwater.destinations.postgres_sql import stored_name
from headwater.errors import ConfigurationError, DestinationError
from headwater.schema import DELETED, SYNCED, SYSTEM_COLUMNS, Table
from headwater.testing import contract
from headwater.testing.contract import batch, made, opened, shown, values
from headwater.testing.migration_contract import MigrationContract
from headwater.types.names import (
    BINARY,
    BOOLEAN,
    DOUBLE,
    FLOAT,
    JSON,
    LONG,
    NAIVE_DATETIME,
    STRING,
    UTC_DATETIME,
    XML,
    ColumnType,
    decimal_type,
)
from headwater.types.text import as_text
from tests.contract.postgres_driver import LOADER, PostgresDriver, postgres_driver
from tests.contract.postgres_driver import server as server  # the fixture
from tests.postgres_server import PostgresServer

# What jsonb holds as it was written; what it does not is tested below.
JSON_EDGES = ["null", '{"a": [1, "\u00e9", 1.50, true], "a b": {"NaN": "\\\\u0000"}}', "[]", '"text"', "0"]
SEED = 20261123


@pytest.fixture
def driver(server: PostgresServer) -> Iterator[PostgresDriver]:
    with postgres_driver(server) as made_for_it:
        yield made_for_it


class TestPostgres(MigrationContract):
    reads_while_open = True
    columns = 600  # each with a text of 12 bytes: a row has room for 8 kB of short values

    @pytest.fixture
    def driver(self, server: PostgresServer) -> Iterator[PostgresDriver]:
        with postgres_driver(server) as made_for_it:
            yield made_for_it

    @pytest.fixture(autouse=True)
    def values_of_jsonb(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(contract.EDGES, ColumnType(JSON), JSON_EDGES)


# --- names


@pytest.mark.parametrize(
    ("name",            "stored"),
    [
        ("orders",           "orders"),
        ("Order Lines",      "Order Lines"),
        ("select",           "select"),
        ("n" * 63,           "n" * 63),
        ("n" * 64,           "n" * 45 + "__ce068a195ab380a8"),
        ("\u00fc" * 31,      "\u00fc" * 31),
        ("\u00fc" * 32,      "\u00fc" * 22 + "__18e2d438be4719be"),
        ("ctid",             "ctid__a67689179f722010"),
        ("a\0b",             "ab__59b271ae1bbcb1d3"),
        ("a__" + "0" * 15,   "a__000000000000000"),
        ("a__" + "0" * 16,   "a__0000000000000000__db29718d5132207a"),
    ],
)  # fmt: skip
def test_a_name_is_stored_as_it_is_when_postgres_can_hold_it(name: str, stored: str) -> None:
    assert stored_name(name) == stored
    assert len(stored.encode()) <= 63


def test_no_two_names_are_stored_alike() -> None:
    long = ["n" * 64 + letter for letter in "abc"]
    names = [*long, *map(stored_name, long), "n" * 63, "ctid", stored_name("ctid"), "a\0b", "ab", stored_name("a\0b")]

    assert len({stored_name(name) for name in names}) == len(names)


def test_shortened_names_are_given_back_in_full(driver: PostgresDriver) -> None:
    schema, name, column = ("s" * 80, "t" * 80, "c" * 80)
    table = Table(schema, name, (column,), {column: ColumnType(LONG), "xmin": ColumnType(LONG), **_SYSTEM})
    with opened(driver) as destination:
        destination.create_table(table)
        destination.write(table, batch(table, rows=[{column: 1, "xmin": 2}]))
        destination.commit("{}")
    with opened(driver) as destination:
        described = destination.describe_table(schema, name)
    recorded = driver.fetch("SELECT schema, name, stored_schema, stored_name FROM _headwater.tables")

    assert described == table
    assert recorded == [(schema, name, stored_name(schema), stored_name(name))]
    assert values(driver, table) == shown([{column: 1, "xmin": 2}])


_SYSTEM = SYSTEM_COLUMNS["soft_delete"]


# --- types


def test_columns_have_the_types_of_postgres(driver: PostgresDriver) -> None:
    expected = {
        BOOLEAN: "boolean",
        "SHORT": "smallint",
        "INT": "integer",
        LONG: "bigint",
        FLOAT: "real",
        DOUBLE: "double precision",
        "NAIVE_DATE": "date",
        NAIVE_DATETIME: "timestamp without time zone",
        UTC_DATETIME: "timestamp with time zone",
        BINARY: "bytea",
        XML: "text",
        STRING: "text",
        JSON: "jsonb",
    }
    table = made(
        "orders", {"id": ColumnType(LONG), "total": decimal_type(9, 2), **{n: ColumnType(n) for n in expected}}
    )
    with opened(driver) as destination:
        destination.create_table(table)
        destination.commit("{}")
    found = driver.fetch(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'tester.orders'::regclass AND attnum > 0 ORDER BY attnum"
    )
    key = driver.fetch("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'tester.orders'::regclass")

    assert dict(found) == {
        "id": "bigint", "total": "numeric(9,2)", **expected, SYNCED: "timestamp with time zone", DELETED: "boolean",
    }  # fmt: skip
    assert key == [("PRIMARY KEY (id)",)]


@pytest.mark.parametrize(("kind", "code", "bits"), [(FLOAT, "f", 32), (DOUBLE, "d", 64)])
def test_a_float_becomes_the_text_that_python_writes(driver: PostgresDriver, kind: str, code: str, bits: int) -> None:
    """Every power of two and of ten, the ends of the range, and random bits: where shortest texts differ."""
    chosen = random.Random(SEED)
    size = bits // 8
    lowest, highest = (-149, 128) if bits == 32 else (-1074, 1024)
    floats = [2.0**power for power in range(lowest, highest)] + [float(10**power) for power in range(-40, 23)]
    floats += [struct.unpack(code, chosen.randbytes(size))[0] for _ in range(3000)]
    floats += [chosen.uniform(-1e17, 1e17) for _ in range(1000)]
    if bits == 64:
        floats += [1.7976931348623157e308 - step * 2.0**971 for step in range(60)]
    floats = [struct.unpack(code, struct.pack(code, value))[0] for value in floats]
    table = made("floats", {"id": ColumnType(LONG), "value": ColumnType(kind)})
    text = replace(table, columns=table.columns | {"value": ColumnType(STRING)})
    with opened(driver) as destination:
        destination.create_table(table)
        destination.write(table, batch(table, rows=[{"id": n, "value": value} for n, value in enumerate(floats)]))
        destination.alter_table(table, add={}, retype={"value": ColumnType(STRING)})
        destination.commit("{}")

    expected = [{"id": n, "value": as_text(ColumnType(kind), value)} for n, value in enumerate(floats)]
    assert values(driver, text) == shown(expected), f"seed {SEED}"


# --- values that Postgres cannot hold


@pytest.mark.parametrize(
    ("kind", "given",                                  "stored"),
    [
        (JSON,   "[NaN, Infinity, -Infinity]",          '["NaN", "Infinity", "-Infinity"]'),
        (JSON,   '"\\\\u0000 \\" NaN"',                 '"\\\\u0000 \\" NaN"'),
        (JSON,   '"\\ud83d\\ude00 \\ud83d \\ude00"',    '"\U0001f600 \ufffd \ufffd"'),
        (JSON,   '{"b": 1, "a": 2, "b": 3}',            '{"a": 2, "b": 3}'),
        (JSON,   "[1e2,1.0,12345678901234567890.10]",   "[100, 1.0, 12345678901234567890.10]"),
    ],
)  # fmt: skip
def test_what_postgres_cannot_hold_is_taken_out(driver: PostgresDriver, kind: str, given: str, stored: str) -> None:
    table = made("values", {"id": ColumnType(LONG), "value": ColumnType(kind)})
    rows: list[dict[str, Any]] = [{"id": 1, "value": given}, {"id": 2, "value": None}]
    with opened(driver) as destination:
        destination.create_table(table)
        destination.write(table, batch(table, rows=rows))
        destination.commit("{}")

    assert values(driver, table) == shown([{"id": 1, "value": stored}, {"id": 2, "value": None}])


def test_a_column_is_warned_about_once(driver: PostgresDriver, capsys: pytest.CaptureFixture[str]) -> None:
    table = made("values", {"id": ColumnType(LONG), "a": ColumnType(JSON), "b": ColumnType(JSON)})
    with opened(driver) as destination:
        destination.create_table(table)
        unchanged: dict[str, Any] = {"id": 9, "a": '"NaN"', "b": '"\\\\ud800"'}
        for number in range(3):
            changed: dict[str, Any] = {"id": number, "a": "NaN", "b": '"\\ud800"'}
            destination.write(table, batch(table, rows=[changed, unchanged]))
        destination.commit("{}")
    messages = [json.loads(line)["message"] for line in capsys.readouterr().out.splitlines()]

    assert [message.split(":")[0] for message in messages] == ["values.a", "values.b"]


@pytest.mark.parametrize(
    ("kind", "keys",                        "stored"),
    [
        (DOUBLE, [0.0, -0.0],                "-0.0"),
        (FLOAT,  [-0.0, 0.0],                "0.0"),
        (JSON,   ['{"a":1}', '{"a": 1.0}'],  "'{\"a\": 1.0}'"),
    ],
)  # fmt: skip
def test_keys_that_are_equal_in_postgres_are_one_row(
    driver: PostgresDriver, kind: str, keys: list[Any], stored: str
) -> None:
    table = made("keys", {"id": ColumnType(kind), "a": ColumnType(LONG)})
    with opened(driver) as destination:
        destination.create_table(table)
        destination.write(table, batch(table, rows=[{"id": key, "a": n} for n, key in enumerate(keys)]))
        destination.commit("{}")

    assert [(repr(row["id"]), row["a"]) for row in driver.rows(table)] == [(stored, 1)]


# --- tables that others made or changed


def test_a_table_that_another_program_made_is_taken_over(driver: PostgresDriver) -> None:
    driver.execute("CREATE SCHEMA tester AUTHORIZATION loader")
    driver.execute(
        "SET ROLE loader; CREATE TABLE tester.orders (b varchar, id bigint, a numeric(9,2) DEFAULT 7, tag uuid, "
        "twice bigint GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (id)); "
        "INSERT INTO tester.orders VALUES ('old', 1)"
    )
    kinds = {"b": ColumnType(STRING), "id": ColumnType(LONG), "a": decimal_type(9, 2), "tag": ColumnType(STRING)}
    with opened(driver) as destination:
        found = destination.describe_table("tester", "orders")
        assert found is not None
        destination.write(found, batch(found, rows=[{"id": 2, "b": "new"}]))
        destination.commit("{}")
    with opened(driver) as destination:
        again = destination.describe_table("tester", "orders")
    rows = driver.fetch("SELECT id, b, a, twice FROM tester.orders ORDER BY id")

    assert found == Table("tester", "orders", ("id",), {**kinds, SYNCED: ColumnType(UTC_DATETIME)}, "live")
    assert again == found
    assert rows == [(1, "old", Decimal("7.00"), 2), (2, "new", None, 4)]


def test_text_is_not_put_into_a_column_of_a_type_headwater_does_not_write(driver: PostgresDriver) -> None:
    table = made("orders", {"id": ColumnType(LONG), "at": ColumnType(NAIVE_DATETIME)})
    with opened(driver) as destination:
        destination.create_table(table)
        destination.commit("{}")
    driver.execute("ALTER TABLE tester.orders ALTER COLUMN at TYPE timestamp(0)")
    with opened(driver) as destination:
        found = destination.describe_table("tester", "orders")
        assert found is not None
        with pytest.raises(DestinationError) as refused:
            destination.write(found, batch(found, rows=[{"id": 1, "at": "2024-02-29T12:00:00.5"}]))

    assert found.columns["at"] == ColumnType(STRING)
    assert str(refused.value).startswith(f'{Postgres(driver.url, connection="x").address}: tester.orders: column "at"')


def test_a_table_without_key_is_not_taken_over(driver: PostgresDriver) -> None:
    driver.execute("CREATE SCHEMA tester; CREATE TABLE tester.orders (id bigint)")
    with opened(driver) as destination, pytest.raises(DestinationError, match="has no primary key"):
        destination.describe_table("tester", "orders")


def test_a_dropped_table_is_made_anew(driver: PostgresDriver) -> None:
    table = made("orders", {"id": ColumnType(LONG)})
    with opened(driver) as destination:
        destination.create_table(table)
        destination.commit("{}")
    driver.execute("DROP TABLE tester.orders")
    with opened(driver) as destination:
        found = destination.describe_table("tester", "orders")
        destination.create_table(table)
        destination.write(table, batch(table, rows=[{"id": 1}]))
        destination.commit("{}")

    assert found is None
    assert values(driver, table) == shown([{"id": 1}])


def test_a_view_that_stands_in_the_way_is_named(driver: PostgresDriver) -> None:
    table = made("orders", {"id": ColumnType(LONG), "a": ColumnType(LONG)})
    with opened(driver) as destination:
        destination.create_table(table)
        destination.commit("{}")
    driver.execute("CREATE VIEW tester.report AS SELECT a FROM tester.orders")
    with opened(driver) as destination, pytest.raises(DestinationError, match="used by a view") as refused:
        destination.alter_table(table, add={}, retype={"a": ColumnType(STRING)})

    assert "view tester.report" in refused.value.message
    assert refused.value.hint == "If a view stands in the way: drop it, run the sync, and make it again."


def test_a_table_has_at_most_1600_columns(driver: PostgresDriver) -> None:
    """System columns count; what is refused changes nothing."""
    names = [f"column_{number}" for number in range(1597)]
    table = made("wide", {"id": ColumnType(LONG), **dict.fromkeys(names, ColumnType(STRING))})
    row = {"id": 1, names[-1]: "x"}
    with opened(driver) as destination:
        destination.create_table(table)
        destination.write(table, batch(table, rows=[row]))
        destination.commit("{}")
    with opened(driver) as destination, pytest.raises(DestinationError, match="at most 1600 columns") as refused:
        destination.alter_table(table, add={"one too many": ColumnType(LONG)}, retype={})

    assert refused.value.hint is not None and "one JSON column" in refused.value.hint
    assert values(driver, table) == shown([{**dict.fromkeys(names), **row}])


@pytest.mark.parametrize(
    ("columns", "row",                                                           "message"),
    [
        (1,    {"id": "".join(map(chr, range(0x4E00, 0x4E00 + 3000)))},           "index row requires"),
        (1500, {"id": "1", **{f"c{number}": "x" * 30 for number in range(1500)}}, "row is too big"),
    ],
)  # fmt: skip
def test_a_row_or_key_that_is_too_long_is_refused(
    driver: PostgresDriver, columns: int, row: dict[str, Any], message: str
) -> None:
    table = made("orders", dict.fromkeys(["id", *(f"c{number}" for number in range(columns))], ColumnType(STRING)))
    with opened(driver) as destination:
        destination.create_table(table)
        with pytest.raises(DestinationError, match=message) as refused:
            destination.write(table, batch(table, rows=[row]))

    assert "tester.orders" in refused.value.message
    assert refused.value.hint is not None and "2.7 kB in a key" in refused.value.hint


# --- privileges


def documented_roles() -> list[list[str]]:
    """Read the statements of each way to make a role that docs/howto/postgres.md shows."""
    page = (Path(__file__).parents[2] / "docs" / "howto" / "postgres.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sql\n(CREATE ROLE.*?)```", page, re.DOTALL)
    return [[line.strip() for line in block.split(";") if line.strip()] for block in blocks]


@pytest.mark.parametrize("statements", documented_roles(), ids=["makes its schemas", "is given its schemas"])
def test_a_role_needs_what_the_documentation_gives_it(server: PostgresServer, statements: list[str]) -> None:
    table = made("orders", {"id": ColumnType(LONG), "a": ColumnType(LONG)})
    role = "documented"
    with server.database() as database:
        server.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
        for statement in statements:
            own = re.sub(r"\bloader\b", role, re.sub(r"\bwarehouse\b", database, statement))
            server.execute(own, database=database)
        driver = PostgresDriver(server, database, role=role)
        try:
            with opened(driver) as destination:
                destination.create_table(table)
                destination.write(table, batch(table, rows=[{"id": 1}, {"id": 2}], changes=[[{"id": 2, "a": 1}]]))
                destination.alter_table(table, add={"b": ColumnType(JSON)}, retype={"a": ColumnType(STRING)})
                destination.truncate(table, at=contract.LATER)
                destination.commit("{}")
            rows = driver.fetch("SELECT id, a, b FROM tester.orders ORDER BY id")
        finally:
            server.execute(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}", database=database)

    assert rows == [(1, None, None), (2, "1", None)]


def test_a_role_that_may_make_no_schema_and_has_none_is_refused(driver: PostgresDriver) -> None:
    driver.execute(f"REVOKE CREATE ON DATABASE {driver.database} FROM {LOADER}")
    with pytest.raises(DestinationError, match="permission denied for database") as refused:
        driver.destination("tester").open()

    assert refused.value.hint is not None and "docs/howto/postgres.md" in refused.value.hint


def test_a_role_that_may_only_read_is_refused(driver: PostgresDriver) -> None:
    driver.execute(f"ALTER DATABASE {driver.database} SET default_transaction_read_only = on")
    with pytest.raises(DestinationError, match="read-only transaction") as refused:
        driver.destination("tester").open()

    assert refused.value.hint is not None and "standby" in refused.value.hint


# --- the URL


@pytest.mark.parametrize(
    ("url",                                          "message"),
    [
        ("postgresql://u@h/db?password=canary-1",     "a password in the URL's parameters would be printed"),
        ("postgresql://u:canary/1@h/db",              "a '@' or '/' in a name or password is written %40 or %2F"),
        ("postgresql://u:1@canary@h/db",              "a '@' or '/' in a name or password is written %40 or %2F"),
        ("postgresql://u:1?canary@h/db",              "a '@' or '/' in a name or password is written %40 or %2F"),
        ("postgresql://u@h/db?statement_time=5",      'invalid URI query parameter: "statement_time"'),
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_used_is_refused_without_its_password(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Postgres(url, connection="tester")

    assert message in refused.value.message
    assert "canary" not in str(refused.value)


def test_a_url_leads_to_postgres(tmp_path: Path) -> None:
    for kind in ("postgresql", "postgres"):
        made_for_it = open_destination(f"{kind}://u@h:1/db", folder=tmp_path, connection="tester", memory_mb=1)

        assert isinstance(made_for_it, Postgres)
        assert str(made_for_it.address) == "postgresql://h:1/db"


def test_without_psycopg_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path; from headwater.destinations import open_destination\n"
        "open_destination('postgresql://h/db', folder=Path('.'), connection='c', memory_mb=1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "ConfigurationError: destination: Postgres needs a package that is not installed" in done.stderr
    assert "pip install 'headwater[sql]'" in done.stderr


def test_a_database_that_is_not_utf8_is_refused(server: PostgresServer) -> None:
    server.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(DestinationError, match="encoding is LATIN1"):
            Postgres(server.url("latin", LOADER), connection="tester").open()
    finally:
        server.execute("DROP DATABASE latin WITH (FORCE)")
