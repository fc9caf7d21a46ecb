"""The operations an author calls: upsert, update, delete, truncate, checkpoint, warning, error.

Takes     dicts (or whole Arrow tables and DataFrames), from any thread
Gives     each operation to the stream of the sync that is running
Promises  a wrong call raises here, in the author's own line, and changes nothing
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from headwater.errors import ConnectorError

if TYPE_CHECKING:
    from headwater.cells import Upsert
    from headwater.file_upload import FileUpload


class Receiver(Protocol):
    """Where operations go while a connector runs: the stream of a sync, or that of a gRPC client."""

    def upsert(self, table: str, data: Any, *, schema: str | None = None, file: FileUpload | None = None) -> None: ...

    def update(self, table: str, data: Any, schema: str | None = None, file: FileUpload | None = None) -> None: ...

    def delete(self, table: str, keys: Any, schema: str | None = None) -> None: ...

    def truncate(self, table: str, schema: str | None = None) -> None: ...

    def checkpoint(self, state: Any) -> None: ...

    def warning(self, message: str) -> None: ...

    def error(self, message: str, trace: str | None) -> None: ...


_stream: Receiver | None = None


def attach(stream: Receiver | None, upsert: Upsert | None = None) -> None:
    """Let operations go to `stream` from now on; None when no sync runs.

    upsert  what `Operations.upsert` is meanwhile: a call less for the one operation that comes a million times
    """
    global _stream
    _stream = stream
    Operations.upsert = upsert or _upsert  # type: ignore[method-assign]  # the class is what authors import


def _running() -> Receiver:
    if _stream is None:
        raise ConnectorError(
            "no sync is running, so this operation has nowhere to go",
            hint="Call operations from update(), while `headwater debug` or connector.debug() runs it.",
        )
    return _stream


class Operations:
    """What a connector emits. Every call returns None; `yield op.upsert(...)` works as well.

    table   the table's name, as in `schema()`
    schema  the source schema, where a connector has several; else left out
    """

    @staticmethod
    def upsert(table: str, data: Any, *, schema: str | None = None, file: FileUpload | None = None) -> None:
        """Insert a row, or replace the whole row that has its primary key; columns it lacks become NULL.

        data  a dict of column name to value: it may be changed and used again after the call.
              Or many rows at once: a pyarrow Table or RecordBatch, a pandas or polars DataFrame.
        file  a file to store beside the row; its path lands in the column `_fivetran_file_path`

        Errors: RowError when a row cannot be stored: here, or, as rows are converted in chunks, in a later
        operation or the next checkpoint; it is never lost.
        """
        _running().upsert(table, data, schema=schema, file=file)

    @staticmethod
    def update(table: str, modified: Any, *, schema: str | None = None, file: FileUpload | None = None) -> None:
        """Change the given columns of the row that has the primary key in `modified`; nothing if there is none."""
        _running().update(table, modified, schema, file)

    @staticmethod
    def delete(table: str, keys: Mapping[str, Any], *, schema: str | None = None) -> None:
        """Mark the row that has the primary key in `keys` as deleted; nothing if there is none."""
        _running().delete(table, keys, schema)

    @staticmethod
    def truncate(table: str, *, schema: str | None = None) -> None:
        """Mark every row of the table that came before this call as deleted."""
        _running().truncate(table, schema)

    @staticmethod
    def checkpoint(state: dict[str, Any]) -> None:
        """Make everything emitted so far durable, together with `state`, and return when that is done.

        state  a JSON object of at most 10 MB and 500 levels; the next sync gets it. It replaces the earlier state.

        Errors: TypeError when it is no JSON object; DestinationError when the commit failed.
        """
        _running().checkpoint(state)

    @staticmethod
    def warning(message: str) -> None:
        """Tell the operator something; the sync goes on."""
        _running().warning(_text(message))

    @staticmethod
    def error(message: str, trace: str | None = None) -> None:
        """End the sync as failed, with this message; what came before the last checkpoint stays."""
        text = _text(message)
        if trace is not None and not isinstance(trace, str):
            raise TypeError(f"Trace must be a string, got {type(trace).__name__}")
        _running().error(text, trace if trace and trace.strip() else None)


_upsert = Operations.upsert


def check_names(schema: object, table: object) -> None:
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


def _text(message: object) -> str:
    if not isinstance(message, str):
        raise TypeError(f"Message must be a string, got {type(message).__name__}")
    if not message.strip():
        raise ValueError("Message must be a non-empty string")
    return message
