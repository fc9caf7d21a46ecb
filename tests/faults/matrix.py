"""The fault matrix: every fault, how it is made, and what is expected; tests play it, and a page shows it."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

from tests.faults.shop import LONG as LONG
from tests.faults.shop import Shop

DUCKDB, POSTGRES, MEMORY = "duckdb", "postgres", "memory"
BOTH = (DUCKDB, POSTGRES)
EVERY = (DUCKDB, POSTGRES, MEMORY)

# It makes random moments come again.
SEED = int(os.environ.get("HEADWATER_SEED", random.randrange(10**6)))

# What holds after nearly every fault; the page says at its top what it means.
GOES_ON = "goes on"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the matrix.

    id            one letter for the kind, and a number
    what          what happens
    how           how it is made to happen
    expected      what must be there afterwards, written down before it was tried
    play          makes it happen to a project, and requires what is expected
    covers        rows of the lists of faults (F…) and attacks (A…, B…, D…, E…, S…) that it stands for
    short         the destinations for which the short form plays it; None for all
    """

    id: str
    what: str
    how: str
    expected: str
    play: Callable[[Shop], None]
    destinations: tuple[str, ...] = BOTH
    covers: tuple[str, ...] = ()
    short: tuple[str, ...] | None = None

    def played(self) -> tuple[str, ...]:
        """Name the destinations that it is played on now."""
        return self.destinations if LONG or self.short is None else self.short


def in_turn(number: int) -> tuple[str, ...]:
    """Give each of many rows that are alike one destination in the short form: the odd ones DuckDB."""
    return (DUCKDB if number % 2 else POSTGRES,)


def matrix() -> dict[str, Fault]:
    """Give all rows by id.

    Errors: ValueError when two have one id.
    """
    # Here, since each of them makes rows of the class above.
    from tests.faults import (
        attacks,
        authors,
        disks,
        drifts,
        extremes,
        files,
        formats,
        killing,
        long_segments,
        neighbours,
        servers,
    )

    parts = (killing, long_segments, authors, drifts, disks, files, formats, neighbours, servers, extremes, attacks)
    rows = list(chain.from_iterable(part.FAULTS for part in parts))
    found = {row.id: row for row in rows}
    if len(found) != len(rows):
        raise ValueError("two faults have one id")
    return found
