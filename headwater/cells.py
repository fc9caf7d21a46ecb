"""Cells: the values of upserts that share their columns, before they are typed.

Takes     one dict at a time, from any thread, without a lock
Gives     the values of each column: as Arrow data where that leaves no doubt, else as a list
Promises  a row is taken whole or not at all; what is kept of it, its author cannot change

There are two kinds. `_cells.c` reads the values of a dict into Arrow's buffers as they come; it is there when
headwater was installed where there is a C compiler, or from a wheel that was built there. `ListedCells` promises the
same in Python, and takes longer. The environment variable HEADWATER_PURE_PYTHON=1 chooses it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from gc import is_tracked
from operator import itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, Protocol

import pyarrow as pa

from headwater.compiled import compiled
from headwater.snapshot import UNCHANGING, can_change
from headwater.types.columns import Range

if TYPE_CHECKING:
    from headwater import _cells
    from headwater.file_upload import FileUpload

# What `add` answers:
# the row has other columns; it is taken; it is taken, and it is time to look at the size; it holds something that its
# author may change, so it must be copied first.
OTHER, TAKEN, LOOK, CHANGING = range(4)

_compiled = compiled()


class Cells(Protocol):
    """Rows that share their columns.

    rows    how many there are
    nbytes  about how much they take
    open    False while no row must come here, because other operations wait behind
    """

    open: bool

    @property
    def rows(self) -> int: ...

    @property
    def nbytes(self) -> int: ...

    def add(self, row: object) -> int:
        """Take a row as it is now; say how that went: OTHER, TAKEN, LOOK or CHANGING."""

    def add_copied(self, row: Mapping[str, Any]) -> int:
        """Take a row that nobody else has; say OTHER, TAKEN or LOOK."""

    def pause(self, rows: int, nbytes: int) -> None:
        """Answer LOOK after so many more rows, or about so many more bytes."""

    def look_at_all(self) -> None:
        """From now on, look in every row for what its author may change."""

    def take(self) -> Rows:
        """Take out the rows there are now; those that come meanwhile stay for the next time."""


class Rows(Protocol):
    """Rows taken out of cells."""

    keys: tuple[str, ...]

    def __len__(self) -> int: ...

    def arrow(self, raw: str) -> ArrowValues | None:
        """Give a column as Arrow data, None where its values must be looked at one by one."""

    def values(self, raw: str) -> list[Any]:
        """List a column's values, as the author passed them."""

    def row(self, position: int) -> dict[str, Any]:
        """Give one row, as the author passed it."""


@dataclass(frozen=True, slots=True)
class ArrowValues:
    """A column of int, float, bool or str as Arrow data.

    kinds     the exact Python types among the values, NULL left out
    integers  where float and int are mixed: which of them were int
    range     of int: what was seen of it as the values came
    """

    array: pa.Array
    kinds: frozenset[type]
    integers: pa.Array | None = None
    range: Range | None = None

    def to_list(self) -> list[Any]:
        values: list[Any] = self.array.to_pylist()
        if self.integers is None:
            return values
        return [
            int(value) if integer and value is not None else value
            for value, integer in zip(values, self.integers.to_pylist(), strict=True)
        ]


def cells_for(keys: tuple[str, ...], binary: Iterable[int]) -> Cells:
    """Make cells for rows with these columns.

    binary  the positions of columns that hold bytes
    """
    if _compiled is not None and all(type(key) is str for key in keys):
        return CompiledCells(keys, _compiled.cells(keys))
    return ListedCells(keys, binary)


class Upsert(Protocol):
    """See `Operations.upsert`."""

    def __call__(self, table: str, data: Any, *, schema: str | None = None, file: FileUpload | None = None) -> None: ...


def quickest(
    upsert: Upsert, look: Callable[[str], None]
) -> tuple[Upsert, Callable[[str, Cells], None], _cells.Upserts | None]:
    """Give the quickest form of `upsert` there is, what tells it of the cells of a table, and what counts its rows.

    That form takes rows which fit the cells of their table, and calls `upsert` for all others.

    look  called with the table when it is time to look at the size
    """
    if _compiled is None:
        return upsert, lambda table, cells: None, None
    upserts = _compiled.upserts(_compiled.cells, look, upsert)

    def serve(table: str, cells: Cells) -> None:
        if isinstance(cells, CompiledCells):
            cells.serve(upserts, table)

    return upserts.upsert, serve, upserts


# --- in C

# Their exact types need no trust: `_cells.c` reads them.
_READ: frozenset[type] = frozenset({str, int, float, bool, NoneType})
_PLAIN: dict[str, tuple[pa.DataType, frozenset[type]]] = {
    "i": (pa.int64(), frozenset({int})),
    "f": (pa.float64(), frozenset({float})),
    "n": (pa.float64(), frozenset({int, float})),
    "b": (pa.bool_(), frozenset({bool})),
    "t": (pa.string(), frozenset({str})),
}


class CompiledCells:
    """Cells whose values go straight into Arrow's buffers."""

    __slots__ = ("_cells", "add", "keys", "pause")

    def __init__(self, keys: tuple[str, ...], cells: _cells.Cells) -> None:
        self.keys = keys
        self._cells = cells
        for kind in UNCHANGING - _READ:
            self._cells.trust(kind)
        self.add: Callable[[object], int] = self._cells.add
        self.pause: Callable[[int, int], None] = self._cells.pause

    @property
    def rows(self) -> int:
        return self._cells.rows

    @property
    def nbytes(self) -> int:
        return self._cells.nbytes

    @property
    def open(self) -> bool:
        return self._cells.open

    @open.setter
    def open(self, value: bool) -> None:
        self._cells.open = value

    def add_copied(self, row: Mapping[str, Any]) -> int:
        for kind in set(map(type, row.values())):
            if kind not in UNCHANGING and not can_change(kind):
                self._cells.trust(kind)
        return self._cells.add_whatever(row)

    def serve(self, upserts: _cells.Upserts, table: str) -> None:
        """Let `upserts` take the rows of a table to these cells."""
        upserts.serve(table, self._cells)

    def look_at_all(self) -> None:
        """Do nothing: every value is looked at as it comes."""

    def take(self) -> ColumnarRows:
        count, columns = self._cells.take()
        return ColumnarRows(self.keys, count, [_column(count, *column) for column in columns])


_Buffer = bytearray | None


def _column(
    count: int,
    kind: str,
    nulls: int,
    valid: _Buffer,
    data: _Buffer,
    offsets: _Buffer,
    integers: _Buffer,
    objects: list[Any] | None,
    seen: tuple[int, int, bool] | None,
) -> ArrowValues | list[Any]:
    if kind not in _PLAIN:
        return [None] * count if objects is None else objects
    arrow_type, kinds = _PLAIN[kind]
    parts = [valid, data] if offsets is None else [valid, offsets, data]
    buffers = [None if part is None else pa.py_buffer(part) for part in parts]
    array = pa.Array.from_buffers(arrow_type, count, buffers, nulls)
    if integers is None:
        return ArrowValues(array, kinds, range=None if seen is None else Range(*seen))
    return ArrowValues(array, kinds, pa.Array.from_buffers(pa.bool_(), count, [None, pa.py_buffer(integers)], 0))


class ColumnarRows:
    """Rows that are columns already, each as Arrow data or as a list."""

    __slots__ = ("_columns", "_count", "keys")

    def __init__(self, keys: tuple[str, ...], count: int, columns: Sequence[ArrowValues | list[Any]]) -> None:
        self.keys = keys
        self._count = count
        self._columns = dict(zip(keys, columns, strict=True))

    def __len__(self) -> int:
        return self._count

    def arrow(self, raw: str) -> ArrowValues | None:
        column = self._columns[raw]
        return column if isinstance(column, ArrowValues) else None

    def values(self, raw: str) -> list[Any]:
        column = self._columns[raw]
        return column.to_list() if isinstance(column, ArrowValues) else list(column)

    def row(self, position: int) -> dict[str, Any]:
        return {
            raw: _slice(column, position).to_list()[0] if isinstance(column, ArrowValues) else column[position]
            for raw, column in self._columns.items()
        }


def _slice(column: ArrowValues, position: int) -> ArrowValues:
    integers = None if column.integers is None else column.integers.slice(position, 1)
    return ArrowValues(column.array.slice(position, 1), column.kinds, integers)


# --- in Python

_ValuesOf = Callable[[Mapping[str, Any]], tuple[Any, ...]]


class ListedCells:
    """Cells in one list, row after row.

    Threads append with `extend` and no lock: a list takes a whole tuple at once, and nothing replaces it.

    """

    __slots__ = (
        "_all_values_of", "_cells", "_extend", "_looks_at_all", "_nbytes", "_pause", "_seen", "_values_of", "_width",
        "keys", "open",
    )  # fmt: skip

    def __init__(self, keys: tuple[str, ...], binary: Iterable[int] = ()) -> None:
        self.keys = keys
        self.open = True
        self._looks_at_all = False
        self._width = len(keys)
        self._all_values_of = _values_of(keys)
        positions = list(binary)
        self._values_of = _values_with_bytes(self._all_values_of, positions) if positions else self._all_values_of
        self._cells: list[Any] = []
        self._extend = self._cells.extend
        self._pause = 0
        self._nbytes = self._seen = 0

    @property
    def rows(self) -> int:
        return len(self._cells) // self._width

    @property
    def nbytes(self) -> int:
        """An estimate: the rows since the last look are taken to be as large as the newest."""
        count = self.rows
        self._nbytes += self._newest_bytes() * max(0, count - self._seen)
        self._seen = count
        return self._nbytes

    def _newest_bytes(self) -> int:
        return sum(map(sys.getsizeof, self._cells[-self._width :])) + 64

    def add(self, row: object) -> int:
        if not self.open or type(row) is not dict or len(row) != self._width:
            return OTHER
        # The garbage collector does not track a dict that holds no container (but a bytearray, say).
        if self._looks_at_all or is_tracked(row):
            return CHANGING
        try:
            self._extend(self._values_of(row))
        except KeyError:
            return OTHER
        return LOOK if len(self._cells) >= self._pause else TAKEN

    def add_copied(self, row: Mapping[str, Any]) -> int:
        if not self.open or len(row) != self._width:
            return OTHER
        try:
            self._extend(self._all_values_of(row))
        except KeyError:
            return OTHER
        return LOOK if len(self._cells) >= self._pause else TAKEN

    def look_at_all(self) -> None:
        self._looks_at_all = True

    def pause(self, rows: int, nbytes: int) -> None:
        room = nbytes // self._newest_bytes()
        self._pause = len(self._cells) + max(1, min(rows, room)) * self._width

    def take(self) -> ListedRows:
        taken = self._cells[:]
        del self._cells[: len(taken)]
        self._pause = self._nbytes = self._seen = 0
        return ListedRows(self.keys, taken)


def _values_of(keys: tuple[str, ...]) -> _ValuesOf:
    (only, *others) = keys
    return itemgetter(*keys) if others else lambda row: (row[only],)


def _values_with_bytes(values_of: _ValuesOf, positions: list[int]) -> _ValuesOf:
    """Give a row's values when those at `positions` are bytes or NULL; else KeyError."""

    def checked(row: Mapping[str, Any]) -> tuple[Any, ...]:
        values = values_of(row)
        for position in positions:
            value = values[position]
            if type(value) is not bytes and value is not None:
                raise KeyError
        return values

    return checked


class ListedRows:
    """Rows in one list of values, row after row."""

    __slots__ = ("_cells", "keys")

    def __init__(self, keys: tuple[str, ...] = (), cells: Sequence[Any] = ()) -> None:
        self.keys = keys
        self._cells = list(cells)

    def __len__(self) -> int:
        return len(self._cells) // len(self.keys) if self.keys else 0

    def arrow(self, raw: str) -> ArrowValues | None:
        return None

    def values(self, raw: str) -> list[Any]:
        return self._cells[self.keys.index(raw) :: len(self.keys)]

    def row(self, position: int) -> dict[str, Any]:
        width = len(self.keys)
        return dict(zip(self.keys, self._cells[position * width : (position + 1) * width], strict=True))
