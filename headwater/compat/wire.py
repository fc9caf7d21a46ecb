"""Operations on their way to a gRPC client, each value as fivetran-connector-sdk 2.13.1 puts it on the wire.

Takes     operations, from any number of threads
Gives     the messages of one update, in order: records in groups, a checkpoint after what came before it
Promises  a slow client slows the author; `checkpoint` returns when the client has been sent what it covers
"""

from __future__ import annotations

import calendar
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from headwater.compat.protocol import DATA_TYPES, RECORD_TYPES, message
from headwater.errors import RowError
from headwater.file_upload import FileUpload, chunks
from headwater.log import Logging
from headwater.operations import check_names
from headwater.outbox import Checkpoint, Outbox
from headwater.schema import FILE_PATH, DeclaredTable
from headwater.snapshot import StrictCoercion
from headwater.state import dump_state
from headwater.stream import arrow_table, is_frame
from headwater.types.arrow import column_from_arrow
from headwater.types.names import BOOLEAN, DECIMAL, STRING, ColumnType

# Sizes and times of 2.13.1 (rules ).
GROUP_RECORDS = 100
GROUP_BYTES = 100_000
QUEUED = 100
CHECKPOINT_SECONDS = 120

_NULL = message("ValueType", null=True)
_STRING = ColumnType(STRING)


class UpdateCancelled(BaseException):
    """Raised in the author's thread, past `except Exception`, when the client has gone."""


@dataclass(slots=True)
class _Response:
    """A message for one field of UpdateResponse."""

    field: str
    message: Any
    nbytes: int = 1  # the queue counts messages, not bytes


class WireStream:
    """Where operations go while a client reads an update.

    declared  what `schema()` declared; types count for exactly the names given there (rule A-35)
    """

    def __init__(self, declared: list[DeclaredTable]) -> None:
        self._coercions = {(entry.schema, entry.table): StrictCoercion(entry.columns) for entry in declared}
        self._outbox: Outbox[_Response | Checkpoint] = Outbox(QUEUED)
        self._lock = threading.Lock()
        self._one_checkpoint = threading.Lock()
        self._delivering: Checkpoint | None = None

    # --- operations, called by authors from any thread

    def upsert(self, table: str, data: Any, *, schema: str | None = None, file: FileUpload | None = None) -> None:
        if is_frame(data):
            self._upsert_frame(table, data, schema, file)
        else:
            self._row("UPSERT", table, data, schema, file)

    def update(self, table: str, data: Any, schema: str | None = None, file: FileUpload | None = None) -> None:
        self._row("UPDATE", table, data, schema, file)

    def delete(self, table: str, keys: Any, schema: str | None = None) -> None:
        self._row("DELETE", table, keys, schema, None)

    def truncate(self, table: str, schema: str | None = None) -> None:
        check_names(schema, table)
        self._put("record", _record("TRUNCATE", table, schema, {}))

    def checkpoint(self, state: Any) -> None:
        with self._one_checkpoint:
            ticket = Checkpoint(dump_state(state), nbytes=1)
            with self._lock:
                self._outbox.put(ticket)
            if not ticket.done.wait(CHECKPOINT_SECONDS):
                raise TimeoutError("Checkpoint flush timed out. Consumer may have failed to process checkpoint.")
            self._outbox.raise_failure()

    def warning(self, text: str) -> None:
        self._put("warning", message("Warning", message=json.dumps({"message": text})))

    def error(self, text: str, trace: str | None) -> None:
        """Send a task; the client then ends the sync, so that this call returns, as in 2.13.1 (rule C-07)."""
        content = {"message": text} if trace is None else {"message": text, "trace": trace}
        self._put("task", message("Task", message=json.dumps(content)))

    # --- the life of the stream, called by the server

    def responses(self) -> Iterator[Any]:
        """Give each UpdateResponse, until `finish` or `cancel`."""
        group: list[Any] = []
        group_bytes = 0
        while (item := self._outbox.get()) is not None:
            if isinstance(item, Checkpoint):
                self._delivering = item
            if isinstance(item, _Response) and item.field == "record":
                group.append(item.message)
                group_bytes += item.message.ByteSize()
                if len(group) < GROUP_RECORDS and group_bytes < GROUP_BYTES:
                    continue
            if group:
                yield message("UpdateResponse", records=message("Records", records=group))
                group, group_bytes = [], 0
            if isinstance(item, Checkpoint):
                yield from self._deliver(item)
            elif item.field != "record":
                yield message("UpdateResponse", **{item.field: item.message})
        if group:
            yield message("UpdateResponse", records=message("Records", records=group))

    def finish(self) -> None:
        """Say that update() has ended: what it emitted before is still delivered."""
        self._outbox.close()

    def cancel(self) -> None:
        """Drop what is queued and end the author's thread at its next operation: the client has gone."""
        self._outbox.fail(UpdateCancelled("the client has ended the update"))
        if (ticket := self._delivering) is not None:
            ticket.done.set()

    def _deliver(self, ticket: Checkpoint) -> Iterator[Any]:
        yield message("UpdateResponse", checkpoint=message("Checkpoint", state_json=ticket.state))
        # The server asks for the next message when this one has been sent.
        self._delivering = None
        ticket.done.set()

    # --- behind the operations

    def _put(self, field: str, content: Any) -> None:
        with self._lock:
            self._outbox.put(_Response(field, content))

    def _row(self, kind: str, table: str, data: Any, schema: str | None, file: FileUpload | None) -> None:
        check_names(schema, table)
        coercion = self._coercions.get((schema, table)) or StrictCoercion({})
        values = {raw: _NULL if value is None else _value(*coercion.typed(raw, value)) for raw, value in data.items()}
        if file is None:
            self._put("record", _record(kind, table, schema, values))
            return
        if FILE_PATH in values:
            Logging.warning(f"{table}: the value of {FILE_PATH} is replaced by the path of the uploaded file")
        values[FILE_PATH] = _value(_STRING, file.path)
        with self._lock:  # a file and its row stay together
            for part in _parts(table, schema, file):
                self._outbox.put(_Response("unstructured_record", part))
            self._outbox.put(_Response("record", _record(kind, table, schema, values)))

    def _upsert_frame(self, table: str, data: Any, schema: str | None, file: FileUpload | None) -> None:
        """Send the rows of a whole table; 2.13.1 takes none, so each column goes as the type it has."""
        check_names(schema, table)
        if file is not None:
            raise RowError(f"{table}: a file goes with one row, not with a table of rows")
        coercion = self._coercions.get((schema, table)) or StrictCoercion({})
        frame = arrow_table(data)
        for batch in frame.to_batches(max_chunksize=GROUP_RECORDS):
            names = batch.schema.names
            columns = [_column(batch, name, coercion.declared.get(name)) for name in names]
            for row in zip(*columns, strict=True):
                self._put("record", _record("UPSERT", table, schema, dict(zip(names, row, strict=True))))


def schema_response(declared: list[DeclaredTable]) -> Any:
    """Describe the declared tables: by schema where any of them has one (rule A-55)."""
    by_schema: dict[str | None, list[Any]] = {}
    for entry in declared:
        by_schema.setdefault(entry.schema, []).append(_table(entry))
    if not by_schema.keys() - {None}:
        return message("SchemaResponse", without_schema=message("TableList", tables=by_schema.get(None, [])))
    schemas = [message("Schema", name=name or "", tables=tables) for name, tables in by_schema.items()]
    return message("SchemaResponse", with_schema=message("SchemaList", schemas=schemas))


def _table(entry: DeclaredTable) -> Any:
    columns = [
        _declared_column(name, entry.columns.get(name), name in entry.primary_key)
        for name in dict.fromkeys([*entry.primary_key, *entry.columns])
    ]
    return message("Table", name=entry.table, columns=columns)


def _declared_column(name: str, kind: ColumnType | None, is_key: bool) -> Any:
    column = message("Column", name=name, primary_key=is_key)
    if kind is not None:
        column.type = DATA_TYPES[kind.name]
        if kind.name == DECIMAL:
            column.params.decimal.precision = kind.precision
            column.params.decimal.scale = kind.scale
    return column


def _record(kind: str, table: str, schema: str | None, values: Mapping[str, Any]) -> Any:
    return message("Record", schema_name=schema, table_name=table, type=RECORD_TYPES[kind], data=values)


def _value(kind: ColumnType, value: Any) -> Any:
    """Write a value that is coerced already.

    >>> _value(ColumnType("NAIVE_DATE"), date(1970, 1, 2)).naive_date.seconds
    86400
    """
    if value is None:
        return _NULL
    if isinstance(value, date):
        moment = message("ValueType")
        timestamp = getattr(moment, kind.name.lower())
        timestamp.seconds = calendar.timegm(value.timetuple())
        timestamp.nanos = value.microsecond * 1000 if isinstance(value, datetime) else 0
        return moment
    return message("ValueType", **{"bool" if kind.name == BOOLEAN else kind.name.lower(): value})


def _column(batch: Any, name: str, declared: ColumnType | None) -> list[Any]:
    import pyarrow as pa

    column = column_from_arrow(pa.chunked_array([batch.column(name)]), declared)
    values = column.array.to_pylist()
    if column.kind is None:
        return [_NULL] * len(values)
    if column.kind.name == DECIMAL:
        values = [None if value is None else f"{value:f}" for value in values]
    return [_value(column.kind, value) for value in values]


def _parts(table: str, schema: str | None, file: FileUpload) -> Iterator[Any]:
    """Cut a file into messages, the last of them empty (rule A-111)."""
    names = {
        "schema_name": schema,
        "storage_name": table,
        "file_path": file.path,
        "expected_bytes": file.expected_bytes,
    }
    for chunk in chunks(table, file):
        yield message("UnstructuredRecord", **names, chunk_data=chunk, is_last=False)
    yield message("UnstructuredRecord", **names, chunk_data=b"", is_last=True)
