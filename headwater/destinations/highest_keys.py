"""Which rows are certainly new: their key lies beyond every key the table has had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headwater.schema import Table
from headwater.types.names import INTEGERS, NAIVE_DATE, NAIVE_DATETIME, STRING, UTC_DATETIME

# Types whose order is the same to Arrow, to Python and to the database.
_ORDERED = (*INTEGERS, NAIVE_DATE, NAIVE_DATETIME, UTC_DATETIME, STRING)


class HighestKeys:
    """Per table with a key of one column, a bound that no key exceeds; valid while nobody else writes.

    The first load of a table, and every load in the order of its key, needs no search for older rows.
    """

    def __init__(self) -> None:
        self._highest: dict[tuple[str, str], Any] = {}

    def created(self, table: Table) -> None:
        """Note that the table is new, and empty."""
        self._highest.setdefault((table.schema, table.name), None)

    def forget(self, table: Table) -> None:
        """Note that the key column has another type now, or that other rows have come by another way."""
        self._highest.pop((table.schema, table.name), None)

    def forget_all(self) -> None:
        """Note that the transaction was rolled back: a table may have been another, with higher keys."""
        self._highest.clear()

    def all_beyond(self, table: Table, rows: pa.Table, read: Callable[[], Any]) -> bool:
        """Say whether every key of `rows` is beyond all others, and raise the bound to them.

        read  gives the highest key of the table, None when it is empty; called once per table
        """
        if not rows.num_rows:
            return True
        if len(table.primary_key) != 1 or table.columns[table.primary_key[0]].name not in _ORDERED:
            return False
        at = (table.schema, table.name)
        if at not in self._highest:
            self._highest[at] = read()
        bound = self._highest[at]
        ends = pc.min_max(rows[table.primary_key[0]]).as_py()
        lowest, highest = _comparable(ends["min"]), _comparable(ends["max"])
        self._highest[at] = highest if bound is None else max(bound, highest)
        return bound is None or lowest > bound


def _comparable(value: Any) -> Any:
    """Give text as UTF-8: in that order Arrow and DuckDB compare it, and Python does not."""
    return value.encode() if isinstance(value, str) else value
