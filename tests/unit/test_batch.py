"""Typed batches: many operations become one net effect per key, and no value is lost on the way."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from headwater.batch import DELETE, UPDATE, UPSERT, Chunk, TypedOperations, Typist, comparable_key, net_effect
from headwater.cells import ListedRows
from headwater.errors import RowError
from headwater.naming import naming
from headwater.row_id import row_ids
from headwater.schema import DELETED, ROW_ID, SYNCED, Catalog, Mode, SourceTable, TableOptions, read_declaration
from headwater.snapshot import snapshot
from headwater.types.names import DOUBLE, FLOAT, JSON, LONG, STRING, ColumnType

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Entry = tuple[int, dict[str, Any]]


def source(
    key: Sequence[str] = ("id",), columns: Mapping[str, Any] | None = None, options: TableOptions | None = None
) -> SourceTable:
    entry = {"table": "t", "primary_key": list(key), "columns": dict(columns or {})}
    catalog = Catalog(
        read_declaration([entry], warn=pytest.fail),
        destination_schema="tester",
        naming=naming("FIVETRAN"),
        options={"t": options or TableOptions()},
        warn=lambda message: None,
    )
    return catalog.table(None, "t")


def typed(table: SourceTable, *entries: Entry, warn: Callable[[str], None] = lambda message: None) -> TypedOperations:
    taken: list[tuple[int, Mapping[str, Any]]] = [(kind, snapshot(row, table.declared_type)) for kind, row in entries]
    return Typist(table, strict=False, warn=warn).operations(Chunk(entries=taken, plain=False))


def effect(*entries: Entry, mode: Mode = "soft_delete", key: Sequence[str] = ("id",)) -> dict[str, Any]:
    """Give the net effect as plain rows; `_fivetran_synced` is checked and left out."""
    table = source(key, options=TableOptions(mode=mode))
    batch = net_effect(typed(table, *entries), table.target, NOW)
    return {
        "rows": plain(batch.rows),
        "changes": [plain(part) for part in batch.changes],
        "deletes": plain(batch.deletes),
    }


def plain(part: pa.Table | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [] if part is None else part.to_pylist()
    for row in rows:
        assert row.pop(SYNCED, NOW) == NOW
    return rows


def upsert(**row: Any) -> Entry:
    return UPSERT, row


def update(**row: Any) -> Entry:
    return UPDATE, row


def delete(**row: Any) -> Entry:
    return DELETE, row


# --- one net effect per key

LIVE, GONE = {DELETED: False}, {DELETED: True}

SEQUENCES: dict[str, tuple[list[Entry], list[Any], list[list[Any]]]] = {
    # what: (operations, rows, changes)
    "upsert": ([upsert(id=1, a=1)], [{"id": 1, "a": 1, **LIVE}], []),
    "two upserts": ([upsert(id=1, a=1), upsert(id=1, b=2)], [{"id": 1, "a": None, "b": 2, **LIVE}], []),
    "upsert, update": ([upsert(id=1, a=1, b=1), update(id=1, a=2)], [{"id": 1, "a": 2, "b": 1, **LIVE}], []),
    "upsert, update to NULL": ([upsert(id=1, a=1), update(id=1, a=None)], [{"id": 1, "a": None, **LIVE}], []),
    "update, upsert": ([update(id=1, a=2), upsert(id=1, b=1)], [{"id": 1, "a": None, "b": 1, **LIVE}], []),
    "upsert, delete": ([upsert(id=1, a=1), delete(id=1)], [{"id": 1, "a": 1, **GONE}], []),
    "upsert, delete, upsert": ([upsert(id=1, a=1), delete(id=1), upsert(id=1, a=2)], [{"id": 1, "a": 2, **LIVE}], []),
    "upsert, delete, update": ([upsert(id=1, a=1), delete(id=1), update(id=1, a=2)], [{"id": 1, "a": 2, **GONE}], []),
    "delete, upsert": ([delete(id=1), upsert(id=1, a=1)], [{"id": 1, "a": 1, **LIVE}], []),
    "update": ([update(id=1, a=1)], [], [[{"id": 1, "a": 1}]]),
    "two updates": ([update(id=1, a=1), update(id=1, b=2), update(id=1, a=3)], [], [[{"id": 1, "a": 3, "b": 2}]]),
    "delete": ([delete(id=1)], [], [[{"id": 1, **GONE}]]),
    "update, delete": ([update(id=1, a=1), delete(id=1)], [], [[{"id": 1, "a": 1, **GONE}]]),
    "delete, update": ([delete(id=1), update(id=1, a=1)], [], [[{"id": 1, "a": 1, **GONE}]]),
    "update of the key alone": ([update(id=1)], [], [[{"id": 1}]]),
    "changes of two shapes": (
        [update(id=1, a=1), update(id=2, b=2), update(id=3, a=3)],
        [],
        [[{"id": 1, "a": 1}, {"id": 3, "a": 3}], [{"id": 2, "b": 2}]],
    ),
}


@pytest.mark.parametrize(("entries", "rows", "changes"), SEQUENCES.values(), ids=SEQUENCES)
def test_operations_on_one_key_become_one(entries: list[Entry], rows: list[Any], changes: list[list[Any]]) -> None:
    assert effect(*entries) == {"rows": rows, "changes": changes, "deletes": []}


@pytest.mark.parametrize(
    ("entries",                                                  "rows",                "deletes"),
    [
        ([upsert(id=1, a=1)],                                       [{"id": 1, "a": 1}],   []),
        ([upsert(id=1, a=1), delete(id=1)],                         [],                    [{"id": 1}]),
        ([upsert(id=1, a=1), delete(id=1), update(id=1, a=2)],      [],                    [{"id": 1}]),
        ([delete(id=1), upsert(id=1, a=2)],                         [{"id": 1, "a": 2}],   []),
        ([delete(id=1), upsert(id=1, a=2), update(id=1, a=3)],      [{"id": 1, "a": 3}],   []),
        ([update(id=1, a=2), delete(id=1)],                         [],                    [{"id": 1}]),
    ],
)  # fmt: skip
def test_live_mode_deletes_for_good(entries: list[Entry], rows: list[Any], deletes: list[Any]) -> None:
    assert effect(*entries, mode="live") == {"rows": rows, "changes": [], "deletes": deletes}


def test_a_composite_key_counts_as_a_whole() -> None:
    found = effect(upsert(a=1, b="x", n=1), upsert(a=1, b="y", n=2), update(a=1, b="x", n=3), key=("a", "b"))

    assert found["rows"] == [{"a": 1, "b": "x", "n": 3, **LIVE}, {"a": 1, "b": "y", "n": 2, **LIVE}]


def test_upserts_alone_keep_the_last_of_each_key_in_order() -> None:
    found = effect(*[upsert(id=number % 3, n=number) for number in range(8)])

    assert found["rows"] == [{"id": 2, "n": 5, **LIVE}, {"id": 0, "n": 6, **LIVE}, {"id": 1, "n": 7, **LIVE}]


@pytest.mark.parametrize("extra", [[], [delete(id=-1.0)]], ids=["upserts alone", "with a delete"])
def test_nan_is_a_key_like_any_other(extra: list[Entry]) -> None:
    found = effect(upsert(id=math.nan, n=1), upsert(id=1.5, n=2), upsert(id=math.nan, n=3), *extra)

    assert sorted((repr(row["id"]), row["n"]) for row in found["rows"]) == [("1.5", 2), ("nan", 3)]


def test_a_key_is_compared_as_a_warehouse_does() -> None:
    assert comparable_key([1, math.nan]) == comparable_key([1, float("nan")])
    assert comparable_key([0.0]) == comparable_key([-0.0])
    assert comparable_key([math.inf]) != comparable_key([math.nan])


# --- columns


def test_rows_may_lack_columns_and_bring_new_ones() -> None:
    found = effect(upsert(id=1, a=1), upsert(b="x", id=2), upsert(id=3))

    assert found["rows"] == [
        {"id": 1, "a": 1, "b": None, **LIVE},
        {"id": 2, "a": None, "b": "x", **LIVE},
        {"id": 3, "a": None, "b": None, **LIVE},
    ]


@pytest.mark.parametrize(
    ("values",               "kind",               "stored"),
    [
        ([1, None, 2],          ColumnType(LONG),     [1, None, 2]),
        ([1, 0.5],              ColumnType(DOUBLE),   [1.0, 0.5]),
        ([1, "x"],              ColumnType(STRING),   ["1", "x"]),
        ([True, 2],             ColumnType(STRING),   ["true", "2"]),
        ([10**17, 0.5],         ColumnType(STRING),   ["100000000000000000", "0.5"]),
        ([{"a": 1}, [2]],       ColumnType(JSON),     ['{"a": 1}', "[2]"]),
        ([{"a": 1}, 5],         ColumnType(STRING),   ['{"a": 1}', "5"]),
        ([b"\x00", "x"],        ColumnType(STRING),   ["AA==", "x"]),
        ([Decimal("1.50"), 1],  ColumnType(STRING),   ["1.50", "1"]),
        ([None, None],          None,                 [None, None]),
    ],
)  # fmt: skip
def test_an_undeclared_column_takes_the_narrowest_type(
    values: list[Any], kind: ColumnType | None, stored: list[Any]
) -> None:
    column = typed(source(), *[upsert(id=n, v=value) for n, value in enumerate(values)]).columns["v"]

    assert (column.kind, column.array.to_pylist()) == (kind, stored)


@pytest.mark.parametrize(
    ("values",         "kind",              "stored"),
    [
        ([0.1, None],     ColumnType(FLOAT),   [0.10000000149011612, None]),
        ([0.1, 1e39],     ColumnType(DOUBLE),  [0.10000000149011612, 1e39]),
        ([0.1, math.inf], ColumnType(FLOAT),   [0.10000000149011612, math.inf]),
    ],
)  # fmt: skip
def test_a_float_column_rounds_alike_whatever_else_is_in_the_chunk(
    values: list[Any], kind: ColumnType, stored: list[Any]
) -> None:
    table = source(columns={"v": "FLOAT"})
    column = typed(table, *[upsert(id=n, v=value) for n, value in enumerate(values)]).columns["v"]

    assert (column.kind, column.array.to_pylist()) == (kind, stored)


@pytest.mark.parametrize(
    ("row",                                              "stored"),
    [
        ({"id": 1, "userId": 1, "user_id": 2},              2),
        ({"id": 1, "user_id": 2, "userId": 1},              1),
        ({"user-id": 3, "id": 1, "userId": None},           None),
        ({"user-id": 3, "id": 1},                           3),
    ],
)  # fmt: skip
def test_of_columns_that_merge_the_later_in_the_row_counts(row: dict[str, Any], stored: Any) -> None:
    others = [upsert(id=7, userId=7), upsert(id=8, user_id=8)]
    operations = typed(source(), *others, (UPSERT, row))

    assert operations.columns["user_id"].array.to_pylist() == [7, 8, stored]


def test_an_update_names_only_the_columns_it_gives() -> None:
    operations = typed(source(), update(id=1, userId=1), upsert(id=2, a=1), delete(id=3))

    assert operations.kinds == [UPDATE, UPSERT, DELETE]
    assert operations.given is not None
    assert operations.given[0] == {"id", "user_id"}
    assert operations.given[2] == {"id"}


# --- the first part of a chunk


def test_rows_with_the_same_columns_are_read_from_the_first_part() -> None:
    chunk = Chunk(ListedRows(("id", "a"), [1, 2, 3, 4]), [(UPDATE, {"id": 1, "b": 5})])

    assert (len(chunk), chunk.leading, chunk.raw_names()) == (3, 2, ["id", "a", "b"])
    assert [chunk.values(raw) for raw in ("id", "a", "b")] == [[1, 3, 1], [2, 4, None], [None, None, 5]]
    assert [chunk.row(position) for position in range(3)] == [{"id": 1, "a": 2}, {"id": 3, "a": 4}, {"id": 1, "b": 5}]


def test_both_parts_are_typed_together() -> None:
    typist = Typist(source(), strict=False, warn=pytest.fail)
    found = typist.operations(Chunk(ListedRows(("id", "a"), [1, 2, 3, "x"]), [(UPSERT, {"id": 4, "b": True})]))

    assert {name: column.array.to_pylist() for name, column in found.columns.items()} == {
        "id": [1, 3, 4],
        "a": ["2", "x", None],
        "b": [None, None, True],
    }
    assert (found.count, found.kinds, found.given) == (3, None, None)


# --- what is refused


NO_KEY = "t.id: a row has no value for this primary-key column\nin the row "
REFUSED: dict[str, tuple[list[Entry], str]] = {
    "no key": ([upsert(id=1), upsert(a=2)], NO_KEY + '{"a": 2}'),
    "no key at all": ([upsert(a=2)], NO_KEY + '{"a": 2}'),
    "a key that is NULL": ([upsert(id=1), upsert(id=None, a=2)], NO_KEY + '{"id": null, "a": 2}'),
    "not an integer": (
        [upsert(id=1, n=None), upsert(id=2, n="x")],
        (
            "t.n: 'x' does not fit INT: "
            "expected an integer, or a number or text without a fraction, like 42.0 or '42'\n"
            'in the row {"id": 2, "n": "x"}'
        ),
    ),
    "too many digits": (
        [upsert(id=1), upsert(id=2, d="1.234")],
        't.d: \'1.234\' has more than 2 digits after the point (DECIMAL(5,2))\nin the row {"id": 2, "d": "1.234"}',
    ),
    "a lone surrogate": (
        [upsert(id=1, s="\ud800")],
        (
            "t.s: '\\ud800' expected text without lone surrogates (halves of a UTF-16 pair), which UTF-8 cannot write\n"
            'in the row {"id": 1, "s": "\\ud800"}'
        ),
    ),
}


@pytest.mark.parametrize(("entries", "message"), REFUSED.values(), ids=REFUSED)
def test_a_row_that_cannot_be_stored_is_named(entries: list[Entry], message: str) -> None:
    table = source(columns={"n": "INT", "d": {"type": "DECIMAL", "precision": 5, "scale": 2}})
    with pytest.raises(RowError) as refused:
        typed(table, *entries)

    assert str(refused.value) == message


# --- tables without key


def test_equal_rows_of_a_table_without_key_are_one() -> None:
    found = effect(upsert(a=1, b=None), upsert(b="x", a=2), upsert(a=1), upsert(a=2, b="x"), key=())

    ids = row_ids({"a": [2, 1], "b": ["x", None]}, {})
    assert sorted(row[ROW_ID] for row in found["rows"]) == sorted(ids)


def test_a_delete_by_its_whole_row_finds_the_row() -> None:
    (made,) = row_ids({"a": [1]}, {})
    found = effect(delete(a=1), key=())

    assert found["changes"] == [[{ROW_ID: made, **GONE}]]


def test_an_id_that_is_given_is_taken() -> None:
    found = effect(upsert(a=1, _fivetran_id="mine"), update(_fivetran_id="theirs", a=2), key=())

    assert found["rows"] == [{"a": 1, ROW_ID: "mine", **LIVE}]
    assert found["changes"] == [[{ROW_ID: "theirs", "a": 2}]]


# --- whole Arrow tables

SECRET = hashlib.sha256(b"7").hexdigest()


def from_arrow(table: SourceTable, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    typist = Typist(table, strict=False, warn=pytest.fail)
    operations = typist.operations_from_arrow(pa.Table.from_pylist(rows))
    return pa.table({name: column.array for name, column in operations.columns.items()}).to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types


def from_dicts(table: SourceTable, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    operations = typed(table, *[(UPSERT, row) for row in rows])
    return pa.table({name: column.array for name, column in operations.columns.items()}).to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types


@pytest.mark.parametrize(
    ("key", "options", "row"),
    [
        (("id",), TableOptions(), {"id": 1, "userId": "x", "b": b"\x00", "ok": True, "f": 0.5, "n": None}),
        ((), TableOptions(), {"a": 1, "b": "x"}),
        ((), TableOptions(), {"a": 1, ROW_ID: "mine"}),
        ((), TableOptions(blocked_columns=frozenset({"b"})), {"a": 1, "b": 7}),
        ((), TableOptions(hashed_columns=frozenset({"b"})), {"a": 1, "b": 7}),
    ],
    ids=["with key", "without key", "an id that is given", "a blocked column", "a hashed column"],
)
def test_a_frame_gives_what_its_rows_give_as_dicts(
    key: Sequence[str], options: TableOptions, row: dict[str, Any]
) -> None:
    table = source(key, options=options)

    assert from_arrow(table, [row]) == from_dicts(table, [row])


def test_a_hashed_value_is_the_sha_256_of_its_text() -> None:
    table = source(options=TableOptions(hashed_columns=frozenset({"b"})))

    assert from_dicts(table, [{"id": 1, "b": 7}]) == [{"id": 1, "b": SECRET}]


# --- system columns


@pytest.mark.parametrize(
    ("mode",        "names"),
    [
        ("soft_delete", ["id", DELETED, SYNCED]),
        ("live",        ["id", SYNCED]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("extra", [[], [update(id=2)]], ids=["upserts alone", "with an update"])
def test_rows_carry_the_system_columns_of_the_mode(mode: Mode, names: list[str], extra: list[Entry]) -> None:
    table = source(options=TableOptions(mode=mode))
    batch = net_effect(typed(table, upsert(id=1), *extra), table.target, NOW)

    assert batch.rows is not None
    assert batch.rows.column_names == names
    assert batch.rows[SYNCED].to_pylist() == [NOW]
