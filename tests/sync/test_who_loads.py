"""Who loads: a thread beside the author's, and at a checkpoint with nothing on its way the author's own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.batch import Batch
from headwater.buffer import CHUNK_ROWS
from headwater.errors import DestinationError
from headwater.options import Options
from headwater.outbox import Outbox
from headwater.schema import Table
from headwater.state import Commit
from headwater.sync import Quiet, Result, Sync
from headwater.testing import MemoryDestination

LOADING, AUTHOR = "headwater-load", "headwater-update"


class Watched(MemoryDestination):
    """Notes which thread writes and commits; `hold` is done before each write, `failing` is raised by it."""

    def __init__(self) -> None:
        super().__init__("tester")
        self.calls: list[tuple[str, str]] = []
        self.hold: Callable[[], object] = lambda: None
        self.failing: Exception | None = None

    def write(self, table: Table, batch: Batch) -> None:
        self.calls.append(("write", threading.current_thread().name))
        self.hold()
        if self.failing:
            raise self.failing
        super().write(table, batch)

    def commit(self, state: str) -> Commit:
        self.calls.append(("commit", threading.current_thread().name))
        return super().commit(state)


def run(emit: Callable[[], None], destination: Watched) -> Result:
    destination.open()
    schema = [{"table": "t", "primary_key": ["id"]}]
    connector = Connector(lambda configuration, state: emit(), lambda configuration: schema)
    return Sync(connector, {}, destination, Options(), Quiet()).run()


def test_a_small_checkpoint_is_loaded_by_the_thread_that_waits_for_it() -> None:
    def emit() -> None:
        for n in range(3):
            op.upsert("t", {"id": n})
            op.checkpoint({"n": n})

    destination = Watched()
    result = run(emit, destination)

    assert result.error is None
    assert destination.calls == [("write", AUTHOR), ("commit", AUTHOR)] * 3
    assert [row["id"] for row in destination.rows("t")] == [0, 1, 2]


def test_rows_are_loaded_while_their_author_goes_on() -> None:
    emitted = threading.Event()

    def emit() -> None:
        for n in range(2 * CHUNK_ROWS):
            op.upsert("t", {"id": n})
        emitted.set()
        op.checkpoint({})

    destination = Watched()
    destination.hold = lambda: emitted.wait(60)
    result = run(emit, destination)

    assert result.error is None
    assert set(destination.calls) == {("write", LOADING), ("commit", LOADING)}
    assert len(destination.rows("t")) == 2 * CHUNK_ROWS


def test_a_thread_of_the_connectors_own_never_loads() -> None:
    def emit() -> None:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(op.upsert, "t", {"id": 1}).result()
            threads.submit(op.checkpoint, {}).result()

    destination = Watched()
    result = run(emit, destination)

    assert result.error is None
    assert destination.calls == [("write", LOADING), ("commit", LOADING)]


def test_calls_that_lie_deep_in_each_other_leave_loading_to_the_other_thread() -> None:
    def emit(levels: int) -> None:
        op.upsert("t", {"id": levels})
        op.checkpoint({"levels": levels})
        if levels:
            emit(levels - 1)

    destination = Watched()
    result = run(lambda: emit(sys.getrecursionlimit() - 100), destination)

    assert result.error is None
    assert destination.calls[0] == ("write", AUTHOR)
    assert destination.calls[-1] == ("commit", LOADING)
    assert len(destination.rows("t")) == sys.getrecursionlimit() - 99


class Falsy(Exception):
    """An author's error that Python takes for false."""

    def __bool__(self) -> bool:
        return False


def test_an_error_that_counts_as_false_ends_the_sync_too() -> None:
    def emit() -> None:
        raise error

    error, destination = Falsy("no rows"), Watched()
    result = run(emit, destination)

    assert result.error is error


def test_what_other_threads_emit_meanwhile_is_loaded_after_the_checkpoint() -> None:
    writing, emitted = threading.Event(), threading.Event()

    def beside() -> None:
        writing.wait(60)
        for n in range(1, 3 * CHUNK_ROWS):
            op.upsert("t", {"id": n})
        emitted.set()

    def hold() -> None:
        writing.set()
        assert emitted.wait(60)

    def emit() -> None:
        with ThreadPoolExecutor(1) as threads:
            other = threads.submit(beside)
            op.upsert("t", {"id": 0})
            op.checkpoint({"n": 1})
            other.result()

    destination = Watched()
    destination.hold = hold
    result = run(emit, destination)

    assert result.error is None
    assert destination.calls[:2] == [("write", AUTHOR), ("commit", AUTHOR)]
    assert {name for _, name in destination.calls[2:-1]} == {LOADING}
    assert len(destination.rows("t")) == 3 * CHUNK_ROWS


def test_a_destination_that_fails_says_so_in_the_checkpoint_and_in_the_result() -> None:
    caught: list[BaseException] = []

    def emit() -> None:
        op.upsert("t", {"id": 1})
        try:
            op.checkpoint({})
        except DestinationError as error:
            caught.append(error)
        op.upsert("t", {"id": 2})

    destination = Watched()
    destination.failing = DestinationError("the disk is full")
    result = run(emit, destination)

    assert (result.status, result.error, result.of_destination) == ("failed", destination.failing, True)
    assert caught == [destination.failing]
    assert destination.calls == [("write", AUTHOR)]


# --- the queue


@dataclass
class Item:
    name: str
    nbytes: int = 10


def in_thread(call: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread


@pytest.fixture
def outbox() -> Outbox[Item]:
    """A queue with room for one item, which this thread may take over."""
    outbox: Outbox[Item] = Outbox(limit=10)
    outbox.let_take_over()
    return outbox


def test_who_has_taken_over_puts_without_waiting_and_takes_in_order(outbox: Outbox[Item]) -> None:
    outbox.take_over()
    for name in "abc":
        outbox.put(Item(name))

    assert [item.name for item in iter(outbox.get_own, None)] == ["a", "b", "c"]


def test_others_wait_for_room_until_something_is_taken(outbox: Outbox[Item]) -> None:
    outbox.take_over()
    outbox.put(Item("a"))
    other = in_thread(lambda: outbox.put(Item("b")))
    other.join(0.1)
    waited = other.is_alive()
    first = outbox.get_own()
    other.join(10)

    assert waited
    assert first == Item("a")
    assert not other.is_alive()
    assert outbox.get_own() == Item("b")


def test_the_loading_thread_waits_until_it_is_given_back(outbox: Outbox[Item]) -> None:
    taken: list[Item | None] = []
    outbox.take_over()
    outbox.put(Item("a"))
    loading = in_thread(lambda: taken.append(outbox.get()))
    loading.join(0.1)
    waited = loading.is_alive()
    outbox.give_back()
    loading.join(10)

    assert waited
    assert taken == [Item("a")]


@pytest.mark.parametrize("end", [Outbox.close, lambda outbox: outbox.fail(RuntimeError("over"))], ids=["close", "fail"])
def test_the_loading_thread_ends_only_when_the_other_has_given_back(
    outbox: Outbox[Item], end: Callable[[Outbox[Item]], None]
) -> None:
    outbox.take_over()
    loading = in_thread(outbox.get)
    end(outbox)
    loading.join(0.1)
    waited = loading.is_alive()
    outbox.give_back()
    loading.join(10)

    assert waited
    assert not loading.is_alive()


def test_nothing_is_taken_over_while_something_is_on_its_way(outbox: Outbox[Item]) -> None:
    outbox.put(Item("a"))
    outbox.take_over()
    queued = outbox.get_own()
    in_hand = in_thread(outbox.get)
    in_hand.join(10)
    outbox.take_over()
    outbox.put(Item("b"))
    while_in_hand = outbox.get_own()

    assert queued is None
    assert while_in_hand is None
    assert outbox.get() == Item("b")


def test_only_the_thread_that_was_let_takes_over(outbox: Outbox[Item]) -> None:
    other = in_thread(outbox.take_over)
    other.join(10)
    outbox.put(Item("a"))

    assert outbox.get_own() is None
    assert outbox.get() == Item("a")
