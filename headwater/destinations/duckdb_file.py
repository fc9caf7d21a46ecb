"""The DuckDB file: made, locked, and for a long segment replaced whole by a copy.

An open DuckDB transaction keeps about 200 bytes a row in memory, whatever its memory limit. A segment
with more rows than that allows is written to a copy of the file, in small transactions; at the
checkpoint the copy takes the file's name. A reader and a crash see the old file or the new one.
"""

from __future__ import annotations

import glob
import os
import subprocess
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from headwater.destinations.duckdb_inserts import Inserts
from headwater.errors import Busy, DestinationError, TransientError
from headwater.formats import FIRST, OWN_TABLES, require_known
from headwater.remedies import remedies
from headwater.state import Commit
from headwater.whole_file import name_unless_taken

# An insert of a row group or more, by more than one thread, is written to the file at once, outside the
# write-ahead log. With DuckDB's own 122,880 rows a commit of 100,000 rows takes 60 ms, with this 3 ms;
# the file grows by a fifth.
ROW_GROUP_ROWS = 10_240

# DuckDB empties its log into the file when it has become so large: its own default.
LOG_BYTES = 16 * 1024 * 1024

CATALOG = "warehouse"

# So many parsed statements are kept: a handful for each of a hundred tables.
STATEMENTS = 500

_SETTINGS = {
    "threads": "1",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "preserve_insertion_order": "false",
}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_OWN_TABLES = """
CREATE SCHEMA _headwater;
CREATE TABLE _headwater.state (
    connection VARCHAR NOT NULL, epoch BIGINT NOT NULL, committed_epoch BIGINT NOT NULL, sequence BIGINT NOT NULL,
    state VARCHAR NOT NULL, previous VARCHAR NOT NULL, committed_at TIMESTAMP WITH TIME ZONE
);
CREATE TABLE _headwater.tables (
    schema VARCHAR NOT NULL, name VARCHAR NOT NULL,
    key VARCHAR NOT NULL, mode VARCHAR NOT NULL, columns VARCHAR NOT NULL
);
"""


# Of one connection; DuckDB's own times need a package for time zones.
STATE = (
    "SELECT epoch, committed_epoch, sequence, state, previous, epoch_us(committed_at) FROM _headwater.state "
    "WHERE connection = ?"
)


def state_of(rows: list[tuple[Any, ...]]) -> tuple[int, Commit | None]:
    """Give what `STATE` finds: the newest epoch, 0 before the first, and the newest commit."""
    if not rows:
        return 0, None
    [(newest, epoch, sequence, state, previous, microseconds)] = rows
    if microseconds is None:
        return newest, None
    return newest, Commit(epoch, sequence, state, previous, _EPOCH + timedelta(microseconds=microseconds))


def name_for_duckdb(path: Path) -> str:
    """Write a path as DuckDB opens it: as UTF-8, whatever the locale lets Python take its bytes for.

    Errors: DestinationError for a name that is none.
    """
    try:
        return os.fsencode(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DestinationError(
            f"{path}: DuckDB opens files only where the whole path is UTF-8",
            hint=remedies().no_such_path,
        ) from error


def spill_folder(path: Path) -> Path:
    """Say where DuckDB keeps what its memory does not hold."""
    return path.with_name(f"{path.name}.tmp")


def _format(version: int) -> str:
    """Write down the format of the own tables."""
    return f"CREATE TABLE _headwater.format AS SELECT {version} AS version;"


class DatabaseFile:
    """An open DuckDB file; `connection` runs SQL in it, `inserts` those that read Arrow tables.

    path    made, with its folder, when missing
    memory  DuckDB's memory limit, in bytes

    Errors: Busy when another program has it open; DestinationError when it is damaged or cannot be made.
    """

    def __init__(self, path: Path, memory: int) -> None:
        self.path = path
        self._copy: Path | None = None
        self._threads = 1
        self._optimizes = True
        self._statements: dict[str, duckdb.Statement] = {}
        _create(path)
        self.connection = duckdb.connect(":memory:", config={**_SETTINGS, "memory_limit": f"{memory}B"})
        self.inserts = Inserts(self.connection)
        try:
            self.connection.execute("SET TimeZone = 'UTC'")
            self.connection.execute(f"SET temp_directory = {_text(name_for_duckdb(spill_folder(path)))}")
            self._attach(path)
            _make_own_tables(self.connection, path)
            _remove_copies(path)
        except duckdb.Error as error:
            self.connection.close()
            raise _opening_error(path, error) from error
        except BaseException:
            self.connection.close()
            raise

    def statement(self, sql: str) -> duckdb.Statement:
        """Parse one statement, or give the parsed one: a third of the time of a small statement is its text."""
        found = self._statements.get(sql)
        if found is None:
            if len(self._statements) >= STATEMENTS:
                self._statements.clear()
            (found,) = self.connection.extract_statements(sql)
            self._statements[sql] = found
        return found

    def expect_rows(self, rows: int) -> None:
        """Choose how many threads SQL runs with: one for a small batch, where more cost a third of the time."""
        self._use_threads(all_of_them=rows >= ROW_GROUP_ROWS)

    def expect_commit(self, nbytes: int) -> None:
        """Choose the same for a commit of so many bytes: all threads, where the log may be emptied into the file."""
        try:
            logged = self._log.stat().st_size
        except OSError:  # it has been emptied
            return
        if logged + 2 * nbytes >= LOG_BYTES:
            self._use_threads(all_of_them=True)

    def _use_threads(self, *, all_of_them: bool) -> None:
        threads = max(2, os.cpu_count() or 2) if all_of_them else 1
        if threads != self._threads:
            self.connection.execute(f"SET threads = {threads}")
            self._threads = threads

    def optimize(self, wanted: bool) -> None:
        """Choose whether DuckDB looks for a better plan, which for a small insert is a third of the time."""
        if wanted != self._optimizes:
            self.connection.execute(self.statement(f"PRAGMA {'enable' if wanted else 'disable'}_optimizer"))
            self._optimizes = wanted

    @property
    def is_copy(self) -> bool:
        """Whether SQL goes to a copy that has not replaced the file yet."""
        return self._copy is not None

    def move_to_copy(self) -> None:
        """Let SQL go to a copy of the file; no transaction may be open.

        The file itself stays open for reading, which keeps other programs from writing to it.
        """
        copy = self.path.with_name(f"{_copy_prefix(self.path)}{uuid.uuid4().hex}")
        db = self.connection
        db.execute("CHECKPOINT")
        db.execute(f"USE memory; DETACH {CATALOG}")
        db.execute(f"ATTACH {_text(name_for_duckdb(self.path))} AS original (READ_ONLY)")
        self._copy = copy
        # In a process of its own: closing any descriptor of the file here would drop DuckDB's lock on it.
        done = subprocess.run(["cp", "--reflink=auto", "--", self.path, copy], capture_output=True, check=False)  # noqa: S603, S607 - fixed words and our own paths
        if done.returncode:
            raise DestinationError(
                f"{self.path} cannot be copied for a long segment: {done.stderr.decode(errors='replace').strip()}",
                hint="A segment of more than a million rows needs free disk space of the file's size: "
                "make room, or checkpoint more often.",
            )
        self._attach(copy)

    def replace_with_copy(self) -> None:
        """Let the copy take the file's place, durably; no transaction may be open."""
        assert self._copy is not None
        db = self.connection
        db.execute("CHECKPOINT")
        db.execute(f"USE memory; DETACH {CATALOG}")
        self._copy.replace(self.path)
        sync_folder(self.path.parent)
        self._copy = None
        db.execute("DETACH original")
        try:
            self._attach(self.path)
        except duckdb.Error as error:  # what was committed stays; only this run cannot go on
            raise TransientError(f"{self.path} was opened by another program after the commit: {error}") from error

    def close(self) -> None:
        """Close the file; a copy that has not replaced it is removed."""
        self.connection.close()
        _remove_copies(self.path)

    def _attach(self, path: Path) -> None:
        self._log = Path(f"{path}.wal")
        self.connection.execute(f"ATTACH {_text(name_for_duckdb(path))} AS {CATALOG} (ROW_GROUP_SIZE {ROW_GROUP_ROWS})")
        self.connection.execute(f"USE {CATALOG}")


def _make_own_tables(db: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make headwater's own tables in a file of another program, and write down a format where none is.

    Errors: DestinationError when a newer headwater has made them.
    """
    sql = "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = '_headwater'"
    found = {name for (name,) in db.execute(sql, [CATALOG]).fetchall()}
    if "format" in found:
        [(version,)] = db.execute("SELECT version FROM _headwater.format").fetchall()
        require_known(str(path), version, OWN_TABLES)
    elif found:
        db.execute(f"BEGIN; {_format(FIRST)} COMMIT")
    else:
        db.execute(f"BEGIN; {_OWN_TABLES} {_format(OWN_TABLES)} COMMIT")


def _copy_prefix(path: Path) -> str:
    return f".{path.name}.copy-"


def _remove_copies(path: Path) -> None:
    """Remove what dead processes left, copies and first files; whoever holds the lock of the file is alone here."""
    name = glob.escape(path.name)
    for pattern in (f".{name}.copy-*", f".{name}.{'[0-9a-f]' * 32}*"):
        for left in path.parent.glob(pattern):
            left.unlink(missing_ok=True)


def _create(path: Path) -> None:
    """Make the file under another name and rename it: a new DuckDB file that a crash cut short cannot be opened."""
    if path.exists():
        return
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with duckdb.connect(name_for_duckdb(temporary)) as db:
            db.execute(f"BEGIN; {_OWN_TABLES} {_format(OWN_TABLES)} COMMIT; CHECKPOINT")
        with suppress(FileExistsError):  # another sync was faster: that one may have rows by now
            name_unless_taken(temporary, path)
        sync_folder(path.parent)
    except (duckdb.Error, OSError) as error:
        if path.exists():
            return  # another sync was faster
        raise DestinationError(f"{path} cannot be made: {error}", hint=hint(error)) from error
    finally:
        for name in (temporary, Path(f"{temporary}.wal")):
            name.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _opening_error(path: Path, error: duckdb.Error) -> Exception:
    text = str(error)
    first = text.splitlines()[0]
    if any(words in text for words in ("Could not set lock", "Conflicting lock", "Unique file handle conflict")):
        return Busy(
            f"{path} is open elsewhere: {first}",
            hint="DuckDB lets one program in at a time: close that program, or wait for that sync.",
        )
    return DestinationError(
        f"{path} cannot be opened: {first}",
        hint=hint(error)
        or "If the file is damaged, move it away with its .wal, or restore it, and run the sync again.",
    )


def is_spill_full(error: duckdb.Error) -> bool:
    """Say whether the disk of the spill folder is full: DuckDB speaks of memory then, and of a setting of its own."""
    return isinstance(error, duckdb.OutOfMemoryException) and "max_temp_directory_size" in str(error)


def hint(error: Exception) -> str | None:
    """Say what to do about an error of DuckDB or the disk; None where the message says it all."""
    text = str(error)
    if "No space left" in text:
        return "Make room on the disk and run the sync again; nothing that was committed is lost."
    if isinstance(error, duckdb.OutOfMemoryException):
        return remedies().out_of_memory
    return None


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
