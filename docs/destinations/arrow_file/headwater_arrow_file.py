"""One Arrow file as a destination of headwater, `arrow:PATH`: it is written whole at each commit."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from headwater.batch import comparable_key
from headwater.destinations import Settings
from headwater.destinations.memory import MemoryDestination, Stored, Warehouse
from headwater.errors import Busy, ConfigurationError
from headwater.schema import Mode, Table
from headwater.state import Commit
from headwater.types.columns import arrow_type
from headwater.types.names import ColumnType


def from_url(url: str, settings: Settings) -> ArrowFile:
    """Make the destination that `arrow:PATH` names; the entry point in pyproject.toml leads here."""
    path = url.partition(":")[2]
    if not path:
        raise ConfigurationError(f"destination: {url!r} names no file", hint="Use arrow:PATH, relative to the project.")
    return ArrowFile(settings.folder / path, settings.connection)


class ArrowFile(MemoryDestination):
    """Tables that are in memory while a sync runs, and in a file from one commit to the next.

    A commit writes a new file and gives it the old one's name: rows, tables, state and epoch change at once, or not.
    """

    def __init__(self, path: Path, connection: str) -> None:
        self._path = path
        self._lock: int | None = None
        self._stored = Warehouse()
        super().__init__(connection, warehouse=self._stored)

    def open(self) -> tuple[int, Commit | None]:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise Busy(f"{self._path} is open elsewhere", hint="Wait for the other sync.") from None
        read(self._path, self._stored)
        opened = super().open()
        write(self._path, self._stored)  # whoever opens it next must find this epoch taken
        return opened

    def commit(self, state: str) -> Commit:
        done = super().commit(state)
        write(self._path, self._stored)
        return done

    def close(self) -> None:
        super().close()
        if self._lock is not None:
            os.close(self._lock)  # the system lets go of it too when the process dies
            self._lock = None


def write(path: Path, stored: Warehouse) -> None:
    """Write one row per table: what it is, as JSON, and its rows, as an Arrow stream."""
    about = {"epochs": stored.epochs, "commits": {name: asdict(commit) for name, commit in stored.commits.items()}}
    tables = pa.table(
        {
            "table": pa.array([json.dumps(asdict(each.table)) for each in stored.stored.values()], pa.string()),
            "rows": pa.array([_stream(each) for each in stored.stored.values()], pa.large_binary()),
        },
        metadata={"about": json.dumps(about, default=datetime.isoformat)},
    )
    new = path.with_name(f".{path.name}.new")
    with new.open("wb") as file, pa.ipc.new_file(file, tables.schema) as written:
        written.write_table(tables)
        written.close()
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)  # the name, too, must outlive a crash of the machine
    os.close(folder)


def read(path: Path, into: Warehouse) -> None:
    """Read what `write` has written; nothing when there is no file yet."""
    if not path.exists():
        return
    found = pa.ipc.open_file(pa.BufferReader(path.read_bytes())).read_all()
    about = json.loads(found.schema.metadata[b"about"])
    into.epochs.update(about["epochs"])
    for name, commit in about["commits"].items():
        at = datetime.fromisoformat(commit["committed_at"])
        into.commits[name] = Commit(**{**commit, "committed_at": at})
    for each in found.to_pylist():
        table = _table(**json.loads(each["table"]))
        rows = pa.ipc.open_stream(each["rows"]).read_all().to_pylist()
        by_key = {comparable_key(row[name] for name in table.primary_key): row for row in rows}
        into.stored[table.schema, table.name] = Stored(table, by_key)


def _stream(stored: Stored) -> bytes:
    columns = stored.table.columns.items()
    rows = stored.rows.values()
    arrays = {name: pa.array([row[name] for row in rows], arrow_type(kind)) for name, kind in columns}
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.table(arrays).schema) as stream:
        stream.write_table(pa.table(arrays))
    return bytes(sink.getvalue())


def _table(schema: str, name: str, key: list[str], columns: dict[str, dict[str, Any]], mode: Mode) -> Table:
    return Table(schema, name, tuple(key), {column: ColumnType(**kind) for column, kind in columns.items()}, mode)
