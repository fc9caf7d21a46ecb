"""Nested JSON to flat tables: objects become columns, lists become child tables with parent key and position.

In a connector::

    orders = Flattener("orders", primary_key=["id"])

    def schema(configuration):
        return orders.schema(SAMPLE)                 # orders, orders_items, orders_items_discounts

    def update(configuration, state):
        for order in fetch("orders"):
            for table, row in orders.rows(order):
                op.upsert(table, row)

When a list gets shorter, the child rows past its end stay in the destination: delete the children of the
parent first where that matters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache


class NameCollision(ValueError):
    """Two fields of the source would land in one column, and one of them would be lost."""


@dataclass
class _Table:
    name: str
    primary_key: list[str]
    sources: dict[str, str] = field(default_factory=dict)  # comparable column name -> path in the source


@dataclass(frozen=True)
class _Place:
    """Where in the record the walk is: the table it fills, the path of the field, and the depth."""

    table: str
    path: str
    depth: int


class Flattener:
    """Flattens the records of one table, and remembers which field each column came from.

    table        name of the table; a list in field `items` becomes the table `<table>_items`
    primary_key  columns, by their flattened names, that every record has
    max_depth    objects and lists below so many levels stay whole, as one JSON column
    names        a column (or list) by the path of its field, for names that collide: {"buyer.id": "buyer"}

    A child row has the parent's key columns, prefixed with the parent's table, and `<its table>_position`,
    counted from 0; together they are its primary key. A list of plain values has the column `value`.

    Errors: NameCollision when two fields would share a column, also when they come in different records, or
    differ only in case or punctuation, which destinations fold; ValueError when a primary key is missing.

    >>> for table, row in Flattener("orders", ["id"]).rows(
    ...     {"id": 7, "buyer": {"name": "Ada"}, "items": [{"sku": "a"}, {"sku": "b"}]}
    ... ):
    ...     print(table, row)
    orders {'id': 7, 'buyer_name': 'Ada'}
    orders_items {'orders_id': 7, 'orders_items_position': 0, 'sku': 'a'}
    orders_items {'orders_id': 7, 'orders_items_position': 1, 'sku': 'b'}
    """

    def __init__(
        self,
        table: str,
        primary_key: Sequence[str],
        *,
        max_depth: int = 8,
        separator: str = "_",
        names: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(primary_key, str) or not primary_key:
            raise ValueError(f"{table}: primary_key must be a list with at least one column, not {primary_key!r}")
        if max_depth < 1:
            raise ValueError(f"{table}: max_depth must be at least 1, not {max_depth}")
        self._root = table
        self._max_depth = max_depth
        self._separator = separator
        self._names = dict(names or {})
        self._tables = {table: _Table(table, list(primary_key))}

    def rows(self, record: Mapping[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
        """Give `(table, row)` for the record itself, then for its children, in the order of the lists."""
        yield from self._rows(record, {}, _Place(self._root, "", 1))

    def schema(self, samples: Iterable[Mapping[str, object]]) -> list[dict[str, object]]:
        """Give the `schema()` entries, table and primary key, of every table the samples lead to."""
        for record in samples:
            for _ in self.rows(record):
                pass
        return [{"table": table.name, "primary_key": list(table.primary_key)} for table in self._tables.values()]

    def _rows(
        self, record: Mapping[str, object], keys: Mapping[str, object], place: _Place
    ) -> Iterator[tuple[str, dict[str, object]]]:
        row: dict[str, object] = {}
        for column, value in keys.items():
            self._add(row, column, value, _Place(place.table, f"key of {place.table}", place.depth))
        lists = list(self._columns(record, "", row, place))
        missing = [column for column in self._tables[place.table].primary_key if row.get(column) is None]
        if missing:
            raise ValueError(f"{place.table}: primary key {', '.join(missing)} missing in a record with {sorted(row)}")
        yield place.table, row
        for column, items, at in lists:
            yield from self._children(column, items, row, at)

    def _columns(
        self, record: Mapping[str, object], prefix: str, row: dict[str, object], place: _Place
    ) -> Iterator[tuple[str, list[object], _Place]]:
        """Fill `row` with the plain values below `record`, and give the lists found on the way."""
        for key, value in record.items():
            path = f"{place.path}.{key}" if place.path else str(key)
            column = self._names.get(path, f"{prefix}{key}")
            at = _Place(place.table, path, place.depth + 1)
            if isinstance(value, Mapping) and place.depth < self._max_depth:
                yield from self._columns(value, f"{column}{self._separator}", row, at)
            elif isinstance(value, list | tuple) and place.depth < self._max_depth:
                yield column, list(value), at
            else:
                self._add(row, column, value, at)

    def _children(
        self, column: str, items: list[object], parent: Mapping[str, object], place: _Place
    ) -> Iterator[tuple[str, dict[str, object]]]:
        table = f"{place.table}{self._separator}{column}"
        parent_keys = self._child_keys(place.table, parent)
        position = f"{table}{self._separator}position"
        self._declare(table, [*parent_keys, position], place.path)
        for index, item in enumerate(items):
            record = item if isinstance(item, Mapping) else {"value": item}
            yield from self._rows(record, {**parent_keys, position: index}, _Place(table, place.path, place.depth))

    def _child_keys(self, table: str, parent: Mapping[str, object]) -> dict[str, object]:
        """Name the parent's keys in the child: the root's own get its name in front."""
        prefix = f"{table}{self._separator}" if table == self._root else ""
        return {f"{prefix}{column}": parent[column] for column in self._tables[table].primary_key}

    def _declare(self, table: str, primary_key: list[str], path: str) -> None:
        known = self._tables.setdefault(table, _Table(table, primary_key))
        source = known.sources.setdefault("", path)  # no column is called "": the table's own source
        if source != path or table == self._root:
            raise NameCollision(f"{table}: the lists {source} and {path} make one table; rename one with names=")

    def _add(self, row: dict[str, object], column: str, value: object, place: _Place) -> None:
        source = self._tables[place.table].sources.setdefault(_comparable(column), place.path)
        if source != place.path or column in row:
            raise NameCollision(
                f"{place.table}.{column}: the fields {source} and {place.path} make one column; "
                f"rename one with names={{{place.path!r}: ...}}"
            )
        row[column] = value


@lru_cache(maxsize=65_536)
def _comparable(column: str) -> str:
    """Fold case and punctuation, as destinations do."""
    return re.sub(r"\W+", "_", column.casefold()) or column
