"""What Postgres, the network and other sessions do to a sync: who is told what, and that no row is lost or doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from headwater.destinations.postgres import Postgres
from headwater.errors import Busy, ConfigurationError, DestinationError, Fenced, HeadwaterError, TransientError
from headwater.log import redact
from headwater.testing.contract import batch, made, opened
from headwater.types.names import LONG, STRING, ColumnType
from tests.cli.cli_project import CliProject, environment, line_with
from tests.contract.cutting_proxy import Cut, CuttingProxy, cutting_proxy
from tests.contract.postgres_driver import LOADER, PostgresDriver, postgres_driver
from tests.contract.postgres_driver import server as server  # the fixture
from tests.postgres_server import PostgresServer, postgres_server

ORDERS = made("orders", {"id": ColumnType(LONG), "a": ColumnType(STRING)})


@pytest.fixture
def driver(server: PostgresServer) -> Iterator[PostgresDriver]:
    with postgres_driver(server) as made_for_it:
        yield made_for_it


@pytest.fixture
def proxy(server: PostgresServer) -> Iterator[CuttingProxy]:
    with cutting_proxy(server.port) as running:
        yield running


def with_orders(driver: PostgresDriver, ids: list[int]) -> None:
    """Commit the table `orders` with these rows, and the state they stand for."""
    with opened(driver) as destination:
        destination.create_table(ORDERS)
        destination.write(ORDERS, batch(ORDERS, rows=[{"id": number, "a": "committed"} for number in ids]))
        destination.commit('{"cursor": "committed"}')


def committed_state(driver: PostgresDriver, connection: str = "tester") -> str:
    destination = driver.destination(connection)
    _, commit = destination.open()
    destination.close()
    assert commit is not None
    return commit.state


def ids(driver: PostgresDriver) -> list[int]:
    return sorted(row["id"] for row in driver.rows(ORDERS))


def end_sessions(driver: PostgresDriver, *, user: str = LOADER) -> None:
    driver.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'")


# --- one sync at a time


def test_a_second_sync_is_told_who_holds_the_connection(driver: PostgresDriver) -> None:
    with opened(driver) as _, opened(driver, "another connection") as _, pytest.raises(Busy) as busy:
        driver.destination("tester").open()
    [(started,)] = driver.fetch("SELECT opened_at FROM _headwater.state WHERE connection = 'tester'")

    host = os.uname().nodename
    assert busy.value.message == (
        f"another sync of the connection tester is running (pid {os.getpid()} on {host}, "
        f"started {started.isoformat(timespec='seconds')})"
    )
    assert datetime.now(UTC) - started < timedelta(minutes=1)


def test_a_sync_that_is_refused_raises_no_epoch(driver: PostgresDriver) -> None:
    with opened(driver) as destination:
        with pytest.raises(Busy):
            driver.destination("tester").open()
        destination.commit('{"cursor": 1}')

    assert committed_state(driver) == '{"cursor": 1}'


def test_a_sync_whose_lock_was_taken_from_it_is_fenced(driver: PostgresDriver) -> None:
    """Behind a pooler that gives one session to many, the lock may go; the epoch still guards the commit."""
    with_orders(driver, [1])
    older, newer = driver.destination("tester"), driver.destination("tester")
    older.open()
    older.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
    older._open_session().execute("SELECT pg_advisory_unlock_all()")
    newer.open()
    with pytest.raises(Fenced):
        older.commit('{"by": "older"}')
    older.close()
    newer.commit('{"by": "newer"}')
    newer.close()

    assert ids(driver) == [1]
    assert committed_state(driver) == '{"by": "newer"}'


HOLDER = """
import sys, time
from headwater.destinations.postgres import Postgres
from tests.contract.test_postgres_faults import ORDERS, batch
destination = Postgres(sys.argv[1], connection="tester")
destination.open()
destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
print("holds", flush=True)
sys.stdin.readline()
destination.commit('{"by": "holder"}')
print("committed", flush=True)
"""


@contextmanager
def holding(driver: PostgresDriver) -> Iterator[subprocess.Popen[str]]:
    """Start a process that has rows in an open transaction, and commits them when it is written to."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, driver.url],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        line_with(process, "holds")
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_dead_sync_is_taken_over_at_once(driver: PostgresDriver) -> None:
    with_orders(driver, [1])
    with holding(driver) as process:
        process.kill()
        process.wait()
        started = time.monotonic()
        assert committed_state(driver) == '{"cursor": "committed"}'
        seconds = time.monotonic() - started

    assert seconds < 2
    assert ids(driver) == [1]


def test_a_frozen_sync_that_thaws_after_its_successor_commits_nothing(driver: PostgresDriver) -> None:
    with_orders(driver, [1])
    with holding(driver) as process:
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(Busy, match=f"pid {process.pid}"):
            driver.destination("tester").open()
        end_sessions(driver)  # what the operator does who knows that the first is lost
        with opened(driver) as successor:
            successor.write(ORDERS, batch(ORDERS, rows=[{"id": 3}]))
            successor.commit('{"by": "successor"}')
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate("\n", timeout=60)

    assert process.returncode == 1
    assert "committed" not in out
    assert "TransientError" in err or "ConnectionLost" in err
    assert ids(driver) == [1, 3]
    assert committed_state(driver) == '{"by": "successor"}'


# --- a commit whose answer is lost


@pytest.mark.parametrize(
    ("cut",         "committed"),
    [
        ("before",      False),
        ("after",       True),
        ("after, half", True),
    ],
)  # fmt: skip
def test_a_commit_whose_answer_is_lost_is_looked_up(
    driver: PostgresDriver, proxy: CuttingProxy, cut: Cut, committed: bool
) -> None:
    with_orders(driver, [1])
    destination = Postgres(f"postgresql://{LOADER}@127.0.0.1:{proxy.port}/{driver.database}", connection="tester")
    destination.open()
    destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
    destination.commit('{"cursor": 2}')
    destination.write(ORDERS, batch(ORDERS, rows=[{"id": 3}]))
    proxy.arm(cut)
    if committed:
        commit = destination.commit('{"cursor": 3}')
        destination.write(ORDERS, batch(ORDERS, rows=[{"id": 4}]))
        following = destination.commit('{"cursor": 4}')
        assert (commit.state, commit.previous) == ('{"cursor": 3}', '{"cursor": 2}')
        assert (following.epoch, following.sequence) == (commit.epoch, commit.sequence + 1)
    else:
        with pytest.raises(TransientError, match="the connection was lost"):
            destination.commit('{"cursor": 3}')
    destination.close()

    assert ids(driver) == ([1, 2, 3, 4] if committed else [1, 2])
    assert committed_state(driver) == ('{"cursor": 4}' if committed else '{"cursor": 2}')


def test_the_first_commit_of_an_epoch_is_not_taken_for_one_of_the_epoch_before(
    driver: PostgresDriver, proxy: CuttingProxy
) -> None:
    with_orders(driver, [1])
    destination = Postgres(f"postgresql://{LOADER}@127.0.0.1:{proxy.port}/{driver.database}", connection="tester")
    destination.open()
    proxy.arm("before")
    with pytest.raises(TransientError, match="the connection was lost"):
        destination.commit('{"cursor": "lost"}')
    destination.close()

    assert committed_state(driver) == '{"cursor": "committed"}'


def test_a_lost_commit_is_fenced_when_a_successor_was_faster(driver: PostgresDriver, proxy: CuttingProxy) -> None:
    with_orders(driver, [1])
    successor = driver.destination("tester")

    class SucceededMeanwhile(Postgres):
        def _reopen(self, lost: Any) -> None:
            successor.open()
            super()._reopen(lost)

    destination = SucceededMeanwhile(
        f"postgresql://{LOADER}@127.0.0.1:{proxy.port}/{driver.database}", connection="tester"
    )
    destination.open()
    destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
    proxy.arm("before")
    with pytest.raises(Fenced):
        destination.commit("{}")
    destination.close()
    successor.commit('{"by": "successor"}')
    successor.close()

    assert ids(driver) == [1]
    assert committed_state(driver) == '{"by": "successor"}'


def test_a_server_that_stays_away_leaves_the_question_to_the_next_sync(
    driver: PostgresDriver, proxy: CuttingProxy
) -> None:
    slept: list[float] = []
    with_orders(driver, [1])
    destination = Postgres(
        f"postgresql://{LOADER}@127.0.0.1:{proxy.port}/{driver.database}", connection="tester", sleep=slept.append
    )
    destination.open()
    destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
    proxy.arm("after")
    proxy.refuse()
    with pytest.raises(TransientError, match="could not be made again") as lost:
        destination.commit('{"cursor": 2}')
    destination.close()

    assert lost.value.hint is not None and "Run the sync again" in lost.value.hint
    assert sum(slept) == 29
    assert ids(driver) == [1, 2]
    assert committed_state(driver) == '{"cursor": 2}'


# --- what the server says


def test_a_session_that_is_ended_by_an_administrator_may_be_run_again(driver: PostgresDriver) -> None:
    with_orders(driver, [1])
    destination = driver.destination("tester")
    destination.open()
    destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
    end_sessions(driver)
    with pytest.raises(TransientError, match="terminating connection due to administrator command"):
        destination.write(ORDERS, batch(ORDERS, rows=[{"id": 3}]))
    destination.close()

    assert ids(driver) == [1]


def test_a_session_that_is_ended_between_two_checkpoints_is_opened_again(driver: PostgresDriver) -> None:
    with_orders(driver, [1])
    with opened(driver) as destination:
        end_sessions(driver)
        destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
        first = destination.commit('{"cursor": 2}')
        end_sessions(driver)
        second = destination.commit('{"cursor": 3}')

    assert (second.epoch, second.sequence, second.previous) == (first.epoch, first.sequence + 1, '{"cursor": 2}')
    assert ids(driver) == [1, 2]


def test_a_session_that_was_ended_for_a_successor_is_fenced(driver: PostgresDriver) -> None:
    with_orders(driver, [1])
    older = driver.destination("tester")
    older.open()
    end_sessions(driver)
    with opened(driver) as newer:
        with pytest.raises(Fenced):
            older.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
        older.close()
        newer.commit('{"by": "newer"}')

    assert ids(driver) == [1]
    assert committed_state(driver) == '{"by": "newer"}'


def test_a_server_that_has_lost_commits_is_not_gone_on_with(driver: PostgresDriver) -> None:
    """A standby takes over that had not received the last commit; here its rows are taken back by hand."""
    with_orders(driver, [1])
    destination = driver.destination("tester")
    destination.open()
    destination.commit('{"cursor": 2}')
    driver.execute("UPDATE _headwater.state SET committed_epoch = 1, state = previous")
    end_sessions(driver)
    with pytest.raises(DestinationError, match="older than this sync left it"):
        destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
    destination.close()


def test_a_transaction_that_waited_too_long_for_rows_says_what_to_do(driver: PostgresDriver) -> None:
    with_orders(driver, [1])
    driver.execute(f"ALTER DATABASE {driver.database} SET idle_in_transaction_session_timeout = '50ms'")
    with opened(driver) as destination:
        destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
        time.sleep(0.3)
        with pytest.raises(TransientError, match="idle-in-transaction timeout") as lost:
            destination.write(ORDERS, batch(ORDERS, rows=[{"id": 3}]))

    assert lost.value.hint is not None and "checkpoint more often" in lost.value.hint
    assert ids(driver) == [1]


def test_a_locked_table_is_waited_for_only_so_long(driver: PostgresDriver) -> None:
    with_orders(driver, [1])
    cases = [("lock_timeout=100ms", TransientError), ("lock_timeout=0&statement_timeout=100ms", DestinationError)]
    found = []
    with psycopg.connect(driver.server.url(driver.database)) as other:
        other.execute("LOCK TABLE tester.orders")
        for query, kind in cases:
            destination = Postgres(f"{driver.url}?{query}", connection="tester")
            destination.open()
            with pytest.raises(kind) as refused:
                destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
            destination.close()
            found.append(str(refused.value))

    assert "canceling statement due to lock timeout" in found[0] and "raise lock_timeout" in found[0]
    assert "canceling statement due to statement timeout" in found[1] and "raise statement_timeout" in found[1]


def test_a_deadlock_may_be_run_again(driver: PostgresDriver) -> None:
    with_orders(driver, [1, 2])
    driver.execute(f"ALTER DATABASE {driver.database} SET deadlock_timeout = '50ms'")
    with psycopg.connect(driver.server.url(driver.database)) as other, opened(driver) as destination:
        other.execute("SET deadlock_timeout = '1h'")
        other.execute("UPDATE tester.orders SET a = 'other' WHERE id = 2")
        destination.write(ORDERS, batch(ORDERS, rows=[{"id": 1}]))
        waiting = threading.Thread(target=other.execute, args=("UPDATE tester.orders SET a = 'other' WHERE id = 1",))
        waiting.start()
        _wait_for_a_lock(driver)
        with pytest.raises(TransientError, match="deadlock detected"):
            destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
        destination.close()
        waiting.join()


def _wait_for_a_lock(driver: PostgresDriver) -> None:
    for _ in range(200):
        if driver.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
            return
        time.sleep(0.02)
    raise AssertionError("nobody waits for a lock")


@pytest.mark.parametrize(
    ("url",                                          "kind",           "message"),
    [
        ("postgresql://nobody@{server}/postgres",     DestinationError, 'role "nobody" does not exist'),
        ("postgresql://loader@{server}/nowhere",      DestinationError, 'database "nowhere" does not exist'),
        ("postgresql://loader@127.0.0.1:1/postgres",  TransientError,   "Connection refused"),
        ("postgresql://locked@{server}/postgres",     DestinationError, "password authentication failed"),
        ("postgresql://loader@{server}/postgres?lock_timeout=soon", ConfigurationError, 'invalid value for parameter'),
    ],
)  # fmt: skip
def test_a_server_that_lets_nobody_in_says_why_but_not_the_password(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch, url: str, kind: type[HeadwaterError], message: str
) -> None:
    server.require_password("locked", "right")
    monkeypatch.setenv("PGPASSWORD", "canary-password")
    destination = Postgres(url.format(server=f"127.0.0.1:{server.port}"), connection="tester")
    with pytest.raises(HeadwaterError) as refused:
        destination.open()

    assert type(refused.value) is kind
    assert message in refused.value.message
    assert refused.value.hint
    assert "canary" not in str(refused.value)
    assert redact("canary-password") == "***"


def test_a_password_comes_from_the_environment(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.require_password("locked", "right")
    monkeypatch.setenv("PGPASSWORD", "right")
    with server.database() as database:
        server.execute(f"GRANT CREATE ON DATABASE {database} TO locked")
        with opened(PostgresDriver(server, database, role="locked")) as destination:
            destination.commit("{}")


def test_a_full_disk_is_told_and_what_was_committed_stays(driver: PostgresDriver, tmp_path: Path) -> None:
    with driver.server.small_disk() as folder:
        driver.execute(f"CREATE TABLESPACE small LOCATION '{folder}'")
        driver.execute(f"GRANT CREATE ON TABLESPACE small TO {LOADER}")
        driver.execute(f"ALTER ROLE {LOADER} SET default_tablespace = small")
        try:
            with_orders(driver, [1])
            rows = [{"id": number, "a": "x" * 1000} for number in range(20_000)]
            with opened(driver) as destination, pytest.raises(DestinationError, match="No space left") as refused:
                destination.write(ORDERS, batch(ORDERS, rows=rows))
            with opened(driver) as destination:
                destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
                destination.commit("{}")
            left = ids(driver)
        finally:
            driver.execute(f"ALTER ROLE {LOADER} RESET default_tablespace")
            driver.execute("DROP SCHEMA tester, _headwater CASCADE")
            driver.execute("DROP TABLESPACE small")

    assert refused.value.hint is not None and refused.value.hint.startswith("Make room on the server's disk")
    assert left == [1, 2]


def test_a_server_that_crashes_keeps_what_was_committed() -> None:
    """fsync is on, and the server stops without a word to anybody, once between two transactions and once in one."""
    with postgres_server(durable=True) as server:
        server.execute(f"CREATE ROLE {LOADER} LOGIN")
        with postgres_driver(server) as driver:
            with_orders(driver, [1])
            destination = driver.destination("tester")
            destination.open()
            server.restart_at_once()
            destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
            destination.commit('{"cursor": 2}')
            destination.write(ORDERS, batch(ORDERS, rows=[{"id": 3}]))
            server.restart_at_once()
            with pytest.raises(TransientError) as lost:
                destination.commit('{"cursor": 3}')
            destination.close()
            left, state = ids(driver), committed_state(driver)

    assert lost.value.hint == "Nothing since the last commit is stored; run the sync again."
    assert left == [1, 2]
    assert state == '{"cursor": 2}'


# --- whole syncs


PAGES = """
import os, signal
for page in range(state.get("page", 0), 10):
    for number in range(page * 5000, page * 5000 + 5000):
        op.upsert("orders", {"id": number, "name": f"order {number}", "total": number / 4})
        if os.environ.get("KILLED_IN") == str(number):
            os.kill(os.getpid(), signal.SIGKILL)
    op.upsert("lines", {"page": page})
    op.checkpoint({"page": page + 1})
    if os.environ.get("KILLED_AFTER") == str(page):
        os.kill(os.getpid(), signal.SIGKILL)
"""
SCHEMA = """
def schema(configuration):
    return [{"table": "orders", "primary_key": ["id"], "columns": {"id": "LONG"}}, {"table": "lines"}]
"""


@pytest.fixture
def project(tmp_path: Path) -> CliProject:
    folder = tmp_path / "shop"
    folder.mkdir()
    return CliProject(folder.resolve(), environment(tmp_path / "shadows"))


def require_every_row_once(driver: PostgresDriver) -> None:
    orders = driver.fetch("SELECT count(*), count(DISTINCT id), min(id), max(id), sum(total) FROM tester.orders")
    wrong = driver.fetch("SELECT * FROM tester.orders WHERE name <> 'order ' || id OR total <> id / 4.0")
    lines = driver.fetch("SELECT page FROM tester.lines ORDER BY page")

    assert orders == [(50_000, 50_000, 0, 49_999, sum(range(50_000)) / 4)]
    assert wrong == []
    assert lines == [(page,) for page in range(10)]
    assert committed_state(driver) == '{"page": 10}'


def test_hello_goes_into_postgres(driver: PostgresDriver, project: CliProject) -> None:
    source = Path(__file__).parents[2] / "examples" / "quickstart" / "hello"
    project.write("connector.py", (source / "connector.py").read_text())
    project.configuration({})
    first = project.debug("--destination", driver.url)
    again = project.debug("--destination", driver.url)

    assert (first.code, again.code) == (0, 0), first.out + first.err + again.out + again.err
    assert driver.fetch('SELECT message, "_fivetran_deleted" FROM tester.hello') == [("hello, world!", False)]


@pytest.mark.parametrize(
    "killed",
    [{"KILLED_AFTER": "0"}, {"KILLED_AFTER": "6"}, {"KILLED_IN": "0"}, {"KILLED_IN": "33000"}],
    ids=lambda killed: " ".join(f"{name} {value}" for name, value in killed.items()),
)
def test_a_sync_that_is_killed_goes_on_from_its_last_checkpoint(
    driver: PostgresDriver, project: CliProject, killed: dict[str, str]
) -> None:
    project.connector(PAGES, schema=SCHEMA)
    first = project.run("debug", "--destination", driver.url, env_extra=killed)
    second = project.debug("--destination", driver.url)

    assert (first.code, second.code) == (-signal.SIGKILL, 0), first.err + second.out + second.err
    require_every_row_once(driver)


@pytest.mark.parametrize(
    ("cut",         "code"),
    [
        ("before",      1),
        ("after",       0),
        ("after, half", 0),
    ],
)  # fmt: skip
def test_a_sync_whose_connection_is_cut_at_a_commit_loses_and_doubles_nothing(
    driver: PostgresDriver, proxy: CuttingProxy, project: CliProject, cut: Cut, code: int
) -> None:
    project.connector(PAGES, schema=SCHEMA)
    proxy.arm(cut, after=5)
    through = f"postgresql://{LOADER}@127.0.0.1:{proxy.port}/{driver.database}"
    first = project.debug("--destination", through)
    stored = driver.fetch("SELECT count(*) FROM tester.orders")
    second = project.debug("--destination", through)

    assert (first.code, second.code) == (code, 0), first.out + first.err + second.out + second.err
    assert proxy.commit is not None and proxy.commits > proxy.commit
    assert stored == [(50_000 if code == 0 else 15_000,)]
    require_every_row_once(driver)
