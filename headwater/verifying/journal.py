"""What each checkpoint of a sync did, on disk: so that the tables of any of them can be made again."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from headwater.batch import Batch
from headwater.destinations.memory import MemoryDestination, Warehouse
from headwater.schema import Table
from headwater.state import Commit
from headwater.types.names import ColumnType

_Call = tuple[str, tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """What one commit did.

    state  JSON text
    calls  of the destination, in order
    files  uploaded since the commit before: path to the hash of the content
    """

    state: str
    calls: list[_Call]
    files: Mapping[str, str]


@dataclass(slots=True)
class Place:
    """Where a sync stands after a commit: its tables, its state and its files.

    number  of the commit; 0 for the start
    next    what the next commit does; None at the end
    """

    number: int
    state: str
    warehouse: Warehouse
    files: dict[str, str]
    next: Step | None = None

    def advance(self, connection: str) -> None:
        """Go where the next commit leads; rows it leaves alone stay the same objects."""
        step = self.next
        assert step is not None
        destination = MemoryDestination(connection, warehouse=self.warehouse)
        destination.open()
        for name, values, named in step.calls:
            getattr(destination, name)(*values, **named)
        destination.commit(step.state)
        self.number += 1
        self.state = step.state
        self.files = {**self.files, **step.files}
        self.next = None

    def copy(self) -> Place:
        """Give a place that can move by itself; rows are never changed in place, so they are shared."""
        of = self.warehouse
        return replace(self, warehouse=Warehouse(dict(of.stored), dict(of.epochs), dict(of.commits)))


class WritingDestination(MemoryDestination):
    """Tables in memory, and beside them a file with a `Step` for each commit.

    files  path to hash of what was uploaded; it grows while the sync runs
    """

    def __init__(self, connection: str, journal: BinaryIO, files: Mapping[str, str]) -> None:
        super().__init__(connection)
        self._journal = journal
        self._files = files
        self._written_files: dict[str, str] = {}
        self._calls: list[_Call] = []

    def create_table(self, table: Table) -> None:
        super().create_table(table)
        self._note("create_table", table)

    def drop_table(self, table: Table) -> None:
        super().drop_table(table)
        self._note("drop_table", table)

    def alter_table(self, table: Table, *, add: Mapping[str, ColumnType], retype: Mapping[str, ColumnType]) -> None:
        super().alter_table(table, add=add, retype=retype)
        self._note("alter_table", table, add=dict(add), retype=dict(retype))

    def write(self, table: Table, batch: Batch) -> None:
        super().write(table, batch)
        self._note("write", table, batch)

    def truncate(self, table: Table, *, at: datetime, before: datetime | None = None) -> None:
        super().truncate(table, at=at, before=before)
        self._note("truncate", table, at=at, before=before)

    def commit(self, state: str) -> Commit:
        commit = super().commit(state)
        files = dict(self._files)
        new = {path: content for path, content in files.items() if self._written_files.get(path) != content}
        self._written_files = files
        pickle.dump(Step(state, self._calls, new), self._journal)
        self._journal.flush()
        self._calls = []
        return commit

    def _note(self, name: str, *values: object, **named: object) -> None:
        self._calls.append((name, values, named))


def places(journal: Path, connection: str) -> Iterator[Place]:
    """Go through a journal: the start, and where each of its commits led.

    It is one place that moves: only one commit's tables are in memory at a time.
    """
    place = Place(0, "{}", Warehouse(), {})
    with journal.open("rb") as file:
        while file.peek(1):
            # Written by this program, for itself, in a folder of its own.
            place.next = pickle.load(file)  # noqa: S301 - written by this very run, in a folder of its own
            yield place
            place.advance(connection)
    yield place
