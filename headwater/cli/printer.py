"""What a sync prints: plain lines, lines above a live table on a terminal, or JSON lines."""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headwater.cli.author_output import AuthorOutput
from headwater.cli.failure import Failure, explained
from headwater.crash_report import write_crash_report
from headwater.errors import ConfigurationError, TransientError
from headwater.log import Level, Logging, console_text, json_text, printable, redact, shortened, use_sink
from headwater.memory import FIVETRAN_MB, peak_mb
from headwater.options import Options
from headwater.schema import Table
from headwater.state import Commit
from headwater.sync import Progress, Result

if TYPE_CHECKING:
    from headwater.cli.live import LiveTables

_OPERATIONS = ("Upserts", "Updates", "Deletes", "Truncates", "SchemaChanges", "Checkpoints")


class Printer:
    """Prints the course and the end of one sync, on the standard output that there is when it is made.

    log_format  `text`, or `json` for one object per line
    verbose     show headwater's own frames of a traceback too
    project     the project's folder, for crash reports
    """

    def __init__(self, log_format: str, *, verbose: bool, project: Path) -> None:
        self._json = log_format == "json"
        self._verbose = verbose
        self._project = project
        self._out = sys.stdout
        self._err = sys.stderr
        self._lock = threading.RLock()
        self._live: LiveTables | None = None
        use_sink(self.message)
        # A process that forked while another thread writes would find the stream locked for ever.
        os.register_at_fork(
            before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._after_fork
        )

    def _after_fork(self) -> None:
        """Let a process that a connector forks print: the lock is its parent's."""
        self._lock = threading.RLock()
        self._live = None

    # --- lines

    def message(self, level: Level, text: str) -> None:
        """Print a message of the author's or of headwater's log."""
        self._print(json_text(level, text) if self._json else console_text(level, text))

    def line(self, text: str) -> None:
        self._print(json_text(Level.INFO, text) if self._json else printable(redact(text)))

    def _print(self, text: str, end: str = "\n") -> None:
        with self._lock:
            if self._live is not None:
                self._live.print(text)
                return
            try:
                self._out.write(text + end)
                self._out.flush()
            except BrokenPipeError:
                # Whoever read our lines has gone, as `head` does; the sync goes on to its end.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())

    def _print_error(self, text: str, end: str = "\n") -> None:
        """Print a line that a connector wrote to sys.stderr."""
        text = printable(redact(text))
        with self._lock:
            if self._live is not None and self._err.isatty():
                self._live.print(text)
            else:
                self._err.write(text + end)
                self._err.flush()

    # --- while the sync runs

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take over the screen: what a connector prints comes through here, and a terminal shows live tables."""
        out = AuthorOutput(self._out, self.line, None if self._json else self._prompt)
        err = AuthorOutput(self._err, self._print_error, self._prompt_error)
        before = sys.stdout, sys.stderr
        sys.stdout, sys.stderr = out, err
        if not self._json and self._out.isatty() and os.environ.get("TERM") != "dumb":
            from headwater.cli.live import LiveTables

            self._live = LiveTables(self._out)
        try:
            yield
        finally:
            out.finish()
            err.finish()
            self._stop_live()
            sys.stdout, sys.stderr = before

    def _prompt(self, text: str) -> None:
        """Print part of a line: someone asks, as a debugger does, so the live tables give the terminal away."""
        self._stop_live()
        self._print(printable(redact(text)), end="")

    def _prompt_error(self, text: str) -> None:
        self._stop_live()
        self._print_error(text, end="")

    def _stop_live(self) -> None:
        with self._lock:
            live, self._live = self._live, None
            if live is not None:
                live.stop()

    def starting(self, options: Options, state: str) -> None:
        self.line(f"Destination schema: {self._destination(options)}/{options.schema}")
        self.line(f"Previous state:\n{shortened(state)}")

    def _destination(self, options: Options) -> str:
        kind, _, rest = options.destination.partition(":")
        return str(self._project / rest.removeprefix("//")) if kind == "duckdb" else options.destination

    def table_changed(self, table: Table) -> None:
        self.line(f"[SchemaChange]: {table}")

    def committed(self, commit: Commit) -> None:
        self.line(f"Checkpoint: {shortened(commit.state)}")

    def progress(self, progress: Progress) -> None:
        with self._lock:
            if self._live is not None:
                self._live.show(progress)

    # --- the end

    def summary(self, result: Result) -> None:
        """Print the table of operations, and how the sync ended."""
        counts = _counts(result.progress)
        if not self._json:
            rows = "\n".join(f"{name:<13} | {count}" for name, count in counts.items())
            self.line(f"Memory: at most {peak_mb():,.0f} MB\n")
            self.line(f"SYNC PROGRESS:\nOperation     | Calls\n------------- + ------------\n{rows}\n")
        if peak_mb() > FIVETRAN_MB:
            Logging.warning(
                f"this process held {peak_mb():,.0f} MB at most; on Fivetran a connector has {FIVETRAN_MB:,.0f} MB, "
                "though without the destination"
            )
        details = {"status": result.status, "seconds": round(result.seconds, 3), **counts, "peak_mb": round(peak_mb())}
        if result.status == "failed":
            assert result.error is not None
            self.failed(result.error, result, details)
        elif result.status == "interrupted":
            self._end(Level.WARNING, [f"Sync INTERRUPTED: {_kept(result)}"], details)
        else:
            self._succeeded(result, details)

    def interrupted(self) -> None:
        """Say that the sync was interrupted outside update()."""
        text = "Sync INTERRUPTED: what was committed stays; the next sync goes on from there"
        self._end(Level.WARNING, [text], {"status": "interrupted"})

    def _succeeded(self, result: Result, details: dict[str, Any]) -> None:
        if result.did_nothing and not result.progress.calls.get("checkpoints"):
            self.line("Note: the sync delivered no rows and saved no state")
        rows = sum(result.progress.rows.values())
        operations = "1 operation" if rows == 1 else f"{rows:,} operations"
        text = f"Sync SUCCEEDED in {result.seconds:.1f} s ({operations})"
        self._end(Level.INFO, [text], details)

    def failed(self, error: BaseException, result: Result | None, details: dict[str, Any]) -> None:
        """Print why a sync failed: the author's part of the traceback, one sentence, and what to do.

        result  None when it did not begin
        """
        failure = explained(error)
        if failure.trace:
            self.message(Level.SEVERE, failure.trace)
        if self._verbose:
            self.message(Level.SEVERE, "".join(traceback.format_exception(error)).rstrip())
        lines = [f"SYNC FAILED: {failure.sentence}", *(failure.hint or "").splitlines()]
        if result is not None:
            lines.append(_capital(_kept(result)))
        if (report := self._report(error, result)) is not None:
            details = {**details, "crash_report": redact(str(report))}
            lines.append(f"The whole traceback is in {report}")
        self._end(Level.SEVERE, lines, {**details, "error": _as_json(error, failure)})

    def _report(self, error: BaseException, result: Result | None) -> Path | None:
        """Write a crash report, unless it is a matter of the operator's that has nothing to be looked into."""
        if result is None and isinstance(error, ConfigurationError | TransientError):
            return None
        try:
            return write_crash_report(self._project, error, result, now=datetime.now().astimezone())
        except OSError as unwritable:
            Logging.warning(f"no crash report could be written: {unwritable}")
            return None

    def last_words(self, *lines: str) -> None:
        """Print how the sync failed, from whichever thread ends the process now."""
        self._stop_live()
        self._end(Level.SEVERE, [*lines], {"status": "failed"})

    def _end(self, level: Level, lines: list[str], details: dict[str, Any]) -> None:
        """Print the last words: in JSON one object, which also holds the numbers."""
        if self._json:
            message = json.loads(json_text(level, "\n".join(lines)))
            self._print(json.dumps({**message, "sync": details}))
            return
        indented = [lines[0], *(f"  {line}" for line in lines[1:])]
        self.line("\n".join(indented))


def _counts(progress: Progress) -> dict[str, int]:
    calls = progress.calls
    numbers = (
        *(calls.get(name, 0) for name in ("upserts", "updates", "deletes", "truncates")),
        progress.schema_changes,
        progress.commits,
    )
    return dict(zip(_OPERATIONS, numbers, strict=True))


def _kept(result: Result) -> str:
    """Say what stays of a sync that did not succeed."""
    commits = result.progress.commits
    if not commits:
        return "no checkpoint was committed; the next sync starts where this one did"
    count = "1 checkpoint is" if commits == 1 else f"{commits:,} checkpoints are"
    return f"{count} committed; the next sync goes on from there"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _as_json(error: BaseException, failure: Failure) -> dict[str, str | None]:
    hint = None if failure.hint is None else redact(failure.hint)
    return {"type": type(error).__name__, "message": redact(failure.sentence), "hint": hint}
