"""The destination contract as tests: subclass `DestinationContract` over your own destination and run pytest.

    import duckdb, pytest
    pytest.register_assert_rewrite("headwater.testing.contract")
    from headwater.testing.contract import DestinationContract

    class Driver:
        def __init__(self, path):
            self.path = path

        def destination(self, connection):
            return DuckDB(self.path, connection=connection)

        def rows(self, table):
            with duckdb.connect(self.path) as db:
                return db.execute(f'SELECT * FROM "{table.schema}"."{table.name}"').to_arrow_table().to_pylist()

    class TestDuckDB(DestinationContract):
        @pytest.fixture
        def driver(self, tmp_path):
            return Driver(tmp_path / "warehouse.db")

Every test gets a driver of its own. `headwater/destinations/abc.py` says in words what is tested here.
A destination that can migrate subclasses `MigrationContract` of `headwater.testing.migration_contract` instead.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol

import pyarrow as pa
import pytest

from headwater.batch import Batch
from headwater.destinations.abc import Destination
from headwater.errors import Busy, DestinationError, Fenced
from headwater.schema import ACTIVE, DELETED, END, MODES, START, SYNCED, SYSTEM_COLUMNS, Mode, Table
from headwater.types.columns import arrow_type
from headwater.types.names import (
    BIG_LONG,
    BINARY,
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    FLOAT,
    INT,
    JSON,
    LARGEST_EXACT_INTEGER,
    LONG,
    NAIVE_DATE,
    NAIVE_DATETIME,
    SHORT,
    STRING,
    UNTYPED,
    UTC_DATETIME,
    XML,
    ColumnType,
    decimal_type,
    promote,
)
from headwater.types.text import as_text

Row = dict[str, Any]


class Driver(Protocol):
    """What a test needs of a destination beside the contract: one place, empty at first, and a way to read it."""

    def destination(self, connection: str) -> Destination:
        """Make a destination that is not open yet, always onto the same place, for the connection of this name."""

    def rows(self, table: Table) -> list[Row]:
        """Read what is committed in a table, as canonical Python values: aware datetimes, Decimal, bytes.

        Called while no destination is open, unless `reads_while_open` is True. Any order.
        """


SYNCED_AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
LATER = SYNCED_AT + timedelta(hours=1)

_SPACES_AND_QUOTES = ["", " ", "a ", "\t\r\n", "'", '"', "\\", "\\N", "NULL", "%s", "${x}", 'x"; DROP TABLE t;--']
_UNICODE = ["e\u0301", "\u00e9", "\u00df", "\u5317\u4eac", "\U0001f600", "\u202e", "\ufeff", "\u0130", "a" * 70_000]

_MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1582, 10, 15, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2024, 2, 29, tzinfo=UTC),
    datetime(2024, 10, 27, 1, 30, 0, 500000, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
]

# Every column type with the values at its edges.
EDGES: dict[ColumnType, list[Any]] = {
    ColumnType(BOOLEAN): [True, False],
    ColumnType(SHORT): [-(2**15), -1, 0, 2**15 - 1],
    ColumnType(INT): [-(2**31), -1, 0, 2**31 - 1],
    ColumnType(LONG): [-(2**63), -(2**53), 0, 2**53, 2**53 + 1, 2**63 - 1],
    decimal_type(38, 0): [Decimal(10**38 - 1), Decimal(1 - 10**38), Decimal(0), Decimal(42)],
    decimal_type(38, 37): [Decimal("9." + "9" * 37), Decimal("-0." + "0" * 36 + "1"), Decimal("0.5")],
    decimal_type(9, 2): [Decimal("9999999.99"), Decimal("-0.01"), Decimal("0.00"), Decimal("1.50"), Decimal(100)],
    ColumnType(FLOAT): [
        0.0, 1.5, 0.10000000149011612, 16777216.0, 3.4028234663852886e38, 1.401298464324817e-45, -123456792.0,
        1.0000000150474662e30, math.nan, math.inf, -math.inf,
    ],
    ColumnType(DOUBLE): [
        0.0, 42.0, 0.1, 0.30000000000000004, 1e15, 1e16, 1e22, 123456.789e-12, 2.0**53, 1.7976931348623157e308, 5e-324,
        -1e-5, math.nan, math.inf, -math.inf,
    ],
    ColumnType(NAIVE_DATE): [date.min, date(1582, 10, 15), date(1969, 12, 31), date(2024, 2, 29), date.max],
    ColumnType(NAIVE_DATETIME): [moment.replace(tzinfo=None) for moment in _MOMENTS],
    ColumnType(UTC_DATETIME): _MOMENTS,
    ColumnType(BINARY): [b"", b"\x00", b"'\"\\", bytes(range(256)), b"\xff" * 70_000],
    ColumnType(XML): ["<a/>", "<a>\u00e9 &amp; \U0001f600</a>"],
    ColumnType(JSON): ["null", '{"a": [1, "\u00e9"], "a b": {}}', "[]", '"text"', "NaN"],
    ColumnType(STRING): [*_SPACES_AND_QUOTES, *_UNICODE, "a", "A"],
}  # fmt: skip
KINDS = list(EDGES)

# Names that SQL must quote, or that a database may cut or fold.
NAMES = [
    'x"; DROP TABLE t;--', '"', "'", "`", "[a]", "a b", " a", "a.b", "a,b", "a/b", "a\\b", "%s", "?", "$1", ":x", "{x}",
    "\n", "select", "order", "table", "user", "rowid", "Mixed", "1a", "_a", "-", "*",
    "\u00df", "e\u0301", "\u5317\u4eac", "\U0001f600", "n" * 63,
]  # fmt: skip


class DestinationContract:
    """What `Destination` promises, one sentence a test.

    reads_while_open  whether `Driver.rows` may be called while a destination is open
    columns           how many columns a table must be able to have
    """

    reads_while_open = False
    columns = 2000

    @pytest.fixture
    def driver(self) -> Driver:
        raise NotImplementedError("override the fixture `driver`: see the docstring of headwater.testing.contract")

    # --- open, commit, close

    def test_the_first_open_finds_no_commit(self, driver: Driver) -> None:
        destination = driver.destination("tester")
        epoch, commit = destination.open()
        destination.close()

        assert commit is None
        assert epoch >= 1

    def test_every_open_raises_the_epoch(self, driver: Driver) -> None:
        epochs = []
        for _ in range(3):
            destination = driver.destination("tester")
            epochs.append(destination.open()[0])
            destination.close()

        assert epochs == sorted(set(epochs))

    def test_a_commit_tells_what_it_made_durable(self, driver: Driver) -> None:
        destination = driver.destination("tester")
        epoch, _ = destination.open()
        before = datetime.now(UTC)
        first = destination.commit('{"cursor": 1}')
        second = destination.commit('{"cursor": 2}')
        destination.close()

        assert (first.epoch, first.state, first.previous) == (epoch, '{"cursor": 1}', "{}")
        assert (second.epoch, second.state, second.previous) == (epoch, '{"cursor": 2}', '{"cursor": 1}')
        assert (first.sequence, second.sequence) == (1, 2)
        assert first.committed_at is not None and second.committed_at is not None
        assert before <= first.committed_at <= second.committed_at <= datetime.now(UTC)

    def test_commits_are_counted_from_1_in_every_epoch(self, driver: Driver) -> None:
        numbers = []
        for _ in range(2):
            destination = driver.destination("tester")
            epoch, _ = destination.open()
            numbers += [(commit.epoch - epoch, commit.sequence) for commit in map(destination.commit, ("{}", "{}"))]
            destination.close()

        assert numbers == [(0, 1), (0, 2), (0, 1), (0, 2)]

    def test_open_finds_the_newest_commit_however_often_it_is_opened(self, driver: Driver) -> None:
        with opened(driver) as destination:
            destination.commit('{"cursor": 1}')
            newest = destination.commit('{"cursor": 2}')
        found = []
        for _ in range(2):
            again = driver.destination("tester")
            _, commit = again.open()
            again.close()
            found.append(commit)

        assert found == [newest, newest]

    @pytest.mark.parametrize(
        "state",
        ["{}", '{"a": "\u00e9\U0001f600\'\\"\\\\ \\u0000"}', json.dumps({"a": "x" * 9_000_000})],
        ids=["empty", "characters", "9 MB"],
    )
    def test_a_state_comes_back_as_it_was_committed(self, driver: Driver, state: str) -> None:
        with opened(driver) as destination:
            destination.commit(state)
        again = driver.destination("tester")
        _, commit = again.open()
        again.close()

        assert commit is not None
        assert _shown(commit.state) == _shown(state)

    def test_connections_in_one_place_have_a_state_each(self, driver: Driver) -> None:
        with opened(driver, "one") as destination:
            destination.commit('{"cursor": 1}')
        other = driver.destination("two")
        epoch, commit = other.open()
        other.close()

        assert (epoch, commit) == (1, None)

    def test_close_without_commit_leaves_the_last_commit(self, driver: Driver) -> None:
        orders, lines, late = _orders(), _orders(name="lines"), _orders(name="late")
        with opened(driver) as destination:
            for table in (orders, lines):
                destination.create_table(table)
                destination.write(table, batch(table, rows=[{"id": 1, "a": 1, "b": "old"}, {"id": 2}]))
            destination.commit('{"cursor": 1}')
        before = {table.name: driver.rows(table) for table in (orders, lines)}
        with opened(driver) as destination:
            destination.write(
                orders, batch(orders, rows=[{"id": 1, "a": 2}, {"id": 3}], changes=[[{"id": 2, "b": "x"}]])
            )
            destination.alter_table(orders, add={"c": ColumnType(JSON)}, retype={"a": ColumnType(STRING)})
            destination.truncate(lines, at=LATER)
            destination.create_table(late)
            destination.write(late, batch(late, rows=[{"id": 1}]))
        with opened(driver) as destination:
            described = [destination.describe_table("tester", name) for name in ("orders", "lines", "late")]

        assert {table.name: shown(driver.rows(table)) for table in (orders, lines)} == {
            name: shown(rows) for name, rows in before.items()
        }
        assert described == [orders, lines, None]

    def test_what_is_committed_survives_close(self, driver: Driver) -> None:
        table = _orders()
        with opened(driver) as destination:
            destination.create_table(table)
            destination.commit("{}")
            destination.write(table, batch(table, rows=[{"id": 1, "a": 5, "b": "x"}]))
            destination.commit("{}")

        assert values(driver, table) == shown([{"id": 1, "a": 5, "b": "x"}])

    def test_close_may_be_called_twice(self, driver: Driver) -> None:
        destination = driver.destination("tester")
        destination.open()
        destination.close()
        destination.close()

    def test_a_destination_that_was_never_opened_may_be_closed(self, driver: Driver) -> None:
        driver.destination("tester").close()

    def test_a_reader_sees_nothing_before_the_commit(self, driver: Driver) -> None:
        if not self.reads_while_open:
            pytest.skip("this destination lets nobody read while a sync has it open")
        table = _orders()
        with opened(driver) as destination:
            destination.create_table(table)
            destination.commit("{}")
            destination.write(table, batch(table, rows=[{"id": 1}]))
            before = driver.rows(table)
            destination.commit("{}")
            after = values(driver, table)

        assert before == []
        assert after == shown([{"id": 1, "a": None, "b": None}])

    def test_only_the_newest_opening_commits(self, driver: Driver) -> None:
        table = _orders()
        older, newer = driver.destination("tester"), driver.destination("tester")
        older.open()
        older.create_table(table)
        older.commit('{"by": "older"}')
        try:
            newer.open()
        except Busy:
            survivor, row = older, {"id": 1, "a": 1}
        else:
            survivor, row = newer, {"id": 2, "a": 2}
            older.write(table, batch(table, rows=[{"id": 1, "a": 1}]))
            with pytest.raises(Fenced):
                older.commit('{"by": "older, too late"}')
            older.close()
        survivor.write(table, batch(table, rows=[row]))
        survivor.commit('{"by": "the survivor"}')
        survivor.close()
        last = driver.destination("tester")
        _, commit = last.open()
        last.close()

        assert values(driver, table) == shown([row | {"b": None}])
        assert commit is not None
        assert (commit.state, commit.previous) == ('{"by": "the survivor"}', '{"by": "older"}')

    # --- tables

    def test_a_table_that_was_never_made_is_not_described(self, driver: Driver) -> None:
        with opened(driver) as destination:
            described = [
                destination.describe_table("tester", "orders"),
                destination.describe_table("no such", "orders"),
            ]

        assert described == [None, None]

    @pytest.mark.parametrize("mode", MODES)
    def test_a_table_is_described_as_it_was_made(self, driver: Driver, mode: Mode) -> None:
        columns = {f"c{number}": kind for number, kind in enumerate(KINDS)}
        table = made("every type", columns, key=("c3", "c0"), mode=mode)
        with opened(driver) as destination:
            destination.create_table(table)
            inside = destination.describe_table("tester", "every type")
            destination.commit("{}")
        with opened(driver) as destination:
            later = destination.describe_table("tester", "every type")

        assert inside == table
        assert later == table
        assert [*later.columns] == [*table.columns]

    def test_a_table_without_its_key_column_waits_for_it(self, driver: Driver) -> None:
        table = Table("tester", "orders", ("id",), {**SYSTEM_COLUMNS["soft_delete"]})
        with opened(driver) as destination:
            destination.create_table(table)
            destination.truncate(table, at=LATER)
            destination.commit("{}")
            destination.alter_table(table, add={"id": ColumnType(LONG)}, retype={})
            table.columns["id"] = ColumnType(LONG)
            destination.write(table, batch(table, rows=[{"id": 1}]))
            destination.commit("{}")

        assert values(driver, table) == shown([{"id": 1}])

    def test_a_dropped_table_is_gone_and_can_be_made_anew(self, driver: Driver) -> None:
        with opened(driver) as destination:
            table = _orders()
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1, "a": 1}]))
            destination.commit("{}")
            destination.drop_table(table)
            after_the_drop = destination.describe_table(table.schema, table.name)
            destination.create_table(table)
            destination.commit("{}")

        assert after_the_drop is None
        assert driver.rows(table) == []

    def test_a_dropped_table_is_back_when_nothing_was_committed(self, driver: Driver) -> None:
        table = _orders()
        other_key = made("orders", {"b": ColumnType(STRING)}, key=("b",), mode="live")
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1, "a": 1}]))
            destination.commit("{}")
        with opened(driver) as destination:
            destination.drop_table(table)
            destination.create_table(other_key)
            destination.write(other_key, batch(other_key, rows=[{"b": "x"}]))
        with opened(driver) as destination:
            described = destination.describe_table("tester", "orders")

        assert described == table
        assert values(driver, table) == shown([{"id": 1, "a": 1, "b": None}])

    def test_two_schemas_hold_tables_of_one_name(self, driver: Driver) -> None:
        one, two = _orders(), replace(_orders(), schema="tester_sales")
        with opened(driver) as destination:
            for number, table in enumerate([one, two]):
                destination.create_table(table)
                destination.write(table, batch(table, rows=[{"id": number}]))
            destination.commit("{}")

        assert values(driver, one) == shown([{"id": 0, "a": None, "b": None}])
        assert values(driver, two) == shown([{"id": 1, "a": None, "b": None}])

    def test_added_columns_are_null_in_the_rows_there_are(self, driver: Driver) -> None:
        table = made("orders", {"id": ColumnType(LONG)})
        add = {f"c{number}": kind for number, kind in enumerate(KINDS)}
        grown = replace(table, columns=table.columns | add)
        first = {name: EDGES[kind][0] for name, kind in add.items()}
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1}, {"id": 2}]))
            destination.commit("{}")
            destination.write(table, batch(table, rows=[{"id": 3}]))
            destination.alter_table(table, add=add, retype={})
            described = destination.describe_table("tester", "orders")
            destination.write(grown, batch(grown, rows=[{"id": 2, **first}]))
            destination.commit("{}")

        blank = dict.fromkeys(add)
        assert described == grown
        assert values(driver, grown) == shown([{"id": 1, **blank}, {"id": 2, **first}, {"id": 3, **blank}])

    @pytest.mark.parametrize("kind", KINDS, ids=str)
    def test_a_widened_column_keeps_what_its_values_mean(self, driver: Driver, kind: ColumnType) -> None:
        """Old rows are widened, some committed and some not; then a row of the new type is written."""
        targets = {f"to {target}": target for target in promotions(kind)}
        table = made("orders", {"id": ColumnType(LONG), **dict.fromkeys(targets, kind)})
        wide = replace(table, columns=table.columns | targets)
        old = [
            {"id": number, **{name: value if stays(value, target) else None for name, target in targets.items()}}
            for number, value in enumerate([None, *EDGES[kind]])
        ]
        new = {"id": -1, **{name: EDGES.get(target, [None])[-1] for name, target in targets.items()}}
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=old[:3]))
            destination.commit("{}")
            destination.write(table, batch(table, rows=old[3:]))
            destination.alter_table(table, add={}, retype=targets)
            described = destination.describe_table("tester", "orders")
            destination.write(wide, batch(wide, rows=[new]))
            destination.commit("{}")

        expected = [
            {"id": row["id"], **{name: widened(row[name], kind, target) for name, target in targets.items()}}
            for row in old
        ]
        assert described == wide
        assert values(driver, wide) == shown([*expected, new])

    def test_a_widened_key_still_names_its_rows(self, driver: Driver) -> None:
        table = made("orders", {"id": ColumnType(LONG), "a": ColumnType(LONG)})
        wide = replace(table, columns=table.columns | {"id": ColumnType(STRING)})
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1, "a": 1}, {"id": 2, "a": 2}]))
            destination.alter_table(table, add={}, retype={"id": ColumnType(STRING)})
            destination.write(wide, batch(wide, rows=[{"id": "1", "a": 10}, {"id": "x", "a": 3}]))
            destination.write(wide, batch(wide, changes=[[{"id": "2", "a": 20}]]))
            destination.commit("{}")

        assert values(driver, wide) == shown([{"id": "1", "a": 10}, {"id": "2", "a": 20}, {"id": "x", "a": 3}])

    def test_a_type_is_described_with_what_its_column_was_given(self, driver: Driver) -> None:
        """`ColumnType.held` decides what a column becomes: it is kept with the table, as no SQL type says it."""
        table = made("orders", {"id": UNTYPED, "a": BIG_LONG})
        with opened(driver) as destination:
            destination.create_table(table)
            destination.commit("{}")
        with opened(driver) as destination:
            described = destination.describe_table("tester", "orders")

        found = {name: kind.held for name, kind in described.columns.items()} if described else {}
        assert (found.get("id"), found.get("a")) == ("nothing", "big"), (
            f"describe_table gives `held` as {found}: store every field of each ColumnType beside the table. Without "
            "it the key of an empty table stays text, and a LONG that was given integers beyond 2**53 may become DOUBLE"
        )

    def test_a_type_that_is_stored_as_before_is_described_as_what_it_is_now(self, driver: Driver) -> None:
        table = made("orders", {"id": ColumnType(LONG), "a": ColumnType(LONG)})
        retype = {"id": BIG_LONG, "a": BIG_LONG}
        marked = replace(table, columns=table.columns | retype)
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1, "a": 1}]))
            destination.alter_table(table, add={}, retype=retype)
            destination.write(marked, batch(marked, rows=[{"id": 2, "a": 2}]))
            destination.commit("{}")
        with opened(driver) as destination:
            described = destination.describe_table("tester", "orders")

        assert described == marked
        assert values(driver, marked) == shown([{"id": 1, "a": 1}, {"id": 2, "a": 2}])

    @pytest.mark.parametrize("kind", KINDS, ids=str)
    def test_a_key_without_type_is_text_until_a_row_comes(self, driver: Driver, kind: ColumnType) -> None:
        empty = made("orders", {"id": UNTYPED, "line": UNTYPED}, key=("id", "line"))
        typed = replace(empty, columns=empty.columns | {"id": kind, "line": ColumnType(LONG)})
        row = {"id": EDGES[kind][0], "line": 1}
        with opened(driver) as destination:
            destination.create_table(empty)
            destination.commit("{}")
        rows = driver.rows(empty)
        with opened(driver) as destination:
            described = destination.describe_table("tester", "orders")
            destination.alter_table(empty, add={}, retype={"id": kind, "line": ColumnType(LONG)})
            destination.write(typed, batch(typed, rows=[row, {**row, "line": 2}]))
            destination.write(typed, batch(typed, rows=[row]))
            destination.commit("{}")
            typed_then = destination.describe_table("tester", "orders")

        assert (described, rows) == (empty, [])
        assert typed_then == typed
        assert values(driver, typed) == shown([row, {**row, "line": 2}])

    @pytest.mark.parametrize(
        ("value", "kind",     "target",  "held"),
        [
            (2**53,     LONG, DOUBLE, True),
            (-(2**53),  LONG, DOUBLE, True),
            (None,      LONG, DOUBLE, True),
            (2**53 + 1, LONG, DOUBLE, False),
            (-(2**63),  LONG, DOUBLE, False),
            (2**60,     LONG, DOUBLE, False),
            (2**31 - 1, INT,  DOUBLE, True),
            (2**31 - 1, INT,  LONG,   True),
        ],
    )  # fmt: skip
    def test_a_double_holds_integers_up_to_2_to_the_53(
        self, driver: Driver, value: int | None, kind: str, target: str, held: bool
    ) -> None:
        table = made("orders", {"id": ColumnType(LONG), "a": ColumnType(kind)})
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1, "a": 0}, {"id": 2, "a": value}]))
            answer = destination.holds(table, "a", ColumnType(target))

        assert answer is held

    @pytest.mark.parametrize("name", NAMES, ids=ascii)
    def test_any_text_is_a_name(self, driver: Driver, name: str) -> None:
        """One name for the table, its key, a column that comes later, and a part of the schema."""
        table = Table(f"tester_{name}", name, (name,), {name: ColumnType(LONG), **SYSTEM_COLUMNS["soft_delete"]})
        late = f"late {name}"
        grown = replace(table, columns=table.columns | {late: ColumnType(STRING)})
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{name: 1}, {name: 2}]))
            destination.alter_table(table, add={late: ColumnType(LONG)}, retype={})
            integers = replace(table, columns=table.columns | {late: ColumnType(LONG)})
            assert destination.holds(integers, late, ColumnType(DOUBLE))
            destination.alter_table(integers, add={}, retype={late: ColumnType(STRING)})
            destination.write(grown, batch(grown, changes=[[{name: 2, late: "x"}]]))
            destination.truncate(grown, at=LATER)
            destination.commit("{}")
        with opened(driver) as destination:
            described = destination.describe_table(table.schema, name)

        assert described == grown
        assert shown(driver.rows(grown)) == shown(
            [{name: number, late: text, SYNCED: SYNCED_AT, DELETED: True} for number, text in ((1, None), (2, "x"))]
        )

    def test_long_names_are_kept_apart_or_refused(self, driver: Driver) -> None:
        """A database that cuts a name at 63 bytes must not take two columns or tables for one."""
        names = ["n" * 120 + letter for letter in "ab"]
        try:
            tables = [
                made(name, {"id": ColumnType(LONG), **dict.fromkeys(names, ColumnType(STRING))}) for name in names
            ]
            with opened(driver) as destination:
                for table in tables:
                    destination.create_table(table)
                    destination.write(table, batch(table, rows=[{"id": 1, names[0]: table.name[-1], names[1]: "!"}]))
                destination.commit("{}")
        except DestinationError as refusal:
            pytest.skip(f"refused, which is allowed: {refusal}")

        assert [values(driver, table) for table in tables] == [
            shown([{"id": 1, names[0]: letter, names[1]: "!"}]) for letter in "ab"
        ]

    def test_names_that_differ_in_case_are_two_unless_the_destination_folds_case(self, driver: Driver) -> None:
        lower, upper = _orders(), _orders(name="ORDERS")
        with opened(driver) as destination:
            destination.create_table(lower)
            if destination.folds_case:
                with pytest.raises(DestinationError):
                    destination.create_table(upper)
                return
            both = made("both", {"id": ColumnType(LONG), "a": ColumnType(LONG), "A": ColumnType(LONG)})
            for table in (upper, both):
                destination.create_table(table)
            destination.write(upper, batch(upper, rows=[{"id": 1, "a": 1}]))
            destination.write(both, batch(both, rows=[{"id": 1, "a": 1, "A": 2}]))
            destination.commit("{}")

        assert values(driver, lower) == []
        assert values(driver, upper) == shown([{"id": 1, "a": 1, "b": None}])
        assert values(driver, both) == shown([{"id": 1, "a": 1, "A": 2}])

    def test_a_table_may_have_many_columns(self, driver: Driver) -> None:
        names = [f"column_{number}" for number in range(self.columns)]
        table = made("wide", {"id": ColumnType(LONG), **dict.fromkeys(names, ColumnType(STRING))})
        row = {"id": 1, **{name: name for name in names}}
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[row, {"id": 2, names[-1]: "x"}]))
            destination.commit("{}")

        assert values(driver, table) == shown([row, {"id": 2, **dict.fromkeys(names), names[-1]: "x"}])

    # --- values

    @pytest.mark.parametrize("kind", KINDS, ids=str)
    def test_every_value_comes_back_as_it_was_written(self, driver: Driver, kind: ColumnType) -> None:
        table = made("values", {"id": ColumnType(LONG), "value": kind})
        rows = [{"id": number, "value": value} for number, value in enumerate([*EDGES[kind], None])]
        negative_zero = [{"id": -1, "value": -0.0}] if kind.name in (FLOAT, DOUBLE) else []
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[*rows, *negative_zero]))
            destination.commit("{}")

        assert values(driver, table) == shown([*rows, *negative_zero])

    def test_text_may_hold_nul(self, driver: Driver) -> None:
        if not driver.destination("tester").keeps_nul:
            pytest.skip("this destination cannot store U+0000; the engine removes it and warns")
        table = made("values", {"id": ColumnType(STRING), "value": ColumnType(STRING), "doc": ColumnType(JSON)})
        doc = '{"a": "\\u0000"}'
        rows: list[Row] = [
            {"id": "a\0", "value": "\0", "doc": doc},
            {"id": "a", "value": "x\0y", "doc": doc},
            {"id": "a\0b", "value": "\0\0", "doc": None},
        ]
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=rows))
            destination.write(table, batch(table, changes=[[{"id": "a\0", "value": "changed"}]]))
            destination.commit("{}")

        assert values(driver, table) == shown([rows[0] | {"value": "changed"}, *rows[1:]])

    def test_a_value_may_have_10_megabytes(self, driver: Driver) -> None:
        table = made("values", {"id": ColumnType(LONG), "text": ColumnType(STRING), "raw": ColumnType(BINARY)})
        row = {"id": 1, "text": "\u00e9" * 5_000_000, "raw": b"\x00\xff" * 5_000_000}
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[row]))
            destination.commit("{}")

        assert values(driver, table) == shown([row])

    @pytest.mark.parametrize("kind", KINDS, ids=str)
    def test_a_column_of_any_type_can_be_the_key(self, driver: Driver, kind: ColumnType) -> None:
        table = made("keys", {"key": kind, "a": ColumnType(LONG)}, key=("key",))
        keys = EDGES[kind]
        with opened(driver) as destination:
            destination.create_table(table)
            for number in (1, 2):
                destination.write(table, batch(table, rows=[{"key": key, "a": number} for key in keys]))
            destination.write(table, batch(table, changes=[[{"key": key, "a": 3} for key in keys[1:]]]))
            destination.write(table, batch(table, deletes=[{"key": keys[-1]}]))
            destination.commit("{}")

        changed = [{"key": key, "a": 3} for key in keys[1:-1]]
        assert values(driver, table) == shown([{"key": keys[0], "a": 2}, *changed])

    # --- rows

    def test_a_row_takes_the_place_of_the_row_with_its_key(self, driver: Driver) -> None:
        table = _orders()
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1, "a": 1, "b": "x"}, {"id": 2, "a": 2, "b": "y"}]))
            destination.write(table, batch(table, rows=[{"id": 1, "a": 10}], synced=LATER))
            destination.commit("{}")

        assert shown(driver.rows(table)) == shown(
            [
                {"id": 1, "a": 10, "b": None, SYNCED: LATER, DELETED: False},
                {"id": 2, "a": 2, "b": "y", SYNCED: SYNCED_AT, DELETED: False},
            ]
        )

    def test_a_change_keeps_the_columns_it_does_not_name(self, driver: Driver) -> None:
        table = _orders()
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": n, "a": n, "b": "x"} for n in (1, 2, 3, 4)]))
            changes: list[list[Row]] = [
                [{"id": 1, "a": 10}],
                [{"id": 2, "a": None, "b": "y"}],
                [{"id": 3, DELETED: True}],
            ]
            destination.write(table, batch(table, changes=changes, synced=LATER))
            destination.commit("{}")

        assert shown(driver.rows(table)) == shown(
            [
                {"id": 1, "a": 10, "b": "x", SYNCED: LATER, DELETED: False},
                {"id": 2, "a": None, "b": "y", SYNCED: LATER, DELETED: False},
                {"id": 3, "a": 3, "b": "x", SYNCED: LATER, DELETED: True},
                {"id": 4, "a": 4, "b": "x", SYNCED: SYNCED_AT, DELETED: False},
            ]
        )

    def test_changes_and_deletes_of_absent_rows_do_nothing(self, driver: Driver) -> None:
        table = _orders()
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1, "a": 1}]))
            destination.write(table, batch(table, changes=[[{"id": 2, "a": 2}]], deletes=[{"id": 3}]))
            destination.commit("{}")

        assert values(driver, table) == shown([{"id": 1, "a": 1, "b": None}])

    def test_a_batch_may_hold_rows_changes_and_deletes_at_once(self, driver: Driver) -> None:
        table = made("orders", {"id": ColumnType(LONG), "a": ColumnType(LONG)}, mode="live")
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": n, "a": n} for n in range(5)]))
            mixed = batch(
                table, rows=[{"id": 1, "a": 10}], changes=[[{"id": 2, "a": 20}]], deletes=[{"id": 3}, {"id": 4}]
            )
            destination.write(table, mixed)
            destination.commit("{}")

        assert values(driver, table) == shown([{"id": 0, "a": 0}, {"id": 1, "a": 10}, {"id": 2, "a": 20}])

    def test_a_batch_that_comes_again_leaves_what_it_left(self, driver: Driver) -> None:
        table = made("orders", {"id": ColumnType(LONG), "a": ColumnType(LONG)}, mode="live")
        mixed = batch(table, rows=[{"id": 1, "a": 10}, {"id": 9}], changes=[[{"id": 2, "a": 20}]], deletes=[{"id": 3}])
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": n, "a": n} for n in range(5)]))
            destination.write(table, mixed)
            destination.commit("{}")
        once = shown(driver.rows(table))
        with opened(driver) as destination:
            destination.write(table, mixed)
            destination.write(table, mixed)
            destination.commit("{}")

        assert shown(driver.rows(table)) == once

    def test_an_empty_batch_changes_nothing(self, driver: Driver) -> None:
        table = _orders()
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1, "a": 1}]))
            destination.write(table, Batch(None, [], None))
            empty = pa.table({name: pa.array([], arrow_type(kind)) for name, kind in table.columns.items()})
            destination.write(table, Batch(empty, [empty], empty.select(["id"])))
            destination.commit("{}")

        assert values(driver, table) == shown([{"id": 1, "a": 1, "b": None}])

    def test_every_column_of_a_composite_key_counts(self, driver: Driver) -> None:
        columns = {"a": ColumnType(LONG), "b": ColumnType(STRING), "c": ColumnType(UTC_DATETIME), "n": ColumnType(LONG)}
        table = made("lines", columns, key=("a", "b", "c"))
        keys = [
            {"a": a, "b": b, "c": SYNCED_AT + timedelta(microseconds=c)}
            for a, b, c in itertools.product((1, 2), ("x", "X"), (0, 1))
        ]
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{**key, "n": 0} for key in keys]))
            destination.write(table, batch(table, rows=[{**keys[0], "n": 1}], changes=[[{**keys[3], "n": 3}]]))
            destination.write(table, batch(table, deletes=[keys[7]]))
            destination.commit("{}")

        numbers = [1, 0, 0, 3, 0, 0, 0]
        assert values(driver, table) == shown([{**key, "n": n} for key, n in zip(keys, numbers, strict=False)])

    def test_columns_of_a_batch_come_in_any_order(self, driver: Driver) -> None:
        table = _orders()
        rows = batch(table, rows=[{"id": 1, "a": 2, "b": "x"}]).rows
        assert rows is not None
        turned = rows.select(rows.column_names[::-1])
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, Batch(turned, [], None))
            destination.write(table, Batch(None, [turned.drop_columns(["a"])], None))
            destination.commit("{}")

        assert values(driver, table) == shown([{"id": 1, "a": 2, "b": "x"}])

    def test_a_batch_may_be_large(self, driver: Driver) -> None:
        """More rows than a database handles in one vector, page or packet."""
        table = made("orders", {"id": ColumnType(LONG), "a": ColumnType(STRING)})
        count = 50_000
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": n, "a": f"row {n}"} for n in range(count)]))
            destination.write(table, batch(table, rows=[{"id": n, "a": "again"} for n in range(0, count, 2)]))
            destination.write(table, batch(table, changes=[[{"id": n, "a": "changed"} for n in range(0, count, 5)]]))
            destination.commit("{}")

        def text(n: int) -> str:
            return "changed" if n % 5 == 0 else "again" if n % 2 == 0 else f"row {n}"

        assert values(driver, table) == shown([{"id": n, "a": text(n)} for n in range(count)])

    # --- truncate

    def test_truncate_marks_the_rows_and_leaves_when_they_were_synced(self, driver: Driver) -> None:
        table, other = _orders(), _orders(name="other")
        with opened(driver) as destination:
            for each in (table, other):
                destination.create_table(each)
                destination.write(each, batch(each, rows=[{"id": 1}, {"id": 2}]))
            destination.commit("{}")
            destination.write(table, batch(table, changes=[[{"id": 2, DELETED: True}]]))
            destination.write(table, batch(table, rows=[{"id": 3}]))
            destination.truncate(table, at=LATER)
            destination.write(table, batch(table, rows=[{"id": 1, "a": 1}, {"id": 4}], synced=LATER))
            destination.commit("{}")

        assert shown(driver.rows(table)) == shown(
            [
                {"id": 1, "a": 1, "b": None, SYNCED: LATER, DELETED: False},
                {"id": 2, "a": None, "b": None, SYNCED: SYNCED_AT, DELETED: True},
                {"id": 3, "a": None, "b": None, SYNCED: SYNCED_AT, DELETED: True},
                {"id": 4, "a": None, "b": None, SYNCED: LATER, DELETED: False},
            ]
        )
        assert [row[DELETED] for row in driver.rows(other)] == [False, False]

    def test_truncate_empties_a_live_table(self, driver: Driver) -> None:
        table = made("orders", {"id": ColumnType(LONG)}, mode="live")
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1}, {"id": 2}]))
            destination.commit("{}")
            destination.truncate(table, at=LATER)
            destination.write(table, batch(table, rows=[{"id": 2}]))
            destination.commit("{}")

        assert values(driver, table) == shown([{"id": 2}])

    @pytest.mark.parametrize(
        ("mode",         "left"),
        [
            ("soft_delete", [{"id": 1, DELETED: True}, {"id": 2, DELETED: False}]),
            ("live",        [{"id": 2}]),
        ],
    )  # fmt: skip
    def test_truncate_may_spare_the_rows_that_were_synced_since(
        self, driver: Driver, mode: Mode, left: list[Row]
    ) -> None:
        table = made("orders", {"id": ColumnType(LONG)}, mode=mode)
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[{"id": 1}], synced=LATER - timedelta(microseconds=1)))
            destination.write(table, batch(table, rows=[{"id": 2}], synced=LATER))
            destination.truncate(table, at=LATER, before=LATER)
            destination.commit("{}")

        assert shown({name: row[name] for name in row if name != SYNCED} for row in driver.rows(table)) == shown(left)

    # --- history mode

    def test_versions_of_one_key_stand_side_by_side(self, driver: Driver) -> None:
        table, rows = _versions()
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=rows))
            closing = {ACTIVE: False, END: LATER}
            destination.write(table, batch(table, changes=[[{"id": 1, START: SYNCED_AT, **closing}]], synced=LATER))
            destination.commit("{}")
        expected = [row | {SYNCED: SYNCED_AT} for row in rows]
        expected[1] |= closing | {SYNCED: LATER}

        assert shown(driver.rows(table)) == shown(expected)

    def test_the_newest_version_of_each_key_can_be_read_active_or_ended(self, driver: Driver) -> None:
        table, rows = _versions()
        asked = pa.table({"id": pa.array([1, 3, 4], pa.int64())})
        with opened(driver) as destination:
            destination.create_table(table)
            before = destination.newest_versions(table, asked)
            destination.write(table, batch(table, rows=rows[:2]))
            destination.commit("{}")
            destination.write(table, batch(table, rows=rows[2:]))
            found = destination.newest_versions(table, asked)

        assert before.num_rows == 0
        assert {name: found.schema.field(name).type for name in found.column_names} == {
            name: arrow_type(kind) for name, kind in table.columns.items()
        }
        assert shown(found.to_pylist()) == shown([rows[n] | {SYNCED: SYNCED_AT} for n in (1, 3)])

    @pytest.mark.parametrize("kind", KINDS, ids=str)
    def test_the_newest_version_is_found_by_a_key_of_any_type(self, driver: Driver, kind: ColumnType) -> None:
        table = made("prices", {"key": kind, "other": ColumnType(LONG)}, key=("key", "other"), mode="history")
        _, versions = _versions()
        ended, active = ({name: row[name] for name in (START, END, ACTIVE)} for row in versions[:2])
        keys = [{"key": key, "other": 1} for key in EDGES[kind]]
        asked = batch(table, deletes=[*keys, {"key": EDGES[kind][0], "other": 2}]).deletes
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=[key | version for key in keys for version in (ended, active)]))
            found = destination.newest_versions(table, asked)

        assert shown(found.to_pylist()) == shown([key | active | {SYNCED: SYNCED_AT} for key in keys])

    def test_truncate_ends_the_active_versions(self, driver: Driver) -> None:
        table, rows = _versions()
        end = {ACTIVE: False, END: LATER}
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=rows))
            destination.truncate(table, at=LATER, before=SYNCED_AT)
            spared = [row[ACTIVE] for row in destination.newest_versions(table, pa.table({"id": [1, 2]})).to_pylist()]
            destination.truncate(table, at=LATER)
            destination.commit("{}")

        assert spared == [True, True]
        assert shown(driver.rows(table)) == shown(
            [row | {SYNCED: SYNCED_AT} | (end if row[ACTIVE] else {}) for row in rows]
        )

    def test_truncate_ends_no_version_before_its_start(self, driver: Driver) -> None:
        """The versions of a key that changes often start ahead of the clock, a millisecond after each other."""
        table, rows = _versions()
        with opened(driver) as destination:
            destination.create_table(table)
            destination.write(table, batch(table, rows=rows))
            destination.truncate(table, at=SYNCED_AT - timedelta(milliseconds=1))
            destination.commit("{}")
        expected = [row | {SYNCED: SYNCED_AT} for row in rows]
        expected[1] |= {ACTIVE: False, END: SYNCED_AT}
        expected[2] |= {ACTIVE: False, END: SYNCED_AT - timedelta(milliseconds=1)}

        assert shown(driver.rows(table)) == shown(expected)


# --- what the tests are built of; useful in tests of one destination as well


@contextmanager
def opened(driver: Driver, connection: str = "tester") -> Iterator[Destination]:
    """Open the driver's destination for a while; what is not committed is gone at the end."""
    destination = driver.destination(connection)
    destination.open()
    try:
        yield destination
    finally:
        destination.close()


def made(
    name: str, columns: Mapping[str, ColumnType], *, key: Sequence[str] = ("id",), mode: Mode = "soft_delete"
) -> Table:
    """Describe a table of the schema `tester`, its system columns added."""
    return Table("tester", name, tuple(key), {**columns, **SYSTEM_COLUMNS[mode]}, mode)


def _orders(name: str = "orders") -> Table:
    return made(name, {"id": ColumnType(LONG), "a": ColumnType(LONG), "b": ColumnType(STRING)})


def _versions() -> tuple[Table, list[Row]]:
    """Describe a history table, and rows for it: two versions of key 1, one each of keys 2 (active) and 3 (ended)."""
    table = made("prices", {"id": ColumnType(LONG), "a": ColumnType(STRING)}, mode="history")
    earlier, end = SYNCED_AT - timedelta(days=1), datetime(9999, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
    return table, [
        {"id": 1, "a": "old", START: earlier, END: SYNCED_AT - timedelta(milliseconds=1), ACTIVE: False},
        {"id": 1, "a": "new", START: SYNCED_AT, END: end, ACTIVE: True},
        {"id": 2, "a": None, START: earlier, END: end, ACTIVE: True},
        {"id": 3, "a": "gone", START: earlier, END: SYNCED_AT, ACTIVE: False},
    ]


def batch(
    table: Table,
    *,
    rows: Sequence[Row] = (),
    changes: Iterable[Sequence[Row]] = (),
    deletes: Sequence[Row] = (),
    synced: datetime = SYNCED_AT,
) -> Batch:
    """Build a batch of rows given as dicts; `_fivetran_synced` and `_fivetran_deleted` are added."""
    system: Row = {SYNCED: synced, DELETED: False} if table.mode == "soft_delete" else {SYNCED: synced}
    return Batch(
        rows=_part(table, [row | system for row in rows]),
        changes=[part for group in changes if (part := _part(table, [row | {SYNCED: synced} for row in group]))],
        deletes=_part(table, deletes),
    )


def rows_in_place(table: Table, rows: Sequence[Row]) -> Batch:
    """Build a batch of whole rows, their system columns as they are given."""
    return Batch(_part(table, rows), [], None)


def _part(table: Table, rows: Sequence[Row]) -> pa.Table | None:
    if not rows:
        return None
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({n: pa.array([row.get(n) for row in rows], arrow_type(table.columns[n])) for n in names})


def promotions(kind: ColumnType) -> list[ColumnType]:
    """List the types a column of this type may be widened to."""
    targets = {promote(kind, other) for other in KINDS} - {kind}
    return sorted(targets, key=str)


def stays(value: Any, target: ColumnType) -> bool:
    """Say whether the engine widens a column that holds this value to this type."""
    return target.name != DOUBLE or type(value) is not int or abs(value) <= LARGEST_EXACT_INTEGER


def widened(value: Any, kind: ColumnType, target: ColumnType) -> Any:
    """Give what a value of type `kind` must be once its column has the type `target` (rule B-44)."""
    if value is None:
        return None
    if target.name == STRING:
        return as_text(kind, value)
    if target.name == DECIMAL:
        return Decimal(value)
    if target.name == DOUBLE:
        return float(value)
    if target.name == NAIVE_DATETIME:
        return datetime.combine(value, time.min)
    return value


def values(driver: Driver, table: Table) -> list[str]:
    """Read a table without its system columns, for comparison with `shown(rows)`."""
    own = [name for name in table.columns if name not in SYSTEM_COLUMNS[table.mode]]
    return shown([{name: row[name] for name in own} for row in driver.rows(table)])


def shown(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Write rows so that equal text means equal rows, whatever their order and the order of their columns.

    NaN equals NaN, 1 is not 1.0, 0.0 is not -0.0, a Decimal is its number; an aware datetime is its instant.
    """
    return sorted(", ".join(f"{name}: {_shown(row[name])}" for name in sorted(row)) for row in rows)


def _shown(value: Any) -> str:
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        assert isinstance(exponent, int)
        number = int("".join(map(str, digits))) * (-1 if sign else 1)
        while number and number % 10 == 0:
            number, exponent = number // 10, exponent + 1
        return f"Decimal({number}E{exponent if number else 0})"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return f"{value.astimezone(UTC).replace(tzinfo=None)!r} UTC"
    text = repr(value)
    if len(text) > 500:
        return f"{text[:60]}… {len(value)} long, SHA-256 {hashlib.sha256(text.encode()).hexdigest()}"
    return text
