"""A tap's streams: what the newest SCHEMA says of each, and how a record becomes a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from headwater.row_id import row_ids
from headwater.schema import ROW_ID, DeclaredTable, SourceTable
from headwater.singer.column_types import column_types, converter
from headwater.singer.messages import Message, MessageError, read_object
from headwater.types.names import DECIMAL, LONG, UTC_DATETIME, ColumnType

DELETED_AT = "_sdc_deleted_at"

METADATA_COLUMNS = {
    "_sdc_extracted_at": ColumnType(UTC_DATETIME),
    "_sdc_received_at": ColumnType(UTC_DATETIME),
    "_sdc_batched_at": ColumnType(UTC_DATETIME),
    DELETED_AT: ColumnType(UTC_DATETIME),
    "_sdc_sequence": ColumnType(LONG),
    "_sdc_table_version": ColumnType(LONG),
    "_sdc_sync_started_at": ColumnType(LONG),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What a SCHEMA message says: equal messages need no second declaration."""

    schema: Mapping[str, Any]
    key: tuple[str, ...]

    @classmethod
    def of(cls, message: Message) -> Shape:
        """Read the shape of a SCHEMA message.

        Errors: MessageError when `key_properties` is no list of names.
        """
        key = message.get("key_properties") or []
        if not isinstance(key, list) or not all(isinstance(name, str) for name in key):
            raise MessageError(f"{message['stream']}: key_properties must be a list of names, not {key!r}")
        return cls(message["schema"], tuple(key))

    def declaration(self, stream: str, *, metadata: bool) -> DeclaredTable:
        """Declare the table of the stream; errors as `column_types`."""
        columns = column_types(self.schema) | (METADATA_COLUMNS if metadata else {})
        return DeclaredTable(table=stream, primary_key=self.key, columns=columns)


class TapStream:
    """One stream, from its SCHEMA to the next.

    started      a moment before the first record of this run
    unversioned  records have come that name no version
    """

    def __init__(self, shape: Shape, source: SourceTable, columns: Mapping[str, ColumnType], started: datetime) -> None:
        self.shape = shape
        self.started = started
        self.unversioned = False
        self._source = source
        self._exact = [name for name, kind in columns.items() if kind.name == DECIMAL]
        self._converters: list[tuple[str, Callable[[Any], Any]]] = []
        for name, kind in columns.items():
            convert = converter(kind)
            if convert is not None:
                self._converters.append((name, convert))

    def exact(self, record: dict[str, Any], text: Callable[[], dict[str, Any]]) -> None:
        """Put numbers with a point into the record's DECIMAL columns as they were written.

        text  reads the record once more, such numbers as Decimal
        """
        inexact = [name for name in self._exact if isinstance(record.get(name), float)]
        if inexact:
            written = text()
            record.update({name: written[name] for name in inexact})

    def parse(self, line: str) -> dict[str, Any]:
        """Read a line of a batch file."""
        record = read_object(line)
        self.exact(record, lambda: read_object(line, Decimal))
        return record

    def convert(self, record: dict[str, Any]) -> None:
        """Bring the record's values to what its columns take."""
        for name, convert in self._converters:
            value = record.get(name)
            if value is not None:
                record[name] = convert(value)

    def name_without_key(self, record: dict[str, Any]) -> None:
        """Name the row by its values alone: the metadata of a record that comes again is another."""
        if not self._source.has_key:
            values = {self._source.name_of(raw): [value] for raw, value in record.items()}
            declared = {name: self._source.declared.get(name) for name in values}
            record[ROW_ID] = row_ids(values, declared)[0]

    def key_of(self, record: Mapping[str, Any]) -> dict[str, Any] | None:
        """Give the record's key; None where the stream has none."""
        return {name: record.get(name) for name in self.shape.key} if self.shape.key else None
