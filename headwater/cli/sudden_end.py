"""A connector that ends the whole process: it is said, and never taken for a success."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def no_silent_end(say: Callable[[str, str], None]) -> Iterator[None]:
    """While a connector runs, let `os._exit` say what it ends, with an exit code that is not 0.

    A process that the connector forks ends as it wants to.
    """
    own, end = os.getpid(), os._exit

    def exit_aloud(status: int) -> NoReturn:
        if os.getpid() == own:
            say(
                f"SYNC FAILED: the connector ended the process with os._exit({status})",
                "What was committed stays, and the next sync goes on there. To end a sync early, return from update().",
            )
            status = status & 0xFF or 1
        end(status)

    os._exit = exit_aloud
    try:
        yield
    finally:
        os._exit = end
