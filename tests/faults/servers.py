"""P: what a Postgres server, its operator and the network do to a sync."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import psycopg
import pytest

from tests.contract.cutting_proxy import Cut, cutting_proxy
from tests.contract.postgres_driver import LOADER, PostgresDriver, postgres_driver
from tests.faults.killing import PAGE_2_LOADED, PAGE_2_PRINTED, Step
from tests.faults.matrix import GOES_ON, POSTGRES, Fault
from tests.faults.neighbours import end_session, frozen
from tests.faults.shop import Shop
from tests.faults.warehouses import PostgresWarehouse
from tests.faults.workload import PAGES
from tests.postgres_server import postgres_server

# Opening commits twice, and each page once: the commit of page 2 comes after three others.
COMMITS_BEFORE_PAGE_2 = 3


def driver(shop: Shop) -> PostgresDriver:
    assert isinstance(shop.warehouse, PostgresWarehouse)
    return shop.warehouse.driver


def load_to(shop: Shop, url: str) -> None:
    """Let the project reach its destination another way."""
    options = shop.path / "headwater.toml"
    options.write_text(options.read_text().replace(shop.warehouse.url, url))


def is_tried_again(shop: Shop, step: Step, happens: Callable[[], object]) -> None:
    """Let something happen while the sync stands at a step, which it then gets over by itself."""
    with frozen(shop, step) as thaw:
        happens()
        thaw().require(0, "Sync SUCCEEDED")
    shop.require_complete()


def session_ends(step: Step, shop: Shop) -> None:
    is_tried_again(shop, step, partial(end_session, shop))


def commit_is_cut(cut: Cut, shop: Shop) -> None:
    with cutting_proxy(driver(shop).server.port) as proxy:
        load_to(shop, f"postgresql://{LOADER}@127.0.0.1:{proxy.port}/{driver(shop).database}")
        proxy.arm(cut, after=COMMITS_BEFORE_PAGE_2)
        shop.run().require(0, "Sync SUCCEEDED")
        assert proxy.commits > COMMITS_BEFORE_PAGE_2
    shop.require_complete()


def server_crashes(shop: Shop) -> None:
    """The server ends without a word while a commit waits for it; its disk is a real one."""
    with postgres_server(durable=True) as server:
        server.execute(f"CREATE ROLE {LOADER} LOGIN")
        with postgres_driver(server) as durable:
            load_to(shop, durable.url)
            shop.warehouse = PostgresWarehouse(durable)
            is_tried_again(shop, PAGE_2_LOADED, server.restart_at_once)


def statement_times_out(shop: Shop) -> None:
    shop.page(1)
    url = shop.warehouse.url
    load_to(shop, f"{url}?statement_timeout=100ms&lock_timeout=0")
    with psycopg.connect(driver(shop).server.url(driver(shop).database)) as reader:
        reader.execute("LOCK TABLE tester.upserted")
        run = shop.run().require(1, "canceling statement due to statement timeout", "raise statement_timeout")
    assert shop.require_one_checkpoint(run.acknowledged) == 1
    shop.write("headwater.toml", (shop.path / "headwater.toml").read_text().replace("100ms", "1min"))
    shop.require_undisturbed()


def deadlock(shop: Shop) -> None:
    """A reader has seen a table that is about to be altered, and wants one that the sync has written to."""
    driver(shop).execute(f"ALTER DATABASE {driver(shop).database} SET deadlock_timeout = '50ms'")
    altered = Step("a column is about to be widened", "before", "DESTINATION.alter_table", 2, "promoted")
    url = driver(shop).server.url(driver(shop).database)
    with psycopg.connect(url) as reader, frozen(shop, altered) as thaw:
        reader.execute("SET deadlock_timeout = '1h'")
        reader.execute("SELECT * FROM tester.promoted")
        waiting = threading.Thread(target=_lock_and_leave, args=(reader,))
        waiting.start()
        _wait_for_a_lock(driver(shop))
        thaw().require(0, "Sync SUCCEEDED")
        waiting.join()
    shop.require_complete()


def _lock_and_leave(reader: psycopg.Connection[object]) -> None:
    reader.execute("LOCK TABLE tester.upserted")
    reader.rollback()


def _wait_for_a_lock(driver: PostgresDriver) -> None:
    for _ in range(500):
        if driver.fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
            return
        time.sleep(0.02)
    raise AssertionError("nobody waits for a lock")


def role_is_read_only(shop: Shop) -> None:
    shop.page(1)
    driver(shop).execute(
        f"ALTER ROLE {LOADER} IN DATABASE {driver(shop).database} SET default_transaction_read_only = on"
    )
    shop.run().require(1, "read-only", "SYNC FAILED")
    driver(shop).execute(f"ALTER ROLE {LOADER} IN DATABASE {driver(shop).database} RESET default_transaction_read_only")
    assert shop.require_one_checkpoint() == 1
    shop.require_undisturbed()


def rights_are_taken(shop: Shop) -> None:
    shop.page(1)
    driver(shop).execute(f"ALTER TABLE tester.upserted OWNER TO tester; REVOKE ALL ON tester.upserted FROM {LOADER}")
    run = shop.run().require(1, "permission denied", "docs/howto/postgres.md")
    assert shop.require_one_checkpoint(run.acknowledged) == 1
    driver(shop).execute(f"ALTER TABLE tester.upserted OWNER TO {LOADER}")
    shop.require_undisturbed()


def schema_is_dropped(shop: Shop) -> None:
    """What an operator drops does not come back by itself: the state says that it was loaded."""
    with frozen(shop, PAGE_2_PRINTED) as thaw:
        driver(shop).execute("DROP SCHEMA tester CASCADE")
        thaw().require(1, "SYNC FAILED", "tester.")
    assert (shop.committed(), dict(shop.warehouse.tables())) == (2, {})
    shop.run("--full-resync").require(0)
    assert shop.committed() == PAGES
    shop.require_complete()


def killed_server_process(shop: Shop) -> None:
    """The system ends one process of the server, as when memory is short: the server ends all sessions."""
    with postgres_server(durable=True) as server:
        server.execute(f"CREATE ROLE {LOADER} LOGIN")
        with postgres_driver(server) as durable:
            load_to(shop, durable.url)
            shop.warehouse = PostgresWarehouse(durable)
            is_tried_again(shop, PAGE_2_LOADED, partial(_kill_server_process, durable))


def _kill_server_process(driver: PostgresDriver) -> None:
    os.kill(_server_process(driver), signal.SIGKILL)
    time.sleep(0.5)


def _server_process(driver: PostgresDriver) -> int:
    """Find the server's process that has the transaction of the sync."""
    [(pid,)] = driver.fetch(f"SELECT pid FROM pg_stat_activity WHERE usename = '{LOADER}' AND xact_start IS NOT NULL")
    return int(pid)


def killed_in_the_commit(call: str, shop: Shop) -> None:
    """Let the server's process of the sync die in a system call of the COMMIT: its log is written, or is not."""
    before_commit = Step("the state is written, COMMIT is not sent", "before", "DESTINATION._end", 4)
    with postgres_server(durable=True) as server:
        server.execute(f"CREATE ROLE {LOADER} LOGIN")
        with postgres_driver(server) as durable, ExitStack() as stack:
            load_to(shop, durable.url)
            shop.warehouse = PostgresWarehouse(durable)
            is_tried_again(shop, before_commit, lambda: stack.enter_context(_killing(_server_process(durable), call)))


@contextmanager
def _killing(pid: int, call: str) -> Iterator[None]:
    """Kill a process as soon as it makes a system call."""
    options = ["-e", f"trace={call}", "-e", f"inject={call}:signal=SIGKILL:when=1", "-o", "/dev/null"]
    with subprocess.Popen(["strace", *options, "-p", str(pid)], stderr=subprocess.PIPE, text=True) as tracer:
        try:
            assert tracer.stderr is not None
            said = tracer.stderr.readline()
            if "attached" not in said:
                pytest.skip(f"another process cannot be traced here: {said.strip()}")
            yield
        finally:
            tracer.kill()


TRIED_AGAIN = "the sync gets over it by itself: exit 0, every row once"
CUTS: dict[Cut, str] = {
    "before": "the connection is cut before COMMIT reaches the server",
    "after": "the connection is cut after COMMIT: nobody knows what became of it",
    "after, half": "the same, and the server does not notice",
}

KILLED_IN = {
    "pwrite64": "its log is about to be written",
    "fdatasync": "its log is written, and not durable",
    "sendto": "it is durable, and the answer is not sent",
}

FAULTS = [
    Fault(
        "P1",
        "the session is ended between two checkpoints",
        "pg_terminate_backend",
        TRIED_AGAIN,
        partial(session_ends, PAGE_2_PRINTED),
        (POSTGRES,),
        ("F17",),
    ),
    Fault(
        "P2",
        "the session is ended in a transaction",
        "pg_terminate_backend",
        TRIED_AGAIN,
        partial(session_ends, PAGE_2_LOADED),
        (POSTGRES,),
        ("F17", "F18"),
    ),
    *(
        Fault(f"P{number}", what, "a TCP proxy", TRIED_AGAIN, partial(commit_is_cut, cut), (POSTGRES,), ("F17",))
        for number, (cut, what) in enumerate(CUTS.items(), start=3)
    ),
    Fault(
        "P6",
        "the server crashes before a commit",
        "SIGQUIT to the server",
        TRIED_AGAIN,
        server_crashes,
        (POSTGRES,),
        ("F18",),
    ),
    Fault(
        "P7",
        "the system kills the server's process of the sync",
        "SIGKILL to the process",
        TRIED_AGAIN,
        killed_server_process,
        (POSTGRES,),
        ("F18",),
        short=(),
    ),
    Fault(
        "P8",
        "a statement takes longer than the time-out",
        "a lock, and statement_timeout",
        f"exit 1; {GOES_ON}",
        statement_times_out,
        (POSTGRES,),
        ("F18",),
    ),
    Fault("P9", "a deadlock with a reader", "two locks, crosswise", TRIED_AGAIN, deadlock, (POSTGRES,), ("F18",)),
    Fault(
        "P10",
        "the role may only read",
        "default_transaction_read_only",
        f"exit 1; {GOES_ON}",
        role_is_read_only,
        (POSTGRES,),
    ),
    Fault(
        "P11",
        "a right is taken from the role",
        "REVOKE",
        f"exit 1, names the page; {GOES_ON}",
        rights_are_taken,
        (POSTGRES,),
    ),
    Fault(
        "P12",
        "the schema is dropped under a running sync",
        "DROP SCHEMA … CASCADE",
        "exit 1; --full-resync brings all back",
        schema_is_dropped,
        (POSTGRES,),
    ),
    *(
        Fault(
            f"P{number}",
            f"the server's process of the sync is killed in the commit: {what}",
            f"strace: SIGKILL in {call}",
            TRIED_AGAIN,
            partial(killed_in_the_commit, call),
            (POSTGRES,),
            ("F17", "F18"),
            short=(POSTGRES,) if number == 14 else (),
        )
        for number, (call, what) in enumerate(KILLED_IN.items(), start=13)
    ),
]
