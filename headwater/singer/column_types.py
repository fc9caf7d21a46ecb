"""JSON Schema to columns: the type that a property's schema gives, and the values it lets through."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import reduce
from typing import Any

from headwater.singer.messages import MessageError
from headwater.types.names import (
    BOOLEAN,
    DOUBLE,
    JSON,
    LONG,
    MAX_PRECISION,
    MAX_SCALE,
    NAIVE_DATE,
    STRING,
    UTC_DATETIME,
    ColumnType,
    decimal_type,
    promote,
)

Schema = Mapping[str, Any]

_PLAIN = {
    "boolean": ColumnType(BOOLEAN),
    "integer": ColumnType(LONG),
    "object": ColumnType(JSON),
    "array": ColumnType(JSON),
}
# What other formats hold (time, uuid, email …) has no type of its own in every destination: it stays text.
_FORMATS = {"date-time": ColumnType(UTC_DATETIME), "date": ColumnType(NAIVE_DATE)}
_DECIMAL_FORMATS = ("singer.decimal", "x-singer.decimal")


def column_types(schema: Schema) -> dict[str, ColumnType]:
    """Give the columns of a stream: property to type, without those whose type only their values tell.

    Errors: MessageError when it has no properties, or refers to what it does not hold.

    >>> schema = {"properties": {"id": {"type": "integer"}, "tags": {"type": ["null", "array"]}, "any": {}}}
    >>> {name: str(kind) for name, kind in column_types(schema).items()}
    {'id': 'LONG', 'tags': 'JSON'}
    """
    properties = schema.get("properties")
    if not isinstance(properties, Mapping):
        raise MessageError(
            "a SCHEMA message has no 'properties', so its stream has no columns",
            hint='A stream\'s schema is {"type": "object", "properties": {…}}.',
        )
    types = {name: column_type(wanted, schema) for name, wanted in properties.items()}
    return {name: kind for name, kind in types.items() if kind is not None}


def column_type(wanted: Any, root: Schema) -> ColumnType | None:
    """Give the type of a column that holds all that `wanted` allows; None when it allows anything, or only null.

    root  the schema that `$ref` starts from

    >>> str(column_type({"anyOf": [{"type": "null"}, {"type": "number", "multipleOf": 0.01}]}, {}))
    'DECIMAL(38,2)'
    """
    kinds = list(_kinds(wanted, root, ()))
    if None in kinds:
        return None
    types = {kind for kind in kinds if kind is not None}
    if ColumnType(JSON) in types and not any(kind.name in _TEXT for kind in types):
        return ColumnType(JSON)
    return reduce(promote, types) if types else None


_TEXT = (STRING, UTC_DATETIME, NAIVE_DATE)


def _kinds(wanted: Any, root: Schema, followed: tuple[str, ...]) -> Iterator[ColumnType | None]:
    """Give the type of each alternative but null; None for one that allows anything."""
    if not isinstance(wanted, Mapping):
        yield None  # `true` is a schema too
        return
    if "$ref" in wanted:
        wanted, followed = _followed(wanted, root, followed)
    for part in wanted.get("allOf", ()):
        wanted = {**wanted, **(_followed(part, root, followed)[0] if "$ref" in part else part)}
    names = wanted.get("type", ())
    names = [names] if isinstance(names, str) else names
    for name in names:
        if name != "null":
            yield _kind(name, wanted)
    alternatives = [*wanted.get("anyOf", ()), *wanted.get("oneOf", ())]
    if names:
        return  # what the alternatives add is no type
    if not alternatives:
        yield None
    for alternative in alternatives:
        yield from _kinds(alternative, root, followed)


def _followed(wanted: Schema, root: Schema, followed: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
    reference = wanted["$ref"]
    found: Any = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    if reference in followed or not isinstance(found, Mapping):
        raise MessageError(
            f"a SCHEMA message refers to {reference!r}, which leads nowhere in it",
            hint="Let the tap send its schemas with every reference resolved.",
        )
    return {**found, **{key: value for key, value in wanted.items() if key != "$ref"}}, (*followed, reference)


def _kind(name: str, wanted: Schema) -> ColumnType:
    if name == "number":
        return _number(wanted)
    if name == "string":
        if wanted.get("format") in _DECIMAL_FORMATS and "precision" in wanted and "scale" in wanted:
            return _decimal(int(wanted["precision"]), int(wanted["scale"]))
        return _FORMATS.get(wanted.get("format", ""), ColumnType(STRING))
    if name not in _PLAIN:
        raise MessageError(f"a SCHEMA message has a property of the type {name!r}, which JSON Schema does not have")
    return _PLAIN[name]


def _number(wanted: Schema) -> ColumnType:
    """Give DECIMAL where `multipleOf` tells the digits after the point; the bounds tell those before it."""
    step = wanted.get("multipleOf")
    if step is None:
        return ColumnType(DOUBLE)
    scale = max(0, -int(Decimal(str(step)).normalize().as_tuple().exponent))
    bounds = [Decimal(str(wanted[key])) for key in ("minimum", "maximum") if wanted.get(key) is not None]
    before = max(len(str(int(abs(bound)))) for bound in bounds) if len(bounds) == 2 else MAX_PRECISION
    return _decimal(min(MAX_PRECISION, before + scale), scale)


def _decimal(precision: int, scale: int) -> ColumnType:
    """Give DECIMAL, or text where no column has so many digits."""
    if scale > MAX_SCALE or not 0 <= scale <= precision <= MAX_PRECISION:
        return ColumnType(STRING)
    return decimal_type(max(precision, 1), scale)


def converter(kind: ColumnType) -> Callable[[Any], Any] | None:
    """Give what brings a value of JSON to what a column of this type takes; None where each does as it is.

    >>> convert = converter(ColumnType(UTC_DATETIME))
    >>> convert("2024-02-29T01:02:03"), convert("2024-02-29 01:02:03.5+05:30"), convert("2024-02-29")
    ('2024-02-29T01:02:03Z', '2024-02-29T01:02:03.5+05:30', '2024-02-29T00:00:00Z')
    >>> converter(ColumnType(NAIVE_DATE))("2024-02-29T00:00:00Z"), converter(ColumnType(STRING))([1, None])
    ('2024-02-29', '[1, null]')
    """
    return _CONVERTERS.get(kind.name)


_OFFSET = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)[T ]00:00(?::00(?:\.0+)?)?(?:Z|[+-]00:?00)?", re.IGNORECASE)


def _utc_text(value: Any) -> Any:
    """Take a time without an offset for UTC: many taps leave it out although `date-time` asks for it."""
    if not isinstance(value, str):
        return value
    if value[10:11] == " ":
        value = f"{value[:10]}T{value[11:]}"
    if _OFFSET.search(value):
        return value
    return f"{value}Z" if ":" in value else f"{value}T00:00:00Z"


def _date_text(value: Any) -> Any:
    """Take midnight for the date it begins: many taps write dates as times."""
    midnight = _MIDNIGHT.fullmatch(value) if isinstance(value, str) else None
    return midnight[1] if midnight else value


def _text(value: Any) -> str:
    """Write what is no text as JSON, as the tap had it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


_CONVERTERS: dict[str, Callable[[Any], Any]] = {UTC_DATETIME: _utc_text, NAIVE_DATE: _date_text, STRING: _text}
