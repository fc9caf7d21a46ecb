"""Where dlt and headwater do otherwise with the same rows: one small table each, which a test plays to both."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference.

    name       of the table
    loads      the rows of each load, without their key
    dlt        the rows it has afterwards, without its own columns; empty where the table has only these
    headwater  the same
    why        what headwater's choice is good for
    """

    name: str
    loads: list[list[Row]]
    dlt: list[Row]
    headwater: list[Row]
    why: str


NOON = datetime(2024, 2, 29, 12)

DIFFERENCES = [
    Difference(
        "number_then_text",
        [[{"n": 1}], [{"n": "x"}]],
        [{"n": 1, "n__v_text": None}, {"n": None, "n__v_text": "x"}],
        [{"n": "1"}, {"n": "x"}],
        "One column per column of the source: a query need not know when which type came.",
    ),
    Difference(
        "number_then_digits",
        [[{"n": 1}], [{"n": "02"}]],
        [{"n": 1}, {"n": 2}],
        [{"n": "1"}, {"n": "02"}],
        "Text stays what it was: a postcode must not lose its zero.",
    ),
    Difference(
        "truth_then_number",
        [[{"n": True}], [{"n": 3}]],
        [{"n": True}, {"n": True}],
        [{"n": "true"}, {"n": "3"}],
        "No value becomes another.",
    ),
    Difference(
        "number_beyond_integers",
        [[{"n": 1}], [{"n": -1e300}]],
        [{"n": 1}, {"n": 0}],
        [{"n": 1.0}, {"n": -1e300}],
        "The column grows to one that holds both.",
    ),
    Difference(
        "many_digits",
        [[{"n": Decimal("0.1234567890123")}]],
        [{"n": Decimal("0.123456789")}],
        [{"n": "0.1234567890123"}],
        "No digit is lost: undeclared it is text, as on Fivetran; declared, DECIMAL of up to 38 digits.",
    ),
    Difference(
        "not_a_number",
        [[{"n": float("nan")}]],
        [{}],
        [{"n": float("nan")}],
        "NaN is a value and not NULL.",
    ),
    Difference(
        "empty_bytes",
        [[{"n": b"x"}], [{"n": b""}]],
        [{"n": b"x", "n__v_text": None}, {"n": None, "n__v_text": "\uf02b"}],
        [{"n": b"x"}, {"n": b""}],
        "Nothing is lost on the way: no bytes are a value too.",
    ),
    Difference(
        "time_as_text",
        [[{"n": "2024-02-29T12:00:00Z"}]],
        [{"n": NOON.replace(tzinfo=UTC)}],
        [{"n": "2024-02-29T12:00:00Z"}],
        "Nothing is guessed from what text looks like; declare the column UTC_DATETIME.",
    ),
    Difference(
        "naive_time",
        [[{"n": NOON}]],
        [{"n": NOON.replace(tzinfo=UTC)}],
        [{"n": "2024-02-29 12:00:00"}],
        "A time without a zone gets none; undeclared it is text, as on Fivetran, declared a NAIVE_DATETIME.",
    ),
    Difference(
        "dict",
        [[{"n": {"city": "Ulm"}}]],
        [{"n__city": "Ulm"}],
        [{"n": '{"city": "Ulm"}'}],
        "As on Fivetran: one JSON column, whatever comes in it later.",
    ),
    Difference(
        "list",
        [[{"n": ["a", "b"]}]],
        [{}],
        [{"n": '["a", "b"]'}],
        "The same; dlt makes a table `list__n` with a row for each element.",
    ),
    Difference(
        "names",
        [[{"custom__c": 1, "name?": 2, "x_": 3}]],
        [{"custom__c": 1, "namex": 2, "xx": 3}],
        [{"custom_c": 1, "name_": 2, "x_": 3}],
        'Fivetran\'s names, so that a connector makes the same tables here and there; `naming = "SOURCE"` keeps all.',
    ),
]
