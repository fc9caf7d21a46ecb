"""D: the disk is full or fails, below the database, below the copy of the state, below the history."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

from tests.faults.extremes import connector
from tests.faults.killing import strace
from tests.faults.matrix import DUCKDB, GOES_ON, LONG, Fault
from tests.faults.shop import Shop
from tests.faults.workload import PAGES


@dataclass(frozen=True, slots=True)
class Failure:
    """A system call that fails, from the `first` call on, in a sync that begins after page 1.

    path    below files/; None where the call is made on it alone
    code    how the sync ends: 0 when it goes on without what has failed
    report  whether the history still says how it ended
    """

    call: str
    error: Literal["ENOSPC", "EIO", "EROFS"]
    first: int
    path: str | None
    code: int
    said: str
    report: bool = True


FULL = "No space left on device"
FAILURES = {
    "the disk is full: the database's log": Failure("write", "ENOSPC", 4, "warehouse.db.wal", 1, FULL),
    "the disk fails: the database's log": Failure("fdatasync", "EIO", 2, "warehouse.db.wal", 1, "fsync failed"),
    "the disk is full: state.json": Failure("rename", "ENOSPC", 1, None, 0, "the state itself is committed"),
    "files/ is read-only: state.json": Failure("rename", "EROFS", 1, None, 0, "the state itself is committed"),
    "the disk is full: runs.db, when a sync begins": Failure(
        "pwrite64", "ENOSPC", 1, "runs.db", 1, "runs.db cannot be used"
    ),
    "the disk is full: runs.db, when a sync ends": Failure(
        "pwrite64", "ENOSPC", 5, "runs.db", 0, "runs.db cannot be used", report=False
    ),
}  # fmt: skip


def fails(failure: Failure, shop: Shop) -> None:
    shop.page(1)
    paths = (str(shop.files / failure.path),) if failure.path else ()
    inject = f"inject={failure.call}:error={failure.error}:when={failure.first}+"
    run = shop.run(prefix=strace(f"trace={failure.call}", inject, paths=paths))
    run.require(failure.code, failure.said)
    page = shop.require_one_checkpoint(run.acknowledged)
    assert page == PAGES or failure.code == 1
    if failure.report and run.acknowledged:
        assert shop.last_run() == ("failed" if failure.code else "succeeded")
    shop.require_undisturbed()


def read_fails(shop: Shop) -> None:
    """Every read of the database fails from the Nth on; N doubles, or in the long form takes each number."""
    shop.page(2)
    before = shutil.copytree(shop.files, shop.path / "before")
    for number in range(1, 1000) if LONG else (2**power for power in range(10)):
        inject = f"inject=pread64:error=EIO:when={number}+"
        run = shop.run(prefix=strace("trace=pread64", inject, paths=(str(shop.files / "warehouse.db"),)))
        if run.code == 0:
            break
        shop.trials += 1
        run.require(1, f"SYNC FAILED: {shop.files / 'warehouse.db'}", "Input/output error")
        assert shop.require_one_checkpoint(run.acknowledged) >= 2
        shop.require_undisturbed()
        shutil.rmtree(shop.files)
        shutil.copytree(before, shop.files)
    assert shop.trials > 1
    shop.require_complete()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a small file system over a folder."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill a disk to the last block with one file, which can be removed again."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    return ballast


def disk_is_full(shop: Shop) -> None:
    """All of files/ is on a disk without a free block."""
    with small_disk(shop.files, 8):
        shop.page(1)
        ballast = fill(shop.files)
        run = shop.run().require(1, "SYNC FAILED")
        assert "No space left on device" in run.out or "disk is full" in run.out, run.out
        assert "Traceback" not in run.out.partition("SYNC PROGRESS")[0], run.out
        assert shop.require_one_checkpoint(run.acknowledged) == 1
        ballast.unlink()
        shop.require_undisturbed()


def disk_fills_up(shop: Shop) -> None:
    """The disk has room for a checkpoint or two, and none for what comes then."""
    with small_disk(shop.files, 5):
        shop.page(1)
        shop.configure(lines="40000", pages="3")
        run = shop.run().require(1, "No space left on device", "Make room on the disk")
        shop.configure()
        assert shop.require_one_checkpoint(run.acknowledged) == 1
        shop.require_undisturbed()


# Rows of which a segment takes more than these megabytes of DuckDB's memory, and finds no other place.
SPILLING_MB, SPILLING_ROWS = 40, 400_000
SPILLS = f"""
import pyarrow as pa
numbers = pa.array(range({SPILLING_ROWS}))
for page in range(state.get("page", 0), 2):
    names = [f"{{os.urandom(8).hex() * 4}}{{number}}" if page else str(number) for number in range({SPILLING_ROWS})]
    op.upsert("keyed", pa.table({{"id": pa.array(names), "number": numbers, "page": pa.array([page] * len(numbers))}}))
    op.checkpoint({{"page": page + 1}})
"""


def spill_folder_is_full(shop: Shop) -> None:
    """Only where DuckDB keeps what its memory does not hold there is no room."""
    connector(shop, SPILLS, keyed=("keyed",))
    options = shop.path / "headwater.toml"
    options.write_text(f"memory_mb = {SPILLING_MB}\n{options.read_text()}")
    spill = shop.files / "warehouse.db.tmp"
    with small_disk(spill, 1):
        run = shop.run().require(1, f"SYNC FAILED: {spill}: the disk is full", "Make room there, or raise memory_mb")
        assert "1 checkpoint is committed" in run.out
        assert shop.warehouse.state() == {"page": 1}
        assert Counter(shop.warehouse.values("keyed", "page")) == {0: SPILLING_ROWS}
    shop.run().require(0, 'Previous state:\n{"page": 1}\n')
    assert Counter(shop.warehouse.values("keyed", "page")) == dict.fromkeys((0, 1), SPILLING_ROWS)


FAULTS = [
    *(
        Fault(
            f"D{number}",
            what,
            f"strace: {failure.call} gives {failure.error}",
            f"exit {failure.code}, said in one sentence; {GOES_ON}",
            partial(fails, failure),
            (DUCKDB,),
            ("F10",) if failure.error == "EIO" else ("F9",),
        )
        for number, (what, failure) in enumerate(FAILURES.items(), start=1)
    ),
    Fault(
        "D7",
        "the disk fails: a read of the database",
        "strace: pread64 gives EIO",
        f"exit 1, names the file; {GOES_ON}",
        read_fails,
        (DUCKDB,),
        ("F10",),
    ),
    Fault(
        "D11",
        "the disk is full: everything that a sync writes here",
        "a tmpfs of 8 MB, filled up",
        f"exit 1, no traceback; {GOES_ON}",
        disk_is_full,
        (DUCKDB,),
        ("F9",),
    ),
    Fault(
        "D12",
        "the disk fills up in a segment",
        "a tmpfs of 5 MB, 40,000 lines",
        f"exit 1; {GOES_ON}",
        disk_fills_up,
        (DUCKDB,),
        ("F9",),
    ),
    Fault(
        "D13",
        "the disk is full: the folder that DuckDB spills to",
        "a tmpfs of 1 MB there alone, 40 MB of memory",
        "exit 1, names the folder; what was committed stays; with room there, it goes on",
        spill_folder_is_full,
        (DUCKDB,),
        ("F9",),
    ),
]
