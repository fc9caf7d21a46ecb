"""How much memory this process holds, and the most a local run may (rule E-07)."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from headwater.errors import ConnectorError

# What fivetran-connector-sdk 2.13.1 allows a local run, and what Fivetran gives a connector (rule C-08).
LIMIT_MB = 4096 * 1.048576
FIVETRAN_MB = 1024 * 1.048576


def memory_mb() -> float:
    """Read how much memory this process holds now, in megabytes; where that is unknown, the most it has held."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # there is no such file, or no descriptor is free
        return _most_mb()
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    """Read the most memory this process has held, in megabytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return _most_mb()
    # Not ru_maxrss: on Linux that begins with what the process had that started this one.
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def _most_mb() -> float:
    """Ask a system without /proc; macOS counts in bytes, others in kibibytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6


def require_memory(limit_mb: float | None = None) -> None:
    """Refuse to go on above the limit, before the machine starts to swap or kills a process of its choice.

    Errors: ConnectorError that says what to do.
    """
    limit_mb = LIMIT_MB if limit_mb is None else limit_mb
    held_mb = memory_mb()
    if held_mb > limit_mb:
        raise ConnectorError(
            f"the sync holds {held_mb:,.0f} MB of memory; {limit_mb:,.0f} MB is the limit",
            hint="Emit rows as they come instead of collecting them, page by page, or as Arrow batches; "
            f"on Fivetran a connector has {FIVETRAN_MB:,.0f} MB.",
        )
