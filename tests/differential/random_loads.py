"""Random loads of one table, within what dlt and headwater understand alike."""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

Row = dict[str, Any]

LOADS = 4
KEYS = 60
# The row is to be removed: what dlt calls a hard delete.
REMOVED = "removed"
HINTS = {
    REMOVED: {"hard_delete": True, "data_type": "bool"},
    "doc": {"data_type": "json"},
    "lines": {"data_type": "json"},
}
# What dlt finds by itself and a connector declares: undeclared, they are text, as on Fivetran.
DECLARED = {
    "price": {"type": "DECIMAL", "precision": 38, "scale": 9},
    "changedAt": "UTC_DATETIME",
    "day": "NAIVE_DATE",
    "raw": "BINARY",
}


def _text(rng: random.Random) -> str:
    return "".join(rng.choices(string.ascii_letters + " äß'\"\\%;\n", k=rng.randrange(12)))


def _document(rng: random.Random) -> dict[str, Any]:
    return {"a": rng.randrange(9), "b": {"c": [None, _text(rng), rng.random() < 0.5]}}


# Column to what makes a value; those called late come from the second load on.
VALUES: dict[str, Callable[[random.Random], Any]] = {
    "count": lambda rng: rng.choice([0, -1, 2**31, 2**63 - 1, -(2**63), rng.randrange(10**6)]),
    "ratio": lambda rng: rng.choice([0.0, 0.1, -1e300, 5e-324, rng.random()]),
    "name": _text,
    "flag": lambda rng: rng.random() < 0.5,
    "price": lambda rng: Decimal(rng.randrange(-(10**9), 10**9)).scaleb(-2),
    "changedAt": lambda rng: datetime(2024, 2, 29, 23, 59, 59, 999_999, UTC) + timedelta(seconds=rng.randrange(10**8)),
    "day": lambda rng: date(1970, 1, 1) + timedelta(days=rng.randrange(-(10**4), 10**5)),
    "raw": lambda rng: rng.randbytes(rng.randrange(1, 6)),
    "doc": _document,
    "lines": lambda rng: [_document(rng) for _ in range(rng.randrange(3))],
    "late_count": lambda rng: rng.randrange(10**9),
    "late_name": _text,
}


def random_loads(seed: int) -> list[list[Row]]:
    """Make loads whose rows are new, or replace or remove earlier ones; no key comes twice in a load."""
    rng = random.Random(seed)
    return [[_row(rng, key, number) for key in rng.sample(range(KEYS), KEYS // 2)] for number in range(LOADS)]


def _row(rng: random.Random, key: int, number: int) -> Row:
    if number and rng.random() < 0.15:
        return {"id": key, REMOVED: True}
    row: Row = {"id": key}
    for name, value in VALUES.items():
        here = rng.random()
        if here < 0.2 or (name.startswith("late") and number == 0):
            continue
        row[name] = None if here < 0.35 else value(rng)
    return row


# What a column holds in each load in turn: it must take them all.
CHANGES: dict[str, list[Callable[[random.Random], Any]]] = {
    "int_float": [VALUES["late_count"], lambda rng: rng.randrange(10**6) + 0.5],
    "int_text": [VALUES["late_count"], _text],
    "int_float_text": [VALUES["late_count"], lambda rng: rng.random() * 10**6, _text],
    "date_text": [VALUES["day"], _text],
    "float_decimal": [lambda rng: rng.randrange(1000) / 4, VALUES["price"]],
}


def changing_loads(seed: int) -> list[list[Row]]:
    """Make loads of new rows only, whose columns change their type from load to load."""
    rng = random.Random(seed)
    return [
        [
            {
                "id": number * KEYS + key,
                **{name: kinds[min(number, len(kinds) - 1)](rng) for name, kinds in CHANGES.items()},
            }
            for key in range(KEYS // 2)
        ]
        for number in range(LOADS)
    ]
