"""What a destination promises: the contract every destination is tested against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from headwater.batch import Batch
from headwater.schema import Table
from headwater.state import Commit
from headwater.types.names import ColumnType


@dataclass(frozen=True, slots=True)
class Settings:
    """What a destination is told beside its URL.

    folder      what a relative path in the URL starts from
    connection  whose state is kept there
    memory_mb   what the destination may use while it merges, in megabytes
    run         names the run: one that lost the destination and comes again takes over from itself at once
    """

    folder: Path
    connection: str
    memory_mb: int
    run: str


class Destination(Protocol):
    """Where batches land. One object serves one sync of one connection, from one thread at a time: opened in one,
    written to from others, one after another.

    Order of calls: open, (describe_table | create_table | alter_table | holds | write | truncate)*, commit, and
    again until `close`. Everything between two commits is one transaction, tables and types included.
    `close` without `commit` leaves the destination as the last commit left it.

    Errors: DestinationError for what the operator must mend, TransientError for what passes when the
    sync is run again. After either, only `close` may be called.
    """

    @property
    def folds_case(self) -> bool:
        """Whether names that differ only in case are the same name here."""

    @property
    def keeps_nul(self) -> bool:
        """Whether text may hold U+0000, and JSON its escape; where not, the engine takes them out of every batch."""

    def open(self) -> tuple[int, Commit | None]:
        """Take the connection over, with a new epoch; give the epoch and the newest commit.

        From here on a commit of an older epoch is refused with `Fenced`.

        Errors: Busy when another sync of the connection runs, by the destination's own clock.
        """

    def describe_table(self, schema: str, name: str) -> Table | None:
        """Read a table as it stands in the open transaction; None when there is none.

        Each type has all the fields it was made or altered with, `held` too, which no type of a database says.
        """

    def create_table(self, table: Table) -> None:
        """Make a table that does not exist yet, and its schema where that is missing."""

    def drop_table(self, table: Table) -> None:
        """Remove a table with its rows."""

    def alter_table(self, table: Table, *, add: Mapping[str, ColumnType], retype: Mapping[str, ColumnType]) -> None:
        """Add columns, NULL in the rows there are, and widen columns, keeping what their values mean.

        table  as it was before; `retype` gives only types that `promote` gave for the column. Two may be stored
               alike: `describe_table` gives the newer one from then on, with all its fields. An `UNTYPED` column has
               no value yet, and may become anything.
        """

    def holds(self, table: Table, column: str, kind: ColumnType) -> bool:
        """Say whether every value of a number column stays the same as `kind`.

        An integer beyond `LARGEST_EXACT_INTEGER` counts as one that DOUBLE changes, whether it has a float or not:
        the engine says the same of the integers of a batch.
        """

    def write(self, table: Table, batch: Batch) -> None:
        """Apply `batch`, at most one operation per key; its columns exist and have the table's types.

        A reader sees none of it before `commit`. The same batch may come again after a crash, and
        writing it twice must leave what writing it once leaves.
        """

    def truncate(self, table: Table, *, at: datetime, before: datetime | None = None) -> None:
        """Mark every row as deleted, `_fivetran_synced` unchanged; in live mode, remove them all.

        at      when: in history mode the time at which the active versions end; one that starts later ends at its start
        before  only rows whose `_fivetran_synced` is earlier
        """

    def newest_versions(self, table: Table, keys: pa.Table) -> pa.Table:
        """Read the version of each of these keys that starts last, active or ended (history mode).

        All columns, in the table's types; keys that have no version are left out.
        """

    def commit(self, state: str) -> Commit:
        """Make everything since the last commit durable together with `state`; the first commit of an epoch is its 1.

        Errors: Fenced when a newer epoch has begun.
        """

    def close(self) -> None:
        """Let go of the destination; what was not committed is gone. May be called twice."""
