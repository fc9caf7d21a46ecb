"""Turns: where several of an author's threads compute, one goes on at a time.

Takes     threads, each whenever rows have been emitted and it is time to look at their size
Gives     each its turn, in the order they came
Promises  no thread waits for one that emits nothing; where more rows come without turns, none are taken

Python runs one thread at a time. Threads that compute hand its lock on all the time, each change costs, and the thread
that loads waits behind them all. Threads that wait for their turn ask for nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

# A turn ends after so long, or when for so long no row has come.
TURN_SECONDS = 0.03
QUIET_SECONDS = 0.0002

# To find out whether turns are of use, rows are counted for so long without them, and for so long with them.
WINDOW_SECONDS = 0.2
# They are taken where they gave at least this part of the rows: a little less may be chance.
ENOUGH = 0.95
# After so long it is found out again.
PERIOD_SECONDS = 5.0


class Watched(Protocol):
    """What counts the rows.

    taken  how many there were so far
    turn   a number; a change ends `watch`
    """

    @property
    def taken(self) -> int: ...

    turn: int

    def watch(self, turn: int, seconds: float, /) -> bool:
        """Wait, without Python's lock, until for `seconds` no row has come: True; or `turn` is another: False."""


class Trial:
    """Whether turns are of use: rows are counted without them, then with them, and the better goes on for a while.

    rows        how many there were so far
    with_turns  how to go on
    until       when to call `go_on`, by the monotonic clock
    """

    def __init__(self, rows: int, now: float) -> None:
        self._without: float | None = None  # rows a second
        self._is_settled = False
        self._next(rows, now, with_turns=False, seconds=WINDOW_SECONDS)

    def go_on(self, rows: int, now: float) -> None:
        """Choose what comes next."""
        rate = (rows - self._rows) / (now - self._began)
        if self._is_settled:
            self._is_settled, self._without = False, None
            self._next(rows, now, with_turns=False, seconds=WINDOW_SECONDS)
        elif self._without is None:
            self._without = rate
            self._next(rows, now, with_turns=True, seconds=WINDOW_SECONDS)
        else:
            self._is_settled = True
            self._next(rows, now, with_turns=rate >= ENOUGH * self._without, seconds=PERIOD_SECONDS)

    def leave_out(self, seconds: float) -> None:
        """Leave out some time in which no thread could emit."""
        self.until += seconds
        self._began += seconds

    def _next(self, rows: int, now: float, *, with_turns: bool, seconds: float) -> None:
        self.with_turns = with_turns
        self.until = now + seconds
        self._began, self._rows = now, rows


@dataclass(slots=True, eq=False)
class _Waiting:
    """A thread that waits; `changed` tells it that it may go on, or that it is the first now."""

    thread: int
    changed: threading.Condition


class Turns:
    """Whose turn it is."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._first: int | None = None
        self._trial: Trial | None = None
        self._lock = threading.Lock()
        self._whose: int | None = None
        self._ends = 0.0
        self._waiting: deque[_Waiting] = deque()

    @property
    def are_taken(self) -> bool:
        return self._trial is not None and self._trial.with_turns

    def take(self) -> None:
        """Go on when it is this thread's turn; holding nothing that another thread may want."""
        me, trial = threading.get_ident(), self._trial
        if trial is None and self._is_alone(me):
            return
        now = time.monotonic()
        if trial is not None and now < trial.until and (not trial.with_turns or self._has_turn(me, now)):
            return
        with self._lock:
            if self._trial is None:
                self._trial = Trial(self._watched.taken, now)
            elif now >= self._trial.until:
                self._trial.go_on(self._watched.taken, now)
                self._let_all_go_on()
            if self._trial.with_turns:
                self._wait_for_turn(me, now)

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """Leave out of the trial the time that passes meanwhile, if no thread emits anything."""
        began, rows = time.monotonic(), self._watched.taken
        yield
        if self._trial is not None and self._watched.taken == rows:
            with self._lock:
                self._trial.leave_out(time.monotonic() - began)

    def _is_alone(self, thread: int) -> bool:
        """Whether no other thread has ever come."""
        if self._first is None:
            self._first = thread
        return self._first == thread

    def _has_turn(self, thread: int, now: float) -> bool:
        return self._whose == thread and (now < self._ends or not self._waiting)

    def _wait_for_turn(self, me: int, now: float) -> None:
        if self._has_turn(me, now):
            return
        mine = _Waiting(me, threading.Condition(self._lock))
        self._waiting.append(mine)
        if self._whose in (None, me):
            self._give()
        try:
            while mine in self._waiting:
                if mine is not self._waiting[0]:
                    mine.changed.wait()
                elif self._is_quiet() and mine in self._waiting:
                    self._give()
        finally:
            if mine in self._waiting:  # an exception that another thread has put into this one
                self._waiting.remove(mine)
                self._tell_the_first()

    def _is_quiet(self) -> bool:
        turn = self._watched.turn
        self._lock.release()
        try:
            return self._watched.watch(turn, QUIET_SECONDS)
        finally:
            self._lock.acquire()

    def _give(self) -> None:
        """Let the one go on who has waited longest; it does, even if its turn has ended by then."""
        first = self._waiting.popleft()
        self._whose = first.thread
        self._ends = time.monotonic() + TURN_SECONDS
        self._tell(first)
        self._tell_the_first()

    def _let_all_go_on(self) -> None:
        self._whose = None
        while self._waiting:
            self._tell(self._waiting.popleft())

    def _tell_the_first(self) -> None:
        if self._waiting:
            self._tell(self._waiting[0])

    def _tell(self, waiting: _Waiting) -> None:
        """Wake a thread that waits to be told, or watches."""
        self._watched.turn += 1
        waiting.changed.notify()
