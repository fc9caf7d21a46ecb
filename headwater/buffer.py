"""Buffers: the operations of one table that are not typed yet.

Takes     rows, one at a time
Gives     chunks of a bounded size
Promises  a row is taken as it is now, whatever its author does with the dict later
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from headwater.batch import UPSERT, Chunk, Typist
from headwater.schema import SourceTable
from headwater.snapshot import ContainerRefused, StrictCoercion, may_change, snapshot
from headwater.types.names import BINARY

# A chunk of this many rows still fits the processor's cache while it is converted.
CHUNK_ROWS = 20_480
CHUNK_BYTES = 32_000_000

# So many rows pass between two looks at a row's size.
ROWS_BETWEEN_LOOKS = 128
# A table whose rows keep changing their columns gets no more than so many layouts.
MAX_LAYOUTS = 32


class Layout:
    """Upserts of one table that all have the same columns: their values, row after row.

    Threads append with `extend` and no lock: a list takes a whole tuple at once, nothing replaces the
    list, and `keys` never changes.

    width      how many columns; -1 while upserts must not come here, because other operations wait behind
    values_of  gives a row's values in the order of `keys`; KeyError when it has other columns, or a bytearray
               among its bytes, which the garbage collector does not track
    all_values_of  the same, whatever the values are
    pause      the number of cells at which to look at the size
    snapshots  some row held what its author may change: from then on every row is looked at
    """

    __slots__ = ("all_values_of", "buffer", "cells", "extend", "keys", "pause", "snapshots", "values_of", "width")

    def __init__(self, buffer: Buffer, keys: tuple[str, ...], binary: list[int]) -> None:
        self.buffer = buffer
        self.keys = keys
        self.width = len(keys)
        self.all_values_of = _values_of(keys)
        self.values_of = _values_with_bytes(self.all_values_of, binary) if binary else self.all_values_of
        self.cells: list[Any] = []
        self.extend = self.cells.extend
        self.pause = 0
        self.snapshots = buffer.snapshots

    def snapshot(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return self.buffer.snapshot(row)

    def take(self) -> list[Any]:
        """Take the cells there are now; what other threads append meanwhile stays for the next time."""
        taken = self.cells[:]
        del self.cells[: len(taken)]
        return taken


_ValuesOf = Callable[[Mapping[str, Any]], tuple[Any, ...]]


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


class Buffer:
    """Operations of one table: upserts in layouts, then any others in `entries`. Used under the stream's lock.

    nbytes  an estimate of what it holds
    """

    def __init__(self, source: SourceTable, typist: Typist, coercion: StrictCoercion | None) -> None:
        self.source = source
        self.typist = typist
        self.coercion = coercion
        self.layout: Layout | None = None
        self.nbytes = 0
        self.snapshots = coercion is not None
        self._layouts: list[Layout] = []
        self._entries: list[tuple[int, Mapping[str, Any]]] = []
        self._seen = 0
        self._pause = 0

    def __len__(self) -> int:
        return self._leading() + len(self._entries)

    def __bool__(self) -> bool:
        return True

    def _leading(self) -> int:
        return sum(len(layout.cells) // len(layout.keys) for layout in self._layouts)

    def snapshot(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Take a row that holds something its author may still change."""
        if not self.snapshots:
            self.look_at_every_row()
        try:
            return snapshot(row, self.source.declared_type)
        except ContainerRefused as error:
            raise self.typist.row_error(self.source.name_of(error.raw), error, row) from error

    def look_at_every_row(self) -> None:
        """From now on, look in every row for what its author may still change."""
        self.snapshots = True
        for layout in self._layouts:
            layout.snapshots = True
            layout.values_of = layout.all_values_of

    def take(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Take a row as it is now, its column names checked."""
        for raw in row:
            self.source.name_of(raw)
        if self.coercion is not None:
            return self.coercion(row)
        return self.snapshot(row) if any(map(may_change, row.values())) else dict(row)

    def upsert(self, row: dict[str, Any]) -> bool:
        """Append a row that `take` gave; say whether it is time to look at the size."""
        if self.layout is None and row and not self._entries and self.coercion is None:
            self._open_layout(row)
        layout = self.layout
        if layout is None or len(row) != layout.width or row.keys() != set(layout.keys):
            return self.append(UPSERT, row)
        layout.extend(layout.all_values_of(row))
        return len(layout.cells) >= layout.pause

    def append(self, operation: int, row: dict[str, Any]) -> bool:
        """Append any operation; say whether it is time to look at the size."""
        if self.layout is not None:
            self.layout.width = -1
        self._entries.append((operation, row))
        return len(self._entries) >= self._pause

    def look(self) -> bool:
        """Look at the newest row's size; say whether the buffer is full."""
        count = len(self)
        row_bytes = self._newest_bytes()
        self.nbytes += row_bytes * max(0, count - self._seen)
        self._seen = count
        if count >= CHUNK_ROWS or self.nbytes >= CHUNK_BYTES or row_bytes > CHUNK_BYTES // 8:
            return True
        room = (CHUNK_BYTES - self.nbytes) // (8 * row_bytes)
        step = max(1, min(ROWS_BETWEEN_LOOKS, CHUNK_ROWS - count, room))
        self._pause = len(self._entries) + step
        if self.layout is not None:
            self.layout.pause = len(self.layout.cells) + step * len(self.layout.keys)
        return False

    def _newest_bytes(self) -> int:
        if self._entries:
            newest = list(self._entries[-1][1].values())
        else:
            newest = self.layout.cells[-len(self.layout.keys) :] if self.layout else []
        return sum(map(_size, newest)) + 64

    def flush(self) -> list[Chunk]:
        """Take everything as chunks, in order."""
        entries, self._entries = self._entries, []
        parts = [(layout.keys, layout.take()) for layout in self._layouts]
        self.nbytes = self._seen = self._pause = 0
        chunks = [Chunk(keys, cells, plain=not self.snapshots) for keys, cells in parts[:-1] if cells]
        keys, cells = parts[-1] if parts else ((), [])
        if cells or entries:
            chunks.append(Chunk(keys, cells, entries, plain=not self.snapshots))
        self._reopen_layout(entries, len(cells) // len(keys) if keys else 0)
        return chunks

    def _reopen_layout(self, entries: list[tuple[int, Mapping[str, Any]]], leading: int) -> None:
        """Let upserts come to the layout again, or to one with the columns that most rows have now."""
        if self.layout is None:
            return
        self.layout.pause = 0
        self.layout.width = len(self.layout.keys)
        upserts = [row for kind, row in entries if kind == UPSERT and row]
        if len(upserts) > leading and len(self._layouts) < MAX_LAYOUTS:
            self._open_layout(upserts[-1])

    def _open_layout(self, row: Mapping[str, Any]) -> None:
        """Open a layout for rows like this one.

        Not when two of the columns are one in the destination: there the order within a row counts.
        """
        keys = tuple(row)
        if len(set(map(self.source.name_of, keys))) < len(keys):
            return
        if self.layout is not None:
            self.layout.width = -1
        declared = map(self.source.declared_type, keys)
        kinds = zip(declared, row.values(), strict=True)
        binary = [i for i, (kind, value) in enumerate(kinds) if type(value) is bytes or (kind and kind.name == BINARY)]
        self.layout = Layout(self, keys, [] if self.snapshots else binary)
        self._layouts.append(self.layout)

    def close(self) -> None:
        """Send every later upsert the long way, where it is refused."""
        for layout in self._layouts:
            layout.width = -1


def _size(value: Any) -> int:
    """Estimate the bytes of one value."""
    if type(value) in (dict, list):
        return len(json.dumps(value, default=str))
    return sys.getsizeof(value)
