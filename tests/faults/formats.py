"""V: what headwater keeps for itself is of a newer headwater, or from before its formats had numbers."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing

import duckdb

from tests.faults.files import REFUSED
from tests.faults.killing import Step, strace
from tests.faults.matrix import BOTH, DUCKDB, GOES_ON, Fault
from tests.faults.shop import Shop
from tests.faults.warehouses import PostgresWarehouse

NEWER = "is of a newer headwater: format 2, and this one knows up to 1"
FORMAT = "SELECT version FROM _headwater.format"
NAMES_NO_FORMAT = "DROP TABLE _headwater.format"


def execute(shop: Shop, sql: str) -> None:
    """Change what is in the destination, past headwater."""
    if isinstance(shop.warehouse, PostgresWarehouse):
        shop.warehouse.driver.execute(sql)
        return
    with duckdb.connect(str(shop.files / "warehouse.db")) as db:
        db.execute(sql)


def history_format(shop: Shop, version: int | None = None) -> int:
    """Give the format of runs.db, after changing it where one is given."""
    with closing(sqlite3.connect(shop.files / "runs.db")) as db, db:
        if version is not None:
            db.execute(f"PRAGMA user_version = {version}")
        [(found,)] = db.execute("PRAGMA user_version").fetchall()
    return int(found)


def own_tables_are_newer(shop: Shop) -> None:
    shop.page(1)
    execute(shop, "UPDATE _headwater.format SET version = 2")
    before = shop.warehouse.query("SELECT * FROM _headwater.state")
    shop.run().require(1, NEWER, "Nothing was changed", "upgrade this one")
    shop.run("--full-resync").require(1, NEWER)
    assert shop.warehouse.query("SELECT * FROM _headwater.state") == before
    assert shop.require_one_checkpoint() == 1
    execute(shop, "UPDATE _headwater.format SET version = 1")
    shop.require_undisturbed()


def history_is_newer(shop: Shop) -> None:
    shop.page(1)
    history_format(shop, 2)
    shop.run().require(1, f"runs.db {NEWER}", "Nothing was changed", "upgrade this one")
    assert shop.require_one_checkpoint() == 1
    assert history_format(shop, 1) == 1
    shop.require_undisturbed()


def formats_are_missing(shop: Shop) -> None:
    """The first headwater wrote no numbers: what it left is of format 1."""
    shop.page(2)
    execute(shop, NAMES_NO_FORMAT)
    history_format(shop, 0)
    shop.require_undisturbed()
    require_first_format(shop)


def require_first_format(shop: Shop) -> None:
    assert shop.warehouse.query(FORMAT) == [(1,)]
    assert history_format(shop) == 1


def killed_while_format_is_written(shop: Shop) -> None:
    """Kill before and after the transaction that writes it down, and in its system calls."""
    if isinstance(shop.warehouse, PostgresWarehouse):
        for when in ("before", "after"):
            start_without_formats(shop)
            step = Step("the format is written", when, "DESTINATION._end")
            killed(shop, fault=step.fault(shop, signal.SIGKILL))
        return
    for path, call, first in (
        ("warehouse.db.wal", "write", 1),
        ("warehouse.db.wal", "write", 2),
        ("runs.db", "pwrite64", 1),
        ("runs.db", "pwrite64", 2),
    ):
        start_without_formats(shop)
        inject = f"inject={call}:signal=SIGKILL:when={first}"
        killed(shop, prefix=strace(f"trace={call}", inject, paths=(str(shop.files / path),)))


def start_without_formats(shop: Shop) -> None:
    shop.start_over()
    shop.page(1)
    execute(shop, NAMES_NO_FORMAT)
    history_format(shop, 0)


def killed(shop: Shop, **how: object) -> None:
    run = shop.run(**how).require({-signal.SIGKILL, 128 + signal.SIGKILL})
    shop.trials += 1
    assert shop.require_one_checkpoint(run.acknowledged) == 1
    shop.require_undisturbed()
    require_first_format(shop)


FAULTS = [
    Fault(
        "V1",
        "headwater's own tables are of a newer headwater",
        "their number raised",
        REFUSED,
        own_tables_are_newer,
        covers=("F33",),
    ),
    Fault(
        "V2",
        "runs.db is of a newer headwater",
        "its number raised",
        REFUSED,
        history_is_newer,
        (DUCKDB,),
        ("F33",),
    ),
    Fault(
        "V3",
        "they are from before there were numbers",
        "the numbers removed",
        f"{GOES_ON}; the numbers are there then",
        formats_are_missing,
        covers=("F33",),
    ),
    Fault(
        "V4",
        "kill -9 while the number is written where there was none",
        "the process kills itself; strace",
        f"{GOES_ON}; the numbers are there then",
        killed_while_format_is_written,
        BOTH,
        ("F33",),
    ),
]
