"""Proof that a connector resumes: from each of its checkpoints it must come to the same tables."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from headwater.compat import fivetran
from headwater.destinations.memory import MemoryDestination, Row, Warehouse
from headwater.errors import ConnectorError
from headwater.file_upload import FileStore
from headwater.options import Options, read_options
from headwater.project import Project
from headwater.schema import END, START, SYNCED, Table
from headwater.state import Commit
from headwater.sync import Interrupted, Progress, Result, Sync

# What says when something was loaded differs from run to run.
_TIMES = {SYNCED, START, END}


@dataclass(frozen=True, slots=True)
class Difference:
    """One row, or one column's type, that is not as it was in the undisturbed sync.

    what  `lost`: the undisturbed sync has it; `extra`: only the resumed one; `changed`: the rows of one key differ
    """

    table: str
    what: Literal["lost", "extra", "changed", "column"]
    expected: Mapping[str, object] | None
    found: Mapping[str, object] | None


@dataclass(frozen=True, slots=True)
class Restart:
    """What starting again from one checkpoint led to.

    checkpoint   1 for the first; 0 for the start
    state        JSON text
    error        what the resumed sync failed with
    """

    checkpoint: int
    state: str
    differences: list[Difference]
    error: BaseException | None = None

    @property
    def same(self) -> bool:
        return self.error is None and not self.differences


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    checkpoints   how many the undisturbed sync made
    repeatable    whether the whole sync, run twice, gives the same; if not, nothing can be said of checkpoints
    restarts      one for each checkpoint with something after it, up to the first that is not the same
    """

    checkpoints: int
    repeatable: Restart
    restarts: list[Restart] = field(default_factory=list)

    @property
    def resumes(self) -> bool:
        return self.repeatable.same and all(restart.same for restart in self.restarts)


def verify(project: Project, configuration: Mapping[str, str]) -> Verdict:
    """Run a connector into memory, then again from each of its checkpoints; compare the tables at the end.

    Nothing of the project's own destination, state or history is read or written.

    Errors: ConnectorError when the undisturbed sync fails.
    """
    fivetran.install()
    with TemporaryDirectory(prefix="headwater-verify-") as files:
        return _verify(_Trial(project, configuration, FileStore(Path(files))))


def _verify(trial: _Trial) -> Verdict:
    result, end, snapshots = trial.run("{}", Warehouse())
    if result.error is not None:
        raise ConnectorError(
            f"the sync itself fails: {result.error}",
            hint="Mend that first: `headwater debug` shows where it comes from.",
        ) from result.error
    repeated = trial.restart(0, _Snapshot("{}", Warehouse()), end)
    verdict = Verdict(len(snapshots), repeated)
    if not repeated.same:
        return verdict
    for number, snapshot in enumerate(snapshots[:-1], 1):
        restart = trial.restart(number, snapshot, end)
        verdict.restarts.append(restart)
        if not restart.same:
            break
    return verdict


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What one commit left."""

    state: str
    warehouse: Warehouse


class _Trial:
    """Runs of one connector, each as if in a new process."""

    def __init__(self, project: Project, configuration: Mapping[str, str], files: FileStore) -> None:
        self._project = project
        self._configuration = configuration
        self._files = files
        self._options: Options = read_options(project.path)

    def run(self, state: str, warehouse: Warehouse) -> tuple[Result, Warehouse, list[_Snapshot]]:
        """Run a sync to its end; give what it left, and what each of its commits left."""
        connection = self._options.schema
        reporter = _Snapshots(warehouse)
        destination = MemoryDestination(connection, warehouse=warehouse)
        before = dict(sys.modules)
        try:
            connector = self._project.load_connector()
            destination.open()
            sync = Sync(
                connector, self._configuration, destination, self._options, reporter, state=state, files=self._files
            )
            result = sync.run()
        finally:
            destination.close()
            _forget_modules(self._project.path, before)
        if isinstance(result.error, KeyboardInterrupt | Interrupted):
            raise KeyboardInterrupt
        return result, warehouse, reporter.taken

    def restart(self, number: int, snapshot: _Snapshot, expected: Warehouse) -> Restart:
        result, end, _ = self.run(snapshot.state, _copy(snapshot.warehouse))
        differences = [] if result.error else list(_differences(expected, end))
        return Restart(number, snapshot.state, differences, result.error)


class _Snapshots:
    """Takes a copy of the warehouse at each commit."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self.taken: list[_Snapshot] = []

    def table_changed(self, table: Table) -> None: ...

    def committed(self, commit: Commit) -> None:
        self.taken.append(_Snapshot(commit.state, _copy(self._warehouse)))

    def progress(self, progress: Progress) -> None: ...


def _copy(warehouse: Warehouse) -> Warehouse:
    """Copy a warehouse; the rows themselves are never changed in place."""
    stored = {name: each.copy() for name, each in warehouse.stored.items()}
    return replace(warehouse, stored=stored, epochs=dict(warehouse.epochs), commits=dict(warehouse.commits))


def _forget_modules(folder: Path, before: Mapping[str, object]) -> None:
    """Let the next run import the project's modules anew: what they keep must not help it."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name not in before and file is not None and Path(file).is_relative_to(folder):
            del sys.modules[name]
    while str(folder) in sys.path:
        sys.path.remove(str(folder))


# --- what differs


def _differences(expected: Warehouse, found: Warehouse) -> Iterator[Difference]:
    for key in sorted({*expected.stored, *found.stored}):
        name = ".".join(key)
        one, other = (warehouse.stored.get(key) for warehouse in (expected, found))
        if one is not None and other is not None:
            yield from _column_differences(name, one.table, other.table)
        table = one or other
        assert table is not None
        rows = [list(each.rows.values()) if each is not None else [] for each in (one, other)]
        yield from _row_differences(name, table.table, *rows)


def _column_differences(name: str, expected: Table, found: Table) -> Iterator[Difference]:
    for column in sorted({*expected.columns, *found.columns}):
        kinds = [str(table.columns[column]) if column in table.columns else None for table in (expected, found)]
        if kinds[0] != kinds[1]:
            yield Difference(name, "column", {column: kinds[0]}, {column: kinds[1]})


def _row_differences(name: str, table: Table, expected: list[Row], found: list[Row]) -> Iterator[Difference]:
    lost, extra = _surplus(expected, found), _surplus(found, expected)
    for row in lost:
        # A row of the same key is the same row, changed.
        same = next((other for other in extra if _key(table, other) == _key(table, row)), None)
        if same is not None:
            extra.remove(same)
        yield Difference(name, "lost" if same is None else "changed", row, same)
    for row in extra:
        yield Difference(name, "extra", None, row)


def _surplus(rows: list[Row], others: list[Row]) -> list[Row]:
    """Give the rows that are not among the others, one for one, without their times."""
    left = Counter(map(_identity, others))
    surplus = []
    for row in rows:
        identity = _identity(row)
        left[identity] -= 1
        if left[identity] < 0:
            surplus.append({name: value for name, value in row.items() if name not in _TIMES})
    return surplus


def _identity(row: Row) -> tuple[tuple[str, str], ...]:
    # As text: NaN is not equal to itself.
    return tuple(sorted((name, repr(value)) for name, value in row.items() if name not in _TIMES and value is not None))


def _key(table: Table, row: Row) -> tuple[str, ...]:
    return tuple(repr(row.get(name)) for name in table.primary_key if name not in _TIMES)
