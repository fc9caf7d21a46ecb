"""Ctrl-C and SIGTERM while a sync runs: the first ends it cleanly, the second at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType

from headwater.sync import Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupts:
    """Turns the first signal into `Interrupted` in the main thread; the second ends the process."""

    def __init__(self) -> None:
        self.exit_code = 130
        self._before: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        # The system's own handler, since a second Ctrl-C must work even where no Python code runs.
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        self.exit_code = 128 + number
        if sys.__stdout__ is not None and sys.__stdout__.isatty():
            os.write(sys.__stdout__.fileno(), _SHOW_CURSOR)
        raise Interrupted
