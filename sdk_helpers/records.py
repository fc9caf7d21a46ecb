"""The mapped columns beside what the source said, whole; rows that cannot be mapped go to a quarantine table.

In a connector::

    people = Records("people", lambda person: {"id": person["id"], "city": person["address"]["city"]})

    def update(configuration, state):
        for person in fetch("people"):
            for table, row in people.rows(person):   # people, or people_quarantine
                op.upsert(table, row)
        if people.bad:
            op.warning(people.summary())

The raw column is a dict, so Fivetran and headwater store it as JSON; a field that becomes interesting next
year is already in the destination. `people.schema(["id"])` gives both entries for `schema()`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

# What a mapping raises when the data is not as expected. Anything else is a mistake in the program and stops
# the sync.
DATA_ERRORS = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


class TooManyBadRows(ValueError):
    """So many rows could not be mapped that the mapping, not the data, must be wrong."""


class Records:
    """Maps the records of one table and counts what it could not map.

    table             name of the table; the quarantine is `<table>_quarantine`
    map_record        gives the columns of one record; an error of the kinds in DATA_ERRORS sends the record
                      to the quarantine, with the error as the reason
    raw_column        the column that holds the whole record
    max_bad           more bad rows than this in one run raise TooManyBadRows: otherwise a mistake in
                      `map_record` would quietly move a whole table into quarantine
    """

    def __init__(
        self,
        table: str,
        map_record: Callable[[dict[str, object]], Mapping[str, object]],
        *,
        raw_column: str = "raw",
        max_bad: int = 100,
    ) -> None:
        self.table = table
        self.quarantine_table = f"{table}_quarantine"
        self.good = 0
        self.reasons: Counter[str] = Counter()
        self._map_record = map_record
        self._raw_column = raw_column
        self._max_bad = max_bad

    @property
    def bad(self) -> int:
        """How many rows went to the quarantine so far."""
        return self.reasons.total()

    def rows(self, record: object) -> Iterator[tuple[str, dict[str, object]]]:
        """Give one `(table, row)`: the mapped columns with the raw record, or a quarantine row.

        Errors: TooManyBadRows; ValueError when the mapping itself makes the raw column.
        """
        if not isinstance(record, Mapping):
            yield self.reject(record, f"the record is {_kind(record)}, not an object")
            return
        try:
            raw = json_value(record)
            mapped = dict(self._map_record(dict(record)))
        except DATA_ERRORS as error:
            yield self.reject(record, f"{type(error).__name__}: {error}")
            return
        if self._raw_column in mapped:
            raise ValueError(
                f"{self.table}.{self._raw_column} is mapped and the raw column too: choose another raw_column"
            )
        self.good += 1
        yield self.table, {**mapped, self._raw_column: raw}

    def reject(self, record: object, reason: str) -> tuple[str, dict[str, object]]:
        """Give the `(table, row)` that quarantines `record`, and count it.

        The id is a hash of the record, so that a bad row that comes again is still one row.
        """
        self.reasons[reason] += 1
        if self.bad > self._max_bad:
            raise TooManyBadRows(f"{self.summary()}\nCorrect the mapping, or raise max_bad if the source is really so.")
        text = _text(record)
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        return self.quarantine_table, {"id": digest, "reason": reason, "record": text}

    def summary(self) -> str:
        """Say how many rows were bad and why, the commonest reasons first."""
        reasons = "; ".join(f"{count} x {reason}" for reason, count in self.reasons.most_common(5))
        rest = len(self.reasons) - 5
        more = f"; and {rest} other reasons" if rest > 0 else ""
        return f"{self.table}: {self.bad} bad of {self.good + self.bad} rows ({reasons or 'none'}{more})"

    def schema(self, primary_key: Sequence[str]) -> list[dict[str, object]]:
        """Give the `schema()` entries of the table and of its quarantine."""
        return [
            {"table": self.table, "primary_key": list(primary_key), "columns": {self._raw_column: "JSON"}},
            {
                "table": self.quarantine_table,
                "primary_key": ["id"],
                "columns": {"id": "STRING", "reason": "STRING", "record": "STRING"},
            },
        ]


def exact(row: Mapping[str, Any], columns: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Write the exact numbers of a row as text, digit for digit: a DECIMAL column takes them so in every runtime.

    columns  those of the table's `schema()` entry: whole numbers and floats are text too where DECIMAL is declared,
             and a Decimal stays one where DOUBLE or FLOAT is, which take no text

    Source: Fivetran's SDK 2.13.1 refuses everything but text in a DECIMAL column.

    >>> exact({"id": 1, "amount": Decimal("19.50"), "population": Decimal("8.2E+9")})
    {'id': 1, 'amount': '19.50', 'population': '8200000000'}
    >>> exact({"id": 1, "amount": 19}, {"amount": {"type": "DECIMAL", "precision": 12, "scale": 2}})
    {'id': 1, 'amount': '19'}
    """
    declared = columns or {}
    return {name: _exact(value, declared.get(name)) for name, value in row.items()}


def _exact(value: Any, declared: object) -> Any:
    if isinstance(declared, Mapping):  # only DECIMAL is declared so
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            return value
        # repr of a float is the shortest text that means it; its binary digits would be 19.500000000000000...
        # NumPy's floats are floats too, but their own repr has their type in it.
        return f"{Decimal(float.__repr__(value) if isinstance(value, float) else value):f}"
    if isinstance(value, Decimal) and str(declared).upper() not in ("FLOAT", "DOUBLE"):
        return f"{value:f}"
    return value


def json_value(value: object) -> object:
    """Copy `value` into what JSON can hold, nothing lost: what JSON lacks becomes text.

    Decimals, dates, times and UUIDs become their usual text, bytes base64, NaN and the infinities `"NaN"`,
    `"Infinity"`, `"-Infinity"`. Errors: TypeError for anything else, ValueError for keys that would merge.

    >>> json_value({"price": Decimal("1.10"), "on": date(2024, 2, 29), 7: float("nan")})
    {'price': '1.10', 'on': '2024-02-29', '7': 'NaN'}
    """
    if isinstance(value, Mapping):
        copied = {str(key): json_value(item) for key, item in value.items()}
        if len(copied) != len(value):
            raise ValueError(f"two keys of an object have one text: {sorted(map(repr, value))}")
        return copied
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return json.dumps(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    raise TypeError(f"a value of type {type(value).__name__} has no form in JSON")


def _text(record: object) -> str:
    """Write a bad record for the quarantine; if even JSON cannot hold it, as Python shows it."""
    if isinstance(record, str):
        return record
    if isinstance(record, bytes | bytearray):
        return bytes(record).decode("utf-8", "backslashreplace")
    try:
        return json.dumps(json_value(record), ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(record)


def _kind(value: object) -> str:
    return "empty" if value is None else f"a {type(value).__name__}"
