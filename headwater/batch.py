"""Typed batches: the operations of one table become Arrow data with one net effect per key.

Takes     a chunk of row operations of one table, in order, or a whole Arrow table
Gives     a `Batch`: rows to put, changes to apply, keys to delete, each key at most once
Promises  applying the batch equals applying its operations one by one; no value is silently rounded or lost
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from headwater.cells import ArrowValues, ListedRows, Rows
from headwater.errors import RowError
from headwater.key_set import KeySet
from headwater.row_id import row_ids
from headwater.schema import DELETED, ROW_ID, SYNCED, SourceTable, Table
from headwater.snapshot import can_change
from headwater.types import coerce
from headwater.types.arrow import column_from_arrow
from headwater.types.columns import (
    Column,
    Range,
    ValueRefused,
    arrow_type,
    convert,
    convert_arrow,
    convert_plainly,
    types_among,
)
from headwater.types.json_text import JsonText
from headwater.types.names import BOOLEAN, JSON, STRING, UTC_DATETIME, ColumnType
from headwater.types.text import as_text

UPSERT, UPDATE, DELETE = range(3)
OPERATION_NAMES = ("upsert", "update", "delete")

_STRING = ColumnType(STRING)
_UTC_DATETIME = ColumnType(UTC_DATETIME)
# Of the keys of one batch.
_SET_BYTES = 4_000_000
# Made once: finding the type of a Python value takes pyarrow fifty microseconds.
_FALSE, _TRUE = pa.scalar(False, pa.bool_()), pa.scalar(True, pa.bool_())
# As many as there are rows in a batch, mostly: a thread that makes them lets go of Python's lock, and waits for it.
_FALSES = pa.repeat(_FALSE, 131_072)


@dataclass(slots=True)
class Chunk:
    """Row operations of one table, in order: first upserts that share their columns, then any others.

    rows     the first part
    entries  the other operations: (UPSERT, UPDATE or DELETE, raw column name to value)
    plain    no value is a container that was turned into text
    """

    rows: Rows = field(default_factory=ListedRows)
    entries: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)
    plain: bool = True

    @property
    def leading(self) -> int:
        """How many upserts the first part holds."""
        return len(self.rows)

    def __len__(self) -> int:
        return self.leading + len(self.entries)

    def raw_names(self) -> list[str]:
        """List the raw column names, in the order in which they first appear."""
        return list(dict.fromkeys([*self.rows.keys, *(key for _, row in self.entries for key in row)]))

    def arrow(self, raw: str) -> ArrowValues | None:
        """Give one raw column's values where they are Arrow data already."""
        return None if self.entries else self.rows.arrow(raw)

    def values(self, raw: str) -> list[Any]:
        """List one raw column's values, None where a row lacks it."""
        values = self.rows.values(raw) if raw in self.rows.keys else [None] * self.leading
        if self.entries:
            values += [row.get(raw) for _, row in self.entries]
        return values

    def entry(self, position: int) -> tuple[int, Mapping[str, Any]]:
        """Give one operation: its kind, and its data as the author passed it."""
        return (UPSERT, self.row(position)) if position < self.leading else self.entries[position - self.leading]

    def row(self, position: int) -> dict[str, Any]:
        """Give one operation's data, as the author passed it."""
        if position < self.leading:
            return self.rows.row(position)
        return dict(self.entries[position - self.leading][1])


@dataclass(slots=True)
class Batch:
    """What to do to one table, every key at most once in the three parts together.

    rows     whole rows, put in place of what has their key; columns the table has besides become NULL
    changes  partial rows, each table with its own set of columns: applied to the row with their key, if any
    deletes  keys of rows to remove for good (live mode)
    ends     the range of the keys of `rows`, where they are integers and it is known
    """

    rows: pa.Table | None
    changes: list[pa.Table]
    deletes: pa.Table | None
    ends: Range | None = None

    @property
    def parts(self) -> Iterator[pa.Table]:
        yield from (part for part in (self.rows, *self.changes, self.deletes) if part is not None)


@dataclass(slots=True)
class TypedOperations:
    """Operations of one table as typed columns; the author's order is the order of the rows.

    columns  by destination name; NULL where an operation lacks the column; no system columns
    kinds    UPSERT, UPDATE or DELETE for each; None when all are upserts
    given    the destination names each operation names; None when all are upserts
    """

    columns: dict[str, Column]
    count: int
    kinds: list[int] | None = None
    given: list[frozenset[str]] | None = None

    def goes_on(self, other: TypedOperations) -> bool:
        """Say whether `other`, which comes right after, is more of the same: upserts of the same columns and types."""
        return (
            self.kinds is None
            and other.kinds is None
            and self.columns.keys() == other.columns.keys()
            and all(column.kind == other.columns[name].kind for name, column in self.columns.items())
        )


def joined(parts: Sequence[TypedOperations]) -> TypedOperations:
    """Make one of several operations of which each goes on with the one before."""
    if len(parts) == 1:
        return parts[0]
    columns = {name: _joined([part.columns[name] for part in parts]) for name in parts[0].columns}
    return TypedOperations(columns, sum(part.count for part in parts))


def _joined(columns: Sequence[Column]) -> Column:
    ranges = [column.range for column in columns if column.range is not None]
    known = reduce(Range.then, ranges) if len(ranges) == len(columns) else None
    arrays = [array for column in columns for array in _pieces(column.array)]
    return Column(pa.concat_arrays(arrays), columns[0].kind, known)


def _pieces(array: pa.Array | pa.ChunkedArray) -> list[pa.Array]:
    return array.chunks if isinstance(array, pa.ChunkedArray) else [array]


class Typist:
    """Turns the chunks of one table into typed operations, and tells once per column what differs on Fivetran.

    met_late  a value came that its author may have changed meanwhile, in a row nobody looked at
    """

    def __init__(self, source: SourceTable, *, strict: bool, warn: Callable[[str], None], remarks: bool = True) -> None:
        self.source = source
        self._strict = strict
        self._warn = warn
        self._remarks = remarks and not strict
        self.met_late = False
        self._seen: dict[str, set[type]] = {}
        self._plain: dict[str, bool] = {}

    def operations(self, chunk: Chunk) -> TypedOperations:
        """Type a chunk.

        Errors: RowError that names table, column, value and row.
        """
        if self.source.says_deleted:
            chunk = self._with_deletes(chunk)
        by_name = self._raw_names(chunk)
        columns = {name: self._column(chunk, name, raws) for name, raws in by_name.items()}
        kinds = given = None
        if any(kind != UPSERT for kind, _ in chunk.entries):
            kinds = [UPSERT] * chunk.leading + [kind for kind, _ in chunk.entries]
            every = frozenset(by_name)
            given = [every] * chunk.leading + [self._given(row) for _, row in chunk.entries]
        if not self.source.has_key:
            values = {name: _merged(chunk, raws) for name, raws in by_name.items()}
            declared = {n: self.source.declared.get(n) for n in values if n not in self.source.hashed}
            columns[ROW_ID] = _row_ids(values, declared, len(chunk))
        typed = TypedOperations(self._visible(columns), len(chunk), kinds, given)
        self._require_keys(typed, chunk.row)
        return typed

    def operations_from_arrow(self, table: pa.Table) -> TypedOperations:
        """Type upserts that came as one Arrow table.

        Errors: RowError that names table and column.
        """
        columns: dict[str, Column] = {}
        for raw, array in zip(table.column_names, table.columns, strict=True):
            name = self.source.name_of(raw)
            if name in self.source.left_out:
                self._require_not_deleted(name, array)
                continue
            declared = None if name in self.source.hashed else self.source.declared.get(name)
            try:
                columns[name] = column_from_arrow(array, declared)
            except ValueRefused as error:
                raise RowError(f"{self.source}.{name}: {_short(error.value)} {error}") from error
        if not self.source.has_key:
            values = {name: _python_values(column) for name, column in columns.items()}
            kinds = {name: column.kind for name, column in columns.items()}
            columns[ROW_ID] = _row_ids(values, kinds, table.num_rows)
        for name in self.source.hashed & columns.keys():
            columns[name] = _hashed(columns[name])
        typed = TypedOperations(self._visible(columns), table.num_rows)
        self._require_keys(typed, lambda position: table.slice(position, 1).to_pylist()[0])
        return typed

    def _raw_names(self, chunk: Chunk) -> dict[str, list[str]]:
        by_name: dict[str, list[str]] = {}
        for raw in chunk.raw_names():
            by_name.setdefault(self.source.name_of(raw), []).append(raw)
        return {name: raws for name, raws in by_name.items() if name not in self.source.left_out}

    def _require_not_deleted(self, name: str, array: pa.ChunkedArray) -> None:
        if name == DELETED and any(array.to_pylist()):
            raise RowError(
                f"{self.source}.{name}: a table of many rows cannot say which of them are deleted",
                hint="Call op.delete for these rows.",
            )

    def _with_deletes(self, chunk: Chunk) -> Chunk:
        """Put a delete after each row that says it is deleted."""
        raws = [raw for raw in chunk.raw_names() if self.source.name_of(raw) == DELETED]
        if not raws:
            return chunk
        said = _merged(chunk, raws)
        try:
            deleted = convert(said, ColumnType(BOOLEAN), types_among(said)).array.to_pylist()
        except ValueRefused as error:
            raise self.row_error(DELETED, error, chunk.row(error.position)) from error
        if not any(deleted):
            return chunk
        entries: list[tuple[int, Mapping[str, Any]]] = []
        for position, gone in enumerate(deleted):
            entries.append(chunk.entry(position))
            if gone:
                entries.append((DELETE, self._keys_of(entries[-1][1])))
        return Chunk(entries=entries, plain=chunk.plain)

    def _keys_of(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give what `op.delete` takes: the key, or the whole row of a table without one."""
        key = self.source.target.key
        return (
            {raw: value for raw, value in row.items() if self.source.name_of(raw) in key}
            if self.source.has_key
            else row
        )

    def _given(self, row: Mapping[str, Any]) -> frozenset[str]:
        return frozenset(map(self.source.name_of, row)) - self.source.blocked - self.source.left_out

    def _visible(self, columns: dict[str, Column]) -> dict[str, Column]:
        return {name: column for name, column in columns.items() if name not in self.source.blocked}

    def _column(self, chunk: Chunk, name: str, raws: list[str]) -> Column:
        hashed = name in self.source.hashed
        declared = None if hashed else self.source.declared.get(name)
        column = self._quickly(chunk, name, raws, declared) or self._carefully(chunk, name, raws, declared)
        return _hashed(column) if hashed else column

    def _quickly(self, chunk: Chunk, name: str, raws: list[str], declared: ColumnType | None) -> Column | None:
        """Type a column all at once; None where there is something to find out or to say about single values."""
        if name not in self._seen or len(raws) > 1:
            return None
        arrow = chunk.arrow(raws[0])
        if arrow is not None:
            if not arrow.kinds <= self._seen[name]:
                return None
            column = convert_arrow(arrow.array, declared, arrow.kinds)
            if column is not None and column.array is arrow.array:
                column.range = arrow.range
            return column
        if not chunk.plain or not self._plain.get(name, True):
            return None
        column = convert_plainly(chunk.values(raws[0]), declared)
        self._plain[name] = column is not None
        return column

    def _carefully(self, chunk: Chunk, name: str, raws: list[str], declared: ColumnType | None) -> Column:
        values = _merged(chunk, raws)
        kinds = types_among(values)
        seen = self._seen.setdefault(name, set())
        if not kinds <= seen:
            self._notice_late(name, kinds - seen)
            self._remark(name, declared, values, kinds - seen)
            seen |= kinds
        if declared is None and float in kinds and name in self.source.target.key:
            # Whether a text comes in the same batch is chance: -0.0 and 0.0 are one key before they become text.
            values = [value + 0.0 if type(value) is float else value for value in values]
        try:
            return convert(values, declared, kinds, strict=self._strict)
        except ValueRefused as error:
            raise self.row_error(name, error, chunk.row(error.position)) from error

    def _notice_late(self, name: str, kinds: set[type]) -> None:
        for kind in filter(can_change, kinds):
            self.met_late = True
            self._warn(
                f"{self.source}.{name}: a {kind.__name__} came after rows without one: if it was filled again since, "
                "what it held then is stored; pass a copy, such as bytes(value)"
            )

    def _remark(self, name: str, declared: ColumnType | None, values: list[Any], kinds: set[type]) -> None:
        """Say once per column and Python type what Fivetran's own SDK would do with a value like this."""
        if not self._remarks:
            return
        for kind in kinds:
            value = next(value for value in values if type(value) is kind)
            try:
                remark = coerce.remark(declared, value) if declared else undeclared_remark(value)
            except (TypeError, ValueError):
                continue  # it does not fit at all: the conversion says so, with its row
            if remark:
                self._warn(f"{self.source}.{name}: {remark}")

    def row_error(self, name: str, error: ValueRefused, row: Mapping[str, Any]) -> RowError:
        """Give the error of a row of which one column's value was refused."""
        declared = self.source.declared.get(name)
        fits = f" does not fit {declared}:" if declared and declared.name != "DECIMAL" else ""
        return RowError(f"{self.source}.{name}: {_short(error.value)}{fits} {error}", hint=f"in the row {_short(row)}")

    def _require_keys(self, typed: TypedOperations, row: Callable[[int], Mapping[str, Any]]) -> None:
        for name in self.source.target.key:
            column = typed.columns.get(name)
            if column is None:
                position = 0
            elif column.array.null_count:
                position = pc.index(pc.is_null(column.array), True).as_py()
            else:
                continue
            raise RowError(
                f"{self.source}.{name}: a row has no value for this primary-key column",
                hint=f"in the row {_short(row(position))}",
            )


def _row_ids(values: Mapping[str, Sequence[Any]], kinds: Mapping[str, ColumnType | None], count: int) -> Column:
    """Name each row by its values; an operation that gives `_fivetran_id` itself is taken at its word."""
    ids = row_ids({name: column for name, column in values.items() if name != ROW_ID}, kinds, length=count)
    given = values.get(ROW_ID, [None] * count)
    named = [own if own is not None else made for own, made in zip(given, ids, strict=True)]
    return Column(pa.array(named, pa.string()), _STRING)


def _python_values(column: Column) -> list[Any]:
    """List a column's values as an operation would have brought them."""
    values: list[Any] = column.array.to_pylist()
    if column.kind is not None and column.kind.name == JSON:
        return [None if value is None else JsonText(value) for value in values]
    return values


def undeclared_remark(value: object) -> str | None:
    """Say what Fivetran's SDK 2.13.1 would lose of a value in an undeclared column (rules A-82, A-83)."""
    if type(value) is float and value == value and pa.scalar(value, pa.float32()).as_py() != value:
        return "Fivetran's SDK 2.13.1 would send an undeclared float with 32 bits; declare the column DOUBLE"
    if type(value) is int and not -(2**63) < value < 2**63:
        return "Fivetran's SDK 2.13.1 would send an undeclared integer beyond 64 bits as a float; declare the column"
    return None


def _merged(chunk: Chunk, raws: list[str]) -> list[Any]:
    """List a column's values; where a row has several raw columns of one name, the later one counts."""
    if len(raws) == 1:
        return chunk.values(raws[0])
    names = set(raws)
    return [
        next((value for raw, value in reversed(chunk.row(i).items()) if raw in names), None) for i in range(len(chunk))
    ]


def _hashed(column: Column) -> Column:
    """Replace each value by the SHA-256 of its text, in lower-case hexadecimal (rule B-66)."""
    kind = column.kind
    texts = (None if v is None or kind is None else as_text(kind, v) for v in column.array.to_pylist())
    hashes = [None if text is None else hashlib.sha256(text.encode()).hexdigest() for text in texts]
    return Column(pa.array(hashes, pa.string()), _STRING)


def _short(value: object, limit: int = 200) -> str:
    try:
        text = json.dumps(value, default=repr) if isinstance(value, Mapping) else repr(value)
    except (ValueError, RecursionError):  # Python writes no integer of 4,301 digits, and nothing 1,000 levels deep
        if isinstance(value, Mapping) and limit:
            return "{" + ", ".join(f"{name!r}: {_short(each, limit // 4)}" for name, each in value.items()) + "}"
        text = f"an integer of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= limit else text[: limit - 1] + "…"


def net_effect(operations: TypedOperations, table: Table, synced: datetime) -> Batch:
    """Reduce operations to at most one per key, so that the order among the results no longer matters.

    operations  in the types of the table
    synced      the value of `_fivetran_synced`, aware UTC

    Source: rules B-01 to B-11, B-20 to B-22.
    """
    columns = {name: column.array for name, column in operations.columns.items()}
    stamp = pa.scalar(synced, arrow_type(_UTC_DATETIME))
    if operations.kinds is not None:
        return _with_system_columns(_fold(operations, pa.table(columns), table), table, stamp)
    columns.pop(DELETED, None)
    if table.mode == "soft_delete":
        columns[DELETED] = _all_false(operations.count)
    columns[SYNCED] = pa.repeat(stamp, operations.count)
    data = pa.table(columns)
    ends = operations.columns[table.key[0]].range if len(table.key) == 1 else None
    return Batch(data if ends and ends.rises else _last_of_each_key(data, table.key, ends), [], None, ends)


def _all_false(count: int) -> pa.Array:
    return _FALSES[:count] if count <= len(_FALSES) else pa.repeat(_FALSE, count)


def _last_of_each_key(data: pa.Table, key: tuple[str, ...], ends: Range | None) -> pa.Table:
    if len(key) == 1 and _all_different(data[key[0]], ends):
        return data
    keyed = data.select(key).append_column("position", pa.array(range(data.num_rows), pa.int64()))
    last = keyed.group_by(list(key)).aggregate([("position", "max")])["position_max"]
    return data if len(last) == data.num_rows else data.take(last.combine_chunks().sort())


def _all_different(keys: pa.ChunkedArray, ends: Range | None) -> bool:
    """Say whether no key comes twice; a set of keys, or finding that they rise, costs a tenth of the general case."""
    if ends is not None and KeySet(_SET_BYTES).add(keys, ends.least, ends.most):
        return True
    keys = keys.combine_chunks()
    if _is_ordered(keys.type) and pc.all(pc.greater(keys[1:], keys[:-1])).as_py():
        return True
    return bool(pc.count_distinct(keys).as_py() == len(keys))


def _is_ordered(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_temporal(kind))


class _Fate:
    """What becomes of one key.

    row      position of the upsert that holds, None while the destination's own row does
    changed  column to the position of the update that set it last
    deleted  True once a delete came after the row
    """

    __slots__ = ("changed", "deleted", "row")

    def __init__(self, row: int | None = None) -> None:
        self.row = row
        self.changed: dict[str, int] = {}
        self.deleted = False


def _fold(operations: TypedOperations, data: pa.Table, table: Table) -> Batch:
    fates = _fates(operations, data, table)
    put = [fate for fate in fates.values() if fate.row is not None and not _gone(fate, table)]
    gone = [position for position, fate in fates.items() if _gone(fate, table)]
    groups: dict[tuple[frozenset[str], bool], list[tuple[int, _Fate]]] = {}
    for position, fate in fates.items():
        if fate.row is None and not _gone(fate, table):
            groups.setdefault((frozenset(fate.changed), fate.deleted), []).append((position, fate))
    return Batch(
        rows=_put(data, put) if put else None,
        changes=[_change(data, table.key, sorted(names), deleted, group) for (names, deleted), group in groups.items()],
        deletes=data.select(table.key).take(pa.array(gone, pa.int64())) if gone else None,
    )


def _gone(fate: _Fate, table: Table) -> bool:
    return fate.deleted and table.mode == "live"


def _fates(operations: TypedOperations, data: pa.Table, table: Table) -> dict[int, _Fate]:
    """Find each key's fate, by the position of the key's first operation."""
    assert operations.kinds is not None and operations.given is not None
    keys = _keys(data, table.key)
    first: dict[Any, int] = {}
    fates: dict[int, _Fate] = {}
    changeable = frozenset(data.column_names) - frozenset(table.key)
    for position, (kind, key) in enumerate(zip(operations.kinds, keys, strict=True)):
        at = first.setdefault(key, position)
        fate = fates.get(at)
        if kind == UPSERT:
            fates[at] = _Fate(position)
            continue
        if fate is None:
            fate = fates[at] = _Fate()
        if kind == DELETE:
            fate.deleted = True
        elif not _gone(fate, table):
            fate.changed.update(dict.fromkeys(operations.given[position] & changeable, position))
    return fates


def _keys(data: pa.Table, key: tuple[str, ...]) -> Sequence[Any]:
    columns = [data[name] for name in key]
    if any(pa.types.is_floating(column.type) for column in columns):
        return list(map(comparable_key, zip(*(column.to_pylist() for column in columns), strict=True)))
    if len(columns) == 1:
        return columns[0].to_pylist()  # type: ignore[no-any-return]  # pyarrow has no types
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def comparable_key(values: Iterable[Any]) -> tuple[Any, ...]:
    """Give a key that Python compares as a warehouse does, where NaN equals NaN.

    >>> comparable_key([1, float("nan")]) == comparable_key([1, float("nan")])
    True
    """
    return tuple("NaN" if value != value else value for value in values)


def _put(data: pa.Table, fates: list[_Fate]) -> pa.Table:
    """Take the rows that hold, each cell from the upsert or from the last update that set it."""
    base = [fate.row for fate in fates]
    updated = {name for fate in fates for name in fate.changed}
    columns = {
        name: data[name].take(
            pa.array([fate.changed.get(name, fate.row) for fate in fates] if name in updated else base, pa.int64())
        )
        for name in data.column_names
    }
    columns[DELETED] = pa.array([fate.deleted for fate in fates], pa.bool_())
    return pa.table(columns)


def _change(
    data: pa.Table, key: tuple[str, ...], names: list[str], deleted: bool, members: list[tuple[int, _Fate]]
) -> pa.Table:
    keys = data.select(key).take(pa.array([position for position, _ in members], pa.int64()))
    columns = {name: keys[name] for name in key}
    for name in names:
        columns[name] = data[name].take(pa.array([fate.changed[name] for _, fate in members], pa.int64()))
    if deleted:
        columns[DELETED] = pa.repeat(_TRUE, len(members))
    return pa.table(columns)


def _with_system_columns(batch: Batch, table: Table, stamp: pa.Scalar) -> Batch:
    def stamped(part: pa.Table) -> pa.Table:
        return part.append_column(SYNCED, pa.repeat(stamp, part.num_rows))

    rows = batch.rows
    if rows is not None:
        rows = stamped(rows if table.mode == "soft_delete" else rows.drop_columns([DELETED]))
    return Batch(rows, [stamped(part) for part in batch.changes], batch.deletes)
