"""What a column becomes that nobody has declared, in whole syncs: rules A-80 to A-89, and A-37."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.options import Options
from headwater.schema import ROW_ID
from headwater.testing import Run, run_connector
from headwater.types.names import BINARY, BOOLEAN, DECIMAL, DOUBLE, FLOAT, JSON, LONG, STRING

pytestmark = pytest.mark.usefixtures("kind_of_cells")


def synced(update: Callable[[], None], *, strict: bool = False, after: Run | None = None) -> Run:
    connector = Connector(
        lambda configuration, state: update(), lambda configuration: [{"table": "t", "primary_key": ["id"]}]
    )
    run = run_connector(connector, options=Options(strict=strict), after=after)
    assert run.result.error is None
    return run


def stored(value: object, *, strict: bool) -> tuple[str, object]:
    """The type of the column, and what it holds, of a table whose only row has this value."""
    run = synced(lambda: op.upsert("t", {"id": 1, "v": value}), strict=strict)
    return run.table("t").columns["v"].name, run.rows("t")[0]["v"]


INFERRED = [
    # rule   value                                type     held
    ("a80", True,                                 BOOLEAN, True),
    ("a80", False,                                BOOLEAN, False),
    ("a81", 0,                                    LONG,    0),
    ("a81", 2**63 - 1,                            LONG,    2**63 - 1),
    ("a81", 1 - 2**63,                            LONG,    1 - 2**63),
    ("a84", "2024-02-29",                         STRING,  "2024-02-29"),
    ("a84", "17",                                 STRING,  "17"),
    ("a84", "true",                               STRING,  "true"),
    ("a84", "",                                   STRING,  ""),
    ("a85", b"ab\x00\xff",                        BINARY,  b"ab\x00\xff"),
    ("a85", b"",                                  BINARY,  b""),
    ("a86", {"a": [1, None]},                     JSON,    '{"a": [1, null]}'),
    ("a86", [1, "x"],                             JSON,    '[1, "x"]'),
    ("a87", Decimal("1.50"),                      STRING,  "1.50"),
    ("a87", date(2024, 2, 29),                    STRING,  "2024-02-29"),
    ("a87", datetime(2024, 2, 29, 1, 2, 3),       STRING,  "2024-02-29 01:02:03"),
    ("a87", datetime(2024, 2, 29, tzinfo=UTC),    STRING,  "2024-02-29 00:00:00+00:00"),
    ("a87", time(1, 2, 3),                        STRING,  "01:02:03"),
    ("a87", UUID(int=1),                          STRING,  "00000000-0000-0000-0000-000000000001"),
    ("a87", (1, 2),                               STRING,  "(1, 2)"),
    ("a87", {1},                                  STRING,  "{1}"),
    ("a87", bytearray(b"ab"),                     STRING,  "bytearray(b'ab')"),
]  # fmt: skip


@pytest.mark.parametrize("strict", [False, True], ids=["default", "strict"])
@pytest.mark.parametrize(("rule", "value", "type_name", "held"), INFERRED, ids=[each[0] for each in INFERRED])
def test_a_value_decides_the_type_of_its_column(
    rule: str, value: object, type_name: str, held: object, strict: bool
) -> None:
    name, content = stored(value, strict=strict)

    assert (name, type(content), content) == (type_name, type(held), held)


LOSSY = [
    # rule   value          by default                       what 2.13.1 makes of it
    ("a82", 2**63,          (DECIMAL, Decimal(2**63)),       (FLOAT, 2.0**63)),
    ("a82", -(2**63),       (LONG,    -(2**63)),             (FLOAT, -(2.0**63))),
    ("a83", 0.1,            (DOUBLE,  0.1),                  (FLOAT, 0.10000000149011612)),
    ("a83", 123456789.123,  (DOUBLE,  123456789.123),        (FLOAT, 123456792.0)),
    ("a83", 1e300,          (DOUBLE,  1e300),                (FLOAT, math.inf)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "value", "exact", "lossy"), LOSSY, ids=[each[0] for each in LOSSY])
def test_what_2_13_1_loses_is_kept_by_default(
    rule: str, value: object, exact: tuple[str, object], lossy: tuple[str, object]
) -> None:
    assert (stored(value, strict=False), stored(value, strict=True)) == (exact, lossy)


@pytest.mark.parametrize(("strict", "type_name"), [(False, DOUBLE), (True, FLOAT)])
def test_a89_nan_stays_nan(strict: bool, type_name: str) -> None:
    name, content = stored(math.nan, strict=strict)

    assert name == type_name
    assert isinstance(content, float) and math.isnan(content)


@pytest.mark.parametrize("strict", [False, True], ids=["default", "strict"])
def test_a88_a_column_is_made_when_it_first_has_a_value(strict: bool) -> None:
    columns: list[list[str]] = []

    def nothing_but_null() -> None:
        op.upsert("t", {"id": 1, "late": None})
        op.checkpoint({})
        op.upsert("t", {"id": 2, "late": None, "other": 7})
        op.checkpoint({})

    first = synced(nothing_but_null, strict=strict)
    columns.append([name for name in first.table("t").columns if not name.startswith("_")])
    then = synced(lambda: op.upsert("t", {"id": 3, "late": "now"}), strict=strict, after=first)
    columns.append([name for name in then.table("t").columns if not name.startswith("_")])

    assert columns == [["id", "other"], ["id", "other", "late"]]
    assert then.rows("t") == [
        {"id": 1, "other": None, "late": None}, {"id": 2, "other": 7, "late": None},
        {"id": 3, "other": None, "late": "now"},
    ]  # fmt: skip


@pytest.mark.parametrize("strict", [False, True], ids=["default", "strict"])
def test_a37_names_that_no_destination_has_and_tables_that_are_not_declared_are_taken(strict: bool) -> None:
    run = synced(lambda: op.upsert("Not Declared!", {"any name!": 1, "ÅÄÖ": 2, "1st": 3}), strict=strict)

    [row] = run.rows("not_declared_")
    assert {name: row[name] for name in row if name != ROW_ID} == {"any_name_": 1, "aao": 2, "_1st": 3}


@pytest.mark.parametrize(
    "batches",
    [[[-0.0, "1"]], [["1", -0.0]], [[-0.0], ["1"]], [["1"], [-0.0]], [[-0.0, 0.0, "1"]], [[0.0], ["1"], [-0.0]]],
)
def test_zero_and_minus_zero_are_one_key_when_a_text_makes_them_texts(batches: list[list[object]]) -> None:
    """Which of them share a batch is chance."""

    def update() -> None:
        for batch in batches:
            for key in batch:
                op.upsert("t", {"id": key})
            op.checkpoint({})

    assert sorted(row["id"] for row in synced(update).rows("t")) == ["0", "1"]
