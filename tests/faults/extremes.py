"""X: more of everything: checkpoints, threads, tables, bytes, open files, and none at all."""

from __future__ import annotations

import json
import signal
import time
from functools import partial

from tests.faults.matrix import DUCKDB, GOES_ON, LONG, POSTGRES, Fault
from tests.faults.shop import SECONDS, Shop
from tests.faults.warehouses import PostgresWarehouse
from tests.faults.workload import PAGES

CHECKPOINTS = 100_000 if LONG else 500
TABLES = 1000 if LONG else 300
THREADS, ROWS = 32, 500
HUGE_TEXT = 100_000_000 if LONG else 10_000_000
LARGEST_STATE = 9_999_000
COLUMNS = 2000
LINES = 1_000_000 if LONG else 20_000

IMPORTS = "import os, signal\nfrom headwater import Connector, Operations as op\n"


def connector(shop: Shop, body: str, keyed: tuple[str, ...] = ()) -> None:
    """Give the project another connector, by the body of its `update`; the tables `keyed` have the key `id`."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    tables = [{"table": table, "primary_key": ["id"]} for table in keyed]
    made = f"connector = Connector(update=update, schema=lambda configuration: {tables!r})"
    shop.write("connector.py", f"{IMPORTS}\ndef update(configuration, state):\n{lines}\n{made}\n")


def count(shop: Shop, what: str) -> int:
    return int(shop.warehouse.query(f"SELECT {what}")[0][0])


def never_checkpoints(shop: Shop) -> None:
    """All or nothing: killed after the last row, there is nothing; not killed, there is all."""
    body = """
for number in range(5000):
    op.upsert("appended", {"number": number, "emission": os.urandom(8).hex()})
if configuration.get("killed"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    connector(shop, body)
    shop.configure(killed="yes")
    shop.run().require(-signal.SIGKILL)
    assert shop.warehouse.tables() == {}
    shop.configure()
    shop.run().require(0)
    assert count(shop, "count(*) FROM tester.appended") == 5000
    assert shop.warehouse.state() == {}


def checkpoints_all_the_time(shop: Shop) -> None:
    body = f"""
for number in range(state.get("number", 0), {CHECKPOINTS}):
    op.upsert("appended", {{"number": number, "emission": os.urandom(8).hex()}})
    op.checkpoint({{"number": number + 1}})
    if number == {CHECKPOINTS // 2} and state == {{}}:
        os.kill(os.getpid(), signal.SIGKILL)
"""
    connector(shop, body)
    shop.run().require(-signal.SIGKILL)
    assert shop.warehouse.state() == {"number": CHECKPOINTS // 2 + 1}
    shop.run().require(0)
    assert count(shop, "count(*) FROM tester.appended") == CHECKPOINTS
    assert shop.warehouse.state() == {"number": CHECKPOINTS}


def emits_from_threads(shop: Shop) -> None:
    body = f"""
import threading
def emit(thread):
    for number in range({ROWS}):
        op.upsert("appended", {{"thread": thread, "number": number}})
        op.upsert("upserted", {{"id": number, "thread": thread}})
        if number == {ROWS // 2}:
            op.checkpoint({{"seen": True}})
threads = [threading.Thread(target=emit, args=(thread,)) for thread in range({THREADS})]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
    connector(shop, body)
    shop.run().require(0)
    assert count(shop, "count(*) FROM tester.appended") == THREADS * ROWS
    assert count(shop, "count(DISTINCT number) FROM tester.appended") == ROWS


def many_tables(shop: Shop) -> None:
    body = f"""
for number in range({TABLES}):
    op.upsert(f"table_{{number}}", {{"id": number}})
op.checkpoint({{"tables": {TABLES}}})
"""
    connector(shop, body)
    shop.run().require(0)
    tables = shop.warehouse.tables()
    assert len(tables) == TABLES
    assert {found.rows.total() for found in tables.values()} == {1}


def largest_state(shop: Shop) -> None:
    body = f"""
op.upsert("appended", {{"number": len(state.get("text", ""))}})
op.checkpoint({{"text": "x" * {LARGEST_STATE}}})
op.checkpoint({{"text": "y" * {LARGEST_STATE}}})
"""
    connector(shop, body)
    shop.run().require(0, "the state has more than 1 MB")
    shop.run().require(0)
    assert shop.warehouse.query("SELECT number FROM tester.appended ORDER BY 1") == [(0,), (LARGEST_STATE,)]
    assert shop.warehouse.state() == json.loads(shop.state_copy.read_text()) == {"text": "y" * LARGEST_STATE}


def huge_row(shop: Shop) -> None:
    connector(shop, f'op.upsert("appended", {{"text": "ä" * {HUGE_TEXT}}})')
    shop.run().require(0)
    assert count(shop, "length(text) FROM tester.appended") == HUGE_TEXT


def many_columns(shop: Shop) -> None:
    """DuckDB holds them; Postgres ends at 1,600, and the error says so and names the table."""
    body = f"""
op.upsert("wide", {{"id": 1, **{{f"column_{{number}}": number for number in range({COLUMNS})}}}})
op.checkpoint({{"columns": {COLUMNS}}})
"""
    connector(shop, body, keyed=("wide",))
    if isinstance(shop.warehouse, PostgresWarehouse):
        shop.run().require(1, "tester.wide: tables can have at most 1600 columns", "block columns in headwater.toml")
        assert shop.warehouse.state() == {}
        assert not shop.warehouse.tables()
        return
    shop.run().require(0)
    assert len(shop.warehouse.tables()["wide"].columns) == COLUMNS + 3
    assert count(shop, f"column_{COLUMNS - 1} FROM tester.wide") == COLUMNS - 1


def nobody_reads(shop: Shop) -> None:
    """The pipe is full, and its reader busy: the sync waits for it and loses nothing."""
    body = f"""
from headwater import Logging as log
for number in range({LINES}):
    log.info("x" * 1000)
    if number % 1000 == 0:
        op.upsert("appended", {{"number": number}})
op.checkpoint({{"lines": {LINES}}})
"""
    connector(shop, body)
    with shop.start() as process:
        assert process.stdout is not None
        time.sleep(3)
        assert process.poll() is None
        lines = sum(line.endswith("x" * 1000 + "\n") for line in process.stdout)
        assert process.wait(timeout=SECONDS) == 0
    assert lines == LINES
    assert count(shop, "count(*) FROM tester.appended") == LINES // 1000


def output_is_closed(shop: Shop) -> None:
    """Standard output and error are closed before the command starts."""
    prefix = ("sh", "-c", 'exec "$@" >&- 2>&-', "sh")
    assert shop.run(prefix=prefix).require(0).out == ""
    shop.require_complete()


def out_of_descriptors(moment: str, shop: Shop) -> None:
    """The connector opens files until the system gives no more, and goes on."""
    shop.configure(way="out of descriptors", moment=moment)
    run = shop.run(prefix=("prlimit", "--nofile=128")).require({0, 1}, "out of descriptors: [Errno 24]")
    page = shop.require_one_checkpoint(run.acknowledged)
    assert (run.code == 0) == (page == PAGES)
    shop.configure()
    shop.require_undisturbed()


FAULTS = [
    Fault(
        "X1",
        "the connector never checkpoints, and is killed",
        "5,000 rows",
        "nothing; the next sync brings all",
        never_checkpoints,
    ),
    Fault(
        "X2",
        "a checkpoint after each row, killed half-way",
        "500 checkpoints; 100,000 in the long form",
        "each row once",
        checkpoints_all_the_time,
    ),
    Fault(
        "X3",
        f"{THREADS} threads emit and checkpoint",
        f"{THREADS * ROWS:,} rows",
        "each row once",
        emits_from_threads,
        short=(DUCKDB,),
    ),
    Fault(
        "X4",
        "very many tables",
        "300 tables in one segment; 1,000 in the long form",
        "all of them",
        many_tables,
        short=(POSTGRES,),
    ),
    Fault(
        "X5",
        "the largest state",
        "10 MB, twice",
        "the next sync gets it as it was",
        largest_state,
        covers=("F12",),
        short=(DUCKDB,),
    ),
    Fault(
        "X6",
        "a huge value",
        "10 million characters; 100 million in the long form",
        "stored as it is",
        huge_row,
        (DUCKDB,),
        ("F29",),
    ),
    Fault(
        "X7",
        "no descriptor is free, before a checkpoint",
        "128, all taken by the connector",
        GOES_ON,
        partial(out_of_descriptors, "before checkpoint 2"),
    ),
    Fault(
        "X8",
        "a row of 2,000 columns",
        "2,000 columns",
        "stored in DuckDB; Postgres ends at 1,600: exit 1, says so, nothing is stored",
        many_columns,
        covers=("F26",),
    ),
    Fault(
        "X9",
        "nobody reads what is printed for a while, and it is much",
        "20 MB of log lines, a full pipe; 1 GB in the long form",
        "the sync waits; each line and each row is there",
        nobody_reads,
        (DUCKDB,),
        ("F35",),
    ),
    Fault(
        "X10",
        "standard output and error are closed",
        "closed by the shell",
        "the same tables",
        output_is_closed,
        (DUCKDB,),
        ("F35",),
    ),
]
