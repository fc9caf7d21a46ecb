"""The stream: operations from any thread, in one order, towards the destination.

Takes     operations, from any number of threads
Gives     typed batches, truncates and checkpoints, in order, to the thread that loads them
Promises  memory is bounded; a slow destination slows the author; nothing is dropped or reordered
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import TYPE_CHECKING, Any

from headwater.batch import DELETE, UPDATE, UPSERT, Chunk, Typist
from headwater.buffer import Buffer, Layout
from headwater.cells import CHANGING, LOOK, OTHER, TAKEN, Upsert, quickest
from headwater.errors import ConnectorError, HeadwaterError, RowError
from headwater.operations import check_names
from headwater.outbox import Checkpoint, Declaration, Item, Mark, Outbox, Rows, Truncate
from headwater.schema import FILE_PATH, Catalog, DeclaredTable, SourceTable
from headwater.snapshot import StrictCoercion
from headwater.state import MAX_STATE_BYTES, WARN_STATE_BYTES, dump_state
from headwater.turns import Turns

if TYPE_CHECKING:
    from headwater.file_upload import FileStore, FileUpload

# What the buffers of all tables may hold together.
BUFFERED_BYTES = 96_000_000
# So many calls lie in each other, at most, where something is loaded.
LOADING_FRAMES = 200
# Arrow input is cut into pieces of so many rows: enough for a destination to use all its threads.
FRAME_ROWS = 1_000_000


class EndOfSync(BaseException):
    """Raised in the author's thread, past `except Exception`, when the sync ends before update() does."""


class SyncFailed(HeadwaterError):
    """The author called op.error()."""

    def __init__(self, message: str, trace: str | None) -> None:
        super().__init__(message)
        self.trace = trace


class RowNotStored(RowError):
    """A row could not be stored, its error was caught, and the connector went on."""

    def __init__(self, error: Exception) -> None:
        message = error.message if isinstance(error, HeadwaterError) else f"{type(error).__name__}: {error}"
        hint = f"{error.hint}\n" if isinstance(error, HeadwaterError) and error.hint else ""
        super().__init__(
            message,
            hint=f"{hint}The connector caught this error and went on, but the sync fails rather than lose the row: "
            "mend or leave out what does not fit before op.upsert.",
        )
        self.__cause__ = error


class Stream:
    """Where operations go while a sync runs.

    load_to  loads what is on its way to a checkpoint, as far as this thread has taken it over
    """

    def __init__(
        self,
        catalog: Catalog,
        outbox: Outbox[Item],
        *,
        load_to: Callable[[Checkpoint], None],
        warn: Callable[[str], None],
        strict: bool = False,
        remarks: bool = True,
        files: FileStore | None = None,
        max_rows: int | None = None,
        max_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._catalog = catalog
        self._outbox = outbox
        self._load_to = load_to
        self._warn = warn
        self._strict = strict
        self._remarks = remarks
        self._files = files
        self._max_rows = max_rows
        self._deadline = None if max_seconds is None else clock() + max_seconds
        self._clock = clock
        self._lock = threading.RLock()
        self._one_checkpoint = threading.Lock()
        self._layouts: dict[str, Layout] = {}
        self._buffers: dict[tuple[str | None, str], Buffer] = {}
        self._by_source: dict[int, Buffer] = {}
        self._failure: BaseException | None = None
        self._open = True
        self.upsert, self._serve, counting = quickest(self._upsert(), self._look_at)
        self._turns = None if counting is None else Turns(counting)
        self.calls = {"upserts": 0, "updates": 0, "deletes": 0, "truncates": 0, "checkpoints": 0}

    # --- operations, called by authors from any thread

    def _upsert(self) -> Upsert:
        """Give what `Operations.upsert` is while a sync runs, or `quickest` before it.

        A function and no method: Python counts for the author what was given, and that was no `self`.
        """

        def upsert(table: str, data: Any, *, schema: str | None = None, file: FileUpload | None = None) -> None:
            answer = OTHER
            try:
                layout = self._layouts[table]
                if schema is None and file is None:
                    answer = layout.add(data)
                    if answer == CHANGING:
                        answer = layout.add_changing(data)
            except (KeyError, TypeError):
                pass  # a table that is new, or no name at all
            if answer == TAKEN:
                return
            with self._lock:
                if answer == LOOK:
                    self._look(layout.buffer)
                else:
                    self._upsert_the_long_way(table, data, schema, file)

        upsert.__qualname__ = "Operations.upsert"  # the name that Python puts into its error for wrong arguments
        return upsert

    def update(self, table: str, data: Any, schema: str | None = None, file: FileUpload | None = None) -> None:
        with self._lock:
            buffer = self._buffer(schema, table)
            row = _mapping(buffer.source, data)
            buffer.source.require_key(row, "update")
            if file is not None:
                row = self._store(buffer.source, row, file)
            if buffer.append(UPDATE, buffer.take(row)):
                self._look(buffer)

    def delete(self, table: str, keys: Any, schema: str | None = None) -> None:
        with self._lock:
            buffer = self._buffer(schema, table)
            row = _mapping(buffer.source, keys)
            buffer.source.require_key(row, "delete")
            if buffer.source.has_key:
                own = buffer.source.target.key
                row = {raw: value for raw, value in row.items() if buffer.source.name_of(raw) in own}
            if buffer.append(DELETE, buffer.take(row)):
                self._look(buffer)

    def truncate(self, table: str, schema: str | None = None, *, before: datetime | None = None) -> None:
        """See `Operations.truncate`; `before`, a moment that `mark` gave, spares the rows that came after it."""
        with self._lock:
            buffer = self._buffer(schema, table)
            self._flush(buffer)
            self.calls["truncates"] += 1
            if not buffer.source.dropped:
                self._outbox.put(Truncate(buffer.source, before))

    def declare(self, entry: DeclaredTable) -> SourceTable:
        """Take a declaration while the sync runs: a new table, or other columns and types for the rows to come."""
        with self._lock:
            self._require_open()
            buffer = self._buffers.get((entry.schema, entry.table))
            if buffer is not None:
                self._flush(buffer)
            source = self._catalog.declare(entry)
            if not source.dropped:
                self._outbox.put(Declaration(source, dict(source.target.columns)))
            return source

    def mark(self, table: str, schema: str | None = None) -> datetime:
        """Give a moment: `_fivetran_synced` is earlier in the table's rows so far, and not in those to come."""
        with self._lock:
            self._flush(self._buffer(schema, table))
            ticket = Mark()
            self._outbox.put(ticket)
        ticket.done.wait()
        self._outbox.raise_failure()
        assert ticket.at is not None
        return ticket.at

    def checkpoint(self, state: Any) -> None:
        text = dump_state(state)
        if len(text) > WARN_STATE_BYTES:
            self._warn(
                f"the state has more than {WARN_STATE_BYTES // 10**6} MB; {MAX_STATE_BYTES // 10**6} MB is the limit"
            )
        with self._one_checkpoint, nullcontext() if self._turns is None else self._turns.left_out():
            ticket = Checkpoint(text)
            try:
                with self._lock:
                    self._require_open()
                    if not _is_deep():
                        self._outbox.take_over()
                    self._flush_all()
                    self._outbox.put(ticket)
                self._load_to(ticket)
            finally:
                self._outbox.give_back()
            ticket.done.wait()
            self._outbox.raise_failure()
            self.calls["checkpoints"] += 1
            self._end_if_enough()

    def warning(self, message: str) -> None:
        self._require_open()
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
            self._close_buffers()
            self._flush_all()
            self._close_buffers()
            self._open = False
        self._outbox.close()

    def stop(self, error: BaseException) -> None:
        """Refuse every later operation with `error`; what is buffered is dropped."""
        self._failure = self._failure or error
        self._close_buffers()
        self._outbox.fail(error)

    @property
    def emitted(self) -> int:
        """A number that every operation changes."""
        return sum(self.calls.values()) + sum(map(len, list(self._by_source.values())))

    @property
    def is_waiting(self) -> bool:
        """Whether an author waits for a checkpoint."""
        return self._one_checkpoint.locked()

    def count_what_is_left(self) -> None:
        """Count the operations that a failed sync has emitted and will not deliver."""
        for buffer in list(self._by_source.values()):
            for chunk in buffer.flush():
                self._count(chunk)

    def _close_buffers(self) -> None:
        for buffer in list(self._by_source.values()):
            buffer.close()

    # --- behind the operations

    def _require_open(self) -> None:
        if isinstance(self._failure, RowNotStored):
            raise self._failure.with_traceback(None)  # of this call, not of those before it
        if self._failure is not None:
            raise self._failure
        if not self._open:
            raise ConnectorError(
                "an operation came after update() had returned",
                hint="Wait for every thread you start before update() returns.",
            )

    def _buffer(self, schema: str | None, table: str) -> Buffer:
        self._require_open()
        check_names(schema, table)
        buffer = self._buffers.get((schema, table))
        return self._open_buffer(schema, table) if buffer is None else buffer

    def _open_buffer(self, schema: str | None, table: str) -> Buffer:
        source = self._catalog.table(schema, table)
        buffer = self._by_source.get(id(source))
        if buffer is None:
            coercion = StrictCoercion(self._catalog.declared_exactly(schema, table)) if self._strict else None
            buffer = Buffer(
                source, Typist(source, strict=self._strict, warn=self._warn, remarks=self._remarks), coercion
            )
            self._by_source[id(source)] = buffer
        self._buffers[schema, table] = buffer
        return buffer

    def _upsert_the_long_way(self, table: str, data: Any, schema: str | None, file: FileUpload | None) -> None:
        buffer = self._buffer(schema, table)
        if is_frame(data):
            if file is not None:
                raise RowError(f"{buffer.source}: a file goes with one row, not with a table of rows")
            self._upsert_frame(buffer, data)
            return
        row = _mapping(buffer.source, data)
        if file is not None:
            row = self._store(buffer.source, row, file)
        full = buffer.upsert(buffer.take(row))
        if schema is None and buffer.layout is not None:
            self._layouts[table] = buffer.layout
            self._serve(table, buffer.layout.cells)
        if full:
            self._look(buffer)

    def _look_at(self, table: str) -> None:
        if self._turns is not None:
            self._turns.take()
        with self._lock:
            self._look(self._layouts[table].buffer)

    def _look(self, buffer: Buffer) -> None:
        """Type a buffer that has become full; all of them when together they hold too much."""
        self._require_open()
        if buffer.look():
            self._flush(buffer)
        elif sum(other.nbytes for other in self._by_source.values()) >= BUFFERED_BYTES:
            self._flush_all()

    def _flush_all(self) -> None:
        for buffer in list(self._by_source.values()):
            self._flush(buffer)

    def _flush(self, buffer: Buffer) -> None:
        """Type what a buffer holds and hand it over."""
        for chunk in buffer.flush():
            self._count(chunk)
            if buffer.source.dropped:
                continue
            try:
                operations = buffer.typist.operations(chunk)
            except (ConnectorError, TypeError, ValueError) as error:
                # It may be another row's call that raises now: whoever catches it has not skipped the row.
                self.stop(RowNotStored(error))
                raise
            if buffer.typist.met_late:
                buffer.look_at_every_row()
            nbytes = sum(column.array.get_total_buffer_size() for column in operations.columns.values())
            self._outbox.put(Rows(buffer.source, operations, nbytes))

    def _upsert_frame(self, buffer: Buffer, data: Any) -> None:
        self._flush(buffer)
        table = arrow_table(data)
        if not buffer.source.dropped:
            for start in range(0, table.num_rows, FRAME_ROWS):
                self._upsert_piece(buffer, table.slice(start, FRAME_ROWS), first=start == 0)
        self.calls["upserts"] += table.num_rows

    def _upsert_piece(self, buffer: Buffer, piece: Any, *, first: bool) -> None:
        try:
            operations = buffer.typist.operations_from_arrow(piece)
        except (ConnectorError, TypeError, ValueError) as error:
            if not first:  # part of the table is on its way already
                self.stop(RowNotStored(error))
            raise
        # Not the size of the buffers: pieces of one table share them.
        nbytes = sum(column.array.nbytes for column in operations.columns.values())
        self._outbox.put(Rows(buffer.source, operations, nbytes))

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


def _is_deep() -> bool:
    """Whether calls lie so deep in each other here that loading on top of them could go beyond Python's limit."""
    try:
        sys._getframe(sys.getrecursionlimit() - LOADING_FRAMES)
    except ValueError:
        return False
    return True


def _mapping(source: SourceTable, data: Any) -> Mapping[str, Any]:
    """Copy one row; anything with `items()` counts (rule A-33)."""
    if not hasattr(data, "items"):
        raise AttributeError(
            f"{source}: the data of a row must be a dict, got {type(data).__name__}; it has no attribute 'items'"
        )
    return dict(data.items())


def is_frame(data: Any) -> bool:
    """Whether an author passed a whole table instead of a row."""
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")


def arrow_table(data: Any) -> Any:
    """Give a whole table as Arrow has it; the index of a pandas DataFrame is left out."""
    import pyarrow as pa

    if type(data).__module__.partition(".")[0] == "pandas":
        return pa.Table.from_pandas(data, preserve_index=False)
    return pa.table(data)
