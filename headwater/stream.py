"""The stream: operations from any thread, in one order, towards the destination.

Takes     operations, from any number of threads
Gives     typed batches, truncates and checkpoints, in order, to the thread that loads them
Promises  memory is bounded; a slow destination slows the author; nothing is dropped or reordered
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from gc import is_tracked
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from headwater.batch import DELETE, UPDATE, UPSERT, Chunk, TypedOperations, Typist
from headwater.errors import ConnectorError, HeadwaterError, RowError
from headwater.schema import FILE_PATH, Catalog, SourceTable
from headwater.state import MAX_STATE_BYTES, WARN_STATE_BYTES, dump_state
from headwater.snapshot import StrictCoercion, may_change, snapshot

if TYPE_CHECKING:
    from headwater.file_upload import FileStore, FileUpload

# A chunk of this many rows still fits the processor's cache while it is converted.
CHUNK_ROWS = 20_480
CHUNK_BYTES = 32_000_000
BUFFERED_BYTES = 96_000_000
QUEUED_BYTES = 96_000_000


@dataclass(slots=True)
class Rows:
    """Row operations of one table, on their way to the destination."""

    source: SourceTable
    operations: TypedOperations
    nbytes: int


@dataclass(slots=True)
class Truncate:
    """Every row of the table that came before is to be marked as deleted."""

    source: SourceTable
    nbytes: int = 0


@dataclass(slots=True)
class Checkpoint:
    """Everything before it is to be committed together with `state`."""

    state: str
    nbytes: int = 0
    done: threading.Event = field(default_factory=threading.Event)


Item = Rows | Truncate | Checkpoint


class EndOfSync(BaseException):
    """Raised in the author's thread, past `except Exception`, when the sync ends before update() does."""


class SyncFailed(HeadwaterError):
    """The author called op.error()."""

    def __init__(self, message: str, trace: str | None) -> None:
        super().__init__(message)
        self.trace = trace


class Outbox:
    """A queue between the author's threads and the loading thread, bounded by bytes."""

    def __init__(self, limit: int = QUEUED_BYTES) -> None:
        self._limit = limit
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._closed = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, item: Item) -> None:
        """Hand over an item; waits while the loading thread is behind.

        Errors: the failure of the loading thread, if it has failed.
        """
        with self._changed:
            while self._bytes >= self._limit and self._failure is None:
                self._changed.wait()
            self.raise_failure()
            self._items.append(item)
            self._bytes += item.nbytes
            self._changed.notify_all()

    def get(self) -> Item | None:
        """Take the next item; None when there will be no more."""
        with self._changed:
            while not self._items and not self._closed and self._failure is None:
                self._changed.wait()
            if self._failure is not None or not self._items:
                return None
            item = self._items.popleft()
            self._bytes -= item.nbytes
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Say that no more items come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """End both sides: every later `put` raises `error`, and whoever waits for a checkpoint is woken."""
        with self._changed:
            if self._failure is None:
                self._failure = error
            for item in self._items:
                if isinstance(item, Checkpoint):
                    item.done.set()
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


class _Buffer:
    """Operations of one table that are not typed yet: upserts that share their columns, then any others.

    width      how many columns the first part has; -1 when the next upsert must not go there
    values_of  gives a row's values in the order of the columns; KeyError when it has others
    snapshots  some row held a container: from then on every row is looked at
    pause      the number of cells or entries at which to look at the size again
    """

    __slots__ = (
        "cells", "coercion", "entries", "keys", "nbytes", "pause", "seen", "snapshots", "source", "typist",
        "values_of", "width",
    )  # fmt: skip

    def __init__(self, source: SourceTable, typist: Typist, coercion: StrictCoercion | None) -> None:
        self.source = source
        self.typist = typist
        self.coercion = coercion
        self.snapshots = False
        self.clear()

    def snapshot(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Take a row that holds something its author may still change."""
        self.snapshots = True
        return snapshot(row, self.source.declared_type)

    def clear(self) -> None:
        self.keys: tuple[str, ...] = ()
        self.width = -1
        self.values_of: Callable[[Mapping[str, Any]], tuple[Any, ...]] = _no_values
        self.cells: list[Any] = []
        self.entries: list[tuple[int, Mapping[str, Any]]] = []
        self.nbytes = 0
        self.seen = 0
        self.pause = 0

    def take_columns_of(self, row: Mapping[str, Any]) -> None:
        """Let upserts with the columns of `row` go to the first part."""
        self.keys = tuple(row)
        self.width = len(row)
        (only, *others) = self.keys
        self.values_of = itemgetter(*self.keys) if others else lambda row: (row[only],)

    def count(self) -> int:
        return len(self.entries) + (len(self.cells) // len(self.keys) if self.keys else 0)


def _no_values(row: Mapping[str, Any]) -> tuple[Any, ...]:
    raise KeyError


class Stream:
    """Where operations go while a sync runs."""

    def __init__(
        self,
        catalog: Catalog,
        outbox: Outbox,
        *,
        warn: Callable[[str], None],
        strict: bool = False,
        files: FileStore | None = None,
        max_rows: int | None = None,
        max_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._outbox = outbox
        self._warn = warn
        self._strict = strict
        self._files = files
        self._max_rows = max_rows
        self._deadline = None if max_seconds is None else clock() + max_seconds
        self._clock = clock
        self._lock = threading.RLock()
        self._one_checkpoint = threading.Lock()
        self._buffers: dict[str, _Buffer] = {}
        self._qualified: dict[tuple[str, str], _Buffer] = {}
        self._by_source: dict[int, _Buffer] = {}
        self._failure: BaseException | None = None
        self._open = True
        self.calls = {"upserts": 0, "updates": 0, "deletes": 0, "truncates": 0, "checkpoints": 0}
        self.warnings: list[str] = []

    # --- operations, called by authors from any thread

    def upsert(self, table: str, data: Any, schema: str | None = None, file: FileUpload | None = None) -> None:
        with self._lock:
            buffer = self._buffers.get(table) if schema is None else None
            if buffer is not None and type(data) is dict and len(data) == buffer.width and file is None:
                # The garbage collector does not track a dict that holds no container but a bytearray.
                row = buffer.snapshot(data) if buffer.snapshots or is_tracked(data) else data
                try:
                    buffer.cells += buffer.values_of(row)
                except KeyError:
                    pass  # as many columns, but others
                else:
                    if len(buffer.cells) >= buffer.pause:
                        self._pause(buffer)
                    return
            self._upsert_first_or_other(table, data, schema, file)

    def update(self, table: str, data: Any, schema: str | None = None, file: FileUpload | None = None) -> None:
        with self._lock:
            buffer = self._buffer(schema, table)
            row = _mapping(buffer.source, data)
            buffer.source.require_key(row, "update")
            if file is not None:
                row = self._store(buffer.source, row, file)
            self._append(buffer, UPDATE, self._taken(buffer, row))

    def delete(self, table: str, keys: Any, schema: str | None = None) -> None:
        with self._lock:
            buffer = self._buffer(schema, table)
            row = _mapping(buffer.source, keys)
            buffer.source.require_key(row, "delete")
            if buffer.source.has_key:
                own = buffer.source.target.key
                row = {raw: value for raw, value in row.items() if buffer.source.name_of(raw) in own}
            self._append(buffer, DELETE, self._taken(buffer, row))

    def truncate(self, table: str, schema: str | None = None) -> None:
        with self._lock:
            buffer = self._buffer(schema, table)
            self._flush(buffer)
            self.calls["truncates"] += 1
            if not buffer.source.dropped:
                self._outbox.put(Truncate(buffer.source))

    def checkpoint(self, state: Any) -> None:
        text = dump_state(state)
        if len(text) > WARN_STATE_BYTES:
            self._warn(
                f"the state has more than {WARN_STATE_BYTES // 10**6} MB; {MAX_STATE_BYTES // 10**6} MB is the limit"
            )
        with self._one_checkpoint:
            ticket = Checkpoint(text)
            with self._lock:
                self._require_open()
                self._flush_all()
                self._outbox.put(ticket)
            ticket.done.wait()
            self._outbox.raise_failure()
            self.calls["checkpoints"] += 1
            self._end_if_enough()

    def warning(self, message: str) -> None:
        self._require_open()
        self.warnings.append(message)
        self._warn(message)

    def error(self, message: str, trace: str | None) -> None:
        self._require_open()
        failure = SyncFailed(message, trace)
        self.stop(failure)
        raise failure

    # --- the life of the stream, called by the sync

    def finish(self) -> None:
        """Hand over what is left after update() has returned; later operations are refused."""
        with self._lock:
            self._require_open()
            self._flush_all()
            self._open = False
        self._outbox.close()

    def stop(self, error: BaseException) -> None:
        """Refuse every later operation with `error`; what is buffered is dropped."""
        self._failure = self._failure or error
        for buffer in list(self._by_source.values()):
            buffer.width = -1  # the short way through upsert() ends here
        self._outbox.fail(error)

    # --- behind the operations

    def _require_open(self) -> None:
        if self._failure is not None:
            raise self._failure
        if not self._open:
            raise ConnectorError(
                "an operation came after update() had returned",
                hint="Wait for every thread you start before update() returns.",
            )

    def _buffer(self, schema: str | None, table: str) -> _Buffer:
        self._require_open()
        _check_names(schema, table)
        buffer = self._buffers.get(table) if schema is None else self._qualified.get((schema, table))
        return self._open_buffer(schema, table) if buffer is None else buffer

    def _open_buffer(self, schema: str | None, table: str) -> _Buffer:
        source = self._catalog.table(schema, table)
        buffer = self._by_source.get(id(source))
        if buffer is None:
            coercion = StrictCoercion(self._catalog.declared_exactly(schema, table)) if self._strict else None
            buffer = _Buffer(source, Typist(source, strict=self._strict, warn=self._warn), coercion)
            self._by_source[id(source)] = buffer
        if schema is None:
            self._buffers[table] = buffer
        else:
            self._qualified[schema, table] = buffer
        return buffer

    def _upsert_first_or_other(self, table: str, data: Any, schema: str | None, file: FileUpload | None) -> None:
        buffer = self._buffer(schema, table)
        if _is_frame(data):
            if file is not None:
                raise RowError(f"{buffer.source}: a file goes with one row, not with a table of rows")
            self._upsert_frame(buffer, data)
            return
        row = _mapping(buffer.source, data)
        if file is not None:
            row = self._store(buffer.source, row, file)
        row = self._taken(buffer, row)
        if row and not self._strict and not buffer.count():
            buffer.take_columns_of(row)
        try:
            if len(row) != buffer.width:
                raise KeyError
            buffer.cells += buffer.values_of(row)
        except KeyError:
            self._append(buffer, UPSERT, row)
            return
        if len(buffer.cells) >= buffer.pause:
            self._pause(buffer)

    def _taken(self, buffer: _Buffer, row: Mapping[str, Any]) -> dict[str, Any]:
        """Take a row as it is now, its column names checked."""
        for raw in row:
            buffer.source.name_of(raw)
        if buffer.coercion is not None:
            return buffer.coercion(row)
        return buffer.snapshot(row) if any(map(may_change, row.values())) else dict(row)

    def _append(self, buffer: _Buffer, operation: int, row: Mapping[str, Any]) -> None:
        if buffer.width >= 0:
            buffer.width = -1
            buffer.pause = 0
        buffer.entries.append((operation, row))
        if len(buffer.entries) >= buffer.pause:
            self._pause(buffer)

    def _pause(self, buffer: _Buffer) -> None:
        """Look at the newest row's size; type the buffer when it is full, else say when to look again."""
        if not self._open or self._failure is not None:
            buffer.clear()
            self._require_open()
        count = buffer.count()
        width = len(buffer.keys)
        newest = list(buffer.entries[-1][1].values()) if buffer.entries else buffer.cells[-width:]
        row_bytes = sum(map(_size, newest)) + 64
        buffer.nbytes += row_bytes * (count - buffer.seen)
        buffer.seen = count
        if count >= CHUNK_ROWS or buffer.nbytes >= CHUNK_BYTES or row_bytes > CHUNK_BYTES // 8:
            self._flush(buffer)
            return
        if sum(other.nbytes for other in self._by_source.values()) >= BUFFERED_BYTES:
            self._flush_all()
            return
        step = max(1, min(64, CHUNK_ROWS - count, (CHUNK_BYTES - buffer.nbytes) // (8 * row_bytes)))
        if buffer.entries:
            buffer.pause = len(buffer.entries) + step
        else:
            buffer.pause = len(buffer.cells) + step * width

    def _flush_all(self) -> None:
        for buffer in self._by_source.values():
            self._flush(buffer)

    def _flush(self, buffer: _Buffer) -> None:
        """Type what a buffer holds and hand it over."""
        count = buffer.count()
        if not count:
            return
        chunk = Chunk(buffer.keys, buffer.cells, buffer.entries, plain=not buffer.snapshots and buffer.coercion is None)
        buffer.clear()
        self._count(chunk)
        if buffer.source.dropped:
            return
        try:
            operations = buffer.typist.operations(chunk)
        except (ConnectorError, TypeError, ValueError) as error:
            self.stop(error)
            raise
        self._hand_over(buffer, operations)

    def _hand_over(self, buffer: _Buffer, operations: TypedOperations) -> None:
        nbytes = sum(column.array.nbytes for column in operations.columns.values())
        self._outbox.put(Rows(buffer.source, operations, nbytes))

    def _upsert_frame(self, buffer: _Buffer, data: Any) -> None:
        self._flush(buffer)
        table = _arrow_table(data)
        self.calls["upserts"] += table.num_rows
        if buffer.source.dropped:
            return
        for start in range(0, table.num_rows, FRAME_ROWS):
            operations = buffer.typist.operations_from_arrow(table.slice(start, FRAME_ROWS))
            self._hand_over(buffer, operations)

    def _count(self, chunk: Chunk) -> None:
        kinds = [kind for kind, _ in chunk.entries]
        self.calls["upserts"] += chunk.leading + kinds.count(UPSERT)
        self.calls["updates"] += kinds.count(UPDATE)
        self.calls["deletes"] += kinds.count(DELETE)

    def _store(self, source: SourceTable, row: Mapping[str, Any], file: FileUpload) -> dict[str, Any]:
        """Store a file before its row, and name its path in the row (rules A-111, A-112)."""
        if self._files is None:
            raise ConnectorError(
                f"{source}: this destination does not take files",
                hint="Leave out file=, or choose one that does.",
            )
        if FILE_PATH in row:
            self._warn(f"{source}: the value of {FILE_PATH} is replaced by the path of the uploaded file")
        return {**row, FILE_PATH: self._files.store(source.target.name, file)}

    def _end_if_enough(self) -> None:
        rows = self.calls["upserts"] + self.calls["updates"] + self.calls["deletes"]
        full = self._max_rows is not None and rows >= self._max_rows
        late = self._deadline is not None and self._clock() >= self._deadline
        if full or late:
            with self._lock:
                self._open = False
            self._outbox.close()
            raise EndOfSync


# Arrow input is cut here, at the row-group size of DuckDB and most Parquet files.
FRAME_ROWS = 122_880


def _check_names(schema: object, table: object) -> None:
    """Refuse wrong names as the original does (rules A-30, A-31)."""
    if not isinstance(table, str):
        raise TypeError(f"Table name must be a string, got {type(table).__name__}")
    if not table.strip():
        raise ValueError("Table name must be a non-empty string")
    if schema is not None:
        if not isinstance(schema, str):
            raise TypeError(f"'schema' must be a string, got {type(schema).__name__}")
        if not schema.strip():
            raise ValueError("'schema' must be a non-empty string")


def _mapping(source: SourceTable, data: Any) -> Mapping[str, Any]:
    """Copy one row; anything with `items()` counts (rule A-33)."""
    if not hasattr(data, "items"):
        raise AttributeError(
            f"{source}: the data of a row must be a dict, got {type(data).__name__}; it has no attribute 'items'"
        )
    return dict(data.items())


def _is_frame(data: Any) -> bool:
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")


def _arrow_table(data: Any) -> Any:
    import pyarrow as pa

    if type(data).__module__.partition(".")[0] == "pandas":
        return pa.Table.from_pandas(data, preserve_index=False)
    return pa.table(data)


def _size(value: Any) -> int:
    """Estimate the bytes of one value."""
    if type(value) in (dict, list):
        return len(json.dumps(value, default=str))
    return sys.getsizeof(value)
