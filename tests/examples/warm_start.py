"""Forks `headwater debug` out of a process that has imported what a sync imports; a program, run by `command.py`.

To start Python and to import DuckDB, Arrow and a driver takes most of the time of a sync of ten rows. What is forked
is the same command with a process group, an output and an exit code of its own, and is killed like any other.

Standard input is a socket. Each request is a line of JSON, and each answer a line with a number:

    {"run": PROJECT, "imports": [MODULE, ...]}   and with it the file to print to: the process id
    {"reap": PROCESS ID}                         waits for its end: the exit code, negative after a signal
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import socket
import sys
from typing import Any, NoReturn

# What `headwater debug` imports late, whatever the connector.
_IMPORTS = ("requests", "headwater.cli.debug", "headwater.cli.one_sync", "headwater.destinations.duckdb")
_LONGEST_REQUEST = 65_536


def main() -> None:
    control = socket.socket(fileno=os.dup(0))
    _import(_IMPORTS)
    while True:
        line, files, _, _ = socket.recv_fds(control, _LONGEST_REQUEST, 1)
        if not line:
            return
        request: dict[str, Any] = json.loads(line)
        if "run" in request:
            _import(request["imports"])
            gc.freeze()  # a collection in the fork would copy all that memory
            answer = _forked(request["run"], files[0], control)
            os.close(files[0])
        else:
            _, status = os.waitpid(request["reap"], 0)
            answer = os.waitstatus_to_exitcode(status)
        control.sendall(b"%d\n" % answer)


def _import(names: Any) -> None:
    for name in names:
        importlib.import_module(name)


def _forked(project: str, output: int, control: socket.socket) -> int:
    """Fork a process that runs the command to its end; give its id."""
    process_id = os.fork()
    if process_id:
        return process_id
    os.setsid()
    control.close()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for standard, file in ((0, nothing), (1, output), (2, output)):
        os.dup2(file, standard)
    os.close(nothing)
    os.close(output)
    sys.argv = ["headwater", "debug", project]
    from headwater.cli import main as headwater

    try:
        headwater()
    except SystemExit as end:
        _leave(end.code)
    raise AssertionError("the command came back")


def _leave(exit_code: Any) -> NoReturn:
    """End as Python does, but for its last act: to free each object of the copied memory takes as long as a sync."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code or 0)


if __name__ == "__main__":
    main()
