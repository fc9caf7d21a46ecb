"""Versions of streams: since when the rows of each stream's newest version come.

A tap that sends a whole table anew gives its records a version, and ends with ACTIVATE_VERSION: every row
of an earlier version is then to be deleted. The moment at which a version began is kept in the state, in the
commit of its rows, so that a version whose records come in two runs keeps those of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any


class Versions:
    """What is known of each stream's version.

    known  as `as_state` wrote it
    """

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known: dict[str, tuple[int, datetime]] = {
            stream: (entry["version"], datetime.fromisoformat(entry["since"])) for stream, entry in known.items()
        }

    def since(self, stream: str, version: int, begin: Callable[[], datetime]) -> datetime:
        """Give the moment at which the version's rows began to come; `begin` gives that of a new one."""
        known = self._known.get(stream)
        if known is None or known[0] != version:
            known = self._known[stream] = (version, begin())
        return known[1]

    def as_state(self) -> dict[str, Any]:
        return {
            stream: {"version": version, "since": since.isoformat()} for stream, (version, since) in self._known.items()
        }
