"""C: what the author's code does wrong: it raises, ends the process, never returns, or checkpoints what is no state."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from functools import partial

from tests.faults.matrix import BOTH, DUCKDB, EVERY, GOES_ON, MEMORY, Fault, in_turn
from tests.faults.shop import Shop, ended, wait_for_line
from tests.faults.workload import PAGES


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What the connector does, when, and how the sync then ends.

    page  the last checkpoint that is committed
    """

    way: str
    moment: str
    page: int
    code: int
    said: str
    covers: tuple[str, ...] = ()


RAISES = (
    Misbehaviour("raise", "before page 1", 0, 1, "ValueError: the source has gone away", ("F4",)),
    Misbehaviour("raise", "before checkpoint 1", 0, 1, "ValueError: the source has gone away", ("F4",)),
    Misbehaviour("raise", "before page 3", 2, 1, "ValueError: the source has gone away", ("F4",)),
    Misbehaviour("raise", "before checkpoint 4", 3, 1, "ValueError: the source has gone away", ("F5",)),
    Misbehaviour("raise", "after checkpoint 4", 4, 1, "ValueError: the source has gone away", ("F5",)),
)
ENDS = (
    Misbehaviour("sys.exit", "before checkpoint 2", 1, 1, "the connector called sys.exit(0)"),
    Misbehaviour("os._exit", "before checkpoint 2", 1, 3, 'Checkpoint: {"page": 1}', ("F6",)),
    Misbehaviour("crash", "before checkpoint 2", 1, -signal.SIGSEGV, 'Checkpoint: {"page": 1}', ("F6",)),
    Misbehaviour("out of memory", "before checkpoint 2", 1, 1, "SYNC FAILED: MemoryError", ("F6",)),
)
# The state is refused before anything is sent: one destination stands for all.
STATES = (
    Misbehaviour("a state that is a list", "before checkpoint 2", 1, 1, "must be a dict, not list", ("F12",)),
    Misbehaviour("a state that is JSON text", "before checkpoint 2", 1, 1, "must be a dict, not str", ("F12",)),
    Misbehaviour("a state with a set", "before checkpoint 2", 1, 1, "set is not JSON serializable", ("F12",)),
    Misbehaviour("a state of 11 MB", "before checkpoint 2", 1, 1, "at most 10,000,000 are allowed", ("F12",)),
    Misbehaviour("a state of 10,000 levels", "before checkpoint 2", 1, 1, "at most 500 levels are allowed", ("F12",)),
    Misbehaviour("a state of 20 MB", "before checkpoint 2", 1, 1, "at most 10,000,000 are allowed", ("F12",)),
)


def misbehaves(how: Misbehaviour, shop: Shop) -> None:
    shop.configure(way=how.way, moment=how.moment)
    run = shop.run().require(how.code, how.said)
    assert shop.require_one_checkpoint(run.acknowledged) == how.page
    shop.configure()
    shop.require_undisturbed()


def never_returns(shop: Shop) -> None:
    shop.configure(way="hang", moment="before checkpoint 2")
    with shop.start() as process:
        wait_for_line(process, "hanging")
        process.send_signal(signal.SIGINT)
        ended(process).require(130, "Sync INTERRUPTED: 1 checkpoint is committed")
    assert shop.require_one_checkpoint() == 1
    shop.configure()
    shop.require_undisturbed()


def never_ends(shop: Shop) -> None:
    """A source without end is left at a checkpoint."""
    shop.configure(pages="1000000")
    run = shop.run("--max-seconds", "0").require(0, "Sync SUCCEEDED")
    assert shop.require_one_checkpoint(run.acknowledged) == 1
    shop.configure()
    shop.require_undisturbed()


def full_resync_fails(moment: str, shop: Shop) -> None:
    """What is there stays: nothing is emptied before the new rows have come (airbyte #13312)."""
    shop.page(PAGES)
    shop.configure(way="raise", moment=moment)
    shop.run("--full-resync").require(1, "ValueError: the source has gone away")
    assert shop.require_one_checkpoint() == PAGES
    shop.configure()
    shop.require_undisturbed()


def emits_late(shop: Shop) -> None:
    shop.configure(way="late", moment="after checkpoint 4")
    shop.run().require(0, "Sync SUCCEEDED")
    tables = {name: found for name, found in shop.warehouse.tables().items() if name != "late"}
    assert tables == shop.undisturbed[-1]


def _fault(id: str, how: Misbehaviour, destinations: tuple[str, ...], short: tuple[str, ...] | None = None) -> Fault:
    kind = "the connector checkpoints " if how in STATES else "the connector: "
    ending = f"killed by signal {-how.code}" if how.code < 0 else f"exit {how.code}"
    return Fault(
        id,
        f"{kind}{how.way}, {how.moment} of 4",
        "connector.py",
        f"{ending}; {GOES_ON}",
        partial(misbehaves, how),
        destinations,
        how.covers,
        short,
    )


FAULTS = [
    *(_fault(f"C{number}", how, EVERY, (*in_turn(number), MEMORY)) for number, how in enumerate(RAISES, start=1)),
    # What ends the process ends what is in its memory.
    *(
        _fault(f"C{number}", how, EVERY if how.way == "sys.exit" else BOTH, in_turn(number))
        for number, how in enumerate(ENDS, start=11)
    ),
    *(
        _fault(f"C{number}", how, (DUCKDB, MEMORY), (DUCKDB, MEMORY) if number % 3 == 0 else (MEMORY,))
        for number, how in enumerate(STATES, start=21)
    ),
    *(
        Fault(
            f"C{number}",
            f"the connector: raise, {moment} of a full resync",
            "connector.py, --full-resync",
            "exit 1; every row stays, and the state",
            partial(full_resync_fails, moment),
            EVERY,
            ("F4",),
            (*in_turn(number), MEMORY),
        )
        for number, moment in enumerate(("before page 1", "before checkpoint 1"), start=15)
    ),
    Fault(
        "C31",
        "the connector never returns",
        "connector.py; then Ctrl-C",
        f"exit 130; {GOES_ON}",
        never_returns,
        BOTH[:1],
        ("F7", "F8"),
    ),
    Fault(
        "C32",
        "the source never ends",
        "connector.py; --max-seconds",
        "ends well at the next checkpoint",
        never_ends,
        (DUCKDB, MEMORY),
        ("F7",),
    ),
    Fault(
        "C33",
        "a thread emits after update() has returned",
        "connector.py",
        "the operations are refused, in the thread that emits; the sync ends well",
        emits_late,
        (DUCKDB, MEMORY),
    ),
]
