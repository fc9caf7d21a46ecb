"""What threads may rely on while a sync runs: rules A-41 to A-44."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest

from headwater import Connector, turns
from headwater import Operations as op
from headwater.batch import Batch
from headwater.destinations.memory import MemoryDestination, Warehouse
from headwater.options import Options
from headwater.schema import DELETED, SYNCED, Table
from headwater.state import Commit
from headwater.sync import Quiet, Result, Sync
from headwater.testing import run_connector

pytestmark = pytest.mark.usefixtures("kind_of_cells")

SCHEMA = [{"table": "t", "primary_key": ["id"]}]
WAIT_SECONDS = 30


class Gated(MemoryDestination):
    """Memory that writes and commits nothing before it is let."""

    def __init__(self) -> None:
        super().__init__(warehouse=Warehouse())
        self.asked = threading.Event()
        self.gate = threading.Event()

    def write(self, table: Table, batch: Batch) -> None:
        self._wait()
        super().write(table, batch)

    def commit(self, state: str) -> Commit:
        self._wait()
        return super().commit(state)

    def _wait(self) -> None:
        self.asked.set()
        assert self.gate.wait(WAIT_SECONDS)


def connector(update: Callable[[], None]) -> Connector:
    return Connector(lambda configuration, state: update(), lambda configuration: SCHEMA)


def synced(destination: Gated, update: Callable[[], None], while_shut: Callable[[], None]) -> Result:
    """Run a sync; when the destination was first asked for something and `while_shut` is over, it is let."""

    def open_the_gate() -> None:
        try:
            assert destination.asked.wait(WAIT_SECONDS)
            while_shut()
        finally:
            destination.gate.set()

    keeper = threading.Thread(target=open_the_gate)
    destination.open()
    keeper.start()
    try:
        return Sync(connector(update), {}, destination, Options(), Quiet()).run()
    finally:
        destination.gate.set()
        keeper.join()
        destination.close()


def until_still(number: list[int]) -> int:
    """Wait until a number has not changed for half a second."""
    while True:
        before = number[0]
        time.sleep(0.5)
        if number[0] == before > 0:
            return before


TEXT = "x" * 12_000_000


@pytest.mark.parametrize("kind", ["rows", "frames"])
def test_a41_a_slow_destination_blocks_the_authors_calls_and_loses_nothing(kind: str) -> None:
    data = {"id": 1, "text": TEXT} if kind == "rows" else pa.table({"id": [1], "text": [TEXT]})
    emitted, blocked_at = [0], [0]

    def update() -> None:
        for number in range(60):
            op.upsert("t", data)
            emitted[0] = number + 1
        op.upsert("t", {"id": 2, "text": "last"})

    def while_shut() -> None:
        blocked_at[0] = until_still(emitted)

    destination = Gated()
    result = synced(destination, update, while_shut)

    assert blocked_at[0] <= 30  # of 60: what waits is bounded by bytes
    assert (result.error, result.progress.calls["upserts"]) == (None, 61)
    assert [(row["id"], len(row["text"])) for row in destination.rows("t")] == [(1, len(TEXT)), (2, 4)]


def test_a42_checkpoint_returns_when_it_is_committed_and_other_threads_emit_meanwhile() -> None:
    seen: list[str] = []
    returned = threading.Event()
    others_may = threading.Event()

    def other() -> None:
        others_may.wait(WAIT_SECONDS)
        op.upsert("t", {"id": 2})
        seen.append("another thread has emitted")

    def update() -> None:
        thread = threading.Thread(target=other)
        thread.start()
        op.upsert("t", {"id": 1})
        op.checkpoint({"n": 1})
        returned.set()
        seen.append("checkpoint has returned")
        thread.join()

    def while_shut() -> None:
        others_may.set()
        deadline = time.monotonic() + WAIT_SECONDS
        while not seen and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not returned.wait(0.3)

    destination = Gated()
    result = synced(destination, update, while_shut)

    assert result.error is None
    assert seen == ["another thread has emitted", "checkpoint has returned"]


def test_a43_the_order_of_each_thread_is_kept() -> None:
    def emit(thread: int) -> None:
        for number in range(LAST + thread):
            if number % 7 == 3:
                op.delete("t", {"id": thread})
            elif number % 5 == 2:
                op.update("t", {"id": thread, "changed": number})
            else:
                op.upsert("t", {"id": thread, "number": number, "changed": -number})
            if number % 1_000 == 999:
                op.checkpoint({"thread": thread})

    def update() -> None:
        threads = [threading.Thread(target=emit, args=(thread,)) for thread in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    run = run_connector(connector(update))

    assert run.result.error is None
    rows = run.rows("t", system_columns=True)
    assert [{name: row[name] for name in row if name != SYNCED} for row in rows] == [*map(left_of, range(8))]


LAST = 2_980


def left_of(thread: int) -> dict[str, Any]:
    """The row of a thread after its operations one by one."""
    row: dict[str, Any] = {}
    for number in range(LAST + thread):
        if number % 7 == 3:
            row[DELETED] = True
        elif number % 5 == 2:
            row["changed"] = number
        else:
            row = {"id": thread, "number": number, "changed": -number, DELETED: False}
    return row


def test_a43_threads_end_in_each_of_the_operations() -> None:
    ends = [left_of(thread) for thread in range(8)]

    assert {(row[DELETED], row["changed"] > 0) for row in ends} >= {(True, False), (False, True), (False, False)}


@pytest.mark.parametrize("give_enough", [True, False])
def test_a43_the_order_of_each_thread_is_kept_whether_or_not_threads_take_turns(
    kind_of_cells: str, give_enough: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WINDOW_SECONDS", 0.01)
    monkeypatch.setattr(turns, "PERIOD_SECONDS", 0.01)
    monkeypatch.setattr(turns, "ENOUGH", 0 if give_enough else math.inf)
    went: set[bool] = set()
    original = turns.Trial.go_on

    def go_on(trial: turns.Trial, rows: int, now: float) -> None:
        original(trial, rows, now)
        went.add(trial.with_turns)

    monkeypatch.setattr(turns.Trial, "go_on", go_on)

    def emit(thread: int) -> None:
        for number in range(10_000):
            op.upsert("t", {"id": thread, "number": number})
            op.upsert("t", {"id": 8 + number * 8 + thread, "number": thread})
            if number % 4_000 == 3_999:
                op.checkpoint({"thread": thread})

    def update() -> None:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(emit, range(8)))

    run = run_connector(connector(update))

    assert run.result.error is None
    assert went == (set() if kind_of_cells == "python" else {False, True})
    rows = {row["id"]: row["number"] for row in run.rows("t")}
    assert rows == {n: 9_999 if n < 8 else n % 8 for n in range(8 + 80_000)}


def test_the_wait_for_a_checkpoint_does_not_count_against_turns(
    kind_of_cells: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out: list[float] = []
    monkeypatch.setattr(turns.Trial, "leave_out", lambda trial, seconds: left_out.append(seconds))

    both = threading.Barrier(2)  # else one thread may do the work of both, and there are no turns

    def emit(thread: int) -> None:
        both.wait(WAIT_SECONDS)
        for number in range(5_000):
            op.upsert("t", {"id": number * 2 + thread})

    def update() -> None:
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(emit, range(2)))
        op.checkpoint({})

    destination = Gated()
    result = synced(destination, update, lambda: time.sleep(0.1))

    assert result.error is None
    assert len(left_out) == (0 if kind_of_cells == "python" else 1)
    assert sum(left_out) >= (0 if kind_of_cells == "python" else 0.05)


@pytest.mark.parametrize("fails", [False, True])
def test_a44_a_checkpoint_covers_what_other_threads_have_emitted_before_it_and_nothing_after(fails: bool) -> None:
    def update() -> None:
        before, checkpointed = threading.Event(), threading.Event()

        def other() -> None:
            op.upsert("t", {"id": 1})
            op.upsert("others", {"id": 1})
            before.set()
            checkpointed.wait(WAIT_SECONDS)
            op.upsert("t", {"id": 2})

        thread = threading.Thread(target=other)
        thread.start()
        assert before.wait(WAIT_SECONDS)
        op.checkpoint({"n": 1})
        checkpointed.set()
        thread.join()
        if fails:
            raise RuntimeError("after the checkpoint")

    run = run_connector(connector(update))

    assert (run.state, len(run.rows("others"))) == ({"n": 1}, 1)
    assert [row["id"] for row in run.rows("t")] == ([1] if fails else [1, 2])
