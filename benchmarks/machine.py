"""Where a run was made: the machine, the versions, the commit."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from benchmarks.environment import headwater_interpreter, mit_sdk_interpreter, peer_interpreter
from benchmarks.process import ROOT, run

_VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


def machine() -> dict[str, str | int]:
    pages, page_bytes = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(Path("/proc/cpuinfo")),
        "cores": os.cpu_count() or 1,
        "memory_mb": pages * page_bytes // 2**20,
        "python": platform.python_version(),
    }


def _processor(cpuinfo: Path) -> str:
    """Read the processor's name where Linux has it; elsewhere Python may know it."""
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor()


def versions() -> dict[str, str]:
    """Give the versions of what was compared, each from the environment it ran in."""
    asked = (
        (headwater_interpreter(), ("duckdb", "pyarrow")),
        (peer_interpreter("dlt"), ("dlt",)),
        (peer_interpreter("singer_tap"), ("singer-sdk",)),
        (peer_interpreter("singer_target"), ("target-duckdb",)),
        (mit_sdk_interpreter(), ("fivetran-connector-sdk",)),
    )
    found: dict[str, str] = {}
    for python, names in asked:
        found |= run([python, "-c", _VERSIONS, *names]).answer[-1]
    return found


def commit() -> str | None:
    """Name the commit that was measured, with `+` when files differ from it; None outside a git checkout."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return None
    return _git(git, "rev-parse", "--short", "HEAD") + ("+" if _git(git, "status", "--porcelain") else "")


def _git(git: str, *arguments: str) -> str:
    return subprocess.run([git, "-C", ROOT, *arguments], capture_output=True, text=True, check=True).stdout.strip()
