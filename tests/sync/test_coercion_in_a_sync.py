"""The matrix of 2.13.1 once more, through whole syncs: what `op.upsert` raises, and what the table then holds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.errors import RowError
from headwater.options import Options
from headwater.testing.run import run_connector
from headwater.types import coerce
from headwater.types.names import DECIMAL, TYPE_NAMES
from tests.unit.types.test_coercion_matrix import DECLARED, NOT_A_NUMBER, REFUSED, Cell, expected_leniently

pytestmark = pytest.mark.usefixtures("kind_of_cells")

RULES = dict(
    zip(
        ("BOOLEAN", "SHORT", "INT", "LONG", "DECIMAL", "FLOAT", "DOUBLE",
         "NAIVE_DATE", "NAIVE_DATETIME", "UTC_DATETIME", "BINARY", "XML", "STRING", "JSON"),
        (f"a{number}" for number in range(60, 74)),
        strict=True,
    )
)  # fmt: skip


@dataclass
class Became:
    """What became of a value: what its call raised, what the sync failed with, what the table holds."""

    raised: str | None
    failure: BaseException | None
    stored: list[Any]


def offered(cell: Cell, *, strict: bool) -> Became:
    declared = {"type": DECIMAL, "precision": 38, "scale": 10} if cell.type_name == DECIMAL else cell.type_name
    raised: list[str] = []

    def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
        return [{"table": "t", "primary_key": ["id"], "columns": {"id": "INT", "v": declared}}]

    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        try:
            op.upsert("t", {"id": 1, "v": cell.value})
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raised.append(f"!{type(error).__name__}: {error}")

    run = run_connector(Connector(update, schema), options=Options(strict=strict))
    stored = [] if run.result.error else [row["v"] for row in run.rows("t")]
    return Became(raised[0] if raised else None, run.result.error, stored)


def cells(type_name: str) -> list[Cell]:
    return [cell for cell in DECLARED if cell.type_name == type_name]


def holds(stored: list[Any], wanted: object) -> bool:
    """Whether this value was stored; a number may have become another kind of number, nothing else another kind."""
    [value] = stored
    if type(wanted) is int and abs(wanted) >= 10**38:
        wanted = str(wanted)  # no numeric column is wide enough
    if value is None or isinstance(value, str | bytes | bool):
        return type(value) is type(wanted) and value == wanted
    return value == wanted or (value != value and wanted != wanted)


def test_each_type_has_its_rule() -> None:
    assert RULES.keys() == set(TYPE_NAMES)


@pytest.mark.parametrize("type_name", RULES, ids=RULES.values())
def test_strictly_the_call_raises_what_2_13_1_raises_or_the_table_holds_what_it_streams(type_name: str) -> None:
    for cell in cells(type_name):
        became = offered(cell, strict=True)
        if cell.default.startswith("!"):
            assert (became.raised, became.failure, became.stored) == (cell.default, None, []), cell
        elif (cell.type_name, cell.name) in NOT_A_NUMBER:
            assert (became.raised, type(became.failure), became.stored) == (None, RowError, []), cell
        else:
            sent = coerce.strict(cell.column_type, cell.value)
            wanted = Decimal(sent) if type_name == DECIMAL and isinstance(sent, str) else sent
            assert (became.raised, became.failure) == (None, None), cell
            assert holds(became.stored, wanted), (cell, became.stored)


@pytest.mark.parametrize("type_name", RULES, ids=RULES.values())
def test_by_default_the_table_holds_what_either_wire_mode_takes_and_the_rest_is_an_error(type_name: str) -> None:
    for cell in cells(type_name):
        became = offered(cell, strict=False)
        wanted = expected_leniently(cell)
        if wanted is REFUSED:
            assert became.raised or isinstance(became.failure, RowError), cell
            assert became.stored == [], cell
        else:
            assert (became.raised, became.failure) == (None, None), cell
            assert holds(became.stored, wanted), (cell, became.stored)
