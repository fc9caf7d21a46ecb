"""Cells: rows come out as they went in, whole, whichever kind takes them."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater import compiled
from headwater.batch import Chunk, TypedOperations, Typist
from headwater.cells import CHANGING, LOOK, OTHER, TAKEN, Cells, CompiledCells, ListedCells, ListedRows, Rows, quickest
from headwater.errors import RowError
from headwater.naming import naming
from headwater.schema import Catalog, read_declaration
from headwater.types.columns import Range
from headwater.types.json_text import JsonText

Make = Callable[[tuple[str, ...]], Cells]


def in_c(keys: tuple[str, ...]) -> Cells:
    there = compiled.compiled()
    assert there is not None, "headwater was installed without its compiled part: run `make test`"
    return CompiledCells(keys, there.cells(keys))


both = pytest.mark.parametrize("make", [in_c, ListedCells])

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63) - 2, 2**63 + 2),
    st.sampled_from([2**53, 2**53 + 1, -(2**53), -(2**53) - 1, 2**63 - 1, -(2**63), 2**63, 10**50]),
    st.floats(),
    st.text(st.characters(), max_size=8),
    st.binary(max_size=4),
    st.dates(),
    st.decimals(places=2),
)
# Most columns hold values of few kinds; a column of NULL and one other is the usual one.
COLUMNS = st.lists(VALUES, min_size=1, max_size=4)


@st.composite
def tables(draw: st.DrawFn) -> tuple[tuple[str, ...], list[dict[str, Any]]]:
    columns = {f"c{i}": values for i, values in enumerate(draw(st.lists(COLUMNS, min_size=1, max_size=6)))}
    rows = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in columns.items()})
    return tuple(columns), draw(st.lists(rows, max_size=40))


def exactly(value: Any) -> tuple[Any, ...]:
    """Give what tells two values apart: zero has a sign, and NaN equals nothing."""
    return type(value), str(value) if isinstance(value, float | Decimal) else value


def whole(cells: Cells, rows: list[dict[str, Any]]) -> Rows:
    for row in rows:
        assert cells.add(row) in (TAKEN, LOOK)
    assert cells.rows == len(rows)
    return cells.take()


@both
@settings(deadline=None)
@given(table=tables())
def test_rows_come_out_as_they_went_in(make: Make, table: Any) -> None:
    keys, rows = table
    cells = make(keys)
    for expected in (rows, [dict(reversed(row.items())) for row in rows], rows[:1]):
        taken = whole(cells, expected)

        assert (len(taken), cells.rows) == (len(expected), 0)
        for key in keys:
            assert list(map(exactly, taken.values(key))) == [exactly(row[key]) for row in expected]
        for position, row in enumerate(expected):
            assert {key: exactly(value) for key, value in taken.row(position).items()} == {
                key: exactly(row[key]) for key in keys
            }


@settings(deadline=None)
@given(tables())
def test_arrow_data_is_sound_and_names_the_types_it_held(table: Any) -> None:
    keys, rows = table
    taken = whole(in_c(keys), rows)

    for key in keys:
        arrow = taken.arrow(key)
        if arrow is not None:
            arrow.array.validate(full=True)
            values = [row[key] for row in rows]
            assert arrow.array.null_count == values.count(None)
            assert arrow.kinds == {type(value) for value in values if value is not None}
            assert arrow.range == (_range(values) if arrow.kinds == {int} else None)


def _range(values: list[int | None]) -> Range:
    known = [value for value in values if value is not None]
    rises = len(known) == len(values) and all(a < b for a, b in pairwise(known))
    return Range(min(known), max(known), rises)


INTEGERS = st.lists(st.none() | st.integers(-3, 3), min_size=1, max_size=5).filter(lambda values: set(values) != {None})


@given(INTEGERS, INTEGERS)
def test_the_range_of_integers_is_seen_as_they_come(ones: list[int | None], others: list[int | None]) -> None:
    first, second = (whole(in_c(("a",)), [{"a": n} for n in values]).arrow("a") for values in (ones, others))
    assert first is not None and second is not None
    assert first.range is not None and second.range is not None

    assert (first.range, second.range) == (_range(ones), _range(others))
    assert first.range.then(second.range) == _range([*ones, *others])


def _typed(rows: Rows, declared: dict[str, Any], twice: bool) -> TypedOperations | str:
    entries = read_declaration([{"table": "t", "primary_key": ["c0"], "columns": declared}], warn=print)
    catalog = Catalog(entries, destination_schema="s", naming=naming("FIVETRAN"), options={}, warn=lambda _: None)
    typist = Typist(catalog.table(None, "t"), strict=False, warn=lambda _: None)
    try:
        if twice:  # the first chunk of a table is typed more closely than the others
            typist.operations(Chunk(rows))
        return typist.operations(Chunk(rows))
    except RowError as error:
        return str(error)


TYPES = [
    "BOOLEAN", "SHORT", "INT", "LONG", "FLOAT", "DOUBLE", "NAIVE_DATE", "NAIVE_DATETIME", "UTC_DATETIME", "BINARY",
    "XML", "STRING", "JSON",
]  # fmt: skip
DECLARED: list[Any] = [None, *TYPES, {"type": "DECIMAL", "precision": 20, "scale": 2}]
FITTING = st.one_of(VALUES, st.sampled_from(["2026-01-02", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05", "7", "{}"]))


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(DECLARED),
    st.lists(FITTING, min_size=1, max_size=3).flatmap(lambda few: st.lists(st.sampled_from(few), max_size=12)),
    st.booleans(),
)
def test_a_column_is_typed_alike_whichever_kind_took_it(declared: Any, values: list[Any], twice: bool) -> None:
    rows = [{"c0": key, "c1": value} for key, value in enumerate(values)]
    columns = {"c1": declared} if declared else {}

    one, other = (_typed(whole(make(("c0", "c1")), rows), columns, twice) for make in (in_c, ListedCells))

    if isinstance(one, str) or isinstance(other, str):
        assert one == other
    else:
        assert one.columns["c1"].kind == other.columns["c1"].kind
        assert one.columns["c1"].array.type == other.columns["c1"].array.type
        mine, others = (list(map(exactly, each.columns["c1"].array.to_pylist())) for each in (one, other))
        assert mine == others


@both
@pytest.mark.parametrize(
    "values",
    [
        [1, 0.5, 2, None, -0.0, 0, 2**53, 1.5, -(2**53)],
        [0.5, 7, None, 8],
        [2**53 + 1, 0.5],
        [0.5, -(2**53) - 1],
        [1, 0.5, 2**53 + 1],
        [1.5, True, 1],
        [None, 1, "x", 2],
        ["x", 2**63, "y"],
    ],
    ids=repr,
)
def test_integers_among_floats_stay_what_they_were(make: Make, values: list[Any]) -> None:
    taken = whole(make(("a",)), [{"a": value} for value in values])

    assert list(map(exactly, taken.values("a"))) == list(map(exactly, values))
    assert [exactly(taken.row(n)["a"]) for n in range(len(values))] == list(map(exactly, values))


@both
@pytest.mark.parametrize(
    "row",
    [
        {"a": 1},
        {"a": 1, "b": 2, "c": 3},
        {"a": 1, "c": 3},
        {"a": 1, 2: 3},
        type("Row", (dict,), {})(a=1, b=2),
        [("a", 1), ("b", 2)],
        "ab",
        None,
    ],
)
def test_what_has_other_columns_is_left_to_others(make: Make, row: Any) -> None:
    cells = make(("a", "b"))

    assert (cells.add(row), cells.rows) == (OTHER, 0)


@both
def test_a_row_whose_keys_are_equal_but_not_the_same_is_taken(make: Make) -> None:
    cells = make(("first name", "b"))

    for _ in range(3):
        assert cells.add({"".join(["first", " ", "name"]): 1, "b": 2}) in (TAKEN, LOOK)
    assert cells.take().values("first name") == [1, 1, 1]


@both
@pytest.mark.parametrize("value", [[], {}, {1}, (1,), bytearray(b"a")], ids=repr)
def test_a_row_with_a_container_is_not_taken_before_it_is_copied(make: Make, value: Any) -> None:
    cells = make(("a", "b"))
    cells.look_at_all()
    assert cells.add({"a": 1, "b": value}) == CHANGING
    assert cells.rows == 0

    assert cells.add_copied({"a": 1, "b": JsonText("[]")}) in (TAKEN, LOOK)
    assert cells.take().row(0) == {"a": 1, "b": "[]"}


def test_a_bytearray_is_seen_wherever_it_comes() -> None:
    cells = in_c(("a",))
    cells.add({"a": "text"})

    assert cells.add({"a": bytearray(b"b")}) == CHANGING
    assert cells.take().values("a") == ["text"]


def test_a_type_that_does_not_change_is_looked_at_once() -> None:
    class Colour:
        pass

    cells = in_c(("a",))
    red = Colour()

    assert cells.add({"a": red}) == CHANGING
    assert cells.add_copied({"a": red}) in (TAKEN, LOOK)
    assert cells.add({"a": Colour()}) in (TAKEN, LOOK)
    assert cells.take().values("a")[0] is red


@both
def test_closed_cells_take_nothing(make: Make) -> None:
    cells = make(("a",))
    cells.open = False
    assert (cells.add({"a": 1}), cells.add_copied({"a": 1})) == (OTHER, OTHER)

    cells.open = True
    assert cells.add({"a": 1}) in (TAKEN, LOOK)


@both
def test_it_is_time_to_look_after_so_many_rows(make: Make) -> None:
    cells = make(("a",))
    cells.add({"a": 1})
    cells.pause(3, 1_000_000)

    assert [cells.add({"a": 1}) for _ in range(4)] == [TAKEN, TAKEN, LOOK, LOOK]


@both
def test_it_is_time_to_look_after_so_many_bytes(make: Make) -> None:
    cells = make(("a",))
    cells.add({"a": "x" * 1000})
    cells.pause(1_000_000, 5_000)

    answers = [cells.add({"a": "x" * 1000}) for _ in range(6)]

    assert answers[:3] == [TAKEN, TAKEN, TAKEN]
    assert answers[5] == LOOK
    assert 6_000 < cells.nbytes < 10_000


@both
@pytest.mark.parametrize(
    "value", [b"bytes", Decimal("1.5"), date(1, 1, 1), datetime(9999, 12, 31), UUID(int=7), 2**70, "\ud800"], ids=repr
)
def test_what_was_taken_is_let_go_again(make: Make, value: Any) -> None:
    value = value * 1 if isinstance(value, int) else value
    cells = make(("a",))
    before = sys.getrefcount(value)
    for _ in range(1000):
        cells.add_copied({"a": value})
    assert cells.take().values("a") == [value] * 1000

    cells.add_copied({"a": value})
    del cells
    gc.collect()
    assert sys.getrefcount(value) == before


@both
def test_threads_lose_and_double_nothing_while_rows_are_taken_out(make: Make) -> None:
    cells = make(("thread", "number", "half"))
    each, threads = 20_000, 4

    def emit(thread: int) -> None:
        for number in range(each):
            assert cells.add({"thread": thread, "number": number, "half": number / 2}) in (TAKEN, LOOK)

    running = [threading.Thread(target=emit, args=(thread,)) for thread in range(threads)]
    for thread in running:
        thread.start()
    parts = []
    while any(thread.is_alive() for thread in running):
        parts.append(cells.take())
    parts.append(cells.take())

    found = [
        row
        for part in parts
        for row in zip(part.values("thread"), part.values("number"), part.values("half"), strict=True)
    ]
    assert len(found) == each * threads
    assert set(found) == {(thread, n, n / 2) for thread in range(threads) for n in range(each)}


@both
def test_rows_that_come_out_of_the_garbage_collector_are_whole(make: Make) -> None:
    """What the collector finalizes may upsert too, in the midst of another upsert of the same thread."""
    cells = make(("a", "b"))
    sent: list[Any] = []
    parts: list[Rows] = []

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            for value in (10**30, "text"):
                sent.append(value)
                cells.add({"a": value, "b": value})

    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for n in range(300):
            value: Any = [n, 1.5, "x", "\ud800", None, 2**64][n % 6]
            sent.append(value)
            row = {"a": value, "b": value}
            Cycle()  # garbage from now on: the next list that is made, within `add`, starts the collector
            cells.add(row)
            if n % 50 == 0:
                parts.append(cells.take())
    finally:
        gc.set_threshold(*before)
    parts.append(cells.take())
    taken = [value for part in parts for value in part.values("a")]

    assert taken == [value for part in parts for value in part.values("b")]
    assert sorted(map(repr, taken)) == sorted(map(repr, sent))


def test_listed_rows_are_read_by_position() -> None:
    rows = ListedRows(("a", "b"), [1, 2, 3, 4])

    assert (len(rows), rows.values("b"), rows.row(1), rows.arrow("a")) == (2, [2, 4], {"a": 3, "b": 4}, None)


def _quick(otherwise: list[Any], look: list[str]) -> tuple[Any, Cells]:
    cells = in_c(("a", "b"))
    upsert, serve, _ = quickest(lambda *args, **named: otherwise.append((args, named)), look.append)
    serve("orders", cells)
    cells.pause(1_000, 1_000_000)
    return upsert, cells


@pytest.mark.parametrize(
    ("args", "named"),
    [(("orders", ...), {}), (("orders",), {"data": ...}), ((), {"table": "orders", "data": ...}),
     ((), {"data": ..., "table": "orders"})],
)  # fmt: skip
def test_a_row_is_taken_however_it_is_passed(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    otherwise: list[Any] = []
    upsert, cells = _quick(otherwise, [])
    row = {"a": 1, "b": 2}

    upsert(*(row if each is ... else each for each in args), **{k: row if v is ... else v for k, v in named.items()})

    assert (cells.take().row(0), otherwise) == (row, [])


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ((), {}),
        (("orders",), {}),
        (("others", {"a": 1, "b": 2}), {}),
        (("orders", {"a": 1}), {}),
        (("orders", {"a": 1, "b": []}), {}),
        (("orders", {"a": 1, "b": 2}), {"schema": "s"}),
        (("orders", {"a": 1, "b": 2}, "s"), {}),
        (({"a": 1, "b": 2},), {"table": "orders"}),
        ((["orders"], {"a": 1, "b": 2}), {}),
        ((), {"table": "orders", "rows": {"a": 1, "b": 2}}),
    ],
)
def test_every_other_call_goes_on_as_it_came(args: tuple[Any, ...], named: dict[str, Any]) -> None:
    otherwise: list[Any] = []
    upsert, cells = _quick(otherwise, [])

    upsert(*args, **named)

    assert (cells.rows, otherwise) == (0, [(args, named)])


def test_the_table_is_named_when_it_is_time_to_look() -> None:
    look: list[str] = []
    upsert, cells = _quick([], look)
    cells.pause(2, 1_000_000)

    for _ in range(3):
        upsert("orders", {"a": 1, "b": 2})
    assert (look, cells.rows) == (["orders", "orders"], 3)


def test_an_error_of_what_is_called_instead_is_raised() -> None:
    def refuse(*args: Any, **named: Any) -> None:
        raise LookupError("no")

    upsert, _, _ = quickest(refuse, refuse)

    with pytest.raises(LookupError, match="no"):
        upsert("orders", {})
