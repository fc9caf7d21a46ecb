"""What to do about what goes wrong, in the words of the command that it goes wrong in.

A project has headwater.toml, a connector that can be edited and `headwater debug`. Whoever runs another command over
the same engine has other ways, and is told of those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remedies:
    """One sentence, or its end, for each thing that has a way out of its own in each command; here those of a project.

    all_rows           how rows come back that are gone from the destination; the end of a sentence
    spill_folder_full  the beginning of a sentence
    """

    all_rows: str = "with --full-resync"
    loaded_otherwise: str = (
        "Go back to the old one, or start over: `headwater reset`, or `headwater debug --full-resync`."
    )
    name_not_taken: str = "Rename it in the connector, or use the naming FIVETRAN."
    names_collide: str = "Rename one in the connector, or use the naming FIVETRAN."
    no_such_path: str = 'Rename the folder, or name a file elsewhere in headwater.toml: destination = "duckdb:/…".'
    out_of_memory: str = "Checkpoint more often, or raise memory_mb in headwater.toml."
    spill_folder_full: str = "Make room there, or raise memory_mb in headwater.toml"
    too_wide: str = "block columns in headwater.toml, or send some of them as one JSON column; hash a long key."


_remedies = Remedies()


def remedies() -> Remedies:
    """Give the ways out of the command that runs."""
    return _remedies


@contextmanager
def speaking(others: Remedies) -> Iterator[None]:
    """Let errors of every thread name these ways out, until the end of the block."""
    global _remedies
    before, _remedies = _remedies, others
    try:
        yield
    finally:
        _remedies = before
