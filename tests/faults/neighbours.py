"""N: other syncs of the same connection, frozen ones, the clock, and the surroundings a sync finds itself in."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from headwater import Connector
from headwater import Operations as op
from headwater.destinations.memory import MemoryDestination
from headwater.errors import Fenced
from headwater.options import read_options
from headwater.testing.run import run_connector
from tests.contract.postgres_driver import LOADER
from tests.faults import workload
from tests.faults.killing import PAGE_2_LOADED, PAGE_2_PRINTED, Step
from tests.faults.matrix import DUCKDB, GOES_ON, MEMORY, POSTGRES, Fault
from tests.faults.memory_shop import MemoryWarehouse
from tests.faults.shop import Ended, Shop, ended, wait_until_stopped
from tests.faults.warehouses import PostgresWarehouse


@contextmanager
def frozen(
    shop: Shop, step: Step, shortened: Mapping[str, int] | None = None, **how: Any
) -> Iterator[Callable[[], Ended]]:
    """Start a sync that freezes at a step; what is given thaws it, and waits for its end."""
    with shop.start(fault=step.fault(shop, signal.SIGSTOP) | {"set": shortened or {}}, **how) as process:

        def thaw() -> Ended:
            process.send_signal(signal.SIGCONT)
            return ended(process)

        try:
            wait_until_stopped(process)
            yield thaw
        finally:
            process.kill()


def refused_in_the_same_project(shop: Shop) -> None:
    with frozen(shop, PAGE_2_LOADED) as thaw:
        shop.run().require(1, "another sync of this project is running (pid ", "Wait for it, or end it")
        thaw().require(0)
    shop.require_complete()


def refused_from_another_machine(step: Step, shop: Shop, shortened: Mapping[str, int] | None = None) -> None:
    """Another folder has another lock: the destination itself must keep the second out."""
    other = shop.another()
    said = "another sync of the connection" if isinstance(shop.warehouse, PostgresWarehouse) else "is open elsewhere"
    with frozen(shop, step, shortened) as thaw:
        other.run().require(1, said)
        thaw().require(0)
    shop.require_complete()


def zombie(step: Step, shop: Shop, mutant: str | None = None) -> None:
    """Freeze a sync, end its session, let a successor load a page, thaw it: it may change nothing any more."""
    fault = {"mutant": mutant} if mutant else {}
    successor = shop.another()
    for each in (shop, successor):
        each.configure(pages="3")
    with shop.start(fault=step.fault(shop, signal.SIGSTOP) | fault) as process:
        try:
            wait_until_stopped(process)
            end_session(shop)
            successor.run().require(0)
            process.send_signal(signal.SIGCONT)
            thawed = ended(process)
        finally:
            process.kill()
    print(thawed.out)
    successor.require_one_checkpoint(acknowledged=3)
    thawed.require(1, "SYNC FAILED")
    successor.configure()
    successor.require_undisturbed()


def succeeded_in_memory(shop: Shop) -> None:
    """Open a second destination on what is in memory while a sync emits: the first may change nothing any more."""
    shop.page(1)
    assert isinstance(shop.warehouse, MemoryWarehouse)
    assert shop.warehouse.last is not None
    warehouse = shop.warehouse.last.warehouse

    def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
        workload.emit(1, 3)
        MemoryDestination(warehouse=warehouse).open()
        workload.emit(2, 3)
        op.checkpoint({"page": 3})

    connector = Connector(update, schema=workload.schema)
    run = run_connector(connector, after=shop.warehouse.last, options=read_options(shop.path))
    assert isinstance(run.result.error, Fenced)
    assert shop.require_one_checkpoint(acknowledged=1) == 1
    shop.require_undisturbed()


def end_session(shop: Shop) -> None:
    """Do what an operator does who knows that a sync is lost."""
    assert isinstance(shop.warehouse, PostgresWarehouse)
    shop.warehouse.driver.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{LOADER}'")


# --- the clock

STAMPS = "SELECT page, min(_fivetran_synced), max(_fivetran_synced) FROM tester.appended GROUP BY page ORDER BY page"
VERSIONS = "SELECT _fivetran_start, _fivetran_end FROM tester.versions ORDER BY page"


def require_time_goes_on(shop: Shop) -> None:
    """Require that no page is stamped earlier than one before it, and no version begins before the last one ended."""
    shop.require_complete()
    stamps = [time for _, *times in shop.warehouse.query(STAMPS) for time in times]
    versions = shop.warehouse.query(VERSIONS)
    assert stamps == sorted(stamps)
    # Ends are inclusive: a version may live for one millisecond.
    assert all(start <= end for start, end in versions)
    assert all(earlier[1] < later[0] for earlier, later in pairwise(versions))


def clock_goes_back_between_syncs(shop: Shop) -> None:
    shop.page(2)
    shop.run(prefix=("faketime", "-f", "-1d"), environment=_FAKETIME).require(0)
    require_time_goes_on(shop)


def clock_goes_back_in_a_sync(shop: Shop) -> None:
    clock = shop.write("clock", "+0")
    environment = {
        **_FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_NO_CACHE": "1",
        "LD_PRELOAD": "/usr/$LIB/faketime/libfaketime.so.1",
    }  # fmt: skip
    with frozen(shop, PAGE_2_PRINTED, environment=environment) as thaw:
        clock.write_text("-1d")
        thaw().require(0)
    require_time_goes_on(shop)


# What waits must not wait for a day: only the time of day is wrong.
_FAKETIME = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}

# --- the surroundings

SURROUNDINGS: dict[str, dict[str, str]] = {
    "a time zone with summer time": {"TZ": "America/New_York"},
    "a locale with other capitals": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "a locale that knows only ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "no home, and a umask of 077": {"HOME": "/nonexistent"},
}


def surrounded_by(what: str, shop: Shop) -> None:
    prefix = ("sh", "-c", 'umask 077; exec "$@"', "sh") if "umask" in what else ()
    shop.run(prefix=prefix, environment=SURROUNDINGS[what]).require(0)
    shop.require_complete()
    if prefix:
        shared = [path.name for path in shop.files.iterdir() if path.stat().st_mode & 0o077]
        assert shared == []


# Another user, who may read everything, as the interpreter may lie in root's home; and write only what is theirs.
ANOTHER_USER = (
    "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
    "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search", "--bounding-set=-all,+dac_read_search",
)  # fmt: skip


def another_user(shop: Shop) -> None:
    """A user who is not root syncs in a folder of their own."""
    require_root()
    for path in (shop.path, *shop.path.rglob("*")):
        os.chown(path, 65534, 65534)
    shop.run(prefix=ANOTHER_USER, environment={"HOME": str(shop.path)}).require(0)
    assert {path.stat().st_uid for path in shop.files.rglob("*")} == {65534}
    shop.require_complete()


def folder_is_closed(shop: Shop) -> None:
    """The project is another's: a sync cannot keep anything there, and says so."""
    require_root()
    run = shop.run(prefix=ANOTHER_USER, environment={"HOME": str(shop.path)})
    run.require(1, f"SYNC FAILED: {shop.files} cannot be used: Permission denied", "let this user write to it")
    assert "Traceback" not in run.out, run.out
    assert not shop.files.exists()
    shop.require_undisturbed()


def require_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may become another user of the machine")


def at_once(shop: Shop) -> None:
    """Start four syncs of one project in the same moment: one does it all."""
    processes = [shop.start() for _ in range(4)]
    runs = [ended(process) for process in processes]
    done = [run for run in runs if run.code == 0]
    assert done, runs[0].out
    for run in runs:
        run.require({0} if run in done else {1}, "SUCCEEDED" if run in done else "is running (")
    shop.require_complete()


ALONE = "the second is refused with exit 1; the first ends as if it had been alone"

FAULTS = [
    Fault(
        "N1", "a second sync of the project", "a frozen first one", ALONE, refused_in_the_same_project, covers=("F14",)
    ),
    Fault(
        "N2",
        "a second sync of the connection from another machine",
        "another folder, a frozen first one",
        ALONE,
        partial(refused_from_another_machine, PAGE_2_LOADED),
        covers=("F14",),
    ),
    Fault(
        "N3",
        "four syncs of one project in the same moment",
        "four processes",
        "each row once; who comes too early is refused",
        at_once,
        covers=("F14",),
    ),
    Fault(
        "N4",
        "a frozen sync thaws after its successor: between two checkpoints",
        "SIGSTOP, its session ended, SIGCONT",
        "exit 1; nothing of it is stored",
        partial(zombie, PAGE_2_PRINTED),
        (POSTGRES,),
        ("F15",),
    ),
    Fault(
        "N5",
        "a frozen sync thaws after its successor: before its commit",
        "SIGSTOP, its session ended, SIGCONT",
        "exit 1; nothing of it is stored",
        partial(zombie, PAGE_2_LOADED),
        (POSTGRES,),
        ("F15",),
    ),
    Fault(
        "N14",
        "a sync goes on after its successor has begun, in memory",
        "a second destination on the same tables",
        "it fails; nothing of it is stored",
        succeeded_in_memory,
        (MEMORY,),
        ("F15",),
    ),
    Fault(
        "N6",
        "the clock goes back a day between two syncs",
        "faketime",
        "all rows; no stamp and no version is earlier than one before it",
        clock_goes_back_between_syncs,
        covers=("F16",),
    ),
    Fault(
        "N7",
        "the clock goes back a day in a sync",
        "faketime",
        "all rows; no stamp and no version is earlier than one before it",
        clock_goes_back_in_a_sync,
        covers=("F16",),
    ),
    *(
        Fault(
            f"N{number}",
            f"a sync finds itself in {what}",
            "environment variables",
            "the same tables, byte for byte",
            partial(surrounded_by, what),
            (DUCKDB,),
            ("F36",),
            short=(DUCKDB,) if number % 2 else (),
        )
        for number, what in enumerate(SURROUNDINGS, start=8)
    ),
    Fault(
        "N12",
        "a user who is not root syncs",
        "the user nobody",
        "the same tables; the files are theirs",
        another_user,
        (DUCKDB,),
        ("F36",),
    ),
    Fault(
        "N13",
        "the project's folder is read-only",
        "the user nobody in a folder of root",
        f"exit 1, says which folder and what to do; {GOES_ON}",
        folder_is_closed,
        (DUCKDB,),
        ("F36",),
    ),
]
