"""The destinations, and how one is opened by its URL."""

from __future__ import annotations

from pathlib import Path

from headwater.destinations.abc import Destination
from headwater.errors import ConfigurationError

__all__ = ["Destination", "open_destination"]


def open_destination(url: str, *, folder: Path, connection: str, memory_mb: int) -> Destination:
    """Make the destination that `url` names; it is not opened yet.

    folder      what a relative path in the URL starts from
    connection  whose state is kept there
    memory_mb   what the destination may use while it merges

    Errors: ConfigurationError for a URL of no known kind.
    """
    kind, _, rest = url.partition(":")
    if kind == "duckdb" and rest:
        from headwater.destinations.duckdb import DuckDB

        return DuckDB(folder / rest.removeprefix("//"), connection=connection, memory=memory_mb * 1_000_000)
    if kind in ("postgresql", "postgres"):
        from headwater.destinations.postgres import Postgres

        return Postgres(url, connection=connection)
    if kind == "memory":
        from headwater.destinations.memory import MemoryDestination

        return MemoryDestination(connection)
    raise ConfigurationError(
        f"destination: {url!r} is of no known kind",
        hint="Use duckdb:PATH (relative to the project), postgresql://USER@HOST/DATABASE or memory:.",
    )
