"""What a sync prints: plain lines, or JSON lines."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from headwater.errors import HeadwaterError
from headwater.log import Level, Logging, console_line, json_line, printable, redact, use_sink
from headwater.schema import Table
from headwater.state import Commit
from headwater.sync import Progress, Result

_OPERATIONS = ("Upserts", "Updates", "Deletes", "Truncates", "SchemaChanges", "Checkpoints")


class Printer:
    """Prints the course and the end of a sync.

    log_format  `text`, or `json` for one object per line
    verbose     show headwater's own frames of a traceback too
    """

    def __init__(self, log_format: str, *, verbose: bool) -> None:
        self._json = log_format == "json"
        self._verbose = verbose
        use_sink(json_line if self._json else console_line)

    def line(self, text: str) -> None:
        if self._json:
            json_line(Level.INFO, text)
        else:
            print(printable(redact(text)), flush=True)  # noqa: T201 - this is the printer

    def table_changed(self, table: Table) -> None:
        self.line(f"[SchemaChange]: {table}")

    def committed(self, commit: Commit) -> None:
        state = commit.state if len(commit.state) <= 2000 else f"{commit.state[:2000]}… ({len(commit.state):,} bytes)"
        self.line(f"Checkpoint: {state}")

    def progress(self, progress: Progress) -> None:
        """Say nothing: what happens is in the lines."""

    @contextmanager
    def failures(self) -> Iterator[None]:
        """Print an error that keeps the sync from starting, and exit 1."""
        try:
            yield
        except HeadwaterError as error:
            self._failed(error, None)
            raise SystemExit(1) from None
        except Exception as error:  # noqa: BLE001 - connector.py may raise anything when it is imported
            from headwater.sync import author_traceback

            self._failed(error, author_traceback(error))
            raise SystemExit(1) from None

    def summary(self, result: Result) -> None:
        """Print the table of operations, and how the sync ended."""
        calls = result.progress.calls
        counts = (
            *(calls.get(name, 0) for name in ("upserts", "updates", "deletes", "truncates")),
            result.progress.schema_changes,
            result.progress.commits,
        )
        if self._json:
            names = dict(zip(_OPERATIONS, counts, strict=True))
            print(json.dumps({"sync": result.status, "seconds": round(result.seconds, 3), **names}), flush=True)  # noqa: T201
        else:
            self.line("\nSYNC PROGRESS:\nOperation     | Calls\n------------- + ------------")
            for name, count in zip(_OPERATIONS, counts, strict=True):
                self.line(f"{name:<13} | {count}")
            self.line("")
        if result.status == "succeeded":
            self._succeeded(result)
        elif result.status == "interrupted":
            self.line("Sync INTERRUPTED: what was committed at the last checkpoint stays; the next run goes on from there")
        else:
            assert result.error is not None
            self._failed(result.error, result.author_traceback)

    def _succeeded(self, result: Result) -> None:
        if result.did_nothing and not result.progress.calls.get("checkpoints"):
            self.line("Note: the sync delivered no rows and saved no state")
        rows = sum(result.progress.rows.values())
        self.line(f"Sync SUCCEEDED in {result.seconds:.1f} s ({rows:,} operations)")

    def _failed(self, error: BaseException, trace: str | None) -> None:
        message = str(error) or type(error).__name__
        first, *rest = message.split("\n") if isinstance(error, HeadwaterError) else [f"{type(error).__name__}: {message}"]
        if trace:
            Logging._sink(Level.SEVERE, trace)
        if self._verbose:
            Logging._sink(Level.SEVERE, "".join(traceback.format_exception(error)).rstrip())
        self.line(f"SYNC FAILED: {first}")
        for hint in rest:
            self.line(f"             {hint}")
        sys.stdout.flush()
