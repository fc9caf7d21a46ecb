"""Connectors that catch what op.upsert raises and go on: a call that is wrong is skipped, a row is never lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from headwater import Connector, stream
from headwater import Operations as op
from headwater.errors import RowError
from headwater.options import Options
from headwater.testing.run import Run, run_connector

pytestmark = pytest.mark.usefixtures("kind_of_cells")

SCHEMA = [{"table": "t", "primary_key": ["id"], "columns": {"id": "LONG", "n": "INT", "doc": "JSON"}}]


def run_catching(*calls: Callable[[], None], strict: bool = False) -> tuple[Run, list[str]]:
    """Run a connector that makes each call, catches what it raises, and goes on; give what it caught, line for line."""
    caught: list[str] = []

    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        for call in calls:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - what published connectors do
                caught.append(f"{type(error).__name__}: {error}")

    run = run_connector(Connector(update=update, schema=lambda configuration: SCHEMA), options=Options(strict=strict))
    return run, caught


def upsert(*arguments: Any, **named: Any) -> Callable[[], None]:
    return lambda: op.upsert(*arguments, **named)


def checkpoint() -> None:
    op.checkpoint({"done": True})


NO_ROW = "AttributeError: t: the data of a row must be a dict, got NoneType; it has no attribute 'items'"
WRONG_CALLS: list[tuple[Callable[[], None], bool, str]] = [
    # call                                      strict what the author catches, or how it begins
    (upsert("t", None),                           False,  NO_ROW),
    (upsert(7, {"id": 2}),                        False,  "TypeError: Table name must be a string, got int"),
    (upsert(" ", {"id": 2}),                      False,  "ValueError: Table name must be a non-empty string"),
    (upsert("t", {"id": 2}, schema=1),            False,  "TypeError: 'schema' must be a string, got int"),
    (upsert("t", row={"id": 2}),                  False,  "TypeError: Operations.upsert() got an unexpected keyword"),
    (upsert("t", {2: "id"}),                      False,  "TypeError: t: a column name must be a string, got int: 2"),
    (upsert("t", {"id": 2, "doc": {"a": {1}}}),   False,  'RowError: t.doc: {"a": "{1}"} does not fit JSON: exp'),
    (upsert("t", pa.table({"n": [1]})),           False,  "RowError: t.id: a row has no value for this primary"),
    (lambda: op.update("t", {"n": 1}),            False,  "RowError: t: update lacks the primary-key column id"),
    (lambda: op.delete("t", {}),                  False,  "RowError: t: delete lacks the primary-key column id"),
    (lambda: op.checkpoint({"a": {1}}),           False,  "TypeError: "),
    (upsert("t", {"id": 2, "n": "two"}),          True,   "TypeError: 'str' object cannot be interpreted as an int"),
    (upsert("t", {"id": 2, "doc": {"a": {1}}}),   True,   "TypeError: Object of type set is not JSON serializable"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "strict", "message"), WRONG_CALLS, ids=[f"{m} {s}" for _, s, m in WRONG_CALLS])
def test_a34_a_call_that_is_refused_is_skipped_and_the_sync_goes_on(
    call: Callable[[], None], strict: bool, message: str
) -> None:
    run, caught = run_catching(
        upsert("t", {"id": 1}), call, upsert("t", {"id": 3}), call, checkpoint, upsert("t", {"id": 4}), strict=strict
    )

    assert run.result.error is None
    assert [line.startswith(message) for line in caught] == [True, True], caught
    assert [row["id"] for row in run.rows("t")] == [1, 3, 4]
    assert run.state == {"done": True}


FIRST = (
    "RowError: t.n: 'two' does not fit INT: expected an integer, or a number or text without a fraction, "
    'like 42.0 or \'42\'\nin the row {"id": 2, "n": "two"}'
)
LATER = FIRST.replace("RowError", "RowNotStored") + (
    "\nThe connector caught this error and went on, but the sync fails rather than lose the row: "
    "mend or leave out what does not fit before op.upsert."
)


def test_a_row_that_does_not_fit_fails_the_sync_although_its_error_is_caught() -> None:
    run, caught = run_catching(
        upsert("t", {"id": 1}), upsert("t", {"id": 2, "n": "two"}), checkpoint, upsert("t", {"id": 3}), checkpoint
    )

    assert caught == [FIRST, LATER, LATER]
    assert run.result.status == "failed"
    assert isinstance(run.result.error, RowError)
    assert f"{type(run.result.error).__name__}: {run.result.error}" == LATER
    assert isinstance(run.result.error.__cause__, RowError)
    assert run.states == []


def test_a_row_that_is_found_at_the_end_fails_the_sync_with_its_own_error() -> None:
    run, caught = run_catching(upsert("t", {"id": 2, "n": "two"}))

    assert caught == []
    assert f"{type(run.result.error).__name__}: {run.result.error}" == FIRST


def test_part_of_a_frame_is_not_lost_when_its_error_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "FRAME_ROWS", 2)
    run, caught = run_catching(upsert("t", pa.table({"id": [1, 2, None]})), upsert("t", {"id": 3}))

    assert [line.split(":")[0] for line in caught] == ["RowError", "RowNotStored"]
    assert run.result.status == "failed"
