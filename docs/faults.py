"""The tables of the page on reliability: the rows of the fault matrix, and how often each was seen to hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.faults.elsewhere import ELSEWHERE
from tests.faults.matrix import EVERY, Fault, matrix
from tests.faults.results import Results, read_results

Table = Callable[[Sequence[str], Sequence[Sequence[str]]], str]

# By the letter of a row's id, in the order of the page.
KINDS = {
    "K": "Killed",
    "I": "Interrupted",
    "G": "A long segment, in a copy of the DuckDB file",
    "C": "The connector fails",
    "E": "The source changes its tables",
    "D": "The disk is full, or fails",
    "S": "The files beside the warehouse",
    "W": "The DuckDB file",
    "V": "Older and newer versions of headwater",
    "N": "Other syncs, the clock, the surroundings",
    "P": "The Postgres server, its operator, the network",
    "X": "More of everything",
    "A": "Names, values and files",
}


def fault_matrix(table: Table) -> str:
    """Write a heading and a table for each kind of fault."""
    results = read_results()
    rows = matrix().values()
    parts = []
    for letter, title in KINDS.items():
        of_kind = [row for row in rows if row.id[0] == letter]
        head = ["", "what happens", "made by", "what must be there afterwards", *EVERY]
        parts.append(f"### {title}\n\n{table(head, [_row(row, results) for row in of_kind])}")
    return "\n\n".join(parts)


def _row(row: Fault, results: Results) -> list[str]:
    seen = [_seen(row, kind, results) for kind in EVERY]
    covers = f" ({', '.join(row.covers)})" if row.covers else ""
    return [row.id, f"{row.what}{covers}", row.how, row.expected, *seen]


def _seen(row: Fault, kind: str, results: Results) -> str:
    if kind not in row.destinations:
        return "–"
    times = results.get(row.id, {}).get(kind, 0)
    return "not held" if not times else "held" if times == 1 else f"held {times} times"


def faults_elsewhere(table: Table) -> str:
    rows = [[row.id, row.what, ", ".join(map(_link, row.tests))] for row in ELSEWHERE]
    return table(["", "what must hold", "tests"], rows)


def _link(file: str) -> str:
    return f"[{file.rpartition('/')[2]}](../../{file})"


def counted() -> str:
    """Say how much was played."""
    rows = matrix().values()
    destinations = sum(len(row.destinations) for row in rows)
    trials = sum(sum(held.values()) for held in read_results().values())
    return f"{len(rows)} faults, {destinations} rows with their destinations, played {trials:,} times."
