"""Syncs of one connector into memory, each in a process of its own."""

from __future__ import annotations

import hashlib
import json
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from headwater.destinations.memory import MemoryDestination
from headwater.errors import HeadwaterError
from headwater.file_upload import FileStore, FileUpload
from headwater.options import Options, read_options
from headwater.project import Project
from headwater.state import Commit
from headwater.sync import Interrupted, Limits, Progress, Quiet, Result, Sync
from headwater.verifying.differences import Comparison, Difference, file_differences
from headwater.verifying.journal import Place, WritingDestination
from headwater.verifying.own_process import ProcessDied, in_own_process

# More than anyone reads; a connector may lose a million rows.
KEPT_DIFFERENCES = 1000


@dataclass(frozen=True, slots=True)
class Failure:
    """What a sync failed with, in words: its classes live in the process that has ended.

    trace  as the caller of `verify` wants it; None when there is nothing to show
    """

    message: str
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Restart:
    """What starting again from one checkpoint led to.

    checkpoint   1 for the first; 0 for the start
    state        JSON text
    differences  at most 1,000 of them
    more         how many there are beyond these
    """

    checkpoint: int
    state: str
    differences: list[Difference]
    failure: Failure | None = None
    more: int = 0

    @property
    def same(self) -> bool:
        return self.failure is None and not self.differences


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """How the first sync went.

    checkpoints  how many the connector made
    commits      one more where rows came after the last checkpoint, or there was none
    """

    checkpoints: int
    commits: int
    failure: Failure | None = None


class Source:
    """What a connector meets: here the live source, with nothing around it."""

    def meets(self, checkpoint: int) -> Meeting:
        """Put in the source's place, for the rest of this process, what a sync from `checkpoint` meets."""
        return Meeting()


class Meeting:
    """One sync's time with its source."""

    def committed(self) -> None:
        """Hear that one more checkpoint was committed."""

    def ended(self, *, well: bool) -> str | None:
        """Hear that the sync has ended, and whether it succeeded.

        Gives what the source could not answer, whatever the connector made of that; None when it answered everything.
        """
        return None


class Trial:
    """Runs a connector as often as it is asked to.

    trace_of  writes the traceback of an error for the reader, None for nothing
    """

    def __init__(
        self,
        project: Project,
        configuration: Mapping[str, str],
        *,
        source: Source,
        trace_of: Callable[[BaseException], str | None] | None = None,
    ) -> None:
        self._project = project
        self._configuration = configuration
        self._source = source
        self._trace_of = trace_of or _whole_trace
        self.options: Options = read_options(project.path)

    def undisturbed(self, journal: Path) -> Undisturbed:
        """Run the whole sync, and write down what each of its commits did."""

        def work(scratch: Path) -> Undisturbed:
            store = _HashedFiles(scratch)
            with journal.open("wb") as file:
                destination = WritingDestination(self.options.schema, file, store.hashes)
                result, failure = self._run(0, destination, store)
            return Undisturbed(result.progress.calls.get("checkpoints", 0), result.progress.commits, failure)

        try:
            return in_own_process(work)
        except ProcessDied as death:
            return Undisturbed(0, 0, Failure(str(death)))

    def restart(self, place: Place, end: Place, comparison: Comparison) -> Restart:
        """Run a sync from a place, and compare what it leads to with the end of the undisturbed one."""

        def work(scratch: Path) -> Restart:
            # This process is a copy: the tables of the place can be changed.
            destination = MemoryDestination(self.options.schema, warehouse=place.warehouse)
            store = _HashedFiles(scratch)
            _, failure = self._run(place.number, destination, store)
            if failure is not None:
                return Restart(place.number, place.state, [], failure)
            found = [
                *comparison.differences(end.warehouse, place.warehouse),
                *file_differences(end.files, {**place.files, **store.hashes}),
            ]
            kept = list(islice(found, KEPT_DIFFERENCES))
            return Restart(place.number, place.state, kept, more=len(found) - len(kept))

        try:
            return in_own_process(work)
        except ProcessDied as death:
            return Restart(place.number, place.state, [], Failure(str(death)))

    def reaches_next(self, place: Place, comparison: Comparison) -> bool:
        """Say whether a sync from a place comes to just the next commit: its tables, its files and its state."""

        def work(scratch: Path) -> bool:
            expected = place.copy()
            expected.advance(self.options.schema)
            destination = MemoryDestination(self.options.schema, warehouse=place.warehouse)
            store = _HashedFiles(scratch)
            result, failure = self._run(place.number, destination, store, Limits(max_seconds=0))
            if failure is not None or json.loads(result.progress.state) != json.loads(expected.state):
                return False
            files = {**place.files, **store.hashes}
            return files == expected.files and not any(comparison.differences(expected.warehouse, place.warehouse))

        try:
            return in_own_process(work)
        except ProcessDied:
            return False

    def _run(
        self, checkpoint: int, destination: MemoryDestination, files: FileStore, limits: Limits | None = None
    ) -> tuple[Result, Failure | None]:
        """Run a sync from what the destination holds, in this process."""
        _, committed = destination.open()
        meeting = self._source.meets(checkpoint)
        try:
            connector = self._project.load_connector()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - connector.py may raise anything when it is imported
            result = Result("failed", 0.0, Progress(time.monotonic()), error)
        else:
            result = Sync(
                connector,
                self._configuration,
                destination,
                self.options,
                _Reporter(meeting),
                state=committed.state if committed else "{}",
                after=committed.committed_at if committed else None,
                limits=limits,
                files=files,
            ).run()
        missing = meeting.ended(well=result.status == "succeeded")
        if isinstance(result.error, KeyboardInterrupt | Interrupted):
            raise KeyboardInterrupt
        return result, Failure(missing) if missing else self._failure(result.error)

    def _failure(self, error: BaseException | None) -> Failure | None:
        if error is None:
            return None
        message = str(error) if isinstance(error, HeadwaterError) else f"{type(error).__name__}: {error}"
        return Failure(message.rstrip(": "), self._trace_of(error))


def _whole_trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)).rstrip()


class _Reporter(Quiet):
    """Tells the source of each checkpoint."""

    def __init__(self, meeting: Meeting) -> None:
        self._meeting = meeting

    def committed(self, commit: Commit) -> None:
        self._meeting.committed()


class _HashedFiles(FileStore):
    """Takes files as the real store does, and keeps only what they held.

    hashes  path, relative to the folder, to SHA-256
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._root = folder
        self.hashes: dict[str, str] = {}

    def store(self, table: str, upload: FileUpload) -> str:
        path = super().store(table, upload)
        stored = self._root / path
        with stored.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        stored.unlink()
        self.hashes[path] = content
        return path
