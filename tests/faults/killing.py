"""K: kill -9 at every step of the path, at random moments and in system calls. I: Ctrl-C and SIGTERM at each step."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from tests.faults.matrix import BOTH, DUCKDB, GOES_ON, LONG, MEMORY, POSTGRES, SEED, Fault, in_turn
from tests.faults.shop import Shop, ended, wait_for_line
from tests.faults.warehouses import DuckDBWarehouse
from tests.faults.workload import PAGES

_CLASSES = {DUCKDB: "headwater.destinations.duckdb:DuckDB", POSTGRES: "headwater.destinations.postgres:Postgres"}


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the path of a row; in `of`, DESTINATION stands for the destination's class."""

    name: str
    when: Literal["before", "after"]
    of: str
    call: int = 1
    table: str | None = None

    def fault(self, shop: Shop, *signals: signal.Signals) -> dict[str, Any]:
        kind = DUCKDB if isinstance(shop.warehouse, DuckDBWarehouse) else POSTGRES
        of = self.of.replace("DESTINATION", _CLASSES[kind])
        fault = {"of": of, "when": self.when, "call": self.call, "signals": [int(number) for number in signals]}
        return fault if self.table is None else fault | {"table": self.table}


def _loaded(table: str, kind: str) -> Step:
    return Step(f"{kind} loaded, their transaction open", "after", "DESTINATION.write", 2, table)


PAGE_2_LOADED = Step("everything is loaded, the state is not", "before", "DESTINATION.commit", 2)
PAGE_2_PRINTED = Step(
    "the checkpoint is printed, the author waits", "after", "headwater.cli.printer:Printer.committed", 2
)
A_TABLE_TRUNCATED = Step("a table is truncated", "after", "DESTINATION.truncate", 2)

# In the order of the path; where a page has them all, in page 2, so that there is a checkpoint to go back to.
STEPS = (
    Step("the destination is open, its epoch raised", "after", "DESTINATION.open"),
    Step("the sync is noted in runs.db", "after", "headwater.runs:Runs.start"),
    Step("the declared tables are made", "after", "headwater.load:Loader.create_declared"),
    Step("an operation is emitted", "after", "headwater.stream:Stream.delete", 3),
    Step("rows are typed", "after", "headwater.batch:Typist.operations", 12),
    Step("a batch is about to be queued", "before", "headwater.outbox:Outbox.put", 14),
    Step("a batch is taken from the queue", "after", "headwater.outbox:Outbox._take", 15),
    Step("a column is added", "after", "DESTINATION.alter_table", 2, "grown"),
    Step("a column is widened", "after", "DESTINATION.alter_table", 2, "promoted"),
    A_TABLE_TRUNCATED,
    _loaded("appended", "rows without a key are"),
    _loaded("upserted", "upserts are"),
    _loaded("updated", "updates are"),
    _loaded("deleted", "soft deletes are"),
    _loaded("removed", "deletes of a live table are"),
    _loaded("truncated", "rows after a truncate are"),
    _loaded("promoted", "rows of a wider type are"),
    _loaded("grown", "rows with a new column are"),
    _loaded("versions", "versions of a row are"),
    PAGE_2_LOADED,
    Step("the state is written, COMMIT is not sent", "before", "DESTINATION._end", 3),
    Step("the commit has taken place, nobody knows", "after", "DESTINATION._end", 3),
    Step("it is committed, state.json is of the page before", "before", "headwater.project_sync:write_whole", 2),
    Step("the copy is written, not yet named state.json", "before", "os:replace", 2),
    Step("state.json is there, nothing is printed", "after", "headwater.project_sync:write_whole", 2),
    PAGE_2_PRINTED,
    Step("all is done, the destination is open", "before", "DESTINATION.close"),
    Step("the destination is closed, runs.db says it runs", "before", "headwater.runs:Runs.end"),
    Step("runs.db says it succeeded", "after", "headwater.runs:Runs.end"),
)


# Where rows and state could come apart: each destination has its own way through them.
COMMITTING = [
    step for step in STEPS if step.name.endswith(("COMMIT is not sent", "nobody knows", "of the page before"))
]


def killed(step: Step, shop: Shop, shortened: Mapping[str, int] | None = None) -> None:
    """Kill at a step; `shortened` gives constants of the product other values."""
    run = shop.run(fault=step.fault(shop, signal.SIGKILL) | {"set": shortened or {}}).require(-signal.SIGKILL)
    shop.require_one_checkpoint(run.acknowledged)
    shop.require_undisturbed()


def interrupted(
    step: Step, numbers: tuple[signal.Signals, ...], shop: Shop, shortened: Mapping[str, int] | None = None
) -> None:
    """Send one signal or two; the first is answered by an orderly end, the second ends the process."""
    run = shop.run(fault=step.fault(shop, *numbers) | {"set": shortened or {}})
    run.require({128 + numbers[0]} if len(numbers) == 1 else {128 + numbers[0], -numbers[1]})
    if len(numbers) == 1:
        run.require(128 + numbers[0], "Sync INTERRUPTED")
    shop.require_one_checkpoint(run.acknowledged)
    shop.require_undisturbed()


def killed_at_random(shop: Shop) -> None:
    """Kill syncs of one project, each going on from the one before, at moments that the seed chooses."""
    print(f"HEADWATER_SEED={SEED}")
    moments = random.Random(SEED)
    reached = 0
    for _ in range(LONG or 4):
        with shop.start() as process:
            wait_for_line(process, "Version:")
            time.sleep(moments.uniform(0.0, 0.6))
            process.kill()
            run = ended(process)
        shop.trials += 1
        reached = shop.require_one_checkpoint(max(reached, run.acknowledged))
        if reached == PAGES:
            shop.require_undisturbed()
            shop.start_over()
            reached = 0
    shop.require_undisturbed()


# --- in system calls


@dataclass(frozen=True, slots=True)
class Calls:
    """The system calls of one kind that a sync makes; `first` are the ones that the short form tries."""

    names: str
    first: tuple[int, ...]
    destinations: tuple[str, ...] = BOTH


CALLS = (
    Calls("pwrite64", (1, 3, 30), (DUCKDB,)),
    Calls("fdatasync,fsync", (4, 9), (DUCKDB,)),
    Calls("rename", (1,), (DUCKDB,)),
    Calls("write", (6,), (DUCKDB,)),
    Calls("sendto", (40, 110), (POSTGRES,)),
    Calls("rename", (2,), (POSTGRES,)),
)


def killed_in(calls: Calls, shop: Shop, shortened: Mapping[str, int] | None = None) -> None:
    """Kill at the Nth call, of whichever thread comes to it first; the long form tries each N, until none comes."""
    for number in range(1, LONG + 1) if LONG else calls.first:
        inject = f"inject={calls.names}:signal=SIGKILL:when={number}"
        run = shop.run(prefix=strace(f"trace={calls.names}", inject), fault={"set": shortened or {}})
        if run.code == 0 and LONG:
            break
        run.require({-signal.SIGKILL, 128 + signal.SIGKILL})
        shop.trials += 1
        shop.require_one_checkpoint(run.acknowledged)
        shop.require_undisturbed()
        shop.start_over()


def strace(*expressions: str, paths: tuple[str, ...] = ()) -> list[str]:
    """Give the command that injects faults into the system calls of another."""
    chosen = [word for expression in expressions for word in ("-e", expression)]
    return ["strace", "-f", "-qq", "-o", "/dev/null", *chosen, *(word for path in paths for word in ("-P", path))]


def _in_memory(shop: Shop) -> None:
    """What is in memory is gone, and so is its state."""
    flags = ("--destination", "memory:")
    run = shop.run(*flags, fault=PAGE_2_PRINTED.fault(shop, signal.SIGKILL)).require(-signal.SIGKILL)
    assert run.acknowledged == 2
    assert not shop.state_copy.exists()
    shop.run(*flags).require(0, "Previous state:\n{}\n", 'Checkpoint: {"page": 4}')


def interrupted_either_way(first: signal.Signals, step: Step, shop: Shop) -> None:
    """Interrupt by one signal; in the long form, start over and interrupt by the other too."""
    other = signal.SIGTERM if first == signal.SIGINT else signal.SIGINT
    for number in (first, other) if LONG else (first,):
        interrupted(step, (number,), shop)
        shop.trials += 1
        shop.start_over()


def _interruptions() -> Iterator[Fault]:
    """Give Ctrl-C and SIGTERM at every step; the short form plays one of them, at every fifth."""
    for position, step in enumerate(STEPS[2:-3], start=1):
        yield Fault(
            f"I{position}",
            f"Ctrl-C, and SIGTERM: {step.name}",
            "the process sends it to itself",
            f"exit 130, and 143; {GOES_ON}",
            partial(interrupted_either_way, (signal.SIGINT, signal.SIGTERM)[position % 2], step),
            covers=("F8",),
            short=in_turn(position) if position % 5 == 2 else (),
        )


FAULTS = [
    *(
        Fault(
            f"K{position}",
            f"kill -9: {step.name}",
            "the process kills itself there",
            GOES_ON,
            partial(killed, step),
            covers=("F1", "F3"),
            short=None if step in COMMITTING else in_turn(position) if position % 4 < 2 else (),
        )
        for position, step in enumerate(STEPS, start=1)
    ),
    Fault(
        "K50",
        "kill -9 at random moments, again and again",
        "a seed that the test prints",
        GOES_ON,
        killed_at_random,
        covers=("F1", "F28"),
    ),
    *(
        Fault(
            f"K{position}",
            f"kill -9 in the Nth {calls.names.replace(',', ' or ')}",
            "strace",
            GOES_ON,
            partial(killed_in, calls),
            calls.destinations,
            covers=("F2", "F13"),
        )
        for position, calls in enumerate(CALLS, start=51)
    ),
    Fault(
        "K60",
        "kill -9 of a sync into memory",
        "the process kills itself",
        "nothing; the next sync starts from nothing",
        _in_memory,
        (MEMORY,),
        covers=("F1",),
    ),
    *_interruptions(),
    Fault(
        "I90",
        "Ctrl-C twice: a table is truncated",
        "the process sends it to itself",
        f"the second ends it at once; {GOES_ON}",
        partial(interrupted, A_TABLE_TRUNCATED, (signal.SIGINT, signal.SIGINT)),
        covers=("F8",),
    ),
]
