"""One sync, start to end: the only module that knows the whole path of a row."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import GeneratorType
from typing import Literal, Protocol

from headwater import operations
from headwater.batch import joined
from headwater.connector import Connector
from headwater.destinations.abc import Destination
from headwater.errors import ConnectorError
from headwater.file_upload import FileStore
from headwater.load import Loader
from headwater.log import Logging
from headwater.memory import require_memory
from headwater.naming import naming
from headwater.options import Options
from headwater.outbox import Checkpoint, Declaration, Item, Mark, Outbox, Rows, Truncate
from headwater.schema import Catalog, Table, read_declaration
from headwater.state import Commit, load_state
from headwater.stream import EndOfSync, Stream

# So much of one table is loaded at once, when more of it waits: what a batch costs is then paid less often.
JOINED_ROWS = 122_880
JOINED_BYTES = 32_000_000

# After so long a thread that computes lets another one in that waits for the interpreter's lock. The loading thread
# wants it several times a batch, for some microseconds each: with Python's own 5 ms a sync took a seventh longer.
SWITCH_SECONDS = 0.001

# Of a connector that warns of each of its rows, so many characters of warnings are kept for the record of the sync.
KEPT_WARNING_CHARACTERS = 1_000_000

Status = Literal["succeeded", "failed", "interrupted"]


class Interrupted(BaseException):
    """Someone asked the sync to end now; like KeyboardInterrupt, it passes `except Exception`."""


class Reporter(Protocol):
    """Who is told what happens while a sync runs; called by whoever loads, and `progress` from the main thread."""

    def table_changed(self, table: Table) -> None: ...

    def committed(self, commit: Commit) -> None: ...

    def progress(self, progress: Progress) -> None: ...


class Quiet:
    """A reporter that says nothing: the result tells it."""

    def starting(self, options: Options, state: str) -> None: ...

    def table_changed(self, table: Table) -> None: ...

    def committed(self, commit: Commit) -> None: ...

    def progress(self, progress: Progress) -> None: ...


@dataclass(slots=True)
class Progress:
    """Where a sync stands.

    calls     operations by kind, rows of Arrow tables counted one by one
    rows      rows handed to the destination, by table
    since     rows that are stamped from then on came in this sync
    warnings  each text once, in order, the first megabyte of them
    unkept    how many warnings came after that: they are in the log alone
    """

    started: float
    calls: dict[str, int] = field(default_factory=dict)
    rows: Counter[str] = field(default_factory=Counter)
    schema_changes: int = 0
    commits: int = 0
    last_commit: float | None = None
    state: str = "{}"
    since: datetime | None = None
    warnings: dict[str, None] = field(default_factory=dict)
    unkept: int = 0
    _characters: int = 0

    def warn(self, message: str) -> None:
        """Log a warning, each text once, as long as the texts are kept."""
        if message in self.warnings:
            return
        if self._characters + len(message) <= KEPT_WARNING_CHARACTERS:
            self._characters += len(message)
            self.warnings[message] = None
        else:
            self.unkept += 1
        Logging.warning(message)


@dataclass(slots=True)
class Result:
    """How a sync ended, and what it failed with.

    of_destination  the error came up while loading, not in the connector's code
    """

    status: Status
    seconds: float
    progress: Progress
    error: BaseException | None = None
    of_destination: bool = False

    @property
    def warnings(self) -> list[str]:
        more = [f"and {self.progress.unkept:,} more, which only the log has"] if self.progress.unkept else []
        return [*self.progress.warnings, *more]

    def ended_by(self, error: BaseException, status: Status) -> Result:
        """Give the result of a sync that ended after this, before it could be tried again."""
        return Result(status, time.monotonic() - self.progress.started, self.progress, error, of_destination=True)

    @property
    def did_nothing(self) -> bool:
        return not any(self.progress.calls.values()) and not self.progress.schema_changes


@dataclass(frozen=True, slots=True)
class Limits:
    """When to end a sync; None for no limit.

    max_rows, max_seconds  cleanly, at the next checkpoint
    max_idle_seconds       as failed, when the connector emits nothing for so long
    """

    max_rows: int | None = None
    max_seconds: float | None = None
    max_idle_seconds: float | None = None


class Sync:
    """One run of a connector into a destination that is already open.

    state        JSON text of the state `update` is given
    after        the time of the destination's last commit
    full_resync  at the end, mark the rows that were not sent as deleted
    progress     of the attempts before, which this one goes on with
    """

    def __init__(
        self,
        connector: Connector,
        configuration: Mapping[str, str],
        destination: Destination,
        options: Options,
        reporter: Reporter,
        *,
        state: str = "{}",
        limits: Limits | None = None,
        after: datetime | None = None,
        full_resync: bool = False,
        files: FileStore | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.progress = progress or Progress(time.monotonic())
        self.progress.state = state
        self._connector = connector
        self._configuration = dict(configuration)
        self._options = options
        self._reporter = reporter
        self._state = state
        self._limits = limits or Limits()
        self._full_resync = full_resync
        self._files = files
        self._outbox: Outbox[Item] = Outbox()
        self._loader = Loader(
            destination,
            now=lambda: datetime.now(UTC),
            after=after,
            changed=self._table_changed,
            warn=self.progress.warn,
            since=self.progress.since,
            remake=full_resync,
        )
        self.progress.since = self._loader.since
        self._author_error: BaseException | None = None
        self._load_error: BaseException | None = None
        self._author_done = threading.Event()
        self._ended_early = False
        self._emitted = 0
        self._active = time.monotonic()  # when the connector last emitted something
        self._pending = False  # whether anything came since the last commit
        self._catalog: Catalog | None = None
        self._stream: Stream | None = None

    def run(self) -> Result:
        """Run the connector to its end; the destination then stands as the last commit left it.

        An exception of the author or the destination is in the result, not raised.
        """
        try:
            catalog = self._catalog = self._read_schema()
        except (KeyboardInterrupt, Interrupted) as error:
            return self._result("interrupted", error)
        except BaseException as error:  # noqa: BLE001 - schema() is the author's code: any error is the result
            return self._result("failed", error)
        try:
            self._loader.create_declared(catalog)
        except (KeyboardInterrupt, Interrupted) as error:
            return self._result("interrupted", error)
        except Exception as error:  # noqa: BLE001 - a destination's error is the result
            return self._result("failed", error, of_destination=True)
        stream = self._stream = Stream(
            catalog,
            self._outbox,
            load_to=self._load_to,
            warn=self.progress.warn,
            strict=self._options.strict,
            remarks=self._options.remarks,
            files=self._files,
            max_rows=self._limits.max_rows,
            max_seconds=self._seconds_left(),
        )
        stream.calls.update(self.progress.calls)
        self.progress.calls = stream.calls
        with _attached(stream):
            return self._run_threads(stream)

    def _seconds_left(self) -> float | None:
        most = self._limits.max_seconds
        return None if most is None else max(0.0, most - (time.monotonic() - self.progress.started))

    def _read_schema(self) -> Catalog:
        schema = self._connector.schema_method
        entries = read_declaration(schema(dict(self._configuration)), warn=self.progress.warn) if schema else []
        return Catalog(
            entries,
            destination_schema=self._options.schema,
            naming=naming(self._options.naming),
            options=self._options.tables,
            other_options=self._options.other_tables,
            warn=self.progress.warn,
        )

    def _run_threads(self, stream: Stream) -> Result:
        loading = threading.Thread(target=self._load, args=(self._outbox.get,), name="headwater-load", daemon=True)
        author = threading.Thread(target=self._update, args=(stream,), name="headwater-update", daemon=True)
        loading.start()
        author.start()
        try:
            while not self._author_done.wait(0.1):
                require_memory()
                self._require_activity(stream)
                self._reporter.progress(self.progress)
            loading.join()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the destination is closed after it: nobody may be using it
            interrupted = isinstance(error, KeyboardInterrupt | Interrupted)
            stream.stop(Interrupted("the sync was interrupted") if interrupted else error)
            loading.join()
            return self._result("interrupted" if interrupted else "failed", error)
        return self._outcome()

    def _require_activity(self, stream: Stream) -> None:
        """Refuse to wait for a connector that hangs; one that waits for the destination does not.

        Errors: ConnectorError.
        """
        now = time.monotonic()
        if stream.is_waiting or self._outbox.has_items or stream.emitted != self._emitted:
            self._emitted, self._active = stream.emitted, now
        limit = self._limits.max_idle_seconds
        if limit is not None and now - self._active > limit:
            raise ConnectorError(
                f"the connector has emitted nothing for {limit:g} seconds",
                hint="Does it wait for its source without a timeout? Else give it longer: --max-idle-seconds.",
            )

    def _outcome(self) -> Result:
        error = self._load_error or self._author_error
        if error is not None:
            return self._result("failed", error, of_destination=self._load_error is not None)
        try:
            self._commit_what_is_left()
        except (KeyboardInterrupt, Interrupted) as interruption:
            return self._result("interrupted", interruption)
        except Exception as failure:  # noqa: BLE001 - a destination's error is the result
            return self._result("failed", failure, of_destination=True)
        return self._result("succeeded")

    def _commit_what_is_left(self) -> None:
        """Commit rows that came after the last checkpoint of a successful update (rule C-03)."""
        assert self._catalog is not None
        if self._ended_early:
            return
        for unmet in self._catalog.unmet_options():
            self.progress.warn(f"headwater.toml: {unmet}: nothing of this name came in this sync; check the spelling")
        if self._full_resync:
            self._loader.end_missing(self._catalog)
            self._pending = True
        if self._pending or not self.progress.commits:
            self._commit(self.progress.state)

    @property
    def stream(self) -> Stream:
        """The stream of the sync that runs, for what goes beyond an author's operations."""
        assert self._stream is not None
        return self._stream

    # --- the author's thread

    def _update(self, stream: Stream) -> None:
        self._outbox.let_take_over()
        try:
            state = load_state(self._state, "the state")
            emitted = self._connector.update_method(configuration=dict(self._configuration), state=state)
            if isinstance(emitted, GeneratorType):
                for _ in emitted:  # what it yields are operations whose calls have emitted them already
                    pass
            stream.finish()
        except EndOfSync:
            self._ended_early = True
        except BaseException as error:  # noqa: BLE001 - the top of a thread: whatever it is, it is the result
            self._author_error = error
            stream.stop(error)
        finally:
            self._author_done.set()

    # --- the loading thread, or at a checkpoint the author's

    def _load(self, take: Callable[[], Item | None]) -> None:
        """Load what `take` gives, until it gives None."""
        try:
            while (item := take()) is not None:
                self._load_item(item)
        except BaseException as error:  # noqa: BLE001 - the top of a thread: whatever it is, it is the result
            self._load_error = error
            if self._stream is not None:
                self._stream.stop(error)

    def _load_to(self, ticket: Checkpoint) -> None:
        self._load(lambda: None if ticket.done.is_set() else self._outbox.get_own())
        if (
            self._load_error is not None
        ):  # it may have come before the checkpoint was in hand: nobody else will end the wait
            ticket.done.set()

    def _load_item(self, item: Item) -> None:
        if isinstance(item, Checkpoint):
            try:
                self._commit(item.state)
            except BaseException as error:
                self._outbox.fail(error)
                raise
            finally:
                item.done.set()
            return
        if isinstance(item, Mark):
            item.at = self._loader.mark()
            item.done.set()
            return
        self._pending = True
        if isinstance(item, Rows):
            self._load_rows(item)
        elif isinstance(item, Truncate):
            self._loader.truncate(item)
        elif isinstance(item, Declaration):
            self._loader.declare(item.source, item.columns)

    def _load_rows(self, first: Rows) -> None:
        """Load rows with those that wait behind them, if they are alike: who has fallen behind catches up."""
        count, nbytes = first.operations.count, first.nbytes

        def alike(item: Item) -> bool:
            nonlocal count, nbytes
            if not isinstance(item, Rows) or item.source is not first.source:
                return False
            count, nbytes = count + item.operations.count, nbytes + item.nbytes
            return count <= JOINED_ROWS and nbytes <= JOINED_BYTES and first.operations.goes_on(item.operations)

        behind = [item.operations for item in self._outbox.get_while(alike) if isinstance(item, Rows)]
        operations = joined([first.operations, *behind])
        self._loader.rows(Rows(first.source, operations, nbytes))
        self.progress.rows[first.source.target.name] += operations.count

    def _commit(self, state: str) -> None:
        commit = self._loader.commit(state)
        self._pending = False
        self.progress.commits += 1
        self.progress.last_commit = time.monotonic()
        self.progress.state = state
        self._reporter.committed(commit)

    def _table_changed(self, table: Table) -> None:
        self.progress.schema_changes += 1
        self._reporter.table_changed(table)

    def _result(self, status: Status, error: BaseException | None = None, *, of_destination: bool = False) -> Result:
        seconds = time.monotonic() - self.progress.started
        if self._stream is not None:
            self._stream.count_what_is_left()
        return Result(status, seconds, self.progress, error, of_destination)


@contextmanager
def _attached(stream: Stream) -> Iterator[None]:
    before = sys.getswitchinterval()
    operations.attach(stream, stream.upsert)
    sys.setswitchinterval(min(before, SWITCH_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
        operations.attach(None)
