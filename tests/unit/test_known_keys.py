"""Which rows of a batch are certainly new to a table: said of none that is not, and of as many as there can be."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from headwater import key_set
from headwater.destinations.known_keys import KnownKeys
from headwater.schema import Table
from headwater.types.names import DOUBLE, LONG, STRING, ColumnType


def table(kind: str = LONG, name: str = "orders") -> Table:
    return Table("tester", name, ("id",), {"id": ColumnType(kind), "v": ColumnType(LONG)}, "live")


def all_new(known: KnownKeys, keys: list[Any], *, of: Table | None = None, highest: Any = None) -> bool:
    """Ask of a batch with these keys, of a table whose highest key was `highest`."""
    rows = pa.table({"id": pa.array(keys)})
    return known.all_new(of or table(), rows, None, lambda: highest)


@pytest.fixture(params=["compiled", "python"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "python":
        monkeypatch.setattr(key_set, "_compiled", None)
    yield request.param


# --- what is said


def test_keys_in_order_are_new(kind: str) -> None:
    known = KnownKeys()

    assert [all_new(known, [n, n + 1]) for n in range(0, 100, 2)] == [True] * 50
    assert not all_new(known, [99, 100])
    assert all_new(known, [101])


def test_keys_that_several_threads_mix_are_new_where_there_is_a_set(kind: str) -> None:
    known = KnownKeys()
    threads = [list(range(n, 8_000, 8)) for n in range(8)]
    paces = random.Random(1)
    said = []
    while any(threads):
        batch = []
        for left in threads:
            pace = paces.randrange(1, 200)
            batch += left[:pace]
            del left[:pace]
        said.append(all_new(known, batch))

    assert said[0]
    assert all(said) == (kind == "compiled")


def test_a_first_load_in_any_order_is_new_where_there_is_a_set(kind: str) -> None:
    known, keys = KnownKeys(), list(range(10_000))
    random.Random(2).shuffle(keys)
    said = [all_new(known, keys[start : start + 1_000]) for start in range(0, 10_000, 1_000)]

    assert said == [True] + [kind == "compiled"] * 9
    assert not all_new(known, [5])


def test_keys_below_those_of_earlier_syncs_may_be_old(kind: str) -> None:
    known = KnownKeys()

    assert not all_new(known, [10, 12], highest=10)
    assert all_new(known, [11], highest="is not read again") == (kind == "compiled")
    assert not all_new(known, [9])
    assert all_new(known, [13])


def test_keys_far_from_each_other_are_known_by_their_highest(kind: str) -> None:
    known = KnownKeys()

    assert all_new(known, [0, 10**12])
    assert not all_new(known, [5])
    assert all_new(known, [10**12 + 1])


def test_text_is_compared_as_the_database_does(kind: str) -> None:
    known, of = KnownKeys(), table(STRING)

    assert all_new(known, ["a", "\uffff"], of=of)
    assert all_new(known, ["\U00010000"], of=of)  # after U+FFFF in UTF-8, before it in UTF-16
    assert not all_new(known, ["b"], of=of)


def test_of_a_type_without_an_order_and_of_several_columns_nothing_is_said(kind: str) -> None:
    of_two = Table("tester", "lines", ("id", "v"), table().columns, "live")

    assert not all_new(KnownKeys(), [1.5], of=table(DOUBLE))
    assert not all_new(KnownKeys(), [1], of=of_two)


def test_a_table_that_is_forgotten_is_read_again(kind: str) -> None:
    known = KnownKeys()
    assert all_new(known, [1, 2])
    known.forget(table())

    assert not all_new(known, [3], highest=5)
    known.forget_all()
    assert not all_new(known, [7], highest=9)


def test_a_new_table_is_not_read(kind: str) -> None:
    known = KnownKeys()
    known.created(table())

    assert all_new(known, [1], highest=5)


def test_of_many_tables_the_last_ones_have_a_set_and_all_keep_their_highest_key(kind: str) -> None:
    known, tables = KnownKeys(), [table(name=f"t{n}") for n in range(20)]
    assert [all_new(known, [0, 2, 9], of=each) for each in tables] == [True] * 20

    assert [all_new(known, [5], of=each) for each in tables[-8:]] == [kind == "compiled"] * 8
    assert [all_new(known, [5], of=each) for each in tables[:12]] == [False] * 12
    assert [all_new(known, [10], of=each) for each in tables] == [True] * 20
    assert [all_new(known, [5], of=each) for each in tables] == [False] * 20


def test_a_table_keeps_its_set_however_often_it_is_written(kind: str) -> None:
    known = KnownKeys()
    assert [all_new(known, [n, 99 + n]) for n in range(0, 20, 2)] == [True] + [kind == "compiled"] * 9
    assert all_new(known, [1], of=table(name="other"))

    assert all_new(known, [1]) == (kind == "compiled")


def test_tables_in_turn_that_are_too_many_for_a_set_each_keep_none(kind: str) -> None:
    known, tables = KnownKeys(), [table(name=f"t{n}") for n in range(9)]

    for key in (9, 5, 6, 7):
        assert [all_new(known, [key], of=each) for each in tables] == [key == 9] * 9
