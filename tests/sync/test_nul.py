"""U+0000 where a destination cannot hold it: removed before keys are compared, with one warning a column."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pyarrow as pa
import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.destinations.memory import MemoryDestination
from headwater.options import Options
from headwater.schema import ACTIVE, DELETED, MODES, Mode, Table, TableOptions
from headwater.state import Commit
from headwater.sync import Progress, Result, Sync
from headwater.testing.contract import Driver, made, shown
from headwater.types.names import JSON, LONG, STRING, XML, ColumnType
from headwater.types.nul import without_nul
from tests.contract.memory_driver import MemoryDriver
from tests.contract.postgres_driver import postgres_driver
from tests.contract.postgres_driver import server as server  # the fixture
from tests.postgres_server import PostgresServer

pytestmark = pytest.mark.usefixtures("kind_of_cells")


class WithoutNul(MemoryDestination):
    """Memory whose text cannot hold U+0000."""

    keeps_nul = False


class MemoryWithoutNul(MemoryDriver):
    def destination(self, connection: str) -> WithoutNul:
        return WithoutNul(connection, warehouse=self.warehouse)


@contextmanager
def in_memory(server: PostgresServer) -> Iterator[Driver]:
    yield MemoryWithoutNul()


class Silent:
    def table_changed(self, table: Table) -> None: ...

    def committed(self, commit: Commit) -> None: ...

    def progress(self, progress: Progress) -> None: ...


def synced(driver: Driver, mode: Mode, update: Callable[[], None]) -> Result:
    """Run one sync whose update() does this, into the table `keys` of this mode."""
    connector = Connector(lambda configuration, state: update(), lambda configuration: SCHEMA)
    destination = driver.destination("tester")
    try:
        _, commit = destination.open()
        after = commit.committed_at if commit else None
        options = Options(tables={"keys": TableOptions(mode=mode)})
        with mock.patch("headwater.log.Logging._sink", staticmethod(lambda level, message: None)):
            result = Sync(connector, {}, destination, options, Silent(), after=after).run()
    finally:
        destination.close()
    assert result.error is None
    return result


SCHEMA = [{"table": "keys", "primary_key": ["id"], "columns": {"id": "STRING", "a": "LONG", "note": "STRING"}}]
KEYS = {"id": ColumnType(STRING), "a": ColumnType(LONG), "note": ColumnType(STRING)}
# What is left of the mode's own columns.
LEFT: dict[Mode, list[dict[str, Any]]] = {
    "soft_delete": [
        {"id": "x", "a": 5, "note": "",   DELETED: False},
        {"id": "y", "a": 4, "note": None, DELETED: True},
        {"id": "z", "a": 6, "note": "zz", DELETED: False},
    ],
    "live": [
        {"id": "x", "a": 5, "note": ""},
        {"id": "z", "a": 6, "note": "zz"},
    ],
    "history": [
        {"id": "x", "a": 1, "note": None, ACTIVE: False},
        {"id": "x", "a": 2, "note": "",   ACTIVE: False},
        {"id": "x", "a": 5, "note": "",   ACTIVE: True},
        {"id": "y", "a": 3, "note": None, ACTIVE: False},
        {"id": "y", "a": 4, "note": None, ACTIVE: False},
        {"id": "z", "a": 6, "note": "zz", ACTIVE: True},
    ],
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("opened", [in_memory, postgres_driver], ids=["memory", "postgres"])
def test_keys_that_differ_in_nul_only_are_one_key_in_every_mode(
    server: PostgresServer, opened: Callable[[PostgresServer], Any], mode: Mode
) -> None:
    def first() -> None:
        op.upsert("keys", {"id": "x\0", "a": 1})
        op.upsert("keys", {"id": "x", "a": 2, "note": "\0"})
        op.upsert("keys", {"id": "\0y", "a": 3})

    def second() -> None:
        op.update("keys", {"id": "\0x", "a": 5})
        op.update("keys", {"id": "y\0\0", "a": 4})
        op.delete("keys", {"id": "y"})
        op.upsert("keys", {"id": "z", "a": 6, "note": "z\0z"})

    table = made("keys", KEYS, mode=mode)
    with opened(server) as driver:
        results = [synced(driver, mode, update) for update in (first, second)]
        rows = [{name: row[name] for name in LEFT[mode][0]} for row in driver.rows(table)]

    message = "U+0000 was removed, which this destination cannot hold in text"
    assert shown(rows) == shown(LEFT[mode])
    assert [result.warnings for result in results] == [[f"keys.{name}: {message}" for name in ("id", "note")]] * 2


@pytest.mark.parametrize(
    ("kind", "given",                               "without"),
    [
        (STRING, "a\0b\0",                           "ab"),
        (STRING, "\0",                               ""),
        (STRING, "\\u0000",                          "\\u0000"),
        (XML,    "<a>\0</a>",                        "<a></a>"),
        (JSON,   '{"a\\u0000": "\\u0000x\\u0000"}',  '{"a": "x"}'),
        (JSON,   '"\\\\u0000 \\" \\\\\\u0000"',      '"\\\\u0000 \\" \\\\"'),
        (LONG,   1,                                  1),
    ],
)  # fmt: skip
def test_nul_is_taken_out_of_text_and_of_the_escapes_of_json(kind: str, given: Any, without: Any) -> None:
    array = pa.array([given, None, given])

    assert without_nul(array, ColumnType(kind)).to_pylist() == [without, None, without]


@pytest.mark.parametrize("kind", [STRING, XML, JSON])
def test_a_column_without_nul_is_not_copied(kind: str) -> None:
    array = pa.array(['"\\\\u0000"', None])

    assert without_nul(array, ColumnType(kind)) is array
