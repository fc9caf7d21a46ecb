"""Breaks the process that imports it at one step of the path, as HEADWATER_FAULT says.

Python imports this file by its name when it starts, from the first folder of PYTHONPATH: the product has no hooks.
A fault is JSON: `of` names a function (`module:Class.method`), `when` is before or after its `call`-th call (with a
table of this name first, where `table` is given), and `signals` is what the process then sends itself. `mutant`
names one of `MUTANTS` instead: a mistake that the matrix must notice. `set` gives
constants (`module:NAME`) other values.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import select
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

# A signal may reach another thread first: so long this one waits for it at its step.
SIGNAL_SECONDS = 0.2


def arm(fault: dict[str, Any]) -> None:
    if "mutant" in fault:
        MUTANTS[fault["mutant"]]()
    for name, value in fault.get("set", {}).items():
        module, _, constant = name.partition(":")
        setattr(importlib.import_module(module), constant, value)
    if "of" in fault:
        replace_function(fault["of"], partial(_stopping, fault=fault))


def replace_function(name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Put `make(function)` in the place of the function that `module:Class.method` names."""
    module, _, path = name.partition(":")
    *owners, last = path.split(".")
    owner = importlib.import_module(module)
    for each in owners:
        owner = getattr(owner, each)
    setattr(owner, last, make(getattr(owner, last)))


def _stopping(function: Callable[..., Any], *, fault: dict[str, Any]) -> Callable[..., Any]:
    calls = itertools.count(1)

    @wraps(function)
    def stopping(*arguments: Any, **options: Any) -> Any:
        counted = "table" not in fault or getattr(arguments[1], "name", None) == fault["table"]
        now = counted and next(calls) == fault.get("call", 1)
        if now and fault["when"] == "before":
            _send(fault["signals"])
        given = function(*arguments, **options)
        if now and fault["when"] == "after":
            _send(fault["signals"])
        return given

    return stopping


def _send(signals: list[int]) -> None:
    for number in signals:
        os.kill(os.getpid(), number)
        select.select([], [], [], SIGNAL_SECONDS)  # faketime breaks time.sleep when the clock goes back


# --- mistakes that the matrix must notice


def _state_after_rows_in_duckdb() -> None:
    """Commit the rows, then the state."""

    def make(commit: Callable[..., Any]) -> Callable[..., Any]:
        def committing(destination: Any, state: str) -> Any:
            destination._end("COMMIT")
            return commit(destination, state)

        return committing

    replace_function("headwater.destinations.duckdb:DuckDB.commit", make)


def _state_after_rows_in_postgres() -> None:
    def make(commit: Callable[..., Any]) -> Callable[..., Any]:
        def committing(destination: Any, state: str) -> Any:
            if destination._in_transaction:
                destination._end()
            return commit(destination, state)

        return committing

    replace_function("headwater.destinations.postgres:Postgres.commit", make)


def _state_before_rows_in_duckdb() -> None:
    """Commit the state, then the rows: hold back what is written until the commit has taken place."""
    held: list[tuple[Any, ...]] = []

    def make_write(write: Callable[..., Any]) -> Callable[..., Any]:
        def writing(destination: Any, table: Any, batch: Any) -> None:
            held.append((write, destination, table, batch))

        return writing

    def make_commit(commit: Callable[..., Any]) -> Callable[..., Any]:
        def committing(destination: Any, state: str) -> Any:
            given = commit(destination, state)
            for write, *arguments in held:
                write(*arguments)
            held.clear()
            destination._end("COMMIT")
            return given

        return committing

    replace_function("headwater.destinations.duckdb:DuckDB.write", make_write)
    replace_function("headwater.destinations.duckdb:DuckDB.commit", make_commit)


def _copy_before_state_in_duckdb() -> None:
    """Let the copy of a long segment take the file's name with its first rows, and not with the state."""

    def make(write: Callable[..., Any]) -> Callable[..., Any]:
        def writing(destination: Any, table: Any, batch: Any) -> None:
            write(destination, table, batch)
            if destination._file.is_copy:
                destination._end("COMMIT")
                destination._replace(destination._file)

        return writing

    replace_function("headwater.destinations.duckdb:DuckDB.write", make)


def _no_fence_in_postgres() -> None:
    """Commit whatever epoch holds, and go on after a lost connection without asking whose turn it is."""

    def adopting(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def adopt(destination: Any, *arguments: Any) -> Any:
            if destination._epoch:
                destination._epoch, destination._last = destination._newest()
            return function(destination, *arguments)

        return adopt

    replace_function("headwater.destinations.postgres:Postgres._require_unchanged", lambda _: lambda *_: None)
    replace_function("headwater.destinations.postgres:Postgres.commit", adopting)


MUTANTS = {
    "state after rows, duckdb": _state_after_rows_in_duckdb,
    "state after rows, postgres": _state_after_rows_in_postgres,
    "state before rows, duckdb": _state_before_rows_in_duckdb,
    "copy before state, duckdb": _copy_before_state_in_duckdb,
    "no fence, postgres": _no_fence_in_postgres,
}

if "HEADWATER_FAULT" in os.environ:
    arm(json.loads(os.environ["HEADWATER_FAULT"]))
