"""Sets of integer keys: "new" is said only of what is new, and never once something was left out."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from headwater import compiled, key_set
from headwater.key_set import MOST_BITS_PER_KEY, KeySet

if TYPE_CHECKING:
    from headwater._integer_set import IntegerSet

PAGE = 32_768
PAGE_BYTES = 4_096
# Keys come in clusters; the ends of pages and of 64 bits are where mistakes would be.
CENTRES = st.sampled_from([0, 1, -1, PAGE, -PAGE, 5 * PAGE, 2**31, -(2**31), 2**63 - 20, -(2**63) + 20])
INTEGERS = st.builds(lambda centre, away: centre + away, CENTRES, st.integers(-19, 19))
BATCHES = st.lists(st.lists(INTEGERS, max_size=30), max_size=12)


def integer_set(nbytes: int) -> IntegerSet:
    there = compiled.compiled()
    assert there is not None, "headwater was installed without its compiled part: run `make test`"
    return there.integer_set(nbytes)


@given(BATCHES)
@example([[0, 0]])
@example([[2**63 - 1, -(2**63), -1, 0], [2**63 - 1]])
def test_a_set_says_of_each_batch_whether_all_of_it_is_new(batches: list[list[int]]) -> None:
    integers = integer_set(1_000 * PAGE_BYTES)
    known: set[int] = set()
    for batch in batches:
        new = len(set(batch)) == len(batch) and not known & set(batch)
        assert integers.add(array("q", batch), 0, len(batch)) is new
        known |= set(batch)


def test_many_pages_are_found_again() -> None:
    integers = integer_set(3_000 * PAGE_BYTES)
    keys = array("q", [n * PAGE + n for n in range(-1_000, 1_000)])

    assert integers.add(keys, 0, 2_000) is True
    assert integers.add(keys, 0, 2_000) is False
    assert integers.add(array("q", [n * PAGE + n + 1 for n in range(-1_000, 1_000)]), 0, 2_000) is True
    assert [integers.add(keys, n, 1) for n in range(2_000)] == [False] * 2_000


def test_a_part_of_a_buffer_is_added() -> None:
    integers = integer_set(PAGE_BYTES)

    assert integers.add(array("q", [7, 1, 2, 7]), 1, 2) is True
    assert [integers.add(array("q", [n]), 0, 1) for n in (7, 1, 2)] == [True, False, False]


def test_a_set_takes_no_more_memory_than_it_may() -> None:
    integers = integer_set(2 * PAGE_BYTES)

    assert integers.add(array("q", [0, PAGE]), 0, 2) is True
    assert integers.add(array("q", [1, 2 * PAGE]), 0, 2) is None
    assert integers.add(array("q", [PAGE + 1]), 0, 1) is True


@pytest.mark.parametrize(("start", "count"), [(0, 3), (3, 0), (-1, 1), (0, -1), (1, 2), (2**62, 2**62)])
def test_what_lies_beyond_a_buffer_is_refused(start: int, count: int) -> None:
    with pytest.raises(ValueError, match="the buffer does not hold so many integers"):
        integer_set(PAGE_BYTES).add(array("q", [1, 2]), start, count)


def test_less_than_no_memory_is_refused() -> None:
    with pytest.raises(ValueError, match="a set cannot take less than no memory"):
        integer_set(-1)


# --- keys of a table


def add(keys: KeySet, *parts: list[int], kind: pa.DataType | None = None) -> bool:
    column = pa.chunked_array([pa.array(part, kind or pa.int64()) for part in parts])
    every = [key for part in parts for key in part]
    return keys.add(column, min(every), max(every))


def test_keys_of_several_chunks_are_added_even_when_the_first_has_an_old_one() -> None:
    keys = KeySet(PAGE_BYTES)

    assert add(keys, [1, 2], [3])
    assert not add(keys, [1], [4])
    assert not add(keys, [4])
    assert add(keys, [5])


def test_a_slice_of_a_column_is_read_from_where_it_begins() -> None:
    keys = KeySet(PAGE_BYTES)
    column = pa.chunked_array([pa.array([9, 1, 2, 9]).slice(1, 2)])

    assert keys.add(column, 1, 2)
    assert add(keys, [9])
    assert not add(keys, [2])


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(lambda keys: add(keys, [100, 100 + 3 * MOST_BITS_PER_KEY]), id="keys far from each other"),
        pytest.param(lambda keys: add(keys, [7], kind=pa.int32()), id="keys of 32 bits"),
        pytest.param(lambda keys: add(keys, [8], [8 + PAGE], list(range(PAGE, 2 * PAGE))), id="more than fits"),
    ],
)
def test_a_set_that_could_not_keep_a_key_says_nothing_any_more(lost: Callable[[KeySet], bool]) -> None:
    keys = KeySet(PAGE_BYTES)
    assert add(keys, [1, 2])
    assert not lost(keys)

    assert not add(keys, [3])


def test_in_python_alone_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_set, "_compiled", None)

    assert not add(KeySet(PAGE_BYTES), [1])
