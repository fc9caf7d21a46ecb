"""One sync with all that is shown of it: what `headwater debug` and `connector.debug()` share."""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from headwater import __version__
from headwater.cli.printer import Printer
from headwater.cli.sudden_end import no_silent_end
from headwater.compat import fivetran
from headwater.connector import Connector
from headwater.exit_calls import warnings_of
from headwater.interrupts import Interrupts
from headwater.log import Logging, redact
from headwater.piped_file import read_named
from headwater.project import Project
from headwater.project_sync import ProjectSync, Request
from headwater.state import load_state
from headwater.sync import Interrupted


def run_and_print(
    path: Path,
    connector: Connector | None,
    configuration: Callable[[Project], dict[str, str]],
    request: Callable[[], Request],
    printer: Printer,
) -> int:
    """Run one sync and print how it went; give the exit code: 0, 1 failed, 130 or 143 interrupted.

    connector      left out, the project's connector.py is imported
    configuration  finds and checks the configuration of the project; its errors are the sync's
    request        reads what is asked of the sync; the same
    """
    fivetran.set_environment()
    _leave_no_core_dump()
    fivetran.install()
    with Interrupts() as interrupts:
        try:
            project = Project(path)
            if connector is None:
                _ = project.connector_file  # without one, that nothing is configured says little
            values = configuration(project)
            redact.learn(values)
            printer.line(f"debugging connector at: {project.path}")
            printer.line(f"Version: headwater {__version__}")
            for warning in warnings_of(project.path / "connector.py"):
                Logging.warning(warning)
            with printer.running(), no_silent_end(printer.last_words):
                result = ProjectSync(project, values, request(), printer).run(connector)
        except (Interrupted, KeyboardInterrupt):
            printer.interrupted()
            return interrupts.exit_code
        except (Exception, SystemExit) as error:  # noqa: BLE001 - connector.py may raise anything when it is imported
            printer.failed(error, None, {"status": "failed"})
            return 1
    printer.summary(result)
    if result.status == "interrupted":
        return interrupts.exit_code
    return 0 if result.status == "succeeded" else 1


def read_state(path: Path) -> str:
    """Read the text of a file that holds a state.

    Errors: ConfigurationError when it cannot be read or is no JSON object.
    """
    text = read_named(path, "the state")
    load_state(text, str(path))
    return text


def _leave_no_core_dump() -> None:
    """Let a crash of native code leave no image of this process, secrets and all, on the disk."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, most))


def leave(exit_code: int) -> NoReturn:
    """End the process, without waiting for threads that the connector has left running."""
    sys.stdout.flush()
    sys.stderr.flush()
    left = [
        each
        for each in threading.enumerate()
        if each is not threading.main_thread() and not each.name.startswith("headwater-")
    ]
    # An interrupted update() goes on in its thread, and Python waits at its end for every thread of a pool.
    if exit_code > 1 or left:
        os._exit(exit_code)
    sys.exit(exit_code)
