"""The type of a column that nobody declared, from its value.

| value                              | type                                | 2.13.1   |
|------------------------------------|-------------------------------------|----------|
| bool                               | BOOLEAN                             | the same |
| int of 64 bits                     | LONG                                | the same |
| int beyond                         | DECIMAL(38,0), then STRING          | FLOAT    |
| float, numpy.float64               | DOUBLE                              | FLOAT    |
| str                                | STRING; not read as a date or number| the same |
| bytes                              | BINARY                              | the same |
| dict, list                         | JSON                                | the same |
| all else: Decimal, date, datetime, | STRING, as `str(value)`             | the same |
| UUID, tuple, set, numpy.int64 ...  |                                     |          |

A subclass counts as what it extends: an IntEnum is LONG, a `class Color(str, Enum)` is STRING.

Source: rules A-80 to A-89, and section 7 for what differs.
"""

from __future__ import annotations

from headwater.types import coerce
from headwater.types.names import (
    BINARY,
    BOOLEAN,
    DOUBLE,
    FLOAT,
    JSON,
    LONG,
    MAX_PRECISION,
    STRING,
    ColumnType,
    decimal_type,
)

_LONG = ColumnType(LONG)
_FLOAT = ColumnType(FLOAT)
_STRING = ColumnType(STRING)
_JSON = ColumnType(JSON)
_LARGEST_LONG = 2**63 - 1
_WIDE_INTEGER = decimal_type(MAX_PRECISION, 0)

# Exact types that decide alone. int is not among them: its size decides.
BY_TYPE: dict[type, ColumnType] = {
    bool: ColumnType(BOOLEAN),
    float: ColumnType(DOUBLE),
    str: _STRING,
    bytes: ColumnType(BINARY),
    dict: _JSON,
    list: _JSON,
}


def infer(value: object) -> ColumnType:
    """The type of an undeclared column that holds `value`, which is not None.

    >>> [str(infer(value)) for value in (2**63 - 1, 2**63, (1, 2))]
    ['LONG', 'DECIMAL(38,0)', 'STRING']
    """
    known = BY_TYPE.get(type(value))
    if known is not None:
        return known
    if isinstance(value, int):
        return _integer_type(value)
    return next((kind for base, kind in BY_TYPE.items() if isinstance(value, base)), _STRING)


def value(column_type: ColumnType, value: object) -> object:
    """The canonical Python value of `value` in a column of the inferred `column_type`.

    NaT and NA of pandas are None, as in a declared column; 2.13.1 would store the text 'NaT'.

    Errors: TypeError or ValueError that says what would be accepted, without the value.
    """
    return coerce.lenient(column_type, value)


def strict(value: object) -> tuple[ColumnType, object]:
    """What 2.13.1 puts on the wire for `value` in an undeclared column, and as which type.

    Errors: the very exception that 2.13.1 raises in the op call, with its message.

    >>> kind, wire = strict(0.1)
    >>> str(kind), wire
    ('FLOAT', 0.10000000149011612)
    """
    inferred = infer(value)
    if inferred.name == DOUBLE or (isinstance(value, int) and abs(value) > _LARGEST_LONG):
        inferred = _FLOAT
    return inferred, coerce.strict(inferred, value)


def _integer_type(value: int) -> ColumnType:
    if -_LARGEST_LONG - 1 <= value <= _LARGEST_LONG:
        return _LONG
    return _WIDE_INTEGER if abs(value) < 10**MAX_PRECISION else _STRING
