"""The queue between those who emit and the one who loads, bounded by bytes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from headwater.batch import TypedOperations
from headwater.schema import SourceTable
from headwater.types.names import ColumnType

QUEUED_BYTES = 96_000_000


@dataclass(slots=True)
class Rows:
    """Row operations of one table, on their way to the destination."""

    source: SourceTable
    operations: TypedOperations
    nbytes: int


@dataclass(slots=True)
class Truncate:
    """Every row of the table that came before is to be marked as deleted.

    before  only the rows that were stamped earlier
    """

    source: SourceTable
    before: datetime | None = None
    nbytes: int = 0


@dataclass(slots=True)
class Declaration:
    """A table is to be there, with these columns, whether a row comes or not."""

    source: SourceTable
    columns: dict[str, ColumnType]
    nbytes: int = 0


@dataclass(slots=True)
class Mark:
    """A moment is asked for: rows that came before are stamped earlier, those that come later are not."""

    at: datetime | None = None
    nbytes: int = 0
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True)
class Checkpoint:
    """Everything before it is to be committed together with `state`."""

    state: str
    nbytes: int = 0
    done: threading.Event = field(default_factory=threading.Event)


Item = Rows | Truncate | Declaration | Mark | Checkpoint


class _Queued(Protocol):
    nbytes: int


Queued = TypeVar("Queued", bound=_Queued)


class Outbox(Generic[Queued]):
    """What authors have emitted and nobody has loaded yet, in order.

    It is the loading thread that takes from here, while authors go on. An author who has to wait until all is loaded
    would only watch it: where nothing else is on its way, that thread takes over until it gives back. Waking another
    thread and being woken by it costs more than a small commit.
    """

    def __init__(self, limit: int = QUEUED_BYTES) -> None:
        self._limit = limit
        self._items: deque[Queued] = deque()
        self._bytes = 0
        self._closed = False
        self._failure: BaseException | None = None
        self._busy = False  # the loading thread has an item in hand
        self._helper: int | None = None
        self._taken_over = False
        lock = threading.Lock()
        self._filled = threading.Condition(lock)
        self._room = threading.Condition(lock)

    def put(self, item: Queued) -> None:
        """Hand over an item; waits while it takes long to load what came before.

        Errors: the failure of the loading thread, if it has failed.
        """
        with self._room:
            while self._bytes >= self._limit and self._failure is None and not self._is_mine():
                self._room.wait()
            self.raise_failure()
            self._items.append(item)
            self._bytes += item.nbytes
            if not self._taken_over:
                self._filled.notify_all()

    def get(self) -> Queued | None:
        """Take the next item, in the loading thread; None when there will be no more."""
        with self._filled:
            self._busy = False
            while self._taken_over or not self._is_wanted():
                self._filled.wait()
            if self._failure is not None or not self._items:
                return None
            self._busy = True
            return self._take()

    def get_while(self, wanted: Callable[[Queued], bool]) -> list[Queued]:
        """Take the items that are there already, in order, up to the first that is not wanted; never waits."""
        taken: list[Queued] = []
        with self._room:
            while self._items and self._failure is None and wanted(self._items[0]):
                taken.append(self._take())
        return taken

    # --- an author who loads

    def let_take_over(self) -> None:
        """Let the calling thread take over when it can."""
        self._helper = threading.get_ident()

    def take_over(self) -> None:
        """Keep the loading thread from what is put from now on, where this thread may, and nothing is on its way."""
        with self._filled:
            free = not self._busy and not self._is_wanted()
            self._taken_over = free and self._helper == threading.get_ident()

    def get_own(self) -> Queued | None:
        """Take the next item, in the thread that has taken over; None when there is none, or it has not."""
        with self._room:
            return self._take() if self._items and self._is_mine() else None

    def give_back(self) -> None:
        """Let the loading thread go on, where this thread has taken over."""
        with self._filled:
            if self._is_mine():
                self._taken_over = False
                if self._is_wanted():
                    self._filled.notify_all()

    # --- the end

    @property
    def has_items(self) -> bool:
        return bool(self._items)

    def close(self) -> None:
        """Say that no more items come."""
        with self._filled:
            self._closed = True
            self._filled.notify_all()

    def fail(self, error: BaseException) -> None:
        """End both sides: every later `put` raises `error`, and whoever waits for a checkpoint or a mark is woken."""
        with self._filled:
            if self._failure is None:
                self._failure = error
            for item in self._items:
                if isinstance(item, Checkpoint | Mark):
                    item.done.set()
            self._items.clear()
            self._bytes = 0
            self._filled.notify_all()
            self._room.notify_all()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _take(self) -> Queued:
        item = self._items.popleft()
        self._bytes -= item.nbytes
        self._room.notify_all()
        return item

    def _is_wanted(self) -> bool:
        """Whether the loading thread has something to do, or to end for."""
        return bool(self._items) or self._closed or self._failure is not None

    def _is_mine(self) -> bool:
        return self._taken_over and self._helper == threading.get_ident()
