"""Tables that keep late columns and late types; each rule of the Parsons page that its Table breaks is a test here."""

from __future__ import annotations

import doctest
import io
import json
import math
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sdk_helpers import tables
from sdk_helpers.tables import Table

NAIVE = datetime(2024, 2, 29, 12, 0, 0, 123456)
AWARE = NAIVE.replace(tzinfo=UTC)

EVERY_TYPE: list[dict[str, Any]] = [
    {
        "whole": 2**63 - 1, "huge": 2**70, "fraction": 0.1, "price": Decimal("1.10"), "yes": True, "text": "é\n\"'",
        "blob": b"\x00\xff", "day": date(1, 1, 1), "naive": NAIVE, "aware": AWARE, "clock": time(23, 59, 59, 1),
        "span": timedelta(days=-1), "object": {"b": [1, None], "a": {}}, "list": [], "empty": None,
    },
    {
        "whole": -(2**63), "huge": -1, "fraction": math.inf, "price": Decimal("-99999999999999999999.5"),
        "yes": False, "text": "", "blob": b"", "day": date(9999, 12, 31), "naive": datetime(1, 1, 1),
        "aware": AWARE.replace(year=1904), "clock": time(0), "span": timedelta(microseconds=1), "object": {},
        "list": [{"x": 1}], "empty": None,
    },
]  # fmt: skip
EVERY_TYPE.append(dict.fromkeys(EVERY_TYPE[0]))


def many(count: int) -> Iterator[dict[str, Any]]:
    """Rows as a generator, whose last one has another type and a column of its own."""
    for number in range(count - 1):
        yield {"id": number, "n": number}
    yield {"id": count - 1, "n": "late", "late": {"x": 1}}


def wrong(*rows: Any) -> Any:
    """Rows that the types of `Table` would refuse before it can."""
    return list(rows)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(tables).failed == 0


# Rows in, rows out


def test_every_type_comes_back_as_it_was() -> None:
    assert Table(EVERY_TYPE).rows() == EVERY_TYPE


@pytest.mark.parametrize("count", [2, 1_001, 10_000, 10_001, 25_000])  # P30: Parsons loses them after 1000 rows
def test_a_column_and_a_type_that_come_late_are_kept(count: int) -> None:
    table = Table(many(count))

    assert table.columns == ["id", "n", "late"]
    assert table[0] == {"id": 0, "n": "0", "late": None}
    assert table[count - 1] == {"id": count - 1, "n": "late", "late": {"x": 1}}
    assert table["n"][:-1] == [str(number) for number in range(count - 1)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([None, None], [None, None]),
        ([1, 2.5], [1.0, 2.5]),
        ([2**53 + 1, 2.5], ["9007199254740993", "2.5"]),
        ([1, Decimal("2.50")], [Decimal(1), Decimal("2.50")]),
        ([Decimal("1E+3"), Decimal("0.001")], [Decimal(1000), Decimal("0.001")]),
        ([Decimal(10) ** 80, Decimal(1)], ["1" + "0" * 80, "1"]),
        ([Decimal("NaN")], ["NaN"]),
        ([Decimal("1.10"), 1.5], ["1.1", "1.5"]),
        ([1, "x"], ["1", "x"]),
        ([1.0, "x"], ["1", "x"]),
        ([True, "x"], ["true", "x"]),
        ([True, 1], ["true", "1"]),
        ([date(2024, 2, 29), NAIVE], ["2024-02-29", "2024-02-29T12:00:00.123456"]),
        ([NAIVE, AWARE], ["2024-02-29T12:00:00.123456", "2024-02-29T12:00:00.123456+00:00"]),
        ([AWARE.astimezone(timezone(timedelta(hours=5)))], [AWARE]),
        ([{"a": 1}, "x", 5, None, [1]], [{"a": 1}, "x", 5, None, [1]]),
        ([{"when": NAIVE, "price": Decimal("1.10")}], [{"when": NAIVE.isoformat(), "price": "1.1"}]),
        ([(1, 2)], [[1, 2]]),
        ([uuid.UUID(int=1)], ["00000000-0000-0000-0000-000000000001"]),
        ([np.int64(5), np.float32(0.5)], [5.0, 0.5]),
        ([np.bool_(True), pd.NA, pd.NaT], [True, None, None]),
        ([bytearray(b"x"), memoryview(b"y")], [b"x", b"y"]),
    ],
)
def test_kinds_that_meet_in_a_column_keep_their_values(values: list[Any], expected: list[Any]) -> None:
    table = Table({"c": value} for value in values)

    assert table["c"] == expected
    assert [type(value) for value in table["c"]] == [type(value) for value in expected]


def test_nanoseconds_are_not_cut_off() -> None:
    moment = pd.Timestamp("2024-02-29T12:00:00.123456789Z")

    assert Table([{"t": moment}]).to_arrow()["t"].cast(pa.int64()).to_pylist() == [moment.value]


def test_the_column_type_does_not_depend_on_where_the_rows_are_cut() -> None:
    values = [1, 2.5, *range(3, 20_000), "x"]

    assert Table({"c": value} for value in values)["c"] == [str(value) for value in values]


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ([1, 2.5], "x"),
        ([1, 2.5], {"a": 1}),
        (["x"], {"a": 1}),
        ([NAIVE], AWARE),
        ([NAIVE], "x"),
        ([Decimal("1.10"), Decimal("1.1")], 1.5),
        ([True, None], 1),
        ([1], Decimal("0.5")),
        ([2**70], 0.5),
    ],
)
def test_a_late_kind_gives_what_it_would_give_early(early: list[Any], late: Any) -> None:
    apart = Table({"c": value} for value in [*early, *[None] * 10_000, late])
    together = Table({"c": value} for value in [*early, late])

    assert [value for value in apart["c"] if value is not None] == [
        value for value in together["c"] if value is not None
    ]
    assert json.dumps(apart["c"][0], default=str) == json.dumps(together["c"][0], default=str)


def test_an_empty_table_keeps_its_columns() -> None:  # P22
    table = Table(columns=["id", "name"])

    assert (table.columns, table.num_rows, bool(table), table["id"], table.first()) == (
        ["id", "name"],
        0,
        False,
        [],
        None,
    )
    assert Table().rows() == []


def test_declared_columns_come_first() -> None:
    assert Table([{"b": 1}], columns=["a"]).rows() == [{"a": None, "b": 1}]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Table(wrong([1, 2])), TypeError, "row 0 is [1, 2], not a dict"),
        (lambda: Table(wrong({"a": 1}, None)), TypeError, "row 1 is None, not a dict"),
        (lambda: Table(wrong({1: 1})), TypeError, "the column name 1 is not text"),
        (lambda: Table([{}]), ValueError, "the rows have no columns"),
        (lambda: Table([{"a": object()}]), TypeError, "a: a value of type object has no column type"),
        (lambda: Table([{"a": b"x"}, {"a": "x"}]), ValueError, "bytes cannot be mixed"),
        (lambda: Table(columns="id"), TypeError, "give a list, ['id']"),
        (lambda: Table(columns=["a", "a"]), ValueError, "two columns are named 'a'"),
        (lambda: Table.from_arrow(pa.table([[1], [2]], names=["a", "a"])), ValueError, "two columns are named 'a'"),
    ],
)  # fmt: skip
def test_what_no_table_can_hold_is_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        make()

    assert message in str(raised.value)


# Reading  (P31)


def test_a_table_reads_like_a_list_of_dicts() -> None:
    table = Table({"n": number} for number in range(5))

    assert (len(table), table[0], table[-1], table["n"]) == (5, {"n": 0}, {"n": 4}, [0, 1, 2, 3, 4])
    assert table[1:3] == Table([{"n": 1}, {"n": 2}])
    assert table[::-2]["n"] == [4, 2, 0]
    assert [row["n"] for row in table] == table["n"]
    assert repr(table) == "Table(5 rows: n)"


@pytest.mark.parametrize(("at", "error"), [(5, IndexError), (-6, IndexError), ("x", KeyError)])
def test_what_is_not_there_is_refused(at: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        Table({"n": number} for number in range(5))[at]


def test_a_notebook_shows_text_and_no_markup_of_the_data() -> None:
    shown = Table([{"<b>": "<script>"}])._repr_html_()

    assert "<td>&lt;script&gt;</td>" in shown
    assert "<th>&lt;b&gt;</th>" in shown


# Transforms  (P32): none changes the table it is called on


def test_no_method_changes_its_table() -> None:
    table = Table([{"id": 2, "o": {"x": 1}, "l": [1, 2]}, {"id": 1, "o": None, "l": []}])
    before = table.rows()
    table.rename({"id": "key"}).drop("l").with_column("new", [1, 2]).unpack("o").sort("key").head(1)
    table.explode("l").deduplicate("id").fill("o", {}).where(lambda row: False)

    assert table.rows() == before


def test_columns_are_chosen_renamed_dropped_and_added() -> None:
    table = Table([{"a": 1, "b": 2, "c": 3}])

    assert table.select("c", "a").rows() == [{"c": 3, "a": 1}]
    assert table.drop("b").columns == ["a", "c"]
    assert table.rename({"a": "z", "b": "a"}).rows() == [{"z": 1, "a": 2, "c": 3}]
    assert table.with_column("b", ["x"]).rows() == [{"a": 1, "b": "x", "c": 3}]
    assert table.convert("a", str)["a"] == ["1"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda table: table.select("x"), KeyError),
        (lambda table: table.rename({"x": "y"}), KeyError),
        (lambda table: table.rename({"a": "b"}), ValueError),
        (lambda table: table.with_column("c", [1, 2]), ValueError),
        (lambda table: table.unpack("a"), ValueError),
        (lambda table: table.explode("a"), ValueError),
        (lambda table: table.match_columns(["a"]), ValueError),
        (lambda table: table.deduplicate(keep="any"), ValueError),
        (lambda table: table.convert("a", lambda value: value / 0), ZeroDivisionError),
        (lambda table: list(table.chunks(0)), ValueError),
    ],
)  # fmt: skip
def test_a_wrong_change_is_refused_at_once(change: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        change(Table([{"a": 1, "b": 2}]))


def test_false_zero_and_empty_text_are_values() -> None:  # P37: Parsons drops them
    table = Table([{"a": 0, "b": False, "c": ""}, {"a": None, "b": None, "c": None}])

    assert (table.fill("a", 9)["a"], table.fill("b", True)["b"], table.fill("c", "x")["c"]) == (
        [0, 9],
        [False, True],
        ["", "x"],
    )
    assert table.coalesce("first", "a", "b", "c").rows() == [{"first": 0}, {"first": None}]


def test_unpack_finds_the_keys_of_every_row() -> None:  # P32: Parsons looks at 5000
    rows: list[dict[str, Any]] = [{"id": number, "o": {"x": number}} for number in range(6000)]
    rows[-1]["o"]["late"] = "y"

    table = Table(rows).unpack("o")

    assert table.columns == ["id", "o_x", "o_late"]
    assert table[-1] == {"id": 5999, "o_x": 5999, "o_late": "y"}


def test_unpack_refuses_to_overwrite() -> None:
    with pytest.raises(ValueError, match="would overwrite the column id"):
        Table([{"id": 1, "o": {"id": 2}}]).unpack("o", prefix="")


def test_explode_keeps_rows_without_elements() -> None:
    table = Table([{"id": 1, "l": [{"x": 1}, 2]}, {"id": 2, "l": []}, {"id": 3, "l": None}])

    assert table.explode("l").rows() == [
        {"id": 1, "l": {"x": 1}},
        {"id": 1, "l": 2},
        {"id": 2, "l": None},
        {"id": 3, "l": None},
    ]


@pytest.mark.parametrize(
    ("columns", "keep", "kept"),
    [
        (["k"],      "first", [0, 2, 3]),
        (["k"],      "last",  [1, 2, 4]),
        (["k", "o"], "first", [0, 2, 3, 4]),
        ([],         "first", [0, 1, 2, 3, 4]),
    ],
)  # fmt: skip
def test_one_row_of_those_that_are_alike_is_kept(columns: list[str], keep: str, kept: list[int]) -> None:
    rows: list[dict[str, Any]] = [
        {"n": 0, "k": 1, "o": {"a": 1}},
        {"n": 1, "k": 1, "o": {"a": 1}},
        {"n": 2, "k": None, "o": {"a": 1}},
        {"n": 3, "k": 2, "o": {"a": 1}},
        {"n": 4, "k": 2, "o": {"a": 2}},
    ]

    assert Table(rows).deduplicate(*columns, keep=keep)["n"] == kept


def test_sorting_is_stable_and_puts_none_last() -> None:
    table = Table([{"a": 2, "n": 0}, {"a": None, "n": 1}, {"a": 1, "n": 2}, {"a": 2, "n": 3}])

    assert table.sort("a")["n"] == [2, 0, 3, 1]
    assert table.sort("a", descending=True)["n"] == [0, 3, 2, 1]


def test_match_columns_gives_exactly_these() -> None:
    table = Table([{"a": 1, "b": 2}])

    assert table.match_columns(["c", "a"], drop_others=True).rows() == [{"c": None, "a": 1}]


def test_tables_below_each_other_keep_all_columns_and_values() -> None:
    table = Table([{"a": 1}]).concat(Table([{"a": "x", "b": {"y": 1}}]), Table(columns=["c"]))

    assert table.rows() == [{"a": "1", "b": None, "c": None}, {"a": "x", "b": {"y": 1}, "c": None}]
    assert Table([{"a": 1}]).concat(Table([{"a": 2}]))["a"] == [1, 2]


def test_chunks_are_the_table() -> None:
    table = Table({"n": number} for number in range(7))
    chunks = list(table.chunks(3))

    assert [chunk.num_rows for chunk in chunks] == [3, 3, 1]
    assert chunks[0].concat(*chunks[1:]) == table


# To and from  (P33)


def test_duckdb_has_every_value_and_gives_it_back() -> None:
    connection = duckdb.connect()
    table = Table(EVERY_TYPE).drop("span")  # DuckDB's INTERVAL has months, and comes back as Arrow's own type
    table.to_duckdb(connection, 'odd "name"')

    back = Table.from_duckdb(connection, 'SELECT * FROM "odd ""name"""')

    assert back == table
    assert connection.sql("SELECT count(*) FROM duckdb_views() WHERE NOT internal").fetchall() == [(0,)]


def test_a_table_that_exists_is_replaced_only_when_told() -> None:
    connection = duckdb.connect()
    Table([{"a": 1}]).to_duckdb(connection, "t")
    with pytest.raises(duckdb.CatalogException):
        Table([{"a": 2}]).to_duckdb(connection, "t")
    Table([{"a": 3}]).to_duckdb(connection, "t", replace=True)

    assert connection.sql("FROM t").fetchall() == [(3,)]


def test_pandas_keeps_whole_numbers_beside_none_and_dicts() -> None:
    table = Table([{"n": 2**62 + 1, "o": {"a": [1]}}, {"n": None, "o": None}])

    assert Table.from_pandas(table.to_pandas()) == table


def test_pandas_gaps_are_none_and_its_objects_keep_their_types() -> None:
    frame = pd.DataFrame(
        {"f": [1.5, float("nan")], "o": [{"a": 1}, None], "m": [1, "x"], "t": [pd.Timestamp("2024-02-29"), pd.NaT]}
    )

    assert Table.from_pandas(frame).rows() == [
        {"f": 1.5, "o": {"a": 1}, "m": "1", "t": datetime(2024, 2, 29)},
        {"f": None, "o": None, "m": "x", "t": None},
    ]


def test_polars_gives_and_takes_the_same_values() -> None:
    table = Table(EVERY_TYPE).drop("empty", "object", "list")

    assert Table.from_polars(table.to_polars()) == table
    assert Table.from_polars(pl.DataFrame({"l": [[1, 2], None]})).explode("l")["l"] == [1, 2, None]
    assert pl.DataFrame(Table([{"n": 1}])).rows() == [(1,)]


def test_csv_tells_empty_text_from_none(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    table = Table([{"a": "", "b": None, "c": 'say "hi",\nbye'}, {"a": "007", "b": "é", "c": None}])
    table.to_csv(path)

    assert Table.from_csv(path) == table


def test_csv_writes_every_type() -> None:
    buffer = io.BytesIO()
    Table(EVERY_TYPE).to_csv(buffer)
    buffer.seek(0)

    first = Table.from_csv(buffer)[0]

    assert (first["whole"], first["price"], first["blob"], json.loads(first["object"]), first["empty"]) == (
        "9223372036854775807", "1.10", "AP8=", {"b": [1, None], "a": {}}, None,
    )  # fmt: skip


@pytest.mark.parametrize("text", ["a,a\n1,2\n", "a,b\n1\n", "a,b\n1,2,3\n"])
def test_csv_that_would_lose_a_value_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"two columns|Expected 2 columns"):
        Table.from_csv(io.BytesIO(text.encode()))


def test_arrow_readers_are_taken_whole() -> None:
    batches = [pa.record_batch({"a": [1]}), pa.record_batch({"a": [2]})]

    assert Table.from_arrow(pa.RecordBatchReader.from_batches(batches[0].schema, batches))["a"] == [1, 2]
