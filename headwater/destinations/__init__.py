"""The destinations: the built-in ones, those that other packages bring, and how one is opened by its URL."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from headwater.destinations.abc import Destination, Settings
from headwater.errors import ConfigurationError

__all__ = ["ENTRY_POINTS", "Destination", "DestinationFactory", "Settings", "open_destination"]

# The group under which a package names its destinations: the scheme of the URL, and what makes one of it.
ENTRY_POINTS = "headwater.destinations"

_BUILT_IN = tuple(
    EntryPoint(scheme, f"headwater.destinations.{module}:from_url", ENTRY_POINTS)
    for scheme, module in {
        "duckdb": "duckdb",
        "memory": "memory",
        "postgres": "postgres",
        "postgresql": "postgres",
    }.items()
)


class DestinationFactory(Protocol):
    """What an entry point leads to."""

    def __call__(self, url: str, settings: Settings) -> Destination:
        """Make the destination that `url` names; it is not opened yet, nor is anything made or reached.

        Errors: ConfigurationError for a URL that cannot be read.
        """


def open_destination(url: str, *, folder: Path, connection: str, memory_mb: int, run: str | None = None) -> Destination:
    """Make the destination that `url` names; it is not opened yet. The rest: see `Settings`.

    run  left out, a run of its own, which takes nothing over from another

    Errors: ConfigurationError for a URL of no known kind, or one that its destination cannot read.
    """
    scheme = url.partition(":")[0]
    factory = _factory(scheme)
    return factory(url, Settings(folder, connection, memory_mb, run or uuid4().hex))


def _factory(scheme: str) -> DestinationFactory:
    installed = [*_BUILT_IN, *entry_points(group=ENTRY_POINTS)]
    found = [point for point in installed if point.name == scheme]
    if not found:
        known = ", ".join(sorted({f"{point.name}:" for point in installed}))
        raise ConfigurationError(
            f"destination: {scheme + ':'!r} is of no known kind",
            hint=f"Installed are {known}. Use duckdb:PATH (relative to the project), postgresql://USER@HOST/DATABASE "
            "or memory:, or install the package that brings this kind.",
        )
    if len({point.value for point in found}) > 1:
        raise ConfigurationError(
            f"destination: {scheme}: is brought by several packages: {', '.join(map(_origin, found))}",
            hint="Uninstall all but one.",
        )
    try:
        factory: DestinationFactory = found[0].load()
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"destination: {scheme}: cannot be loaded from {_origin(found[0])}: {error}",
            hint="Install it again, in a version that fits this headwater.",
        ) from error
    return factory


def _origin(point: EntryPoint) -> str:
    """Name the package that an entry point comes from, and what it leads to."""
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "headwater"
    return f"{package} ({point.value})"
