"""A column that was ever given an integer no float equals does not become DOUBLE, wherever chunks and syncs end."""

from __future__ import annotations

from typing import Any

import pytest

from headwater import Connector, buffer
from headwater import Operations as op
from headwater.errors import RowError
from headwater.testing.run import Run, run_connector
from headwater.types.names import DOUBLE, LONG, STRING

pytestmark = pytest.mark.usefixtures("kind_of_cells")

BIG = 2**53 + 1

Call = tuple[str, dict[str, Any]]


def upsert(id: int, value: object) -> Call:
    return "upsert", {"id": id, "v": value}


def update(id: int, value: object) -> Call:
    return "update", {"id": id, "v": value}


def run(*calls: Call, after: Run | None = None) -> Run:
    def emit(configuration: dict[str, str], state: dict[str, Any]) -> None:
        for kind, row in calls:
            if kind == "checkpoint":
                op.checkpoint({})
            else:
                getattr(op, kind)("t", row)

    schema = [{"table": "t", "primary_key": ["id"]}]
    return run_connector(Connector(update=emit, schema=lambda configuration: schema), after=after)


CHECKPOINT: Call = ("checkpoint", {})


@pytest.mark.parametrize("chunk_rows", [1, 2, 20_480])
@pytest.mark.parametrize(
    ("calls",                                                          "kind", "values"),
    [
        ([upsert(1, BIG), upsert(1, 5), upsert(2, 0.5)],               STRING, ["5", "0.5"]),
        ([upsert(1, BIG), update(1, 5), upsert(2, 0.5)],               STRING, ["5", "0.5"]),
        ([upsert(2, 0.5), upsert(1, BIG), upsert(1, 5)],               STRING, ["5", "0.5"]),
        ([upsert(1, -BIG), upsert(1, 5), upsert(2, 0.5)],              STRING, ["5", "0.5"]),
        ([update(1, BIG), upsert(1, 5), upsert(2, 0.5)],               STRING, ["5", "0.5"]),
        ([update(1, BIG), update(1, 0.5), upsert(1, 5)],               STRING, ["5"]),
        ([update(1, 0.5), update(1, BIG), upsert(1, 5)],               STRING, ["5"]),
        ([upsert(1, BIG), upsert(2, 0.5)],                             STRING, [str(BIG), "0.5"]),
        ([upsert(1, BIG - 1), upsert(1, 5), upsert(2, 0.5)],           DOUBLE, [5.0, 0.5]),
        ([upsert(1, BIG), upsert(1, 5), upsert(2, 6)],                 LONG,   [5, 6]),
        ([upsert(1, BIG), upsert(1, 5), CHECKPOINT, upsert(2, 0.5)],   STRING, ["5", "0.5"]),
        ([upsert(1, BIG), CHECKPOINT, upsert(2, 0.5)],                 STRING, [str(BIG), "0.5"]),
        ([upsert(1, BIG), CHECKPOINT, upsert(1, 5), upsert(2, 0.5)],   STRING, ["5", "0.5"]),
        ([upsert(1, 0.5), CHECKPOINT, upsert(1, BIG), upsert(1, 5)],   STRING, ["5"]),
        ([upsert(1, 5), CHECKPOINT, upsert(1, BIG), upsert(1, 6), CHECKPOINT, upsert(2, 0.5)], STRING, ["6", "0.5"]),
        ([upsert(1, 5), CHECKPOINT, upsert(1, 6), upsert(2, 0.5)],     DOUBLE, [6.0, 0.5]),
    ],
)  # fmt: skip
def test_the_type_of_a_column_does_not_depend_on_where_chunks_end(
    calls: list[Call], kind: str, values: list[object], chunk_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buffer, "CHUNK_ROWS", chunk_rows)
    done = run(*calls)

    assert done.result.error is None
    assert done.table("t").columns["v"].name == kind
    assert [row["v"] for row in done.rows("t")] == values


def test_the_next_sync_knows_what_a_column_was_given() -> None:
    first = run(upsert(1, BIG), upsert(1, 5))
    kind = first.table("t").columns["v"]
    second = run(upsert(2, 0.5), after=first)

    assert str(kind) == LONG
    assert [row["v"] for row in second.rows("t")] == ["5", "0.5"]


def test_to_remember_an_integer_is_no_change_of_the_schema() -> None:
    first = run(upsert(1, 5))
    second = run(upsert(2, BIG), after=first)

    assert (first.result.progress.schema_changes, second.result.progress.schema_changes) == (1, 0)


@pytest.mark.parametrize("declared", [None, "LONG", "DOUBLE", "STRING"])
def test_an_integer_that_python_does_not_write_is_named_by_its_place(declared: str | None) -> None:
    entry = {"table": "t", "primary_key": ["id"], **({"columns": {"v": declared}} if declared else {})}

    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        op.upsert("t", {"id": 1, "v": 10**5000})

    error = run_connector(Connector(update, lambda configuration: [entry])).result.error

    assert isinstance(error, RowError)
    assert str(error).startswith("t.v: an integer of 16610 bits ")
    assert error.hint == "in the row {'id': 1, 'v': an integer of 16610 bits}"
