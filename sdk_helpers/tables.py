"""A table of many records on Arrow, which keeps columns and types that appear late.

In a connector, or in a notebook::

    people = Table(fetch("people"))                  # a list, or a generator: rows are packed as they come
    people = people.unpack("address").rename({"address_zip": "postcode"}).deduplicate("id")
    people.to_csv("people.csv")
    for row in people:
        op.upsert("people", row)

`pyarrow.Table.from_pylist` drops what the first row lacks, silently, and refuses a column of 1 and "x". Here
every key of every row is a column, and a column has the narrowest type that keeps all its values: whole numbers
and fractions meet as floats while that is exact, other kinds meet as text (equal numbers written alike, `1.0` as
`1`), dicts and lists are JSON (text in Arrow, dicts and lists again when read). A table never changes: each method
gives a new one.
Needs pyarrow; `to_pandas`, `to_polars` and `to_duckdb` need theirs.
"""

from __future__ import annotations

import base64
import html
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, overload

if TYPE_CHECKING:
    import duckdb
    import pandas
    import polars

Row = dict[str, Any]

_PACKED_ROWS = 10_000
_EXACT_IN_DOUBLE = 2**53
_JSON = {b"json": b"true"}  # marks the Arrow field of a column whose text is JSON


class Table:
    """Records with named columns; reads like a list of dicts.

    rows     dicts; a key a row lacks is None in it
    columns  names that come first, and are there even if no row has them: an empty table keeps its columns

    `table[0]` is a dict, `table["id"]` a list, `table[2:4]` a table.

    >>> Table([{"id": 1}, {"id": 2, "tags": ["a"]}]).rows()
    [{'id': 1, 'tags': None}, {'id': 2, 'tags': ['a']}]
    >>> Table(columns=["id", "name"])["id"]
    []
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = (), *, columns: Sequence[str] = ()) -> None:
        self._arrow: Any = _packed(iter(rows), columns)

    @classmethod
    def from_arrow(cls, source: Any) -> Table:
        """Take an Arrow table, batch or reader, a polars frame, or anything that gives an Arrow stream.

        Errors: ValueError when two columns share a name.
        """
        import pyarrow as pa

        arrow = source.read_all() if isinstance(source, pa.RecordBatchReader) else pa.table(source)
        return cls._of(arrow)

    from_polars = from_arrow

    @classmethod
    def from_pandas(cls, frame: pandas.DataFrame) -> Table:
        """Take a data frame without its index; NaN, NaT and NA are None, as pandas means them."""
        import pyarrow as pa

        _refuse_twice(str(name) for name in frame.columns)
        columns, fields = [], []
        for position, name in enumerate(frame.columns):
            series = frame.iloc[:, position]
            if series.dtype == object:
                values = series.astype(object).where(series.notna(), None).tolist()
                array, described = _column(str(name), values)
            else:
                array = pa.Array.from_pandas(series)
                described = pa.field(str(name), array.type)
            columns.append(array)
            fields.append(described)
        return cls._of(pa.table(columns, schema=pa.schema(fields)))

    @classmethod
    def from_csv(cls, source: str | Path | BinaryIO, *, delimiter: str = ",") -> Table:
        """Read a CSV file with a header line; every value is text, an empty field is None and `""` is "".

        Errors: ValueError for two columns of one name, or a row with more or fewer fields than the header.
        """
        import pyarrow.csv

        options = {
            "parse_options": pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            "convert_options": pyarrow.csv.ConvertOptions(
                default_column_type=pyarrow.string(),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        }
        return cls._of(pyarrow.csv.read_csv(source, **options))

    @classmethod
    def from_duckdb(cls, connection: duckdb.DuckDBPyConnection, query: str) -> Table:
        """Take the rows of a query; JSON columns are dicts and lists."""
        relation = connection.sql(query)
        kinds = dict(zip(relation.columns, relation.types, strict=True))
        table = cls._of(relation.to_arrow_table())
        return table._marked(name for name, kind in kinds.items() if str(kind) == "JSON")

    @classmethod
    def _of(cls, arrow: Any) -> Table:
        _refuse_twice(arrow.column_names)
        table = cls.__new__(cls)
        table._arrow = arrow
        return table

    def _marked(self, names: Iterable[str]) -> Table:
        schema = self._arrow.schema
        for name in names:
            position = schema.get_field_index(name)
            schema = schema.set(position, schema.field(position).with_metadata(_JSON))
        return Table._of(self._arrow.cast(schema))

    # Reading

    @property
    def columns(self) -> list[str]:
        return list(self._arrow.column_names)

    @property
    def num_rows(self) -> int:
        return int(self._arrow.num_rows)

    def rows(self) -> list[Row]:
        return list(self)

    def first(self) -> Row | None:
        """Give the first row, or None if there is none."""
        return next(iter(self), None)

    def __len__(self) -> int:
        return self.num_rows

    def __bool__(self) -> bool:
        return self.num_rows > 0

    def __iter__(self) -> Iterator[Row]:
        names = self.columns
        for batch in self._arrow.to_batches(max_chunksize=_PACKED_ROWS):
            values = [_values(array, field) for array, field in zip(batch.columns, batch.schema, strict=True)]
            for row in zip(*values, strict=True):
                yield dict(zip(names, row, strict=True))

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: str) -> list[Any]: ...
    @overload
    def __getitem__(self, at: slice) -> Table: ...
    def __getitem__(self, at: int | str | slice) -> Row | list[Any] | Table:
        """Give a row by its number, a column by its name, or a table of some rows."""
        if isinstance(at, str):
            self._require([at])
            return _values(self._arrow[at], self._arrow.schema.field(at))
        positions = range(self.num_rows)[at]
        if isinstance(positions, int):
            return next(iter(Table._of(self._arrow.slice(positions, 1))))
        if positions.step == 1:
            return Table._of(self._arrow.slice(positions.start, len(positions)))
        return Table._of(self._arrow.take(list(positions)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Table):
            return NotImplemented
        return self.columns == other.columns and self.rows() == other.rows()

    __hash__ = None  # type: ignore[assignment]  # as a list: equal by content, so not a key

    def __repr__(self) -> str:
        return f"Table({self.num_rows} rows: {', '.join(self.columns)})"

    def _repr_html_(self) -> str:
        """Show the first ten rows in a notebook."""
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        lines = (
            "".join(f"<td>{html.escape('' if value is None else str(value))}</td>" for value in row.values())
            for row in self.head(10)
        )
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<table><tr>{head}</tr>{body}</table><p>{self.num_rows} rows</p>"

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._arrow.__arrow_c_stream__(requested_schema)

    # Columns

    def select(self, *columns: str) -> Table:
        self._require(columns)
        return Table._of(self._arrow.select(list(columns)))

    def drop(self, *columns: str) -> Table:
        self._require(columns)
        return Table._of(self._arrow.drop_columns(list(columns)))

    def rename(self, names: Mapping[str, str]) -> Table:
        """Rename columns, `{old: new}`. Errors: ValueError if two columns would share a name."""
        self._require(names)
        return Table._of(self._arrow.rename_columns([names.get(name, name) for name in self.columns]))

    def with_column(self, name: str, values: Sequence[Any] | Callable[[Row], Any]) -> Table:
        """Add or replace a column: a list of values, or a function of the row, called at once.

        >>> Table([{"n": 2}]).with_column("double", lambda row: row["n"] * 2).rows()
        [{'n': 2, 'double': 4}]
        """
        made = [values(row) for row in self] if callable(values) else list(values)
        if len(made) != self.num_rows and self.columns:
            raise ValueError(f"{name}: {len(made)} values for {self.num_rows} rows")
        array, described = _column(name, made)
        if name in self.columns:
            return Table._of(self._arrow.set_column(self.columns.index(name), described, array))
        return Table._of(self._arrow.append_column(described, array))

    def convert(self, column: str, function: Callable[[Any], Any]) -> Table:
        """Replace each value of a column that is not None by `function(value)`."""
        return self.with_column(column, [None if value is None else function(value) for value in self[column]])

    def fill(self, column: str, value: Any) -> Table:
        """Put `value` where a column is None; False, 0 and "" are values and stay."""
        return self.with_column(column, [value if present is None else present for present in self[column]])

    def coalesce(self, column: str, *sources: str) -> Table:
        """Make one column of several: in each row the first of `sources` that is not None; they are dropped.

        >>> Table([{"mail": None, "email": "a@b"}]).coalesce("email", "mail", "email").rows()
        [{'email': 'a@b'}]
        """
        self._require(sources)
        values = [
            next((value for value in row if value is not None), None)
            for row in zip(*map(self.__getitem__, sources), strict=True)
        ]
        return self.with_column(column, values).drop(*(source for source in sources if source != column))

    def match_columns(self, columns: Sequence[str], *, drop_others: bool = False) -> Table:
        """Give exactly these columns, in this order; missing ones are None in every row.

        Errors: ValueError for columns that are not in the list, unless `drop_others`.
        """
        others = [name for name in self.columns if name not in columns]
        if others and not drop_others:
            raise ValueError(f"not in the wanted columns: {', '.join(others)}: add them, or drop_others=True")
        table = self
        for name in columns:
            if name not in table.columns:
                table = table.with_column(name, [None] * self.num_rows)
        return table.select(*columns)

    def unpack(self, column: str, *, prefix: str | None = None) -> Table:
        """Replace a column of dicts by a column for each key of any of them, named `<prefix><key>`.

        prefix  `<column>_` if None

        Errors: ValueError for a value that is no dict, or a name that is taken.

        >>> Table([{"id": 1, "at": {"x": 3}}]).unpack("at").rows()
        [{'id': 1, 'at_x': 3}]
        """
        dicts = [{} if value is None else value for value in self[column]]
        wrong = next((number for number, value in enumerate(dicts) if not isinstance(value, Mapping)), None)
        if wrong is not None:
            raise ValueError(f"{column}, row {wrong}: {dicts[wrong]!r} is no dict")
        unpacked = Table(dicts)
        start = f"{column}_" if prefix is None else prefix
        table = self.drop(column)
        for key in unpacked.columns:
            if f"{start}{key}" in table.columns:
                raise ValueError(
                    f"{column}: the key {key!r} would overwrite the column {start}{key}: give another prefix"
                )
            table = table.with_column(f"{start}{key}", unpacked[key])
        return table

    # Rows

    def head(self, rows: int = 5) -> Table:
        return self[:rows]

    def tail(self, rows: int = 5) -> Table:
        return self[max(self.num_rows - rows, 0) :]

    def where(self, wanted: Callable[[Row], bool]) -> Table:
        """Keep the rows for which `wanted(row)` is true."""
        return Table._of(self._arrow.filter(_booleans(bool(wanted(row)) for row in self)))

    def sort(self, *columns: str, descending: bool = False) -> Table:
        """Sort by these columns; None comes last in both directions, equal rows keep their order."""
        import pyarrow.compute as pc

        self._require(columns)
        keys = [(name, "descending" if descending else "ascending") for name in columns]
        return Table._of(self._arrow.take(pc.sort_indices(self._arrow, sort_keys=keys)))

    def deduplicate(self, *columns: str, keep: str = "first") -> Table:
        """Keep one row, the first or the last, of those that are alike in `columns` (in all if none is named)."""
        if keep not in ("first", "last"):
            raise ValueError(f"keep must be 'first' or 'last', not {keep!r}")
        self._require(columns)
        keys = list(zip(*(_raw(self._arrow[name]) for name in columns or self.columns), strict=True))
        numbered = enumerate(keys) if keep == "last" else reversed(list(enumerate(keys)))
        return Table._of(self._arrow.take(sorted({key: number for number, key in numbered}.values())))

    def explode(self, column: str) -> Table:
        """Give one row for each element of a column of lists; an empty list or None leaves one row with None.

        >>> Table([{"id": 1, "tag": ["a", "b"]}, {"id": 2}]).explode("tag").rows()
        [{'id': 1, 'tag': 'a'}, {'id': 1, 'tag': 'b'}, {'id': 2, 'tag': None}]
        """
        positions, elements = [], []
        for number, value in enumerate(self[column]):
            if not isinstance(value, list | None):
                raise ValueError(f"{column}, row {number}: {value!r} is no list")
            for element in value or [None]:
                positions.append(number)
                elements.append(element)
        return Table._of(self._arrow.take(positions)).with_column(column, elements)

    def concat(self, *others: Table) -> Table:
        """Put tables below each other; a column that one lacks is None there, types meet as in `Table(rows)`."""
        import pyarrow as pa

        tables = [self, *others]
        if all(table._arrow.schema.equals(self._arrow.schema, check_metadata=True) for table in others):
            return Table._of(pa.concat_tables([table._arrow for table in tables]))
        names = dict.fromkeys(chain.from_iterable(table.columns for table in tables))
        return Table(chain.from_iterable(tables), columns=list(names))

    def chunks(self, rows: int) -> Iterator[Table]:
        """Cut the table into tables of at most so many rows; they share its memory."""
        if rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}")
        for start in range(0, self.num_rows, rows):
            yield self[start : start + rows]

    # Writing

    def to_arrow(self) -> Any:
        """Give the pyarrow.Table; dicts and lists are JSON text in it."""
        return self._arrow

    def to_pandas(self) -> pandas.DataFrame:
        """Give a data frame with Arrow types: NumPy makes floats of whole numbers beside NULL."""
        import pandas as pd

        frame: pandas.DataFrame = self._arrow.to_pandas(types_mapper=pd.ArrowDtype)
        for name in self.columns:
            if self._is_json(name):
                frame[name] = pd.Series(self[name], dtype=object)
        return frame

    def to_polars(self) -> polars.DataFrame:
        """Give a polars frame; dicts and lists are JSON text in it."""
        import polars as pl

        frame = pl.from_arrow(self._arrow)
        assert isinstance(frame, pl.DataFrame)  # a table gives a frame, an array would give a series
        return frame

    def to_csv(self, target: str | Path | BinaryIO) -> None:
        """Write a CSV file with a header; None is an empty field and "" is `""`, bytes are base64."""
        import pyarrow.csv

        table = self
        for described in self._arrow.schema:
            if pyarrow.types.is_binary(described.type) or pyarrow.types.is_large_binary(described.type):
                table = table.convert(described.name, lambda value: base64.b64encode(value).decode())
            elif pyarrow.types.is_nested(described.type):
                table = table.convert(described.name, _json_text)
        pyarrow.csv.write_csv(table._arrow, target)

    def to_duckdb(self, connection: duckdb.DuckDBPyConnection, name: str, *, replace: bool = False) -> None:
        """Create the table `name` with these rows; dicts and lists are JSON columns. Errors: it exists already."""
        quote = _quoted
        casts = {column: "JSON" for column in self.columns if self._is_json(column)}
        casts |= {each.name: "VARCHAR" for each in self._arrow.schema if str(each.type) == "null"}
        columns = ", ".join(
            f"{quote(column)}::{casts[column]} AS {quote(column)}" if column in casts else quote(column)
            for column in self.columns
        )
        create = "CREATE OR REPLACE TABLE" if replace else "CREATE TABLE"
        view = f"table_{uuid.uuid4().hex}"
        connection.register(view, self._arrow)
        try:
            connection.execute(f"{create} {quote(name)} AS SELECT {columns} FROM {view}")  # noqa: S608  # quoted
        finally:
            connection.unregister(view)

    def _is_json(self, name: str) -> bool:
        return _is_json(self._arrow.schema.field(name))

    def _require(self, columns: Iterable[str]) -> None:
        unknown = [name for name in columns if name not in self.columns]
        if unknown:
            raise KeyError(f"no column {', '.join(map(repr, unknown))}; there are {', '.join(self.columns) or 'none'}")


@dataclass
class _Seen:
    """What the values of a column were, over all packs of rows."""

    kinds: set[str] = field(default_factory=set)
    largest: int = 0  # of the whole numbers, without sign
    lowest: int = 0
    whole_digits: int = 0  # of the decimals, before the point
    scale: int = 0  # of the decimals, after it
    nanoseconds: bool = False

    def add(self, values: Iterable[Any]) -> None:
        """Note values that are not None."""
        for value in values:
            kind = _kind(value)
            self.kinds.add(kind)
            if kind == "int":
                self.largest = max(self.largest, abs(value))
                self.lowest = min(self.lowest, value)
            elif kind == "decimal":
                _, digits, exponent = value.as_tuple()
                self.scale = max(self.scale, -exponent)
                self.whole_digits = max(self.whole_digits, len(digits) + exponent)
            elif kind in ("aware", "naive") and _has_nanoseconds(value):
                self.nanoseconds = True

    def join(self, other: _Seen) -> None:
        self.kinds |= other.kinds
        self.largest = max(self.largest, other.largest)
        self.lowest = min(self.lowest, other.lowest)
        self.whole_digits = max(self.whole_digits, other.whole_digits)
        self.scale = max(self.scale, other.scale)
        self.nanoseconds |= other.nanoseconds

    def form(self) -> _Form:
        """Choose how the column is held."""
        import pyarrow as pa

        if not self.kinds:
            return _Form(pa.null())
        if "nested" in self.kinds:
            return _Form(pa.string(), _json_text, is_json=True)
        if self.kinds == {"int"}:
            return _Form(pa.int64()) if self.lowest >= -(2**63) and self.largest < 2**63 else self._decimal()
        if self.kinds <= {"int", "float"} and self.largest <= _EXACT_IN_DOUBLE:
            return _Form(pa.float64(), float)
        if self.kinds <= {"int", "decimal"}:
            return self._decimal()
        if len(self.kinds) == 1:
            return self._single(next(iter(self.kinds)))
        return _Form(pa.string(), _text)

    def _decimal(self) -> _Form:
        import pyarrow as pa

        precision = max(self.whole_digits, len(str(self.largest)), 1) + self.scale
        if precision > 76:
            return _Form(pa.string(), _text)
        return _Form((pa.decimal128 if precision <= 38 else pa.decimal256)(precision, self.scale), Decimal)

    def _single(self, kind: str) -> _Form:
        import pyarrow as pa

        unit = "ns" if self.nanoseconds else "us"
        arrow = {
            "bool": pa.bool_(),
            "float": pa.float64(),
            "text": pa.string(),
            "bytes": pa.binary(),
            "date": pa.date32(),
            "naive": pa.timestamp(unit),
            "aware": pa.timestamp(unit, "UTC"),
            "time": pa.time64("us"),
            "duration": pa.duration("us"),
        }.get(kind)
        return _Form(pa.string(), _text) if arrow is None else _Form(arrow)


@dataclass(frozen=True)
class _Form:
    """How a column is held: its Arrow type, what makes a value fit, and whether the text is JSON."""

    type: Any
    convert: Callable[[Any], Any] | None = None
    is_json: bool = False

    def array(self, values: Sequence[Any]) -> Any:
        import pyarrow as pa

        convert = self.convert
        if convert is not None:
            values = [None if value is None else convert(value) for value in values]
        return pa.array(values, type=self.type)

    def field(self, name: str) -> Any:
        import pyarrow as pa

        return pa.field(name, self.type, metadata=_JSON if self.is_json else None)


_KINDS: Mapping[type, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    Decimal: "decimal",
    str: "text",
    bytes: "bytes",
    date: "date",
    time: "time",
    timedelta: "duration",
    dict: "nested",
    list: "nested",
    tuple: "nested",
}


def _kind(value: Any) -> str:
    if isinstance(value, datetime):
        return "naive" if value.tzinfo is None else "aware"
    kind = _KINDS.get(type(value)) or next((kind for each, kind in _KINDS.items() if isinstance(value, each)), None)
    if kind is None and isinstance(value, Mapping):
        return "nested"
    if kind is None:
        raise TypeError(f"a value of type {type(value).__name__} has no column type: turn it into text or numbers")
    if kind == "decimal" and not value.is_finite():
        return "text of a number"
    return kind


def _has_nanoseconds(value: datetime) -> bool:
    """Whether a pandas Timestamp has what a datetime cannot hold, and Arrow would cut off."""
    return bool(getattr(value, "nanosecond", False))


def _plain(value: Any) -> Any:
    """Turn what NumPy, pandas and the standard library wrap around a value into the value."""
    if type(value) in _KINDS:
        return value
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return None
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    if callable(getattr(value, "item", None)) and getattr(value, "shape", None) == ():
        return _plain(value.item())
    return value


def _packed(rows: Iterator[Mapping[str, Any]], columns: Sequence[str]) -> Any:
    """Pack rows into an Arrow table, some thousand at a time, and at the end give all packs the same types."""
    import pyarrow as pa

    if isinstance(columns, str):
        raise TypeError(f"columns is the text {columns!r}: give a list, [{columns!r}]")
    _refuse_twice(columns)
    seen = {name: _Seen() for name in columns}
    packs: list[tuple[int, dict[str, tuple[_Form, Any]]]] = []
    while pack := list(islice(rows, _PACKED_ROWS)):
        packs.append((len(pack), _pack(pack, seen, len(packs) * _PACKED_ROWS)))
    if packs and not seen:
        raise ValueError("the rows have no columns: a table cannot hold rows without any")
    forms = {name: each.form() for name, each in seen.items()}
    schema = pa.schema([form.field(name) for name, form in forms.items()])
    tables = [
        pa.table([_fitting(form, held.get(name), count) for name, form in forms.items()], schema=schema)
        for count, held in packs
    ]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def _pack(rows: list[Mapping[str, Any]], seen: dict[str, _Seen], start: int) -> dict[str, tuple[_Form, Any]]:
    for number, row in enumerate(rows, start=start):
        if not isinstance(row, Mapping):
            raise TypeError(f"row {number} is {row!r}, not a dict")
    names = dict.fromkeys(chain.from_iterable(rows))
    held = {}
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"the column name {name!r} is not text")
        values = [_plain(row.get(name)) for row in rows]
        here = _seen(name, values)
        form = here.form()
        held[name] = (form, form.array(values))
        seen.setdefault(name, _Seen()).join(here)
    return held


def _seen(name: str, values: Iterable[Any]) -> _Seen:
    seen = _Seen()
    try:
        seen.add(value for value in values if value is not None)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    return seen


def _fitting(form: _Form, held: tuple[_Form, Any] | None, count: int) -> Any:
    import pyarrow as pa

    if held is None:
        return pa.nulls(count, form.type)
    held_form, array = held
    if held_form == form:
        return array
    return form.array(_values(array, held_form.field("")))


def _column(name: str, values: Sequence[Any]) -> tuple[Any, Any]:
    plain = [_plain(value) for value in values]
    form = _seen(name, plain).form()
    return form.array(plain), form.field(name)


def _values(array: Any, described: Any) -> list[Any]:
    values: list[Any] = array.to_pylist()
    if _is_json(described):
        return [None if value is None else json.loads(value) for value in values]
    return values


def _raw(array: Any) -> list[Any]:
    """Give values that can be compared and be keys of a dict."""
    return [_json_text(value) if isinstance(value, dict | list) else value for value in array.to_pylist()]


def _is_json(described: Any) -> bool:
    return (described.metadata or {}).get(b"json") == b"true"


def _text(value: Any) -> str:
    """Write a value into a column that text is in too; equal numbers read the same, however they came."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        raise ValueError(f"{value!r} stands in a column of other kinds: bytes cannot be mixed with them")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_IN_DOUBLE:
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite():
        written = format(value, "f")
        return written.rstrip("0").rstrip(".") if "." in written else written
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _json_text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_IN_DOUBLE:
        value = int(value)  # as in _text: 1 and 1.0 read the same
    return json.dumps(value, ensure_ascii=False, default=_json_default)


def _json_default(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    plain = _plain(value)
    return plain if type(plain) in (bool, int, float, str, dict, list, type(None)) else _text(plain)


def _booleans(values: Iterable[bool]) -> Any:
    import pyarrow as pa

    return pa.array(values, type=pa.bool_())


def _refuse_twice(names: Iterable[str]) -> None:
    known: set[str] = set()
    for name in names:
        if name in known:
            raise ValueError(f"two columns are named {name!r}, and one would be lost")
        known.add(name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
