"""A project's sync: lock, destination, state, the sync itself and its attempts, and the record of it."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from headwater.attempts import Attempts, passes_by_itself, wait_seconds
from headwater.connector import Connector
from headwater.destinations import Destination, open_destination
from headwater.errors import ConfigurationError, DestinationError, HeadwaterError
from headwater.file_upload import FileStore
from headwater.log import Logging, printable, redact
from headwater.options import Options, read_options
from headwater.project import Project
from headwater.runs import Runs
from headwater.schema import Table
from headwater.state import Commit, choose_state, load_state, read_copy
from headwater.sync import Interrupted, Limits, Progress, Reporter, Result, Sync
from headwater.whole_file import remove_halves, write_whole


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of one sync.

    options  values that win over headwater.toml
    state    JSON text to start from instead of the committed state
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    state: str | None = None
    full_resync: bool = False
    accept_older: bool = False
    limits: Limits = field(default_factory=Limits)


class ProjectReporter(Reporter, Protocol):
    """A reporter that is also told what the sync starts from."""

    def starting(self, options: Options, state: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Opened:
    """A destination that is open, and what it holds."""

    destination: Destination
    epoch: int
    committed: Commit | None


class ProjectSync:
    """Runs one sync of a project, alone, and keeps the copy of the state and the history.

    A sync that loses its destination is tried again from its last checkpoint.

    sleep   waits between attempts
    jitter  gives a number from 0 to 1: syncs that lost one server at once must not all come back at once
    """

    def __init__(
        self,
        project: Project,
        configuration: Mapping[str, str],
        request: Request,
        reporter: ProjectReporter,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._project = project
        self._configuration = configuration
        self._request = request
        self._reporter = reporter
        self._options = read_options(project.path).with_flags(**request.options)
        self._runs = Runs(project.files / "runs.db", redact(self._options.connection))
        # What goes to memory is gone with the process, and so is its state.
        self._lasts = not self._options.destination.startswith("memory:")
        self._sleep = sleep
        self._jitter = jitter
        self._run = uuid4().hex

    def run(self, connector: Connector | None) -> Result:
        """Run the sync; `connector` left out, the project's connector.py is imported.

        Errors: Busy when another sync of the project runs; DestinationError when it cannot be opened.
        """
        with self._project.locked():
            remove_halves(self._project.state_copy)
            loaded = connector or self._project.load_connector()
            threads = frozenset(threading.enumerate())
            with self._opened() as opened:
                if self._lasts and not self._request.accept_older:
                    self._runs.require_not_older(opened.committed, opened.epoch)
                state = self._start_state(opened.committed)
                run = self._runs.start(pid=os.getpid(), epoch=opened.epoch)
                attempts = Attempts(state, opened.epoch, opened.committed)
                watching = _Watching(self._reporter, attempts, self._project.state_copy if self._lasts else None)
                result = self._attempt(loaded, opened, watching, state)
            # Only what is imported anew is tried again: an object may have kept what was never committed.
            if connector is None and self._lasts:
                result = self._try_again(result, attempts, watching, threads)
            self._record(run, result)
            return result

    def _attempt(
        self, connector: Connector, opened: _Opened, reporter: Reporter, state: str, progress: Progress | None = None
    ) -> Result:
        self._reporter.starting(self._options, state)
        sync = Sync(
            connector,
            self._configuration,
            opened.destination,
            self._options,
            reporter,
            state=state,
            limits=self._request.limits,
            after=opened.committed.committed_at if opened.committed else None,
            full_resync=self._request.full_resync,
            files=FileStore(self._project.files / "uploads"),
            progress=progress,
        )
        return sync.run()

    def _try_again(
        self, result: Result, attempts: Attempts, reporter: Reporter, threads: frozenset[threading.Thread]
    ) -> Result:
        """Try again while the destination fails in a way that passes, so many times without a checkpoint between.

        threads  those that ran before update() did
        """
        failures = commits = 0
        while passes_by_itself(result):
            if result.progress.commits > commits:
                failures, commits = 0, result.progress.commits
            if failures >= self._options.retries or _has_left_threads(result.progress, threads):
                break
            failures += 1
            result = self._try_once_more(result, attempts, reporter, failures)
        return result

    def _try_once_more(self, result: Result, attempts: Attempts, reporter: Reporter, attempt: int) -> Result:
        progress, error = result.progress, result.error
        seconds = wait_seconds(attempt, jitter=self._jitter())
        what = error.message if isinstance(error, HeadwaterError) else error
        progress.warn(f"{what}; trying again in {seconds:.0f} s ({attempt} of {self._options.retries})")
        try:
            self._sleep(seconds)
            connector = self._project.load_connector()
            with self._opened() as opened:
                self._runs.require_not_older(opened.committed, opened.epoch)
                state, found = attempts.go_on(opened.epoch, opened.committed)
                if found is not None:
                    progress.commits += 1
                    reporter.committed(found)
                return self._attempt(connector, opened, reporter, state, progress)
        except (KeyboardInterrupt, Interrupted) as interruption:
            return result.ended_by(interruption, "interrupted")
        except (Exception, SystemExit) as failure:  # noqa: BLE001 - connector.py may raise anything when it is imported
            return result.ended_by(failure, "failed")

    @contextmanager
    def _opened(self) -> Iterator[_Opened]:
        options = self._options
        destination = open_destination(
            options.destination,
            folder=self._project.path,
            connection=options.schema,
            memory_mb=options.memory_mb,
            run=self._run,
        )
        try:
            yield _Opened(destination, *destination.open())
        finally:
            destination.close()

    def _start_state(self, committed: Commit | None) -> str:
        if self._request.full_resync:
            return "{}"
        if self._request.state is not None:
            return self._request.state
        # With --accept-older the destination counts as it is: the copy may be of what it has lost.
        read = self._lasts and not self._request.accept_older and self._runs.wrote_copy()
        copy = read_copy(self._project.state_copy) if read else None
        state, edited = choose_state(committed, copy)
        if edited:
            load_state(state, str(self._project.state_copy))
            if self._runs.last_died():
                raise ConfigurationError(
                    f"{self._project.state_copy} is not the destination's state, and the last sync died: "
                    "either someone has edited it, or the destination has lost a checkpoint",
                    hint="Delete it to go on from the destination's state, or start from it with --state.",
                )
            Logging.warning(f"{self._project.state_copy} was edited: this sync starts from it")
        return state

    def _record(self, run: int, result: Result) -> None:
        error = None
        if result.error is not None:
            # A message may hold what no encoding has, and SQLite refuses.
            error = printable(redact(str(result.error) or type(result.error).__name__))
        details = {
            "counts": result.progress.calls,
            "rows": {redact(table): rows for table, rows in result.progress.rows.items()},
            "warnings": list(map(redact, result.warnings)),
            "error": error,
        }
        try:
            self._runs.end(run, result.status, result.seconds, result.progress.state, details)
        except DestinationError as failure:
            # The rows are committed: a history that cannot be written must not make the sync look failed.
            Logging.warning(str(failure))


def _has_left_threads(progress: Progress, before: frozenset[threading.Thread]) -> bool:
    """Say whether update() has left threads running: what they emit would mix with what the next attempt does."""
    left = [
        each.name for each in threading.enumerate() if each not in before and not each.name.startswith("headwater-")
    ]
    if left:
        progress.warn(f"the sync is not tried again: update() has left threads running ({', '.join(left)})")
    return bool(left)


class _Watching:
    """Notes each commit for the attempts to come, writes files/state.json, and passes everything on.

    path  of the copy of the state; None where the state does not last
    """

    def __init__(self, reporter: Reporter, attempts: Attempts, path: Path | None) -> None:
        self._reporter = reporter
        self._attempts = attempts
        self._path = path
        self._works = True

    def table_changed(self, table: Table) -> None:
        self._reporter.table_changed(table)

    def committed(self, commit: Commit) -> None:
        self._attempts.committed(commit)
        if self._path is not None:
            self._copy(self._path, commit.state)
        self._reporter.committed(commit)

    def _copy(self, path: Path, state: str) -> None:
        try:
            write_whole(path, state, durable=False)
        except OSError as error:
            if self._works:
                Logging.warning(f"{path} cannot be written: {error}; the state itself is committed")
            self._works = False
            with suppress(OSError):
                # Left behind, it would soon be neither the committed state nor the one before: a person's edit.
                path.unlink(missing_ok=True)

    def progress(self, progress: Progress) -> None:
        self._reporter.progress(progress)
