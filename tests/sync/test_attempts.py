"""A sync that loses its destination is tried again, from the last checkpoint and with nothing kept from before."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal
from unittest import mock

import duckdb
import pytest

from headwater.attempts import Attempts
from headwater.destinations.duckdb import DuckDB
from headwater.errors import Busy, DestinationError, Fenced, TransientError
from headwater.options import Options
from headwater.past_runs import past_runs
from headwater.project import Project
from headwater.project_sync import ProjectSync, Request
from headwater.schema import Table
from headwater.state import Commit
from headwater.sync import Interrupted, Limits, Progress, Result

# It holds back what it has seen already, as connectors do: kept over an attempt, that would lose rows.
CONNECTOR = """
from headwater import Connector, Operations as op
import helper

def schema(configuration):
    return [{"table": "orders", "primary_key": ["id"], "columns": {"id": "LONG"}}, {"table": "pages"}]

def update(configuration, state):
    for page in range(state.get("page", 0), 5):
        for id in range(page * 3, page * 3 + 3):
            if id not in helper.seen:
                helper.seen.add(id)
                op.upsert("orders", {"id": id})
        op.upsert("pages", {"page": page})
        op.checkpoint({"page": page + 1})
    op.upsert("pages", {"page": "the end"})

connector = Connector(update=update, schema=schema)
"""
PAGES = [*map(str, range(5)), "the end"]

When = Literal["before", "after"]


class Silent:
    def starting(self, options: Options, state: str) -> None: ...

    def table_changed(self, table: Table) -> None: ...

    def committed(self, commit: Commit) -> None: ...

    def progress(self, progress: Progress) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "connector.py").write_text(CONNECTOR)
    (tmp_path / "helper.py").write_text("seen = set()\n")
    return tmp_path


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with mock.patch("headwater.log.Logging._sink", staticmethod(lambda level, message: None)):
        yield


@contextmanager
def failing_commits(*failures: tuple[int, When], error: Exception | None = None) -> Iterator[None]:
    """Let some of DuckDB's commits fail, counted from 1: before they take place, or after, so that nobody knows."""
    commit, calls = DuckDB.commit, iter(range(1, 1000))
    at = dict(failures)

    def failing(self: DuckDB, state: str) -> Commit:
        when = at.get(next(calls))
        done = None if when == "before" else commit(self, state)
        if when is not None or done is None:
            raise error or TransientError("the connection was lost")
        return done

    with mock.patch.object(DuckDB, "commit", failing):
        yield


def run(
    folder: Path, request: Request | None = None, *, sleep: Callable[[float], None] = lambda seconds: None
) -> Result:
    # As a process of its own would find it.
    sys.modules.pop("helper", None)
    with mock.patch("sys.path", sys.path.copy()):
        project = ProjectSync(Project(folder), {}, request or Request(), Silent(), sleep=sleep, jitter=lambda: 1.0)
        return project.run(None)


def tables(folder: Path) -> tuple[list[int], list[str]]:
    with closing(duckdb.connect(str(folder / "files" / "warehouse.db"))) as db:
        orders = db.execute("SELECT id FROM tester.orders WHERE NOT _fivetran_deleted ORDER BY id").fetchall()
        pages = db.execute(
            "SELECT page::VARCHAR FROM tester.pages WHERE NOT _fivetran_deleted ORDER BY page"
        ).fetchall()
    return [row[0] for row in orders], [row[0] for row in pages]


@pytest.mark.parametrize(
    "failures",
    [
        [(1, "before")],
        [(1, "after")],
        [(3, "before")],
        [(3, "after")],
        [(6, "before")],
        [(6, "after")],
        [(2, "before"), (3, "before"), (4, "after"), (6, "before")],
        [(number, "after") for number in range(1, 20, 2)],
    ],
    ids=lambda failures: ", ".join(f"{when} {number}" for number, when in failures),
)  # fmt: skip
def test_a_destination_that_is_lost_costs_no_row_and_doubles_none(
    folder: Path, failures: list[tuple[int, When]]
) -> None:
    with failing_commits(*failures):
        result = run(folder)

    assert (result.status, result.error) == ("succeeded", None)
    assert tables(folder) == (list(range(15)), PAGES)
    assert (folder / "files" / "state.json").read_text() == '{"page": 5}'


def test_attempts_wait_longer_each_time_and_are_on_record(folder: Path) -> None:
    slept: list[float] = []
    with failing_commits((2, "before"), (3, "before"), (4, "before"), (6, "before")):
        result = run(folder, sleep=slept.append)
    (record,) = past_runs(Project(folder))

    told = [
        f"the connection was lost; trying again in {seconds} s ({number} of 5)"
        for number, seconds in [(1, 1), (2, 2), (3, 4)]
    ]
    assert slept == [1, 2, 4, 1]
    assert result.warnings == told
    assert (record.status, record.warnings, record.counts["checkpoints"]) == ("succeeded", told, 5)
    assert result.progress.commits == 6


@pytest.mark.parametrize(
    ("retries", "attempts"),
    [
        (0,     1),
        (1,     2),
        (3,     4),
    ],
)  # fmt: skip
def test_attempts_without_a_checkpoint_between_have_a_bound(folder: Path, retries: int, attempts: int) -> None:
    (folder / "headwater.toml").write_text(f"retries = {retries}\n")
    slept: list[float] = []
    with failing_commits((1, "before"), (2, "before"), (3, "before"), (4, "before"), (5, "before")):
        result = run(folder, sleep=slept.append)
    (record,) = past_runs(Project(folder))

    assert result.status == record.status == "failed"
    assert isinstance(result.error, TransientError)
    assert len(slept) == attempts - 1
    assert record.error == "the connection was lost"


@pytest.mark.parametrize("error", [Busy("taken"), Fenced("taken"), DestinationError("full"), ValueError("a bug")])
def test_what_does_not_pass_by_itself_is_not_tried_again(folder: Path, error: Exception) -> None:
    slept: list[float] = []
    with failing_commits((2, "before"), error=error):
        result = run(folder, sleep=slept.append)

    assert (result.status, result.error, slept) == ("failed", error, [])


@pytest.mark.parametrize(
    "raising",
    [
        "raise ValueError('of the author')",
        "from headwater.errors import TransientError; raise TransientError('of the author')",
    ],
)
def test_an_error_of_the_author_is_never_tried_again(folder: Path, raising: str) -> None:
    (folder / "connector.py").write_text(
        CONNECTOR.replace('    op.upsert("pages", {"page": "the end"})', f"    {raising}")
    )
    slept: list[float] = []
    result = run(folder, sleep=slept.append)

    assert (result.status, str(result.error), slept) == ("failed", "of the author", [])


def test_a_thread_that_update_has_left_running_forbids_another_attempt(folder: Path) -> None:
    thread = "import threading; threading.Thread(target=threading.Event().wait, name='left', daemon=True).start()"
    (folder / "connector.py").write_text(CONNECTOR.replace("    for page", f"    {thread}\n    for page"))
    with failing_commits((2, "before")):
        result = run(folder)

    assert result.status == "failed"
    assert result.warnings == ["the sync is not tried again: update() has left threads running (left)"]


def test_a_connector_that_is_given_as_an_object_is_not_tried_again(folder: Path) -> None:
    """What it keeps beside the state cannot be made new."""
    sys.modules.pop("helper", None)
    with mock.patch("sys.path", sys.path.copy()):
        connector = Project(folder).load_connector()
    with failing_commits((2, "before")):
        result = ProjectSync(Project(folder), {}, Request(), Silent()).run(connector)

    assert (result.status, result.progress.commits) == ("failed", 1)


def test_who_interrupts_the_wait_interrupts_the_sync(folder: Path) -> None:
    def interrupted(seconds: float) -> None:
        raise Interrupted

    with failing_commits((3, "before")):
        result = run(folder, sleep=interrupted)
    (record,) = past_runs(Project(folder))

    assert result.status == record.status == "interrupted"
    assert tables(folder) == (list(range(6)), ["0", "1"])


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_full_resync_that_is_tried_again_keeps_what_it_has_sent(folder: Path, when: When) -> None:
    first = run(folder)
    (folder / "connector.py").write_text(CONNECTOR.replace("page * 3 + 3", "page * 3 + 1 + 1"))
    with failing_commits((3, when), (6, when)):
        result = run(folder, Request(full_resync=True))

    assert (first.status, result.status) == ("succeeded", "succeeded")
    assert tables(folder) == ([id for id in range(15) if id % 3 < 2], PAGES)


def test_a_limit_of_rows_is_that_of_all_attempts(folder: Path) -> None:
    with failing_commits((2, "before")):
        result = run(folder, Request(limits=Limits(max_rows=14)))

    # 4 and 4 rows, of which the second 4 were lost; then they again, and 4 more.
    assert result.status == "succeeded"
    assert tables(folder) == (list(range(9)), ["0", "1", "2"])


# --- what is gone on from


def commit(epoch: int, sequence: int) -> Commit:
    return Commit(epoch, sequence, f"{epoch}.{sequence}", "{}")


@pytest.mark.parametrize(
    ("before", "noted", "found",  "state",  "lost"),
    [
        (None,   None,   None,    "first",  None),
        ((6, 2), None,   (6, 2),  "first",  None),
        (None,   (7, 2), (7, 2),  "7.2",    None),
        ((6, 2), (7, 1), (7, 2),  "7.2",    (7, 2)),
        (None,   None,   (7, 1),  "7.1",    (7, 1)),
    ],
)  # fmt: skip
def test_a_sync_goes_on_from_its_own_commit_or_from_where_it_began(
    before: Any, noted: Any, found: Any, state: str, lost: Any
) -> None:
    attempts = Attempts("first", 7, commit(*before) if before else None)
    if noted:
        attempts.committed(commit(*noted))

    assert attempts.go_on(8, commit(*found) if found else None) == (state, commit(*lost) if lost else None)


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        ((8, 1), Fenced),
        ((7, 1), DestinationError),
        ((6, 9), DestinationError),
        (None,   DestinationError),
    ],
)  # fmt: skip
def test_a_sync_does_not_go_on_where_another_has_committed_or_commits_are_missing(
    found: Any, kind: type[Exception]
) -> None:
    attempts = Attempts("first", 7, commit(6, 2))
    attempts.committed(commit(7, 2))
    with pytest.raises(kind):
        attempts.go_on(9, commit(*found) if found else None)
