"""The destinations, and how one is opened by its URL."""

from __future__ import annotations

from headwater.destinations.abc import Destination
from headwater.errors import ConfigurationError
from headwater.options import Options
from headwater.project import Project

__all__ = ["Destination", "open_destination"]


def open_destination(options: Options, project: Project) -> Destination:
    """Make the destination that `options.destination` names; it is not opened yet.

    Errors: ConfigurationError for a URL of no known kind.
    """
    kind, _, rest = options.destination.partition(":")
    if kind == "duckdb" and rest:
        from headwater.destinations.duckdb import DuckDB

        path = project.path / rest.removeprefix("//")
        return DuckDB(path, connection=options.schema, memory=options.memory_mb * 1_000_000)
    if kind == "memory":
        from headwater.destinations.memory import MemoryDestination

        return MemoryDestination()
    raise ConfigurationError(
        f"destination: {options.destination!r} is of no known kind",
        hint="Use duckdb:PATH (relative to the project) or memory:.",
    )
