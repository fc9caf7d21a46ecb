"""Proof that a connector resumes: from each of its checkpoints it must come to the same tables."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

from headwater.compat import fivetran
from headwater.errors import ConfigurationError, ConnectorError
from headwater.project import Project
from headwater.verifying.differences import Comparison, Difference
from headwater.verifying.journal import Place, places
from headwater.verifying.trial import Failure, Restart, Source, Trial, Undisturbed

__all__ = ["Difference", "Failure", "Restart", "Verdict", "verify"]

# To run the rest of the sync from each of n checkpoints takes the time of n/2 syncs.
SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    checkpoints  how many the connector made
    repeatable   the whole sync, run once more from the start; if it is not the same, nothing is said of checkpoints
    later        the same, after a restart that was not the same; None where there was none
    restarts     those that ran to the end, in the order of their checkpoints; the last one may not be the same
    steps        from how many more checkpoints it ran to the next one, and came to just the same there
    """

    checkpoints: int
    repeatable: Restart
    later: Restart | None = None
    restarts: list[Restart] = field(default_factory=list)
    steps: int = 0

    @property
    def judged(self) -> bool:
        """Whether the source stood still: only then a difference is the connector's."""
        return self.repeatable.same and (self.later is None or self.later.same)

    @property
    def resumes(self) -> bool:
        return self.judged and all(restart.same for restart in self.restarts)


def verify(
    project: Project,
    configuration: Mapping[str, str],
    *,
    sample: int = SAMPLE,
    ignored: Collection[str] = (),
    recording: Path | None = None,
    trace_of: Callable[[BaseException], str | None] | None = None,
) -> Verdict:
    """Run a connector into memory, then again from each of its checkpoints; compare the tables at the end.

    Where there are very many checkpoints, a sync from most of them ends at the next one, and is compared with what
    was there: what comes after that is proved by the sync from there. Each run has a process of its own. Nothing of
    the project's own destination, state or history is read or written.

    sample     from so many checkpoints, spread evenly, run to the end
    ignored    columns that are not compared, as `table.column`
    recording  a folder that `record` has written: it answers in the source's place
    trace_of   writes the traceback of the connector's error

    Errors: ConnectorError when the undisturbed sync fails; ConfigurationError for a column that does not exist.
    """
    fivetran.install()
    trial = Trial(project, configuration, source=_source(recording, configuration), trace_of=trace_of)
    with TemporaryDirectory(prefix="headwater-verify-") as folder:
        journal = Path(folder) / "journal"
        undisturbed = trial.undisturbed(journal)
        require_success(undisturbed)
        return _Restarts(trial, journal, undisturbed, Comparison(ignored)).verdict(sample)


def _source(recording: Path | None, configuration: Mapping[str, str]) -> Source:
    if recording is None:
        return Source()
    from headwater.verifying.recorded import RecordedSource

    return RecordedSource(recording, configuration)


def record(
    project: Project,
    configuration: Mapping[str, str],
    folder: Path,
    *,
    trace_of: Callable[[BaseException], str | None] | None = None,
) -> int:
    """Run a connector into memory once, and keep the HTTP answers it gets, without secrets; give how many.

    folder  made, or replaced if it holds an earlier recording

    Errors: ConnectorError when the sync fails: then nothing is kept. ConfigurationError when the folder holds
    something else, or the extra `record` is not installed.
    """
    from headwater.verifying.recorded import LiveSource

    fivetran.install()
    source = LiveSource(folder, configuration)
    trial = Trial(project, configuration, source=source, trace_of=trace_of)
    with TemporaryDirectory(prefix="headwater-verify-") as journal:
        require_success(trial.undisturbed(Path(journal) / "journal"))
    return source.count()


def require_success(undisturbed: Undisturbed) -> None:
    """Refuse a sync that fails without being disturbed.

    Errors: ConnectorError.
    """
    if undisturbed.failure is None:
        return
    error = ConnectorError(
        f"the sync itself fails: {undisturbed.failure.message}",
        hint="Mend that first: `headwater debug` shows where it comes from.",
    )
    error.trace = undisturbed.failure.trace  # type: ignore[attr-defined]  # as op.error() carries one
    raise error


class _Restarts:
    """Restarts of one sync that was written down."""

    def __init__(self, trial: Trial, journal: Path, undisturbed: Undisturbed, comparison: Comparison) -> None:
        self._trial = trial
        self._journal = journal
        self._undisturbed = undisturbed
        self._comparison = comparison
        self._end = self._last_place()

    def verdict(self, sample: int) -> Verdict:
        checkpoints = self._undisturbed.checkpoints
        repeatable = self._repeat()
        if not repeatable.same:
            return Verdict(checkpoints, repeatable)
        # After the last commit comes the next sync; it has nothing to resume.
        count = self._undisturbed.commits - 1
        restarts, steps = self._until_one_differs(count, frozenset(spread(count, sample)))
        failed = bool(restarts) and not restarts[-1].same
        return Verdict(checkpoints, repeatable, self._repeat() if failed else None, restarts, steps)

    def _repeat(self) -> Restart:
        return self._trial.restart(next(self._places()), self._end, self._comparison)

    def _until_one_differs(self, count: int, sample: Collection[int]) -> tuple[list[Restart], int]:
        """Give the restarts that ran to the end, and how many others there were."""
        restarts: list[Restart] = []
        steps = 0
        for place in islice(self._places(), 1, count + 1):
            if place.number not in sample and self._trial.reaches_next(place, self._comparison):
                steps += 1
                continue
            restarts.append(self._trial.restart(place, self._end, self._comparison))
            if not restarts[-1].same:
                break
        return restarts, steps

    def _last_place(self) -> Place:
        place = None
        for place in self._places():  # noqa: B007 - the last one is wanted
            pass
        assert place is not None
        if unknown := self._comparison.unknown(place.warehouse):
            raise ConfigurationError(
                f"no table has the column {', '.join(unknown)}", hint="Name it as the warehouse does: orders.loaded_at."
            )
        return place

    def _places(self) -> Iterator[Place]:
        return places(self._journal, self._trial.options.schema)


def spread(count: int, sample: int) -> list[int]:
    """Choose at most `sample` of the numbers from 1 to `count`, the first and the last among them, evenly between.

    >>> spread(5, 100), spread(10, 4), spread(3, 1), spread(0, 5)
    ([1, 2, 3, 4, 5], [1, 4, 7, 10], [3], [])
    """
    if count <= sample:
        return list(range(1, count + 1))
    if sample == 1:
        return [count]
    return [1 + round(each * (count - 1) / (sample - 1)) for each in range(sample)]
