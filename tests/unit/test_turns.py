"""Turns: threads that compute go on one at a time; those that wait for something wait for nobody."""

from __future__ import annotations

import ctypes
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from headwater import turns as module
from headwater.compiled import compiled
from headwater.turns import PERIOD_SECONDS, WINDOW_SECONDS, Trial, Turns

COMPILED = compiled()
WAIT_SECONDS = 30

needs_compiled = pytest.mark.skipif(COMPILED is None, reason="there are no turns without the compiled part")


class Table:
    """A table of one column whose threads take turns, as they do in a stream.

    looks  the thread of each look, and whether turns were taken by then
    """

    def __init__(self) -> None:
        assert COMPILED is not None
        self.cells = COMPILED.cells(("id",))
        self.rows = COMPILED.upserts(COMPILED.cells, self._look, self._refuse)
        self.rows.serve("t", self.cells)
        self.turns = Turns(self.rows)
        self.looks: list[tuple[int, bool]] = []

    def _look(self, table: str) -> None:
        self.turns.take()
        self.looks.append((threading.get_ident(), self.turns.are_taken))
        self.cells.take()
        self.cells.pause(128, 1_000_000)

    def _refuse(self, *args: Any, **named: Any) -> None:
        raise AssertionError((args, named))

    def emit(self, until: Callable[[], bool]) -> None:
        while not until():
            self.emit_some(32)

    def emit_some(self, rows: int) -> None:
        for number in range(rows):
            self.rows.upsert("t", {"id": number})


@pytest.fixture
def table() -> Table:
    return Table()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns are taken soon, and go on whatever they give."""
    monkeypatch.setattr(module, "WINDOW_SECONDS", 0.01)
    monkeypatch.setattr(module, "ENOUGH", 0)


def after(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end


def changes_in_turn(table: Table) -> float:
    """Say at how many of the looks another thread came than at the look before, while turns were taken."""
    in_turn = [thread for thread, are_taken in table.looks if are_taken]
    assert len(in_turn) > 100
    return sum(one != other for one, other in pairwise(in_turn)) / len(in_turn)


# --- the watch


@needs_compiled
def test_a_watch_ends_when_no_row_comes(table: Table) -> None:
    assert table.rows.watch(table.rows.turn, 0.001)


@needs_compiled
def test_a_watch_goes_on_while_rows_come_and_ends_with_the_turn(table: Table) -> None:
    ended = threading.Event()
    with ThreadPoolExecutor(2) as threads:
        threads.submit(table.emit, ended.is_set)
        watching = threads.submit(table.rows.watch, table.rows.turn, 0.05)  # more than other programs can take away
        time.sleep(0.3)
        goes_on = not watching.done()
        table.rows.turn += 1
        quiet = watching.result(WAIT_SECONDS)
        ended.set()

    assert (goes_on, quiet) == (True, False)


@needs_compiled
def test_every_row_is_counted(table: Table) -> None:
    for rows in (1, 127, 500):
        table.emit_some(rows)

    assert table.rows.taken == 628


# --- the trial


def test_a_trial_begins_without_turns_and_goes_on_with_what_gave_more_rows() -> None:
    trial, now, rows = Trial(500, 10.0), 10.0, 500
    went = []
    # Rows a second: without turns, with them, then whatever comes while the trial rests.
    for rate in (100, 120, 1, 120, 100, 1, 100, 96, 1):
        went.append((trial.with_turns, round(trial.until - now, 3)))
        now, rows = trial.until, rows + int(rate * (trial.until - now) + 0.5)
        trial.go_on(rows, now)

    window, rest = WINDOW_SECONDS, PERIOD_SECONDS
    assert went == [
        (False, window), (True, window), (True, rest),
        (False, window), (True, window), (False, rest),
        (False, window), (True, window), (True, rest),  # less may be chance
    ]  # fmt: skip


def test_what_is_left_out_makes_a_window_no_slower() -> None:
    trial = Trial(0, 0.0)
    trial.go_on(100, WINDOW_SECONDS)
    trial.leave_out(50.0)
    assert trial.until == pytest.approx(50 + 2 * WINDOW_SECONDS)

    trial.go_on(200, trial.until)

    assert trial.with_turns


# --- threads


@needs_compiled
@pytest.mark.usefixtures("always")
def test_threads_that_compute_take_turns(table: Table) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(table.emit, [after(1)] * 4))

    looks = Counter(thread for thread, are_taken in table.looks if are_taken)
    assert len(looks) == 4
    assert min(looks.values()) > looks.total() / 20  # a turn ends, though its thread would go on
    assert changes_in_turn(table) < 0.1


@needs_compiled
def test_all_threads_go_on_when_there_are_no_more_turns(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WINDOW_SECONDS", 0.05)
    monkeypatch.setattr(module, "ENOUGH", 1_000_000)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(table.emit, [after(0.5)] * 4))

    last_in_turn = max(number for number, (_, are_taken) in enumerate(table.looks) if are_taken)
    looks = Counter(thread for thread, _ in table.looks[last_in_turn + 1 :])
    assert len(looks) == 4
    assert min(looks.values()) > looks.total() / 20


@needs_compiled
@pytest.mark.usefixtures("always")
def test_one_thread_alone_takes_none(table: Table) -> None:
    table.emit(after(0.3))

    assert not any(are_taken for _, are_taken in table.looks)


@needs_compiled
@pytest.mark.usefixtures("always")
def test_the_first_thread_takes_its_turn_too(table: Table) -> None:
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        first.submit(table.emit, after(0.1)).result()
        both = [thread.submit(table.emit, after(1)) for thread in (first, second)]
        for each in both:
            each.result()

    assert changes_in_turn(table) < 0.1


@needs_compiled
def test_threads_that_wait_again_and_again_take_no_turns_after_the_trial(table: Table) -> None:
    """One at a time, they would give a quarter of the rows."""

    def fetch_and_emit(done: Callable[[], bool]) -> None:
        while not done():
            time.sleep(0.0001)
            table.emit_some(8)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(fetch_and_emit, [after(4 * WINDOW_SECONDS)] * 8))

    assert any(are_taken for _, are_taken in table.looks)
    assert not table.turns.are_taken


@needs_compiled
@pytest.mark.usefixtures("always")
def test_whoever_waits_goes_on_while_the_one_whose_turn_it_is_waits_for_it(table: Table) -> None:
    """Without that, threads that pass something to each other would wait forever."""
    passed: list[threading.Event] = [threading.Event() for _ in range(5)]

    def emit_and_wait(number: int) -> bool:
        table.emit(after(0.1))
        passed[number].set()
        arrived = passed[(number + 1) % 5].wait(WAIT_SECONDS)
        table.emit(after(0.01))
        return arrived

    with ThreadPoolExecutor(5) as threads:
        assert all(threads.map(emit_and_wait, range(5)))
    assert table.turns.are_taken


@needs_compiled
@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("emits", [False, True])
def test_time_is_left_out_in_which_no_thread_emits(table: Table, emits: bool) -> None:
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(table.emit, [after(0.1)] * 2))
    trial = table.turns._trial
    assert trial is not None
    until = trial.until

    with table.turns.left_out():
        time.sleep(0.05)
        if emits:
            table.emit_some(1)

    assert (trial.until - until >= 0.05) is not emits


class Interrupted:
    """Counts no rows; the first watch ends with an error, when it is told to, and the others at once.

    begun, told  of the first watch
    """

    taken = 0

    def __init__(self) -> None:
        self.turn = 0
        self.begun = threading.Event()
        self.told = threading.Event()

    def watch(self, turn: int, seconds: float, /) -> bool:
        if not self.begun.is_set():
            self.begun.set()
            assert self.told.wait(WAIT_SECONDS)
            raise TimeoutError
        return True


@pytest.mark.parametrize("another_waits", [False, True])
@pytest.mark.usefixtures("always")
def test_an_error_in_the_thread_that_watches_leaves_the_others_their_turns(another_waits: bool) -> None:
    """It can be Ctrl-C, or come from a library that ends what takes too long."""
    watched = Interrupted()
    turns = Turns(watched)
    with ThreadPoolExecutor(1) as whose, ThreadPoolExecutor(1) as watching, ThreadPoolExecutor(1) as other:
        for thread in (whose, watching, whose, whose):  # the trial begins, and ends
            thread.submit(turns.take).result(WAIT_SECONDS)
            time.sleep(0.02)
        watches = watching.submit(turns.take)
        assert watched.begun.wait(WAIT_SECONDS)
        waits = other.submit(turns.take) if another_waits else None
        time.sleep(0.05)
        watched.told.set()

        with pytest.raises(TimeoutError):
            watches.result(WAIT_SECONDS)
        (waits or other.submit(turns.take)).result(WAIT_SECONDS)

    assert turns.are_taken


@needs_compiled
@pytest.mark.usefixtures("always")
def test_an_exception_put_into_a_waiting_thread_leaves_the_others_their_turns(table: Table) -> None:
    """Libraries that end what takes too long do that."""
    enough = threading.Event()
    raised: list[str] = []

    def emit() -> None:
        try:
            table.emit(enough.is_set)
        except TimeoutError:
            raised.append(threading.current_thread().name)

    threads = [threading.Thread(target=emit, name=str(number)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads[:3]:
        time.sleep(0.1)
        assert thread.ident is not None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TimeoutError))
        thread.join(WAIT_SECONDS)
    table.looks.clear()
    time.sleep(0.2)
    last = {thread for thread, _ in table.looks}
    enough.set()
    threads[3].join(WAIT_SECONDS)

    assert sorted(raised) == ["0", "1", "2"]
    assert last == {threads[3].ident}
    assert not any(thread.is_alive() for thread in threads)
