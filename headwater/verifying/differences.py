"""What differs between the tables of two syncs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from headwater.destinations.memory import Key, Row, Warehouse
from headwater.schema import END, ROW_ID, START, SYNCED, Table

# What says when something was loaded differs from run to run.
_TIMES = frozenset({SYNCED, START, END})
FILES = "uploaded files"


@dataclass(frozen=True, slots=True)
class Difference:
    """One row, one column's type or one uploaded file that is not as it was in the undisturbed sync.

    what  `lost`: the undisturbed sync has it; `extra`: only the resumed one; `changed`: the rows of one key differ
    """

    table: str
    what: Literal["lost", "extra", "changed", "column"]
    expected: Mapping[str, object] | None
    found: Mapping[str, object] | None

    @property
    def columns(self) -> list[str]:
        """The columns of a changed row that differ, in order."""
        one, other = self.expected or {}, self.found or {}
        return sorted(name for name in {*one, *other} if repr(one.get(name)) != repr(other.get(name)))


class Comparison:
    """Compares tables, leaving out some columns.

    ignored  `table.column` or `schema.table.column`
    """

    def __init__(self, ignored: Collection[str] = ()) -> None:
        self._ignored = frozenset(ignored)

    def unknown(self, warehouse: Warehouse) -> list[str]:
        """Name the ignored columns that no table has."""
        tables = [stored.table for stored in warehouse.stored.values()]
        known = {name for table in tables for column in table.columns for name in _names(table, column)}
        return sorted(self._ignored - known)

    def differences(self, expected: Warehouse, found: Warehouse) -> Iterator[Difference]:
        """Give each difference, table by table; what says when a row was loaded is not compared."""
        for key in sorted({*expected.stored, *found.stored}):
            one, other = (warehouse.stored.get(key) for warehouse in (expected, found))
            if one is not None and other is not None:
                yield from self._column_differences(one.table, other.table)
            table = one.table if one is not None else other.table if other is not None else None
            assert table is not None
            rows = [dict(each.rows) if each is not None else {} for each in (one, other)]
            yield from self._row_differences(table, *rows)

    def _column_differences(self, expected: Table, found: Table) -> Iterator[Difference]:
        hidden = self._hidden(expected) | self._hidden(found)
        for column in sorted({*expected.columns, *found.columns} - hidden):
            kinds = [str(table.columns[column]) if column in table.columns else None for table in (expected, found)]
            if kinds[0] != kinds[1]:
                yield Difference(str(expected), "column", {column: kinds[0]}, {column: kinds[1]})

    def _row_differences(self, table: Table, expected: dict[Key, Row], found: dict[Key, Row]) -> Iterator[Difference]:
        hidden = self._hidden(table)
        _remove_equal(expected, found, hidden)
        lost = _surplus(expected.values(), found.values(), hidden)
        extra = _surplus(found.values(), expected.values(), hidden)
        # A row of the same key is the same row, changed.
        same = defaultdict(list)
        for row in reversed(extra):
            same[_key(table, row)].append(row)
        paired: set[int] = set()
        for row in lost:
            others = same[_key(table, row)]
            other = others.pop() if others else None
            if other is not None:
                paired.add(id(other))
            yield Difference(str(table), "lost" if other is None else "changed", row, other)
        for row in extra:
            if id(row) not in paired:
                yield Difference(str(table), "extra", None, row)

    def _hidden(self, table: Table) -> frozenset[str]:
        ignored = {column for column in table.columns if not self._ignored.isdisjoint(_names(table, column))}
        # The id of a row without a key is a hash of all its values.
        return _TIMES | ignored | ({ROW_ID} if ignored and table.key == (ROW_ID,) else set())


def _names(table: Table, column: str) -> tuple[str, str]:
    return f"{table.name}.{column}", f"{table}.{column}"


def file_differences(expected: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Difference]:
    """Give the uploaded files that differ: path to the hash of the content."""
    for path in sorted({*expected, *found}):
        one, other = ({"file": path, "sha256": files[path]} if path in files else None for files in (expected, found))
        if one != other:
            yield Difference(FILES, "lost" if other is None else "extra" if one is None else "changed", one, other)


def _remove_equal(rows: dict[Key, Row], others: dict[Key, Row], hidden: frozenset[str]) -> None:
    """Take away what both have; of most tables, that leaves nothing to look at closely."""
    for key in list(rows):
        row, other = rows[key], others.get(key)
        if other is row or (other is not None and _equal(row, other, hidden)):
            del rows[key], others[key]


def _equal(row: Row, other: Row, hidden: frozenset[str]) -> bool:
    return row.keys() == other.keys() and all(value == other[name] for name, value in row.items() if name not in hidden)


def _surplus(rows: Collection[Row], others: Collection[Row], hidden: frozenset[str]) -> list[Row]:
    """Give the rows that are not among the others, one for one, without what is hidden."""
    left = Counter(_identity(row, hidden) for row in others)
    surplus = []
    for row in rows:
        identity = _identity(row, hidden)
        left[identity] -= 1
        if left[identity] < 0:
            surplus.append({name: value for name, value in row.items() if name not in hidden})
    return surplus


def _identity(row: Row, hidden: frozenset[str]) -> tuple[tuple[str, str], ...]:
    # As text: NaN is not equal to itself.
    return tuple(sorted((name, repr(value)) for name, value in row.items() if name not in hidden and value is not None))


def _key(table: Table, row: Row) -> tuple[str, ...]:
    return tuple(repr(row.get(name)) for name in table.primary_key if name not in _TIMES)
