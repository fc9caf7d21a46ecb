"""Input files in the vocabulary of Fivetran's destination tester, played against every destination.

Beside each file stands what it must leave, checked by hand: the tables, their rows, the notes. A version that starts
while the file is played starts `now`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headwater.destinations.memory import MemoryDestination
from headwater.errors import ConfigurationError
from headwater.schema import SYNCED, Table
from headwater.testing.contract import Driver
from headwater.testing.partner_inputs import play_file
from headwater.types.names import JSON, ColumnType
from tests.contract.duckdb_driver import DuckDBDriver
from tests.contract.memory_driver import MemoryDriver
from tests.contract.postgres_driver import postgres_driver
from tests.contract.postgres_driver import server as server  # the fixture

INPUTS = Path(__file__).with_name("partner_inputs")
NAMES = sorted(path.stem for path in INPUTS.glob("*.json") if not path.stem.endswith(".expected"))


@pytest.fixture(params=["memory", "duckdb", "postgres"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    if request.param == "memory":
        yield MemoryDriver()
    elif request.param == "duckdb":
        yield DuckDBDriver(tmp_path / "warehouse.db")
    else:
        with postgres_driver(request.getfixturevalue("server")) as running:
            yield running


def left(driver: Driver, path: Path) -> dict[str, Any]:
    """Play a file; give the tables it describes, with their rows in the order of the key, and the notes."""
    started = datetime.now(UTC).replace(microsecond=0)
    played = play_file(path, driver.destination("tester"))
    tables = {name: table and contents(driver, table, started) for name, table in played.described.items()}
    return {"tables": tables, "notes": played.notes}


def contents(driver: Driver, table: Table, started: datetime) -> dict[str, Any]:
    columns = {name: kind for name, kind in table.columns.items() if name != SYNCED}
    rows = [{name: shown(kind, row[name], started) for name, kind in columns.items()} for row in driver.rows(table)]
    return {
        "columns": {name: str(kind) for name, kind in columns.items()},
        "primary_key": list(table.primary_key),
        "rows": sorted(rows, key=lambda row: [str(row[name]) for name in table.primary_key]),
    }


def shown(kind: ColumnType, value: object, started: datetime) -> object:
    """Write a value as the expected files do; of JSON the value counts, not the spaces."""
    if kind.name == JSON and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, datetime) and value.tzinfo is not None and started <= value <= datetime.now(UTC):
        return "now"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).decode()
    return str(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("name", NAMES)
def test_an_input_leaves_what_is_expected(driver: Driver, name: str) -> None:
    expected = json.loads((INPUTS / f"{name}.expected.json").read_text(encoding="utf-8"))

    assert left(driver, INPUTS / f"{name}.json") == expected


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ({"make_table": {}}, "'make_table' is no step; there are: create_table, alter_table, ops, "),
        ({"ops": [{"insert": {}}]}, "ops: 'insert' is no operation: upsert, update, delete, soft_delete, "),
        ({"ops": [{"upsert": {"orders": [{"id": 1}]}}]}, "upsert: there is no table 'orders'"),
        (
            {"create_table": {"a": {"columns": {"id": "NUMBER"}}}},
            "a.id: Unrecognized column type encountered: 'NUMBER'",
        ),
        ({"alter_table": {"a": {"columns": {"id": "INT"}}}}, "alter_table: there is no table 'a'"),
    ],
)
def test_what_a_file_gets_wrong_is_named(tmp_path: Path, steps: dict[str, Any], message: str) -> None:
    path = tmp_path / "input.json"
    path.write_text(json.dumps(steps), encoding="utf-8")

    with pytest.raises(Exception) as caught:
        play_file(path, MemoryDriver().destination("tester"))
    assert str(caught.value).startswith(message)


ORDERS = {"orders": {"columns": {"id": "INT", "total": "SHORT"}, "primary_key": ["id"]}}


@pytest.mark.parametrize(
    ("operation", "row", "message"),
    [
        ("upsert", {"total": 1},             "upsert: a row of orders lacks id"),
        ("update", {"id": 1, "sum": 1},      "update: orders has no column sum"),
        ("upsert", {"id": "one"},            "orders.id: 'one' "),
        ("upsert", {"id": 1, "total": 40000}, "orders.total: the values need INT, and the column is SHORT"),
    ],
)  # fmt: skip
def test_a_row_that_does_not_fit_is_named_and_earlier_operations_stay(
    tmp_path: Path, operation: str, row: dict[str, Any], message: str
) -> None:
    path = tmp_path / "input.json"
    ops = [{"upsert": {"orders": [{"id": 7}]}}, {operation: {"orders": [row]}}]
    path.write_text(json.dumps({"create_table": ORDERS, "ops": ops}), encoding="utf-8")
    driver = MemoryDriver()

    with pytest.raises(ConfigurationError) as caught:
        play_file(path, driver.destination("tester"))
    rows = driver.destination("reader").rows("orders", "tester")
    assert str(caught.value).startswith(message)
    assert [each["id"] for each in rows] == [7]


def test_a_destination_without_means_leaves_migrations_out(tmp_path: Path) -> None:
    class Unable(MemoryDestination):
        migrate = None  # type: ignore[assignment]  # a destination without the means, as one of a third party may be

    steps = {
        "add_column_with_default_value": [
            {"table": "orders", "column": "new", "data_type": "INT", "default_value": "1"}
        ],
        "rename_table": [{"from_table": "orders", "to_table": "other"}],
        "drop_column": [{"table": "orders", "column": "total"}],
    }
    ops = [{"upsert": {"orders": [{"id": 7, "total": 1}]}}]
    path = tmp_path / "input.json"
    path.write_text(json.dumps({"create_table": ORDERS, "ops": ops, "schema_migration": [steps]}), encoding="utf-8")
    destination = Unable("tester")
    played = play_file(path, destination)
    rows = [{name: row[name] for name in ("id", "total", "new")} for row in destination.rows("orders")]

    assert rows == [{"id": 7, "total": 1, "new": None}]
    assert played.notes == [f"schema_migration: {name} is unsupported" for name in steps]


@pytest.mark.parametrize(
    ("step", "fields", "message"),
    [
        ("rename_table",  {"table": "orders"},                    "rename_table needs a text 'to_table'"),
        ("rename_column", {"table": "orders", "to_column": 1},    "rename_column needs a text 'from_column'"),
        ("copy_table",    {"to_table": "other"},                  "copy_table needs a text 'table' or 'from_table'"),
        ("add_column",    {"table": "orders", "column": "new"},   "add_column needs a 'data_type'"),
        (
            "drop_column_in_history_mode",
            {"table": "orders", "column": "total", "operation_timestamp": "yesterday"},
            "drop_column_in_history_mode: 'yesterday' is no timestamp",
        ),
    ],
)  # fmt: skip
def test_a_migration_that_lacks_something_is_named(
    tmp_path: Path, step: str, fields: dict[str, Any], message: str
) -> None:
    path = tmp_path / "input.json"
    path.write_text(json.dumps({"create_table": ORDERS, "schema_migration": [{step: [fields]}]}), encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        play_file(path, MemoryDriver().destination("tester"))
    assert str(caught.value) == f"schema_migration: {message}"


@pytest.mark.parametrize(
    ("value",   "message"),
    [
        ("many",    "orders.total: 'many' "),
        ("40000",   "orders.total: the values need INT, and the column is SHORT"),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit_its_column_is_named(tmp_path: Path, value: str, message: str) -> None:
    path = tmp_path / "input.json"
    steps = {"update_column_value": [{"table": "orders", "column": "total", "value": value}]}
    path.write_text(json.dumps({"create_table": ORDERS, "schema_migration": [steps]}), encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        play_file(path, MemoryDriver().destination("tester"))
    assert str(caught.value).startswith(message)


def test_text_loses_nul_where_a_destination_cannot_hold_it(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "input.json"
    create = {"orders": {"columns": {"id": "INT", "note": "STRING"}, "primary_key": ["id"]}}
    ops = [{"upsert": {"orders": [{"id": 1, "note": "a\0b"}]}}]
    steps = [{"copy_column": [{"table": "orders", "from_column": "note", "to_column": "before"}]},
             {"update_column_value": [{"table": "orders", "column": "note", "value": "c\0d"}]}]  # fmt: skip
    content = {"create_table": create, "ops": ops, "schema_migration": steps, "describe_table": ["orders"]}
    path.write_text(json.dumps(content), encoding="utf-8")
    nul = "\0" if driver.destination("reader").keeps_nul else ""
    note = "orders.note: U+0000 is removed, which this destination cannot hold in text"
    found = left(driver, path)

    assert found["notes"] == ([] if nul else [note])
    assert found["tables"]["orders"]["rows"] == [
        {"id": 1, "note": f"c{nul}d", "before": f"a{nul}b", "_fivetran_deleted": False}
    ]


def test_the_command_plays_a_file_and_shows_the_tables(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "headwater.testing", "play", str(INPUTS / "changing_tables.json"),
         "--destination", "duckdb:warehouse.db", "--schema", "shop"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (
        "orders (id LONG, total STRING, older STRING, _fivetran_synced UTC_DATETIME, _fivetran_deleted BOOLEAN, "
        "new JSON, at UTC_DATETIME), key id\n"
        "places (country STRING, city STRING, old_key STRING, people INT, _fivetran_synced UTC_DATETIME, "
        "_fivetran_deleted BOOLEAN), key country, city\n"
        "leaving: no such table\n"
        "Note: schema_migration: rename_column is refused: shop.orders: there is a column 'total' already\n"
        "Note: not_there: there is no such table for rename_column\n"
        "Note: schema_migration: exchange_columns is unsupported\n"
        "Note: never_made: there is no such table to drop\n"
    )
