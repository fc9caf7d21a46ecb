"""Which rows are certainly new: the table has never had their keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headwater.key_set import KeySet
from headwater.schema import Table
from headwater.types.columns import Range
from headwater.types.names import INTEGERS, NAIVE_DATE, NAIVE_DATETIME, STRING, UTC_DATETIME

# Types whose order is the same to Arrow, to Python and to the database.
_ORDERED = (*INTEGERS, NAIVE_DATE, NAIVE_DATETIME, UTC_DATETIME, STRING)
# A bit a key: enough for 64 million keys that follow each other.
_SET_BYTES = 8_000_000
# So many tables have a set at a time.
_SETS = 8


class KnownKeys:
    """What is known of the keys of tables with a key of one column; valid while nobody else writes.

    The first load of a table, and every load in the order of its key, needs no search for older rows, though several
    threads mix their keys.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Keys] = {}
        self._recent: list[_Keys] = []

    def created(self, table: Table) -> None:
        """Note that the table is new, and empty."""
        self._known.setdefault((table.schema, table.name), _Keys(None))

    def forget(self, table: Table) -> None:
        """Note that the key column has another type now, or that other rows have come by another way."""
        keys = self._known.pop((table.schema, table.name), None)
        if keys in self._recent:
            self._recent.remove(keys)

    def forget_all(self) -> None:
        """Note that the transaction was rolled back: a table may have been another, with other keys."""
        self._known.clear()
        self._recent.clear()

    def all_new(self, table: Table, rows: pa.Table, ends: Range | None, read: Callable[[], Any]) -> bool:
        """Say whether the table has certainly never had any key of `rows`, and note them.

        rows  each key once
        ends  the range of the keys, where they are integers and it is known
        read  gives the highest key of the table, None when it is empty; called once per table
        """
        if not rows.num_rows:
            return True
        if len(table.primary_key) != 1 or table.columns[table.primary_key[0]].name not in _ORDERED:
            return False
        at = (table.schema, table.name)
        if at not in self._known:
            self._known[at] = _Keys(read())
        keys = self._known[at]
        self._use(keys)
        return keys.add(rows[table.primary_key[0]], ends)

    def _use(self, keys: _Keys) -> None:
        """Let the tables that were written last have a set each."""
        if keys in self._recent:
            self._recent.remove(keys)
        elif len(self._recent) >= _SETS:
            self._recent.pop(0).settle()
        self._recent.append(keys)


class _Keys:
    """The keys of one table: which of them lie above `before`, and that none lies above `highest`."""

    __slots__ = ("before", "beyond", "highest")

    def __init__(self, highest: Any) -> None:
        self.highest = highest
        self.settle()

    def settle(self) -> None:
        """Forget which keys there are, but not where they end."""
        self.before = self.highest
        self.beyond = KeySet(_SET_BYTES)

    def add(self, keys: pa.ChunkedArray, ends: Range | None) -> bool:
        """Note keys; say whether each is certainly new."""
        lowest, highest = _ends(keys) if ends is None else (ends.least, ends.most)
        unseen = self.beyond.add(keys, lowest, highest)
        new = _is_above(lowest, self.highest) or (unseen and _is_above(lowest, self.before))
        self.highest = highest if self.highest is None else max(self.highest, highest)
        return new


def _is_above(key: Any, bound: Any) -> bool:
    return bound is None or key > bound


def _ends(keys: pa.ChunkedArray) -> tuple[Any, Any]:
    ends = pc.min_max(keys).as_py()
    return _comparable(ends["min"]), _comparable(ends["max"])


def _comparable(value: Any) -> Any:
    """Give text as UTF-8: in that order Arrow and DuckDB compare it, and Python does not."""
    return value.encode() if isinstance(value, str) else value
