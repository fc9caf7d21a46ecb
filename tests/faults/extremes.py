"""X: more of everything: checkpoints, threads, tables, bytes, open files, and none at all."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from functools import partial

from tests.faults.matrix import DUCKDB, EVERY, GOES_ON, LONG, MEMORY, POSTGRES, Fault
from tests.faults.memory_shop import MemoryShop
from tests.faults.shop import SECONDS, Shop
from tests.faults.warehouses import PostgresWarehouse
from tests.faults.workload import PAGES

CHECKPOINTS = 100_000 if LONG else 500
TABLES = 1000 if LONG else 300
THREADS, ROWS = 32, 500
HUGE_TEXT = 50_000_000 if LONG else 10_000_000
# A process without a row, and as often the value's two bytes a character as it is held at once on its way.
HUGE_MEMORY = 250 + 5 * (HUGE_TEXT * 2 // 1_000_000)
LARGEST_STATE = 9_999_000
COLUMNS = 2000
LINES = 1_000_000 if LONG else 20_000
# What a sync holds that logs as much as it likes, and what it leaves beside the warehouse.
LOGGING_MEMORY, LOGGING_FILES = 300, 3_000_000

IMPORTS = "import os, signal\nfrom headwater import Connector, Operations as op\n"


def connector(shop: Shop, body: str, keyed: tuple[str, ...] = ()) -> None:
    """Give the project another connector, by the body of its `update`; the tables `keyed` have the key `id`."""
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    tables = [{"table": table, "primary_key": ["id"]} for table in keyed]
    made = f"connector = Connector(update=update, schema=lambda configuration: {tables!r})"
    shop.write("connector.py", f"{IMPORTS}\ndef update(configuration, state):\n{lines}\n{made}\n")


# Runs a command, and says how much memory it held at most.
MEASURED = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(f"resident: {usage.ru_maxrss // 1024} MB", flush=True)
code = os.waitstatus_to_exitcode(status)
os._exit(code if code >= 0 else 128 - code)
"""


def measured(shop: Shop, code: int, most: int) -> None:
    """Run the real command, also where the project loads into memory; require how it ends, and that it held less."""
    run = shop.run(prefix=(sys.executable, "-c", MEASURED)).require(code)
    require_memory(run.out, most)


def require_memory(out: str, most: int) -> None:
    [megabytes] = [int(line.split()[1]) for line in out.splitlines() if line.startswith("resident: ")]
    print(f"{megabytes} MB, of {most}")
    assert megabytes < most


def never_checkpoints(shop: Shop) -> None:
    """All or nothing: killed after the last row, there is nothing; not killed, there is all."""
    body = f"""
for number in range(5000):
    op.upsert("appended", {{"number": number, "emission": os.urandom(8).hex()}})
if configuration.get("killed"):
    {shop.dies}
"""
    connector(shop, body)
    shop.configure(killed="yes")
    shop.run().require(shop.died)
    assert shop.warehouse.tables() == {}
    shop.configure()
    shop.run().require(0)
    assert sorted(shop.warehouse.values("appended", "number")) == list(range(5000))
    assert shop.warehouse.state() == {}


def checkpoints_all_the_time(shop: Shop) -> None:
    """Now and then with a row without a key, for which DuckDB looks through all that are there."""
    body = f"""
for number in range(state.get("number", 0), {CHECKPOINTS}):
    op.upsert("counted", {{"id": number}})
    if number % 50 == 0:
        op.upsert("appended", {{"number": number, "emission": os.urandom(8).hex()}})
    op.checkpoint({{"number": number + 1}})
    if number == {CHECKPOINTS // 2} and state == {{}}:
        {shop.dies}
"""
    connector(shop, body, keyed=("counted",))
    shop.run().require(shop.died)
    assert shop.warehouse.state() == {"number": CHECKPOINTS // 2 + 1}
    shop.run().require(0)
    assert sorted(shop.warehouse.values("counted", "id")) == list(range(CHECKPOINTS))
    assert sorted(shop.warehouse.values("appended", "number")) == list(range(0, CHECKPOINTS, 50))
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
    connector(shop, body, keyed=("upserted",))
    shop.run().require(0)
    numbers = Counter(shop.warehouse.values("appended", "number"))
    assert numbers == dict.fromkeys(range(ROWS), THREADS)
    assert sorted(shop.warehouse.values("upserted", "id")) == list(range(ROWS))


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
    assert sorted(shop.warehouse.values("appended", "number")) == [0, LARGEST_STATE]
    require_state(shop, {"text": "y" * LARGEST_STATE})


def require_state(shop: Shop, state: dict[str, object]) -> None:
    """Require the committed state and, where there are files, its copy; by their texts, since NaN equals nothing."""
    assert json.dumps(shop.warehouse.state()) == json.dumps(state)
    if not isinstance(shop, MemoryShop):
        assert json.loads(shop.state_copy.read_text(), parse_constant=str) == json.loads(
            json.dumps(state), parse_constant=str
        )


# What Python's JSON knows beyond the standard, and what a database's JSON or text does not take.
ODD_STATE = """{
    "nan": float("nan"), "infinities": [float("inf"), -float("inf")], "zero": -0.0, "large": 10**400, "small": 5e-324,
    "text": "\\0 \\ud800 \\U0001f600 ' \\\\ \\u2028", "\\0": {"": None},
}"""


def odd_state(shop: Shop) -> None:
    """Written, read back, resumed from twice."""
    body = f"""
odd = {ODD_STATE}
op.upsert("appended", {{"given": repr(state), "odd": repr(odd), "emission": os.urandom(8).hex()}})
op.checkpoint({{"n": 1}})
op.checkpoint(odd)
"""
    connector(shop, body)
    for _ in range(3):
        shop.run().require(0)
    given, odd = shop.warehouse.values("appended", "given"), shop.warehouse.values("appended", "odd")
    assert Counter(given) == Counter({"{}": 1, odd[0]: 2})
    require_state(shop, eval(ODD_STATE))


# One more than a checkpoint takes, and as many as it does.
DEEPEST_STATE = 500


def deepest_state(shop: Shop) -> None:
    """Refused at the checkpoint, even where Python itself would write it; the deepest one is resumed from."""
    body = """
import sys
sys.setrecursionlimit(int(configuration.get("limit", "1000")))
deep = 1
for _ in range(int(configuration["levels"])):
    deep = {"deeper": deep} if isinstance(deep, list) else [deep]
op.upsert("appended", {"levels": len(str(state)), "emission": os.urandom(8).hex()})
op.checkpoint({"deep": deep})
"""
    connector(shop, body)
    before = sys.getrecursionlimit()
    try:
        shop.configure(levels=str(DEEPEST_STATE - 1))
        shop.run().require(0)
        kept = shop.warehouse.state()
        for levels, limit in ((DEEPEST_STATE, 1000), (10_000, 1000), (10_000, 100_000)):
            shop.configure(levels=str(levels), limit=str(limit))
            shop.run().require(1, "the state is nested too deep: at most 500 levels are allowed")
            assert shop.warehouse.state() == kept
    finally:
        sys.setrecursionlimit(before)
    shop.configure(levels="1")
    shop.run().require(0)
    assert sorted(shop.warehouse.values("appended", "levels")) == [2, len(str(kept))]


def huge_row(shop: Shop) -> None:
    connector(shop, f'op.upsert("appended", {{"text": "ä" * {HUGE_TEXT}}})')
    measured(shop, 0, HUGE_MEMORY)
    if isinstance(shop, MemoryShop):  # what that process held is gone: once more, in this one
        shop.run().require(0)
    assert shop.warehouse.values("appended", "text") == ["ä" * HUGE_TEXT]


# How deep a value lies, what it is, and whether it is given as JSON text.
DEEP = ((10_000, "dict"), (10_000, "list"), (10_000, "text"), (1_000_000, "dict"), (1_000_000, "text"))


def deep_value(shop: Shop) -> None:
    """Text is stored as it is; what Python does not write as JSON is refused, and the row before it is kept."""
    body = """
op.upsert("deep", {"id": -1})
op.checkpoint({"page": 1})
levels, deep = int(configuration["levels"]), 1
if configuration["kind"] == "text":
    deep = "[" * levels + "1" + "]" * levels
else:
    for _ in range(levels):
        deep = {"deeper": deep} if configuration["kind"] == "dict" else [deep]
op.upsert("deep", {"id": levels, "value": deep})
op.checkpoint({"page": 2})
"""
    connector(shop, body, keyed=("deep",))
    for levels, kind in DEEP:
        shop.configure(levels=str(levels), kind=kind)
        if kind == "text":
            shop.run().require(0)
            continue
        run = shop.run().require(1, "deep.value: ", "expected what json.dumps takes", f"'id': {levels}")
        assert "RecursionError" not in run.out.partition("SYNC FAILED")[2].splitlines()[0]
        assert shop.warehouse.state() == {"page": 1}
        shop.trials += 1
    assert sorted(shop.warehouse.values("deep", "id")) == [-1, 10_000, 1_000_000]
    texts = {len(value): value for value in shop.warehouse.values("deep", "value") if value is not None}
    assert texts == {2 * levels + 1: "[" * levels + "1" + "]" * levels for levels in (10_000, 1_000_000)}


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
    assert shop.warehouse.values("wide", f"column_{COLUMNS - 1}") == [COLUMNS - 1]


def nobody_reads(shop: Shop) -> None:
    """The pipe is full, and its reader busy: the sync waits for it, loses nothing, and keeps little of it."""
    body = f"""
from headwater import Logging as log
for number in range({LINES}):
    (op.warning if number % 2 else log.info)(f"{{number:>9}} " + "x" * 990)
    if number % 1000 == 0:
        op.upsert("appended", {{"number": number}})
op.checkpoint({{"lines": {LINES}}})
"""
    connector(shop, body)
    said = ""
    with shop.start(prefix=(sys.executable, "-c", MEASURED)) as process:
        assert process.stdout is not None
        time.sleep(3)
        assert process.poll() is None
        lines = 0
        for line in process.stdout:
            logged = line.endswith("x" * 990 + "\n")
            lines += logged
            said += "" if logged else line
        assert process.wait(timeout=SECONDS) == 0
    assert lines == LINES
    require_memory(said, LOGGING_MEMORY)
    left = {path.name: path.stat().st_size for path in shop.files.rglob("*") if path.is_file()}
    assert sum(size for name, size in left.items() if not name.startswith("warehouse.db")) < LOGGING_FILES, left
    if isinstance(shop, MemoryShop):
        return
    assert sorted(shop.warehouse.values("appended", "number")) == list(range(0, LINES, 1000))


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
        EVERY,
    ),
    Fault(
        "X2",
        "a checkpoint after each row, killed half-way",
        "500 checkpoints; 100,000 in the long form",
        "each row once",
        checkpoints_all_the_time,
        EVERY,
    ),
    Fault(
        "X3",
        f"{THREADS} threads emit and checkpoint",
        f"{THREADS * ROWS:,} rows",
        "each row once",
        emits_from_threads,
        EVERY,
        short=(DUCKDB, MEMORY),
    ),
    Fault(
        "X4",
        "very many tables",
        "300 tables in one segment; 1,000 in the long form",
        "all of them",
        many_tables,
        EVERY,
        short=(POSTGRES, MEMORY),
    ),
    Fault(
        "X5",
        "the largest state",
        "10 MB, twice",
        "the next sync gets it as it was",
        largest_state,
        EVERY,
        ("F12",),
        short=(DUCKDB, MEMORY),
    ),
    Fault(
        "X6",
        "a huge value",
        "20 MB; 100 MB in the long form",
        "stored as it is; memory is bounded by its size",
        huge_row,
        EVERY,
        ("F29",),
        short=(POSTGRES,),
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
        "stored; Postgres ends at 1,600: exit 1, says so, nothing is stored",
        many_columns,
        EVERY,
        ("F26",),
    ),
    Fault(
        "X9",
        "nobody reads what is printed for a while, and it is much",
        "20 MB of log lines and warnings, a full pipe; 1 GB in the long form",
        f"the sync waits; each line and each row is there; less than {LOGGING_MEMORY} MB of memory, few in files/",
        nobody_reads,
        EVERY,
        ("F35",),
        short=(DUCKDB,),
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
    Fault(
        "X11",
        "a state with NaN, infinities, U+0000, lone surrogates",
        "two checkpoints; three syncs",
        "each sync gets it as it was",
        odd_state,
        EVERY,
        ("F12",),
    ),
    Fault(
        "X12",
        "a state nested 501 and 10,000 deep, Python's limit raised or not",
        "connector.py",
        "refused at the checkpoint, the state before it stays; one of 500 levels is resumed from",
        deepest_state,
        EVERY,
        ("F12",),
        short=(DUCKDB, MEMORY),
    ),
    Fault(
        "X13",
        "a value nested 10,000 and 1,000,000 deep",
        "dicts, lists, and text",
        "text is stored; else exit 1, names table, column and row; what was committed stays",
        deep_value,
        EVERY,
        ("F29",),
        short=(POSTGRES,),
    ),
]
