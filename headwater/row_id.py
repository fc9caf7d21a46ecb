"""`_fivetran_id`: the name of a row that has no primary key, made of its values.

Each column that is not NULL, in the order of the destination names, adds
`<length of name>:<name><tag><length of text>:<text>` (lengths in bytes of UTF-8); the id is the
SHA-256 of it all, in lower-case hexadecimal. The tag says what family the value's own type is of,
so that a column that is promoted later keeps the ids of its rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from headwater.types.columns import canonical_value, type_of
from headwater.types.names import (
    BINARY,
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    FLOAT,
    INTEGERS,
    JSON,
    MAX_PRECISION,
    NAIVE_DATE,
    NAIVE_DATETIME,
    STRING,
    UTC_DATETIME,
    XML,
    ColumnType,
    decimal_type,
)
from headwater.types.text import as_text

_TAGS = {
    BOOLEAN: "b",
    **dict.fromkeys(INTEGERS, "i"),
    DECIMAL: "n",
    FLOAT: "f",
    DOUBLE: "f",
    NAIVE_DATE: "d",
    NAIVE_DATETIME: "t",
    UTC_DATETIME: "u",
    BINARY: "x",
    JSON: "j",
    STRING: "s",
    XML: "s",
}


# The text of a number must not depend on the digits its column was declared with.
_WRITTEN_AS = {FLOAT: ColumnType(DOUBLE), DECIMAL: decimal_type(MAX_PRECISION, 0)}


def row_ids(
    values: Mapping[str, Sequence[Any]], declared: Mapping[str, ColumnType | None], length: int | None = None
) -> list[str]:
    """Compute the ids of rows given by columns.

    values    destination name to the column's values, None for NULL or absent
    declared  destination name to its declared type, None where it is inferred value by value

    >>> row_ids({"b": ["x"], "a": [1]}, {}) == row_ids({"a": [1], "b": ["x"], "c": [None]}, {})
    True
    """
    count = length if length is not None else len(next(iter(values.values()), ()))
    hashes = [hashlib.sha256() for _ in range(count)]
    for name in sorted(values):
        prefix = f"{len(name.encode())}:{name}"
        kind = declared.get(name)
        for digest, value in zip(hashes, values[name], strict=True):
            if value is not None:
                digest.update(_encoded(prefix, kind or type_of(value), value))
    return [digest.hexdigest() for digest in hashes]


def _encoded(prefix: str, kind: ColumnType, value: Any) -> bytes:
    canonical = canonical_value(kind, value)
    if canonical is None:
        return b""
    text = as_text(_WRITTEN_AS.get(kind.name, kind), canonical).encode()
    return f"{prefix}{_TAGS[kind.name]}{len(text)}:".encode() + text
