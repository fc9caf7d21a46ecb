"""The queue between the author's threads and the loading thread, bounded by bytes."""

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
    """What authors have emitted and the loading thread has not taken yet, in order."""

    def __init__(self, limit: int = QUEUED_BYTES) -> None:
        self._limit = limit
        self._items: deque[Queued] = deque()
        self._bytes = 0
        self._closed = False
        self._failure: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, item: Queued) -> None:
        """Hand over an item; waits while the loading thread is behind.

        Errors: the failure of the loading thread, if it has failed.
        """
        with self._changed:
            while self._bytes >= self._limit and self._failure is None:
                self._changed.wait()
            self.raise_failure()
            self._items.append(item)
            self._bytes += item.nbytes
            self._changed.notify_all()

    def get(self) -> Queued | None:
        """Take the next item; None when there will be no more."""
        with self._changed:
            while not self._items and not self._closed and self._failure is None:
                self._changed.wait()
            if self._failure is not None or not self._items:
                return None
            item = self._items.popleft()
            self._bytes -= item.nbytes
            self._changed.notify_all()
            return item

    def get_while(self, wanted: Callable[[Queued], bool]) -> list[Queued]:
        """Take the items that are there already, in order, up to the first that is not wanted; never waits."""
        taken: list[Queued] = []
        with self._changed:
            while self._items and self._failure is None and wanted(self._items[0]):
                item = self._items.popleft()
                self._bytes -= item.nbytes
                taken.append(item)
            self._changed.notify_all()
        return taken

    @property
    def has_items(self) -> bool:
        return bool(self._items)

    def close(self) -> None:
        """Say that no more items come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """End both sides: every later `put` raises `error`, and whoever waits for a checkpoint or a mark is woken."""
        with self._changed:
            if self._failure is None:
                self._failure = error
            for item in self._items:
                if isinstance(item, Checkpoint | Mark):
                    item.done.set()
            self._items.clear()
            self._bytes = 0
            self._changed.notify_all()

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
