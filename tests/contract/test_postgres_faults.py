"""What Postgres, the network and other sessions do to a sync: who is told what, and that no row is lost or doubled."""

from __future__ import annotations

import itertools
import json
import os
import re
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
from headwater.destinations.postgres_lease import LEASE_SECONDS
from headwater.errors import Busy, ConfigurationError, DestinationError, Fenced, HeadwaterError, TransientError
from headwater.log import redact
from headwater.testing.contract import batch, made, opened
from headwater.types.names import LONG, STRING, ColumnType
from tests.cli.cli_project import CliProject, ended, environment, line_with
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
import sys
from headwater.destinations.postgres import Postgres
from tests.contract.test_postgres_faults import ORDERS, batch
destination = Postgres(sys.argv[1], connection="tester", lease_seconds=float(sys.argv[2]))
destination.open()
destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
print("holds", flush=True)
sys.stdin.readline()
destination.commit('{"by": "holder"}')
print("committed", flush=True)
"""


@contextmanager
def holding(driver: PostgresDriver, *, lease_seconds: float = LEASE_SECONDS) -> Iterator[subprocess.Popen[str]]:
    """Start a process that has rows in an open transaction, and commits them when it is written to."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, driver.url, str(lease_seconds)],
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


def opened_in_the_end(driver: PostgresDriver, *, within_seconds: float) -> tuple[Postgres, int]:
    """Open a destination as soon as the holder lets it; also say how often it was busy."""
    deadline = time.monotonic() + within_seconds
    for refused in itertools.count():
        destination = Postgres(driver.url, connection="tester", lease_seconds=FROZEN_LEASE_SECONDS)
        try:
            destination.open()
        except Busy:
            assert time.monotonic() < deadline
        else:
            return destination, refused
    raise AssertionError("unreachable")


FROZEN_LEASE_SECONDS = 4


def test_a_frozen_sync_is_ended_when_its_lease_has_run_out_and_fenced_when_it_thaws(
    driver: PostgresDriver, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its transaction holds the rows of the table, which the successor changes too."""
    with_orders(driver, [1])
    with holding(driver, lease_seconds=FROZEN_LEASE_SECONDS) as process:
        process.send_signal(signal.SIGSTOP)
        successor, refused = opened_in_the_end(driver, within_seconds=30)
        successor.write(ORDERS, batch(ORDERS, rows=[{"id": 2, "a": "successor"}, {"id": 3}]))
        successor.commit('{"by": "successor"}')
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate("\n", timeout=60)
        successor.commit('{"by": "successor, again"}')
        successor.close()

    assert refused >= 1
    assert "has given no sign of life for 4 s: its session was ended" in capsys.readouterr().out
    assert (process.returncode, out) == (1, "")
    assert err.splitlines()[-1].startswith("headwater.errors.Fenced: a newer sync has taken over")
    assert ids(driver) == [1, 2, 3]
    assert committed_state(driver) == '{"by": "successor, again"}'


def test_a_sync_that_only_waits_for_its_source_keeps_its_lease(driver: PostgresDriver) -> None:
    with_orders(driver, [1])
    with holding(driver, lease_seconds=0.6) as process:
        time.sleep(1.5)
        with pytest.raises(Busy):
            Postgres(driver.url, connection="tester", lease_seconds=0.6).open()
        out, err = process.communicate("\n", timeout=60)

    assert (process.returncode, out) == (0, "committed\n"), err
    assert ids(driver) == [1, 2]


def test_a_run_that_comes_again_takes_over_from_itself_at_once(driver: PostgresDriver) -> None:
    """What is left of its first session may not know yet that nobody listens any more."""
    with_orders(driver, [1])
    first = Postgres(driver.url, connection="tester", run="one run")
    first.open()
    first.write(ORDERS, batch(ORDERS, rows=[{"id": 1, "a": "first"}]))
    with pytest.raises(Busy):
        Postgres(driver.url, connection="tester", run="another run").open()
    again = Postgres(driver.url, connection="tester", run="one run")
    started = time.monotonic()
    again.open()
    seconds = time.monotonic() - started
    again.write(ORDERS, batch(ORDERS, rows=[{"id": 1, "a": "again"}]))
    again.commit("{}")
    with pytest.raises(Fenced):
        first.commit("{}")
    first.close()
    again.close()

    assert seconds < 1
    assert [row["a"] for row in driver.rows(ORDERS)] == ["again"]


def test_a_state_from_before_there_were_leases_is_gone_on_with(driver: PostgresDriver) -> None:
    with_orders(driver, [1])
    driver.execute("ALTER TABLE _headwater.state DROP run, DROP server_process, DROP lease_until")
    with opened(driver) as destination:
        destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
        commit = destination.commit('{"cursor": 2}')

    assert commit.previous == '{"cursor": "committed"}'
    assert committed_state(driver) == '{"cursor": 2}'


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
        wait_until(driver, "SELECT 1 FROM pg_locks WHERE NOT granted")
        with pytest.raises(TransientError, match="deadlock detected"):
            destination.write(ORDERS, batch(ORDERS, rows=[{"id": 2}]))
        destination.close()
        waiting.join()


def wait_until(driver: PostgresDriver, found: str) -> None:
    """Ask the server again and again, until the query finds a row."""
    deadline = time.monotonic() + 20
    while not driver.fetch(found):
        assert time.monotonic() < deadline, f"never came: {found}"
        time.sleep(0.02)


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
import os, pathlib, signal, time
for page in range(state.get("page", 0), 10):
    for number in range(page * 5000, page * 5000 + 5000):
        op.upsert("orders", {"id": number, "name": f"order {number}", "total": number / 4})
        if os.environ.get("KILLED_IN") == str(number):
            os.kill(os.getpid(), signal.SIGKILL)
    op.upsert("lines", {"page": page})
    op.checkpoint({"page": page + 1})
    if os.environ.get("KILLED_AFTER") == str(page):
        os.kill(os.getpid(), signal.SIGKILL)
    if os.environ.get("WAITS_AFTER") == str(page):
        print("waits", flush=True)
        while not pathlib.Path("go on").exists():
            time.sleep(0.02)
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


def through(proxy: CuttingProxy, driver: PostgresDriver) -> str:
    return f"postgresql://{LOADER}@127.0.0.1:{proxy.port}/{driver.database}"


@pytest.mark.parametrize(
    ("cut",         "again"),
    [
        ("before",      1),  # the commit did not take place: the segment comes again
        ("amid rows",   1),
        ("after",       0),  # it did, and is looked up
        ("after, half", 0),
    ],
)  # fmt: skip
def test_a_sync_whose_connection_is_cut_goes_on_and_loses_and_doubles_nothing(
    driver: PostgresDriver, proxy: CuttingProxy, project: CliProject, cut: Cut, again: int
) -> None:
    project.connector(PAGES, schema=SCHEMA)
    proxy.arm(cut, after=5)
    done = project.debug("--destination", through(proxy, driver))

    assert done.code == 0, done.out + done.err
    assert proxy.cuts == 1
    assert len(re.findall(r"the connection was lost.*; trying again in \d s \(1 of 5\)", done.out)) == again
    require_every_row_once(driver)


def test_a_sync_gives_up_on_a_server_that_stays_away(
    driver: PostgresDriver, proxy: CuttingProxy, project: CliProject
) -> None:
    project.connector(PAGES, schema=SCHEMA).write("headwater.toml", "retries = 1\n")
    process = project.start("debug", "--destination", through(proxy, driver), env_extra={"WAITS_AFTER": "5"})
    line_with(process, "waits")
    proxy.arm("amid rows")
    proxy.refuse()
    project.write("go on", "")
    done = ended(process, project)
    runs = json.loads(project.run("runs", "--json").out)

    assert done.code == 1
    assert "; trying again in 1 s (1 of 1)" in done.out
    assert "SYNC FAILED: postgresql://127.0.0.1" in done.out and "cannot be reached" in done.out
    assert [(run["status"], len(run["warnings"])) for run in runs] == [("failed", 1)]
    assert committed_state(driver) == '{"page": 6}'


def test_a_sync_outlives_a_restart_of_the_server(driver: PostgresDriver, project: CliProject) -> None:
    project.connector(PAGES, schema=SCHEMA)
    process = project.start("debug", "--destination", driver.url, env_extra={"WAITS_AFTER": "5"})
    line_with(process, "waits")
    driver.server.restart_at_once()
    project.write("go on", "")
    done = ended(process, project)

    assert done.code == 0, done.out + done.err
    require_every_row_once(driver)


def test_a_sync_whose_session_is_ended_amid_a_segment_goes_on(driver: PostgresDriver, project: CliProject) -> None:
    project.connector(PAGES.replace("op.checkpoint({", "if page > 2: op.checkpoint({"), schema=SCHEMA)
    process = project.start("debug", "--destination", driver.url, env_extra={"WAITS_AFTER": "2"})
    line_with(process, "waits")
    wait_until(driver, "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction'")
    end_sessions(driver)
    project.write("go on", "")
    done = ended(process, project)

    assert done.code == 0, done.out + done.err
    assert "terminating connection due to administrator command; trying again" in done.out
    require_every_row_once(driver)


def test_a_deadlock_with_a_reader_is_tried_again(driver: PostgresDriver, project: CliProject) -> None:
    """The reader looks at `orders`, the sync alters `lines`; then each wants what the other has."""
    driver.execute(f"ALTER DATABASE {driver.database} SET deadlock_timeout = '100ms'")
    project.connector(DEADLOCK, schema=SCHEMA)
    first = project.debug("--destination", driver.url)
    with psycopg.connect(driver.server.url(driver.database)) as reader:
        reader.execute("SET deadlock_timeout = '1h'")
        reader.execute("SELECT count(*) FROM tester.orders")
        process = project.start("debug", "--destination", driver.url)
        altered = "mode = 'AccessExclusiveLock' AND granted AND relation = 'tester.lines'::regclass"
        wait_until(driver, f"SELECT 1 FROM pg_locks WHERE {altered}")
        found = reader.execute("SELECT count(*) FROM tester.lines").fetchall()
        reader.commit()
        done = ended(process, project)
    orders = driver.fetch("SELECT id, late FROM tester.orders ORDER BY id")

    assert (first.code, done.code) == (0, 0), done.out + done.err
    assert "deadlock detected" in done.out and "trying again" in done.out
    assert found == [(1,)]
    assert orders == [(1, "1"), (2, "2")]


DEADLOCK = """
run = state.get("run", 0) + 1
late = {"late": str(run)} if run == 2 else {}
op.upsert("lines", {"page": run, **late})
op.upsert("orders", {"id": run, **late})
if run == 2:
    op.upsert("orders", {"id": 1, **{"late": "1"}})
op.checkpoint({"run": run})
"""


def test_a_schema_that_is_dropped_under_a_sync_is_told(driver: PostgresDriver, project: CliProject) -> None:
    project.connector(PAGES, schema=SCHEMA)
    process = project.start("debug", "--destination", driver.url, env_extra={"WAITS_AFTER": "5"})
    line_with(process, "waits")
    driver.execute("DROP SCHEMA tester CASCADE")
    project.write("go on", "")
    done = ended(process, project)

    assert done.code == 1
    assert (
        'tester.orders: schema "tester" does not exist' in done.out or 'relation "tester.orders" does not' in done.out
    )
    assert "Somebody has dropped it" in done.out
    assert committed_state(driver) == '{"page": 6}'


def test_a_restored_backup_is_noticed_and_gone_on_from_when_that_is_accepted(
    driver: PostgresDriver, project: CliProject
) -> None:
    project.connector(
        "page = state.get('page', 0)\nfor id in range(page * 3, page * 3 + 3):\n    op.upsert('orders', {'id': id})\n"
        "op.checkpoint({'page': page + 1})"
    )

    def sync(*flags: str) -> tuple[int, list[int]]:
        done = project.debug("--destination", driver.url, *flags)
        refused = "the destination is older than the last sync left it" in done.out and "--accept-older" in done.out
        assert refused == (done.code == 1), done.out + done.err
        return done.code, [id for (id,) in driver.fetch("SELECT id FROM tester.orders ORDER BY id")]

    first = sync()
    backup = driver.server.backup("backup")
    second = sync()
    driver.server.restore(backup)
    refused = [sync(), sync()]
    accepted = sync("--accept-older")
    following = sync()

    assert (first, second) == ((0, [*range(3)]), (0, [*range(6)]))
    assert refused == [(1, [*range(3)])] * 2
    assert accepted == (0, [*range(6)])
    assert following == (0, [*range(9)])
