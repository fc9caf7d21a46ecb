"""Buffers: the operations of one table that are not typed yet.

Takes     rows, one at a time
Gives     chunks of a bounded size
Promises  a row is taken as it is now, whatever its author does with the dict later
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from headwater.batch import UPSERT, Chunk, Typist
from headwater.cells import LOOK, OTHER, Cells, ListedRows, cells_for
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
    """Upserts of one table that all have the same columns."""

    __slots__ = ("add", "buffer", "cells")

    def __init__(self, buffer: Buffer, cells: Cells) -> None:
        self.buffer = buffer
        self.cells = cells
        self.add = cells.add

    def add_changing(self, row: Mapping[str, Any]) -> int:
        """Take a row that holds something its author may still change; answer as `Cells.add_copied`."""
        return self.cells.add_copied(self.buffer.snapshot(row))


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
        self._entry_bytes = 0
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
        return sum(layout.cells.rows for layout in self._layouts)

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
            layout.cells.look_at_all()

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
        answer = OTHER if self.layout is None else self.layout.cells.add_copied(row)
        return self.append(UPSERT, row) if answer == OTHER else answer == LOOK

    def append(self, operation: int, row: dict[str, Any]) -> bool:
        """Append any operation; say whether it is time to look at the size."""
        if self.layout is not None:
            self.layout.cells.open = False
        self._entries.append((operation, row))
        return len(self._entries) >= self._pause

    def look(self) -> bool:
        """Look at the size; say whether the buffer is full."""
        count = len(self)
        entry_bytes = self._newest_entry_bytes()
        self._entry_bytes += entry_bytes * max(0, len(self._entries) - self._seen)
        self._seen = len(self._entries)
        self.nbytes = self._entry_bytes + sum(layout.cells.nbytes for layout in self._layouts)
        if count >= CHUNK_ROWS or self.nbytes >= CHUNK_BYTES or entry_bytes > CHUNK_BYTES // 8:
            return True
        rows = min(ROWS_BETWEEN_LOOKS, CHUNK_ROWS - count)
        room = (CHUNK_BYTES - self.nbytes) // 8
        self._pause = len(self._entries) + max(1, min(rows, room // entry_bytes))
        if self.layout is not None:
            self.layout.cells.pause(rows, room)
        return False

    def _newest_entry_bytes(self) -> int:
        newest = self._entries[-1][1].values() if self._entries else ()
        return sum(map(_size, newest)) + 64

    def flush(self) -> list[Chunk]:
        """Take everything as chunks, in order."""
        entries, self._entries = self._entries, []
        parts = [layout.cells.take() for layout in self._layouts]
        self.nbytes = self._entry_bytes = self._seen = self._pause = 0
        last = parts.pop() if parts else ListedRows()
        chunks = [Chunk(rows, plain=not self.snapshots) for rows in parts if len(rows)]
        if len(last) or entries:
            chunks.append(Chunk(last, entries, plain=not self.snapshots))
        self._reopen_layout(entries, len(last))
        return chunks

    def _reopen_layout(self, entries: list[tuple[int, Mapping[str, Any]]], leading: int) -> None:
        """Let upserts come to the layout again, or to one with the columns that most rows have now."""
        if self.layout is None:
            return
        self.layout.cells.open = True
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
            self.layout.cells.open = False
        declared = map(self.source.declared_type, keys)
        kinds = zip(declared, row.values(), strict=True)
        binary = [i for i, (kind, value) in enumerate(kinds) if type(value) is bytes or (kind and kind.name == BINARY)]
        self.layout = Layout(self, cells_for(keys, binary))
        if self.snapshots:
            self.layout.cells.look_at_all()
        self._layouts.append(self.layout)

    def close(self) -> None:
        """Send every later upsert the long way, where it is refused."""
        for layout in self._layouts:
            layout.cells.open = False


def _size(value: Any) -> int:
    """Estimate the bytes of one value."""
    if type(value) in (dict, list):
        return len(json.dumps(value, default=str))
    return sys.getsizeof(value)
