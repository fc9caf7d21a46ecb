"""The connector of the fault matrix: each page does everything that a destination can be asked to do.

It is copied into each project as connector.py; the configuration says how much it emits, and how it misbehaves.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from headwater import Connector
from headwater import Operations as op
from headwater.errors import ConnectorError

PAGES = 4
# Pages 2 and 4 make a column wider and add another; page 3 changes no table.
AMOUNTS: tuple[Any, ...] = (1, 1.5, 2.5, "many")

KEYED = ("upserted", "updated", "deleted", "removed", "truncated", "promoted", "grown", "versions")


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    keyed = [{"table": name, "primary_key": ["id"], "columns": {"id": "LONG"}} for name in KEYED]
    return [{"table": "appended"}, *keyed]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    for page in range(state.get("page", 0), int(configuration.get("pages", PAGES))):
        misbehave(configuration, f"before page {page + 1}")
        emit(page, int(configuration.get("lines", "3")))
        misbehave(configuration, f"before checkpoint {page + 1}")
        op.checkpoint({"page": page + 1})
        misbehave(configuration, f"after checkpoint {page + 1}")


def emit(page: int, lines: int) -> None:
    for line in range(lines):
        # Without a key: only what each emission has for itself shows that a row was loaded twice.
        op.upsert("appended", {"page": page, "line": line, "emission": uuid4().hex})
        op.upsert("upserted", {"id": line, "page": page, "text": "x" * 100})
        op.upsert("upserted", {"id": (page + 1) * 1_000_000 + line, "page": page})
    op.upsert("updated", {"id": page, "written_by": page})
    op.update("updated", {"id": page - 1, "changed_by": page})
    for table in ("deleted", "removed"):
        op.upsert(table, {"id": page})
        op.delete(table, {"id": page - 1})
    op.truncate("truncated")
    op.upsert("truncated", {"id": page})
    op.upsert("promoted", {"id": page, "amount": AMOUNTS[page % len(AMOUNTS)]})
    op.upsert("grown", {"id": page, f"column_{(page + 1) // 2}": page})
    op.upsert("versions", {"id": 1, "page": page})


def misbehave(configuration: dict[str, str], moment: str) -> None:
    if configuration.get("moment") == moment:
        _WAYS[configuration["way"]]()


def _raise() -> None:
    raise ValueError("the source has gone away")


def _crash() -> None:
    ctypes.string_at(0)


def _hang() -> None:
    print("hanging", flush=True)
    while True:
        time.sleep(0.05)


def _run_out_of_memory() -> None:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    used = int(status.partition("VmSize:")[2].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_AS, (used + 50_000_000, resource.RLIM_INFINITY))
    try:
        bytearray(500_000_000)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


# What a connector that forgets to close what it opens keeps.
_OPEN: list[IO[str]] = []


def _open_everything() -> None:
    try:
        while True:
            _OPEN.append(Path(os.devnull).open())  # noqa: SIM115 - never to be closed
    except OSError as error:
        print(f"out of descriptors: {error}", flush=True)


def _emit_late() -> None:
    """Leave a thread behind that emits when `update` has returned."""

    def emit_rows() -> None:
        time.sleep(0.05)
        try:
            while True:
                op.upsert("late", {"id": 1})
        except ConnectorError as error:
            print(f"refused: {error}", flush=True)

    threading.Thread(target=emit_rows).start()


def _deep() -> dict[str, Any]:
    state: dict[str, Any] = {}
    for _ in range(10_000):
        state = {"deeper": state}
    return state


def _checkpoint(make: Callable[[], Any]) -> Callable[[], None]:
    return lambda: op.checkpoint(make())


_WAYS: dict[str, Callable[[], Any]] = {
    "raise": _raise,
    "sys.exit": lambda: sys.exit(0),
    "os._exit": lambda: os._exit(3),
    "crash": _crash,
    "hang": _hang,
    "out of memory": _run_out_of_memory,
    "out of descriptors": _open_everything,
    "late": _emit_late,
    "a state that is a list": _checkpoint(lambda: [1]),
    "a state with a set": _checkpoint(lambda: {"ids": {1, 2}}),
    "a state of 11 MB": _checkpoint(lambda: {"ids": "x" * 11_000_000}),
    "a state of 20 MB": _checkpoint(lambda: {"ids": ["x" * 1_000_000] * 20}),
    "a state of 10,000 levels": _checkpoint(_deep),
    "a state that is JSON text": _checkpoint(lambda: json.dumps({"page": 9})),
}

connector = Connector(update=update, schema=schema)
