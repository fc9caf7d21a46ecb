"""G: a segment too long for one transaction of DuckDB, which is written to a copy of the file."""

from __future__ import annotations

import signal
from functools import partial

from tests.faults.disks import fill, small_disk
from tests.faults.extremes import connector, measured
from tests.faults.killing import PAGE_2_LOADED, STEPS, Calls, Step, interrupted, killed, killed_in
from tests.faults.matrix import DUCKDB, GOES_ON, LONG, Fault
from tests.faults.neighbours import ALONE, refused_from_another_machine
from tests.faults.shop import Shop

# So few rows that each page of the workload is a long segment, done partly again in the copy, partly there alone.
SHORTENED = {
    "headwater.destinations.duckdb:LONG_SEGMENT_ROWS": 8,
    "headwater.destinations.duckdb:COPY_TRANSACTION_ROWS": 4,
}

A_FILE = "headwater.destinations.duckdb_file:DatabaseFile"
COPIED = Step("the file is copied, nothing is done again in the copy", "after", f"{A_FILE}.move_to_copy", 2)

# In the order of the path. os.replace and sync_folder are called for state.json and the new file too.
COPYING = (
    COPIED,
    *STEPS[7:20],
    Step("the state is in the copy, the file is the old one", "before", f"{A_FILE}.replace_with_copy", 2),
    Step("the copy is closed, and has not the file's name", "before", "os:replace", 3),
    Step("the copy has the file's name, nobody knows", "after", "os:replace", 3),
    Step("the name is durable, nobody knows", "after", "headwater.destinations.duckdb_file:sync_folder", 3),
)

CALLS = (
    Calls("pwrite64", (15, 40), (DUCKDB,)),
    Calls("fdatasync,fsync", (12, 20), (DUCKDB,)),
    Calls("rename", (1, 2), (DUCKDB,)),
)

# What is free on the disk, in bytes, and what the sync then says.
ROOM = (
    ("for the copy", 700_000, "cannot be copied for a long segment"),
    ("for what is new in the copy", 1_500_000, "Make room on the disk"),
)


def require_no_copy(shop: Shop) -> None:
    assert [path.name for path in shop.files.iterdir() if ".copy-" in path.name] == []


def killed_in_the_copy(step: Step, shop: Shop) -> None:
    killed(step, shop, SHORTENED)
    require_no_copy(shop)


def interrupted_in_the_copy(step: Step, number: signal.Signals, shop: Shop) -> None:
    interrupted(step, (number,), shop, SHORTENED)
    require_no_copy(shop)


def disk_has_no_room(room: int, said: str, shop: Shop) -> None:
    """The disk has room for a checkpoint, and not for the file twice, or not for what is new in the copy."""
    with small_disk(shop.files, 16):
        shop.page(1)
        ballast = fill(shop.files)
        with ballast.open("r+b") as file:
            file.truncate(ballast.stat().st_size - room)
        run = shop.run(fault={"set": SHORTENED})
        run.require(1, "No space left on device", said)
        assert shop.require_one_checkpoint(run.acknowledged) == 1
        require_no_copy(shop)
        ballast.unlink()
        shop.require_undisturbed()


# --- ten million operations

CHUNK = 50_000
CHUNKS = 200 if LONG else 48
# What a connector has on Fivetran, in megabytes.
MOST_MEMORY = 1024

# Rows by the table and one by one, with and without a key, updates and deletes of rows that came before.
NEVER_CHECKPOINTS = f"""
import glob, time
import pyarrow as pa
if not state:
    op.upsert("keyed", {{"id": -1, "size": 0}})
    op.checkpoint({{"begun": True}})
for chunk in range({CHUNKS}):
    start = chunk * {CHUNK}
    ids = pa.array(range(start, start + 30_000))
    op.upsert("keyed", pa.table({{"id": ids, "size": ids}}))
    op.upsert("keyless", pa.table({{"number": pa.array(range(start, start + 15_000))}}))
    for id in range(start + 30_000, start + 33_000):
        op.upsert("keyed", {{"id": id, "size": id}})
    for id in range(start - {CHUNK}, start - {CHUNK} + 1_000):
        op.update("keyed", {{"id": id, "size": -1}})
    for id in range(start - {CHUNK} + 1_000, start - {CHUNK} + 2_000):
        op.delete("keyed", {{"id": id}})
    if configuration.get("killed") and chunk == {CHUNKS * 2 // 3}:
        while not glob.glob("files/.*.copy-*"):  # what is emitted waits to be loaded
            time.sleep(0.01)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
"""
KEYED = """
SELECT count(*), count(DISTINCT id), count(*) FILTER (size = -1), count(*) FILTER (_fivetran_deleted) FROM tester.keyed
"""
KEYLESS = "SELECT count(*), count(DISTINCT number) FROM tester.keyless"


def never_checkpoints(shop: Shop) -> None:
    connector(shop, NEVER_CHECKPOINTS, keyed=("keyed",))
    shop.configure(killed="yes")
    measured(shop, 128 + signal.SIGKILL, MOST_MEMORY)
    assert list(shop.files.glob(".*.copy-*"))
    assert shop.warehouse.state() == {"begun": True}
    assert shop.warehouse.query("SELECT id, size FROM tester.keyed") == [(-1, 0)]
    shop.configure()
    measured(shop, 0, MOST_MEMORY)
    require_no_copy(shop)
    touched = (CHUNKS - 1) * 1_000
    assert shop.warehouse.query(KEYED) == [(1 + CHUNKS * 33_000,) * 2 + (touched, touched)]
    assert shop.warehouse.query(KEYLESS) == [(CHUNKS * 15_000,) * 2]


FAULTS = [
    *(
        Fault(
            f"G{position}",
            f"kill -9: {step.name}",
            "the process kills itself there",
            GOES_ON,
            partial(killed_in_the_copy, step),
            (DUCKDB,),
            ("F1", "F3"),
            short=None if step not in STEPS else (DUCKDB,) if position % 5 == 0 else (),
        )
        for position, step in enumerate(COPYING, start=1)
    ),
    *(
        Fault(
            f"G{position}",
            f"{number.name}: {step.name}",
            "the process sends it to itself",
            f"exit {128 + number}; {GOES_ON}",
            partial(interrupted_in_the_copy, step, number),
            (DUCKDB,),
            ("F8",),
        )
        for position, (number, step) in enumerate(((signal.SIGTERM, COPIED), (signal.SIGINT, PAGE_2_LOADED)), start=31)
    ),
    *(
        Fault(
            f"G{position}",
            f"kill -9 in the Nth {calls.names.replace(',', ' or ')}",
            "strace",
            GOES_ON,
            partial(killed_in, calls, shortened=SHORTENED),
            calls.destinations,
            ("F2",),
        )
        for position, calls in enumerate(CALLS, start=41)
    ),
    *(
        Fault(
            f"G{number}",
            f"the disk has no room {what}",
            "a tmpfs of 16 MB, filled up",
            f"exit 1, says what to do, leaves no copy; {GOES_ON}",
            partial(disk_has_no_room, room, said),
            (DUCKDB,),
            ("F9",),
        )
        for number, (what, room, said) in enumerate(ROOM, start=51)
    ),
    Fault(
        "G53",
        "a second sync while the first writes to its copy",
        "another folder, a frozen first one",
        ALONE,
        partial(refused_from_another_machine, COPIED, shortened=SHORTENED),
        (DUCKDB,),
        ("F14",),
    ),
    Fault(
        "G61",
        "no checkpoint for 10 million operations; killed in the copy",
        "10 million, dicts and Arrow; 2.4 million in the short form",
        f"nothing of them, then all of them; less than {MOST_MEMORY:,} MB of memory",
        never_checkpoints,
        (DUCKDB,),
        ("F29", "F30"),
    ),
]
