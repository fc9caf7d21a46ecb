"""What happened: one record per sync, in a SQLite file beside the warehouse."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from headwater.errors import DestinationError
from headwater.formats import HISTORY, require_known
from headwater.state import Commit

_TABLE = """
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, started TEXT NOT NULL, ended TEXT, pid INTEGER NOT NULL,
    status TEXT NOT NULL, destination TEXT NOT NULL, epoch INTEGER NOT NULL,
    seconds REAL, counts TEXT, rows TEXT, warnings TEXT, state_bytes INTEGER, error TEXT
)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One sync, as `headwater runs` shows it."""

    id: int
    started: str
    ended: str | None
    status: str
    seconds: float | None
    counts: Mapping[str, int]
    rows: Mapping[str, int]
    warnings: list[str]
    state_bytes: int | None
    error: str | None


class Runs:
    """The syncs of one project.

    destination  where they go, schema included, without secrets: one that is new has no earlier syncs
    """

    def __init__(self, path: Path, destination: str) -> None:
        self._path = path
        self._destination = destination

    def require_not_older(self, committed: Commit | None, epoch: int) -> None:
        """Refuse a destination that is older than the last sync left it.

        A deleted write-ahead log, a restored copy or a removed file look like a healthy, emptier
        destination: going on from there would lose rows in silence. A refusal does not wear off: each try
        raises the destination's epoch by one, and what is expected of it as well.

        epoch  that of this opening of the destination
        """
        with self._database() as db:
            row = db.execute(
                "SELECT id, epoch, started FROM runs WHERE destination = ? ORDER BY id DESC LIMIT 1",
                (self._destination,),
            ).fetchone()
            if row is None:
                return
            older = epoch <= row[1]
            db.execute("UPDATE runs SET epoch = ? WHERE id = ?", (row[1] + 1 if older else epoch, row[0]))
        if older:
            raise _older(committed, row[0], row[2])

    def require_as_left(self, committed: Commit | None, epoch: int) -> None:
        """Refuse the same, where the destination is only looked at: nothing is written.

        epoch  that of the last opening of the destination, 0 when there was none
        """
        last = self._look(
            "SELECT id, epoch, started FROM runs WHERE destination = ? ORDER BY id DESC LIMIT 1", self._destination
        )
        for id, expected, started in last:
            if epoch < expected:
                raise _older(committed, id, started)

    def wrote_copy(self) -> bool:
        """Say whether the copy of the state is this destination's: nobody has synced, or the last sync went here."""
        last = self._look("SELECT destination FROM runs ORDER BY id DESC LIMIT 1")
        return not last or last[0][0] == self._destination

    def last_died(self) -> bool:
        """Say whether the last sync ended without a word; asked while no other can run."""
        with self._database() as db:
            row = db.execute("SELECT status FROM runs ORDER BY id DESC LIMIT 1").fetchone()
        return row is not None and row[0] == "running"

    def start(self, *, pid: int, epoch: int) -> int:
        """Record that a sync has begun; give its id."""
        with self._database() as db:
            db.execute("UPDATE runs SET status = 'died' WHERE status = 'running'")
            cursor = db.execute(
                "INSERT INTO runs (started, pid, status, destination, epoch) VALUES (?, ?, 'running', ?, ?)",
                (_now(), pid, self._destination, epoch),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def end(self, run: int, status: str, seconds: float, state: str, details: Mapping[str, Any]) -> None:
        """Record how a sync ended.

        details  `counts`, `rows`, `warnings` and `error`, secrets already removed
        """
        with self._database() as db:
            db.execute(
                "UPDATE runs SET ended = ?, status = ?, seconds = ?, state_bytes = ?, counts = ?, rows = ?, "
                "warnings = ?, error = ? WHERE id = ?",
                (
                    _now(), status, seconds, len(state), json.dumps(details["counts"]), json.dumps(details["rows"]),
                    json.dumps(details["warnings"]), details["error"], run,
                ),
            )  # fmt: skip

    def all(self) -> list[Run]:
        """List the syncs, newest first."""
        rows = self._look(
            "SELECT id, started, ended, status, seconds, counts, rows, warnings, state_bytes, error "
            "FROM runs ORDER BY id DESC"
        )
        return [_run(*row) for row in rows]

    def _look(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read, and write nothing: the folder may be read-only."""
        if not self._path.exists():
            return []
        with self._open() as db:
            has_table = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'runs'").fetchall()
            return db.execute(query, values).fetchall() if has_table else []

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Open the history for one transaction.

        Errors: DestinationError when it cannot be read or written, as on a full disk.
        """
        with self._open() as db, db:
            self._make_table(db)
            yield db

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=10)) as db:
                [(version,)] = db.execute("PRAGMA user_version").fetchall()
                require_known(str(self._path), version, HISTORY)
                yield db
        except (sqlite3.Error, OSError) as error:
            raise DestinationError(
                f"{self._path} cannot be used: {error}",
                hint="It holds only the history of syncs: you may delete it.",
            ) from error

    def _make_table(self, db: sqlite3.Connection) -> None:
        """Make the table where it is missing, and write down a format where none is."""
        [(version,)] = db.execute("PRAGMA user_version").fetchall()
        if version == 0:  # a new file, or one from before there were formats
            db.execute("BEGIN IMMEDIATE")
            db.execute(_TABLE)
            db.execute(f"PRAGMA user_version = {HISTORY}")
            db.commit()


def _older(committed: Commit | None, run: int, started: str) -> DestinationError:
    found = f"its last commit is of {committed.committed_at}" if committed else "it holds no commit"
    return DestinationError(
        f"the destination is older than the last sync left it (sync {run} of {started}): {found}",
        hint="If it was restored or removed on purpose, say so with --accept-older; to start over, `headwater reset`.",
    )


def _run(
    id: int, started: str, ended: str, status: str, seconds: float, counts: str, rows: str, warnings: str, *rest: Any
) -> Run:
    texts = (counts or "{}", rows or "{}", warnings or "[]")
    return Run(id, started, ended, status, seconds, *map(json.loads, texts), *rest)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
