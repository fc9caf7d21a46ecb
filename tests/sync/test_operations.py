"""What operations mean, from the author's call to the committed rows."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.errors import ConnectorError, RowError
from headwater.options import Options
from headwater.schema import DELETED, TableOptions
from headwater.sync import Limits
from headwater.testing import Run, run_connector

Update = Callable[[dict[str, str], dict[str, Any]], Any]

pytestmark = pytest.mark.usefixtures("kind_of_cells")

ORDERS = [{"table": "orders", "primary_key": ["id"]}]


def run(update: Callable[[], Any], schema: list[dict[str, Any]] | None = None, **more: Any) -> Run:
    """Run a connector whose update takes nothing."""
    connector = Connector(
        update=lambda configuration, state: update(),
        schema=(lambda configuration: schema) if schema is not None else None,
    )
    return run_connector(connector, **more)


def succeeded(update: Callable[[], Any], schema: list[dict[str, Any]] | None = None, **more: Any) -> Run:
    result = run(update, schema, **more)
    assert result.result.status == "succeeded", result.result.error
    return result


def failed(update: Callable[[], Any], schema: list[dict[str, Any]] | None = None, **more: Any) -> BaseException:
    result = run(update, schema, **more).result
    assert result.status == "failed"
    assert result.error is not None
    return result.error


# --- whole tables of rows

FRAMES: dict[str, Callable[[], Any]] = {
    "pyarrow Table": lambda: pa.table({"id": [1, 2], "name": ["a", None], "amount": [0.5, 2.0]}),
    "pyarrow RecordBatch": lambda: pa.record_batch({"id": [1, 2], "name": ["a", None], "amount": [0.5, 2.0]}),
    "pandas DataFrame": lambda: pd.DataFrame({"id": [1, 2], "name": ["a", None], "amount": [0.5, 2.0]}),
    "polars DataFrame": lambda: pl.DataFrame({"id": [1, 2], "name": ["a", None], "amount": [0.5, 2.0]}),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_a_frame_is_as_many_rows(kind: str) -> None:
    done = succeeded(lambda: op.upsert("orders", FRAMES[kind]()), ORDERS)

    assert done.rows("orders") == [{"id": 1, "name": "a", "amount": 0.5}, {"id": 2, "name": None, "amount": 2.0}]
    assert done.result.progress.calls["upserts"] == 2


def test_frames_and_rows_keep_their_order() -> None:
    def update() -> None:
        op.upsert("orders", {"id": 1, "name": "first"})
        op.upsert("orders", pa.table({"id": [1, 2], "name": ["second", "second"]}))
        op.upsert("orders", {"id": 2, "name": "third"})

    assert succeeded(update, ORDERS).rows("orders") == [{"id": 1, "name": "second"}, {"id": 2, "name": "third"}]


def test_the_last_of_equal_keys_in_a_frame_counts() -> None:
    frame = pa.table({"id": [1, 2, 1], "name": ["old", "b", "new"]})

    assert succeeded(lambda: op.upsert("orders", frame), ORDERS).rows("orders") == [
        {"id": 1, "name": "new"},
        {"id": 2, "name": "b"},
    ]


def test_nested_arrow_columns_become_json_and_nanoseconds_are_not_cut() -> None:
    nested = pa.table({"id": [1], "tags": [["a", "b"]], "address": [{"city": "Berlin"}]})
    exact = pa.table({"id": [1], "at": pa.array([1_000_000_001], pa.timestamp("ns"))})

    assert succeeded(lambda: op.upsert("orders", nested), ORDERS).rows("orders") == [
        {"id": 1, "tags": '["a", "b"]', "address": '{"city": "Berlin"}'}
    ]
    assert "orders.at" in str(failed(lambda: op.upsert("orders", exact), ORDERS))


def test_a_frame_without_a_key_value_is_refused() -> None:
    error = failed(lambda: op.upsert("orders", pa.table({"id": [1, None]})), ORDERS)

    assert isinstance(error, RowError)
    assert "orders.id" in str(error)


# --- rule C-10: what is given may be changed afterwards


def test_a_dict_may_be_used_again() -> None:
    def update() -> None:
        row: dict[str, Any] = {}
        for id in range(3):
            row["id"], row["tags"] = id, [id]
            op.upsert("orders", row)
            row["tags"].append("late")

    assert succeeded(update, ORDERS).rows("orders") == [{"id": id, "tags": f"[{id}]"} for id in range(3)]


def test_a_buffer_may_be_filled_again() -> None:
    def update() -> None:
        buffer = bytearray(1)
        for id in range(3):
            buffer[0] = id
            op.upsert("orders", {"id": id, "body": buffer})

    schema = [{"table": "orders", "primary_key": ["id"], "columns": {"body": "BINARY"}}]

    assert [row["body"] for row in succeeded(update, schema).rows("orders")] == [b"\x00", b"\x01", b"\x02"]


@pytest.mark.parametrize(
    ("declared", "first",  "rows"),
    [
        ("BINARY",   b"first", [b"first", b"\x01", b"\x02"]),
        ("BINARY",   None,     [None, b"\x01", b"\x02"]),
        (None,       b"first", ["Zmlyc3Q=", "bytearray(b'\\x01')", "bytearray(b'\\x02')"]),
    ],
)  # fmt: skip
def test_a_buffer_that_first_comes_late_may_be_filled_again(
    declared: str | None, first: bytes | None, rows: list[object]
) -> None:
    def update() -> None:
        op.upsert("orders", {"id": 0, "body": first})
        buffer = bytearray(1)
        for id in (1, 2):
            buffer[0] = id
            op.upsert("orders", {"id": id, "body": buffer})

    columns = {"body": declared} if declared else {}
    done = succeeded(update, [{"table": "orders", "primary_key": ["id"], "columns": columns}])

    assert [row["body"] for row in done.rows("orders")] == rows


def test_an_array_may_be_filled_again() -> None:
    def update() -> None:
        array = np.zeros(2, int)
        for id in range(3):
            array[0] = id
            op.upsert("orders", {"id": id, "body": array})

    assert [row["body"] for row in succeeded(update, ORDERS).rows("orders")] == ["[0 0]", "[1 0]", "[2 0]"]


def test_a_buffer_that_nobody_could_expect_is_warned_of_where_it_is_seen_late(kind_of_cells: str) -> None:
    def update() -> None:
        buffer = bytearray(b"a")
        op.upsert("orders", {"id": 0, "body": "text"})
        op.upsert("orders", {"id": 1, "body": buffer})
        op.checkpoint({})
        op.upsert("orders", {"id": 2, "body": buffer})
        buffer[0] = ord("b")
        op.upsert("orders", {"id": 3, "body": buffer})

    done = succeeded(update, ORDERS)

    assert [row["body"] for row in done.rows("orders")] == [
        "text", "bytearray(b'a')", "bytearray(b'a')", "bytearray(b'b')"
    ]  # fmt: skip
    late = [["orders.body", " a bytearray came after rows without one"]] if kind_of_cells == "python" else []
    assert [warning.split(":")[:2] for warning in done.result.warnings] == late


def test_a_buffer_that_is_filled_again_at_once_is_stored_as_it_was(kind_of_cells: str) -> None:
    def update() -> None:
        op.upsert("orders", {"id": 0, "body": "text"})
        buffer = bytearray(b"a")
        op.upsert("orders", {"id": 1, "body": buffer})
        buffer[0] = ord("b")

    done = succeeded(update, ORDERS)

    late = "bytearray(b'b')" if kind_of_cells == "python" else "bytearray(b'a')"  # Python's kind says so in a warning
    assert [row["body"] for row in done.rows("orders")] == ["text", late]
    assert len(done.result.warnings) == (kind_of_cells == "python")


def test_the_state_may_be_changed_after_a_checkpoint() -> None:
    def update() -> None:
        state: dict[str, Any] = {"pages": [1]}
        op.checkpoint(state)
        state["pages"].append(2)

    assert succeeded(update).states[0] == {"pages": [1]}


# --- how update may run


def test_a_generator_is_exhausted_and_what_it_yields_is_ignored() -> None:
    def update() -> Iterator[Any]:
        yield op.upsert("orders", {"id": 1})
        yield from (op.upsert("orders", {"id": id}) for id in (2, 3))
        yield op.checkpoint({"n": 3})

    done = succeeded(update, ORDERS)

    assert [row["id"] for row in done.rows("orders")] == [1, 2, 3]
    assert done.state == {"n": 3}


def test_rows_after_the_last_checkpoint_of_a_success_are_kept_and_of_a_failure_dropped() -> None:
    def update(fail: bool) -> None:
        op.upsert("orders", {"id": 1})
        op.checkpoint({"n": 1})
        op.upsert("orders", {"id": 2})
        if fail:
            raise OSError("the source is gone")

    kept, dropped = succeeded(lambda: update(False), ORDERS), run(lambda: update(True), ORDERS)

    assert [row["id"] for row in kept.rows("orders")] == [1, 2]
    assert [row["id"] for row in dropped.rows("orders")] == [1]
    assert (kept.state, dropped.state) == ({"n": 1}, {"n": 1})


def test_thirty_two_threads_lose_and_double_nothing() -> None:
    def emit(thread: int) -> None:
        for n in range(2_000):
            op.upsert("orders", {"id": thread * 10_000 + n, "thread": thread} | ({"odd": True} if n % 7 == 0 else {}))
            if n % 500 == 0:
                op.checkpoint({"thread": thread, "n": n})

    def update() -> None:
        threads = [threading.Thread(target=emit, args=(thread,)) for thread in range(32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    done = succeeded(update, ORDERS)

    assert len(done.rows("orders")) == 64_000
    assert done.result.progress.calls["upserts"] == 64_000


def test_an_operation_after_update_has_returned_is_refused() -> None:
    errors: list[BaseException] = []
    go_on = threading.Event()

    def late() -> None:
        go_on.wait(10)
        try:
            op.upsert("orders", {"id": 2})
        except ConnectorError as error:
            errors.append(error)

    thread = threading.Thread(target=late)

    def update() -> None:
        op.upsert("orders", {"id": 1})
        thread.start()

    done = succeeded(update, ORDERS)
    go_on.set()
    thread.join(10)

    assert [row["id"] for row in done.rows("orders")] == [1]
    assert len(errors) == 1


def test_max_rows_ends_at_a_checkpoint_as_a_success() -> None:
    def update() -> None:
        for id in range(100):
            op.upsert("orders", {"id": id})
            if id % 10 == 9:
                op.checkpoint({"id": id})

    done = succeeded(update, ORDERS, limits=Limits(max_rows=25))

    assert len(done.rows("orders")) == 30
    assert done.state == {"id": 29}


def test_a_full_resync_that_ends_early_marks_nothing() -> None:
    def update() -> None:
        for id in range(4):
            op.upsert("orders", {"id": id})
            op.checkpoint({"id": id})

    first = succeeded(update, ORDERS)
    second = succeeded(update, ORDERS, after=first, full_resync=True, limits=Limits(max_rows=2))

    assert [row[DELETED] for row in second.rows("orders", system_columns=True)] == [False] * 4


def test_op_error_ends_the_sync_at_the_last_checkpoint_even_past_except() -> None:
    def update() -> None:
        op.upsert("orders", {"id": 1})
        op.checkpoint({"n": 1})
        op.upsert("orders", {"id": 2})
        try:
            op.error("the account is locked")
        except Exception:  # noqa: BLE001 - an author may catch everything
            op.upsert("orders", {"id": 3})

    done = run(update, ORDERS)

    assert done.result.status == "failed"
    assert str(done.result.error) == "the account is locked"
    assert [row["id"] for row in done.rows("orders")] == [1]


def test_how_often_threads_take_turns_is_as_before_when_the_sync_has_ended() -> None:
    before = sys.getswitchinterval()
    seen = []

    succeeded(lambda: seen.append(sys.getswitchinterval()))

    assert seen == [pytest.approx(0.001)]
    assert sys.getswitchinterval() == before


def test_op_warning_is_told_and_the_sync_goes_on() -> None:
    done = succeeded(lambda: (op.warning("a page was empty"), op.upsert("orders", {"id": 1})), ORDERS)

    assert done.result.warnings == ["a page was empty"]


# --- what is refused, and how it is said


def test_a_row_without_its_key_names_table_column_and_row() -> None:
    error = failed(lambda: op.upsert("orders", {"id": None, "name": "a"}), ORDERS)

    assert str(error) == (
        'orders.id: a row has no value for this primary-key column\nin the row {"id": null, "name": "a"}'
    )


def test_a_value_that_does_not_fit_names_what_would_be_accepted() -> None:
    schema = [{"table": "orders", "primary_key": ["id"], "columns": {"id": "LONG", "paid_on": "NAIVE_DATE"}}]
    error = failed(lambda: op.upsert("orders", {"id": 7, "paid_on": "yesterday"}), schema)

    assert str(error).startswith("orders.paid_on: 'yesterday' does not fit NAIVE_DATE: expected")
    assert str(error).endswith('in the row {"id": 7, "paid_on": "yesterday"}')


def test_a_decimal_with_too_many_digits_is_refused_not_rounded() -> None:
    decimal = {"type": "DECIMAL", "precision": 9, "scale": 2}
    schema = [{"table": "orders", "primary_key": ["id"], "columns": {"id": "LONG", "total": decimal}}]

    assert "orders.total: '1.234' has more than 2 digits after the point" in str(
        failed(lambda: op.upsert("orders", {"id": 1, "total": "1.234"}), schema)
    )
    assert succeeded(lambda: op.upsert("orders", {"id": 1, "total": Decimal("1.230")}), schema).rows("orders") == [
        {"id": 1, "total": Decimal("1.23")}
    ]


@pytest.mark.parametrize("call", ["update", "delete"])
def test_an_update_or_delete_without_the_whole_key_is_refused_in_its_call(call: str) -> None:
    schema = [{"table": "orders", "primary_key": ["region", "id"]}]
    caught: list[str] = []

    def update() -> None:
        try:
            getattr(op, call)("orders", {"id": 1})
        except RowError as error:
            caught.append(str(error).split("\n")[0])
        op.upsert("orders", {"region": "eu", "id": 1})

    assert len(succeeded(update, schema).rows("orders")) == 1
    assert caught == [f"orders: {call} lacks the primary-key column region"]


def test_operations_on_a_table_that_was_never_made_do_nothing() -> None:
    def update() -> None:
        op.update("ghosts", {"id": 1, "name": "a"})
        op.delete("ghosts", {"id": 1})
        op.truncate("ghosts")

    done = run(update, [{"table": "orders", "primary_key": ["id"]}, {"table": "ghosts", "primary_key": ["id"]}])

    assert done.result.status == "succeeded", done.result.error
    assert done.rows("ghosts") == []


# --- options


def test_blocked_columns_and_tables_are_left_out_and_hashed_ones_are_not_readable() -> None:
    options = Options(
        tables={
            "orders": TableOptions(blocked_columns=frozenset({"note"}), hashed_columns=frozenset({"email"})),
            "secrets": TableOptions(blocked=True),
        }
    )

    def update() -> None:
        op.upsert("orders", {"id": 1, "note": "call me", "email": "a@b.c"})
        op.upsert("secrets", {"id": 1})

    done = succeeded(update, ORDERS, options=options)

    assert done.rows("orders") == [{"id": 1, "email": hashlib.sha256(b"a@b.c").hexdigest()}]
    assert ("tester", "secrets") not in done.warehouse.stored


@pytest.mark.parametrize("mode", ["soft_delete", "live", "history"])
def test_each_mode_keeps_a_deleted_row_in_its_own_way(mode: Any) -> None:
    def update() -> None:
        op.upsert("orders", {"id": 1, "name": "a"})
        op.checkpoint({})
        op.update("orders", {"id": 1, "name": "b"})
        op.checkpoint({})
        op.delete("orders", {"id": 1})

    options = Options(tables={"orders": TableOptions(mode=mode)})
    rows = succeeded(update, ORDERS, options=options).rows("orders", system_columns=True)

    if mode == "soft_delete":
        assert [(row["name"], row[DELETED]) for row in rows] == [("b", True)]
    elif mode == "live":
        assert rows == []
    else:
        rows.sort(key=lambda row: row["_fivetran_start"])
        assert [(row["name"], row["_fivetran_active"]) for row in rows] == [("a", False), ("b", False)]
        assert (rows[1]["_fivetran_start"] - rows[0]["_fivetran_end"]).total_seconds() == 0.001


def test_undeclared_values_keep_what_they_mean() -> None:
    row = {
        "id": 1,
        "flag": True,
        "big": 2**63 - 1,
        "bigger": 2**80,
        "half": 0.1,
        "text": "NaN",
        "blob": b"\x00\xff",
        "day": date(1, 1, 1),
        "at": datetime(9999, 12, 31, tzinfo=UTC),
        "price": Decimal("0.10"),
        "tree": {"a": [1, None]},
        "nothing": None,
    }

    assert succeeded(lambda: op.upsert("orders", row), ORDERS).rows("orders") == [
        {
            "id": 1,
            "flag": True,
            "big": 2**63 - 1,
            "bigger": Decimal(2**80),
            "half": 0.1,
            "text": "NaN",
            "blob": b"\x00\xff",
            "day": "0001-01-01",
            "at": "9999-12-31 00:00:00+00:00",
            "price": "0.10",
            "tree": '{"a": [1, null]}',
        }
    ]
