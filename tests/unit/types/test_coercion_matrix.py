"""Every cell of the matrix recorded from fivetran-connector-sdk 2.13.1, against `strict` and `lenient`.

tests/data/coercion_matrix_2.13.1.txt has a section per declared type, in it a line per value:
its name | what the default wire mode streams or raises | what the lenient wire mode does (rule A-76).
The sections NAIVE_TIME (declarable nowhere, rule A-56) and <inferred> are treated in tests of their own.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from headwater.types import coerce, infer
from headwater.types.names import (
    BINARY,
    BOOLEAN,
    DECIMAL,
    DOUBLE,
    FLOAT,
    INT,
    JSON,
    LONG,
    NAIVE_DATE,
    NAIVE_DATETIME,
    SHORT,
    STRING,
    TYPE_NAMES,
    UTC_DATETIME,
    XML,
    ColumnType,
)
from tests.mit_sdk.connectors.values.values import MATRIX
from tests.mit_sdk.stream import timestamp_text, wire

FILE = Path(__file__).parents[2] / "data" / "coercion_matrix_2.13.1.txt"
RAISED = (TypeError, ValueError, AttributeError, OverflowError)
REFUSED = object()


@dataclass(frozen=True)
class Cell:
    type_name: str
    name: str
    default: str
    lenient: str

    @property
    def column_type(self) -> ColumnType:
        return ColumnType(self.type_name, 38, 10)

    @property
    def value(self) -> object:
        return MATRIX[self.name]

    def __str__(self) -> str:
        return f"{self.type_name}-{self.name}".replace("\\", "")


def read_matrix() -> Iterator[Cell]:
    type_name = ""
    for line in FILE.read_text().splitlines():
        if line.startswith("## "):
            type_name = line.removeprefix("## ")
        else:
            name, default, lenient = line.split(" | ", 2)
            yield Cell(type_name, name.rstrip(), default.rstrip(), lenient.rstrip())


CELLS = tuple(read_matrix())
DECLARED = [cell for cell in CELLS if cell.type_name in TYPE_NAMES]
INFERRED = [cell for cell in CELLS if cell.type_name == "<inferred>"]

# Where `lenient` is not the union of the two columns, and what it does instead.
# A range is checked by whoever stores the value; there the column grows.
BEYOND_THE_RANGE = {
    (SHORT, "2**31"):   2**31,
    (SHORT, "2**63-1"): 2**63 - 1,
    (SHORT, "2**63"):   2**63,
    (SHORT, "1e39"):    int(1e39),
    (INT,   "2**31"):   2**31,
    (INT,   "2**63-1"): 2**63 - 1,
    (INT,   "2**63"):   2**63,
    (INT,   "1e39"):    int(1e39),
    (LONG,  "2**63"):   2**63,
    (LONG,  "1e39"):    int(1e39),
    (FLOAT, "1e39"):    1e39,  # 2.13.1 makes it infinite
}  # fmt: skip
# The lenient mode of 2.13.1 cuts 1.50 to 1, and both modes take the last digits from 2**63-1.
WOULD_LOSE_DIGITS = {
    (SHORT,  "Decimal1.50"): REFUSED,
    (INT,    "Decimal1.50"): REFUSED,
    (LONG,   "Decimal1.50"): REFUSED,
    (FLOAT,  "2**63-1"):     REFUSED,
    (DOUBLE, "2**63-1"):     REFUSED,
}  # fmt: skip
# 2.13.1 does not look into the text of a DECIMAL; its destination must.
NOT_A_NUMBER = {
    (DECIMAL, cell.name): REFUSED
    for cell in DECLARED
    if cell.default.startswith("decimal=") and cell.name not in ("'1'", "'1.5'")
}
# Neither mode takes the one Python type that is a decimal number.
EXACT_DECIMAL = {(DECIMAL, "Decimal1.50"): Decimal("1.50")}

DELIBERATE: dict[tuple[str, str], object] = {
    **BEYOND_THE_RANGE,
    **WOULD_LOSE_DIGITS,
    **NOT_A_NUMBER,
    **EXACT_DECIMAL,
}


def test_the_matrix_is_whole() -> None:
    sections = [*TYPE_NAMES, "NAIVE_TIME", "<inferred>"]

    assert {(cell.type_name, cell.name) for cell in CELLS} == {(s, name) for s in sections for name in MATRIX}
    assert len(CELLS) == 16 * 48


@pytest.mark.parametrize("cell", DECLARED, ids=str)
def test_strict_does_what_the_default_wire_mode_does(cell: Cell) -> None:
    shown = outcome(lambda: (cell.type_name, coerce.strict(cell.column_type, cell.value)))

    assert shown == cell.default


@pytest.mark.parametrize("cell", INFERRED, ids=str)
def test_strict_inference_does_what_the_default_wire_mode_does(cell: Cell) -> None:
    shown = outcome(lambda: inferred(cell.value))

    assert shown == cell.default


@pytest.mark.parametrize("cell", DECLARED, ids=str)
def test_lenient_takes_what_either_wire_mode_takes_and_gives_its_value(cell: Cell) -> None:
    expected = expected_leniently(cell)

    if expected is REFUSED:
        with pytest.raises((TypeError, ValueError), match=r"^expected .* ") as refusal:
            coerce.lenient(cell.column_type, cell.value)
        assert type(refusal.value) in (TypeError, ValueError)
    else:
        given = coerce.lenient(cell.column_type, cell.value)
        assert (type(given), repr(given)) == (type(expected), repr(expected))


@pytest.mark.parametrize("cell", INFERRED, ids=str)
def test_inference_loses_nothing_that_2_13_1_takes(cell: Cell) -> None:
    if cell.value is None:
        return
    if cell.default.startswith("!"):
        with pytest.raises((TypeError, ValueError), match=r"^expected .*"):
            infer.value(infer.infer(cell.value), cell.value)
        return
    column_type = infer.infer(cell.value)
    given = infer.value(column_type, cell.value)
    kind, _, shown = cell.default.partition("=")

    if kind == "float":  # rules, and decision 9
        assert column_type.name == (DECIMAL if isinstance(cell.value, int) else DOUBLE)
        assert given == cell.value or given != given
    else:
        assert (wire(column_type.name, given)[0], repr(given)) == (kind, shown)


def test_naive_time_is_no_type() -> None:
    cells = [cell for cell in CELLS if cell.type_name == "NAIVE_TIME" and cell.value is not None]

    assert {cell.default[:12] for cell in cells} == {cell.lenient[:12] for cell in cells} == {"!ValueError:"}
    assert "NAIVE_TIME" not in TYPE_NAMES


def outcome(coerced: Callable[[], tuple[str, object]]) -> str:
    """What a cell shows: `wire type=value`, or `!exception: message`."""
    try:
        type_name, value = coerced()
    except RAISED as error:
        return f"!{type(error).__name__}: {error}"
    if value is None:
        return "null=True"
    shown = timestamp_text(value) if isinstance(value, date) else value
    return f"{wire(type_name, value)[0]}={shown!r}"


def inferred(value: object) -> tuple[str, object]:
    if value is None:
        return STRING, None
    column_type, content = infer.strict(value)
    return column_type.name, content


def expected_leniently(cell: Cell) -> object:
    if (cell.type_name, cell.name) in DELIBERATE:
        return DELIBERATE[cell.type_name, cell.name]
    if cell.value is None:
        return None
    if not cell.default.startswith("!"):
        return from_default(cell.type_name, cell.default.partition("=")[2])
    if not cell.lenient.startswith("!"):
        return from_lenient(cell.type_name, ast.literal_eval(cell.lenient)[1:])
    return REFUSED


def from_default(type_name: str, shown: str) -> object:
    if type_name in (FLOAT, DOUBLE):
        return float(shown)
    value = ast.literal_eval(shown)
    if type_name == DECIMAL:
        return Decimal(value)
    return from_text(type_name, value) if type_name in (NAIVE_DATE, NAIVE_DATETIME, UTC_DATETIME) else value


def from_lenient(type_name: str, content: bytes) -> object:
    if type_name == BINARY:
        return content
    text = content.decode()
    readers: dict[str, Callable[[str], object]] = {
        BOOLEAN: {"true": True, "false": False}.__getitem__,
        SHORT: int,
        INT: int,
        LONG: int,
        DECIMAL: Decimal,
        FLOAT: float,
        DOUBLE: float,
        XML: str,
        STRING: str,
        JSON: str,
    }
    return readers[type_name](text) if type_name in readers else from_text(type_name, text)


def from_text(type_name: str, text: str) -> object:
    moment = datetime.fromisoformat(text)
    if type_name == NAIVE_DATE:
        return moment.date()
    return moment.replace(tzinfo=UTC if type_name == UTC_DATETIME else None)
