"""A piece of work in a process of its own: nothing that it keeps in memory, and no way it dies, touches the next."""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn, TypeVar

from headwater.sync import Interrupted

T = TypeVar("T")


class ProcessDied(Exception):
    """The process ended before it gave its result: by `os._exit`, or killed by a signal."""


def in_own_process(work: Callable[[Path], T]) -> T:
    """Do a piece of work in a copy of this process, and give what it returned.

    work  may leave threads running, change the environment, or crash; what it returns must be picklable. It is given
          a folder that is removed afterwards, however it ends

    Errors: ProcessDied; KeyboardInterrupt when the work was interrupted.
    """
    with TemporaryDirectory(prefix="headwater-process-") as folder:
        result, scratch = Path(folder) / "result", Path(folder) / "scratch"
        scratch.mkdir()
        sys.stdout.flush()
        sys.stderr.flush()
        # A fork, not a new interpreter: it costs milliseconds, and a sync has a thousand checkpoints.
        child = os.fork()
        if child == 0:
            _work_and_leave(lambda: work(scratch), result)
        try:
            _, status = os.waitpid(child, 0)
        except BaseException:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            raise
        code = os.waitstatus_to_exitcode(status)
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        if code != 0 or not result.exists():
            raise ProcessDied(_how(code))
        given: T = pickle.loads(result.read_bytes())  # noqa: S301 - from the copy of this process
        return given


# No program ends with this by chance: 130 may be the connector's own.
_INTERRUPTED = 211


def _work_and_leave(work: Callable[[], object], result: Path) -> NoReturn:
    code = 1
    try:
        whole = pickle.dumps(work())
        part = result.with_suffix(".part")
        part.write_bytes(whole)
        part.rename(result)
        code = 0
    except (KeyboardInterrupt, Interrupted):
        code = _INTERRUPTED
    except BaseException:  # noqa: BLE001 - the end of a process: the traceback is all that can be left
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not sys.exit: the copy must not end what belongs to the process it is a copy of.
        os._exit(code)


def _how(code: int) -> str:
    if code < 0:
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process ended by itself, with exit code {code}"
