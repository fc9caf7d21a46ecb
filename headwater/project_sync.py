"""A project's sync: lock, destination, state, the sync itself, and the record of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from headwater.connector import Connector
from headwater.destinations import open_destination
from headwater.errors import DestinationError
from headwater.file_upload import FileStore
from headwater.log import Logging, printable, redact
from headwater.options import Options, read_options
from headwater.project import Project
from headwater.runs import Runs
from headwater.schema import Table
from headwater.state import Commit, choose_state, load_state, write_whole
from headwater.sync import Limits, Progress, Reporter, Result, Sync


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


class ProjectSync:
    """Runs one sync of a project, alone, and keeps the copy of the state and the history."""

    def __init__(
        self, project: Project, configuration: Mapping[str, str], request: Request, reporter: ProjectReporter
    ) -> None:
        self._project = project
        self._configuration = configuration
        self._request = request
        self._reporter = reporter
        self._options = read_options(project.path).with_flags(**request.options)
        self._runs = Runs(project.files / "runs.db", redact(self._options.destination))
        # What goes to memory is gone with the process, and so is its state.
        self._lasts = not self._options.destination.startswith("memory:")

    def run(self, connector: Connector | None) -> Result:
        """Run the sync; `connector` left out, the project's connector.py is imported.

        Errors: Busy when another sync of the project runs; DestinationError when it cannot be opened.
        """
        with self._project.locked():
            connector = connector or self._project.load_connector()
            options = self._options
            destination = open_destination(
                options.destination,
                folder=self._project.path,
                connection=options.schema,
                memory_mb=options.memory_mb,
            )
            try:
                epoch, committed = destination.open()
                if self._lasts and not self._request.accept_older:
                    self._runs.require_not_older(committed, epoch)
                state = self._start_state(committed)
                run = self._runs.start(pid=os.getpid(), epoch=epoch)
                self._reporter.starting(options, state)
                sync = Sync(
                    connector,
                    self._configuration,
                    destination,
                    self._options,
                    _WithStateCopy(self._reporter, self._project.state_copy) if self._lasts else self._reporter,
                    state=state,
                    limits=self._request.limits,
                    after=committed.committed_at if committed else None,
                    full_resync=self._request.full_resync,
                    files=FileStore(self._project.files / "uploads"),
                )
                result = sync.run()
            finally:
                destination.close()
            self._record(run, result)
            return result

    def _start_state(self, committed: Commit | None) -> str:
        if self._request.full_resync:
            return "{}"
        if self._request.state is not None:
            return self._request.state
        copy = _read_copy(self._project.state_copy) if self._lasts and self._runs.wrote_copy() else None
        state, edited = choose_state(committed, copy)
        if edited:
            load_state(state, str(self._project.state_copy))
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


def _read_copy(path: Path) -> str | None:
    """Read the state's copy; None when there is none, or a crash of the machine left it empty."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    if not text.strip():
        return None
    load_state(text, str(path))
    return text


class _WithStateCopy:
    """Writes files/state.json after each commit, then passes everything on."""

    def __init__(self, reporter: Reporter, path: Path) -> None:
        self._reporter = reporter
        self._path = path
        self._works = True

    def table_changed(self, table: Table) -> None:
        self._reporter.table_changed(table)

    def committed(self, commit: Commit) -> None:
        try:
            write_whole(self._path, commit.state, durable=False)
        except OSError as error:
            if self._works:
                Logging.warning(f"{self._path} cannot be written: {error}; the state itself is committed")
            self._works = False
        self._reporter.committed(commit)

    def progress(self, progress: Progress) -> None:
        self._reporter.progress(progress)
