"""Stands in for sys.stdout and sys.stderr while a connector runs."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from typing import TextIO


class AuthorOutput(io.TextIOBase):
    """Takes what a connector prints, and gives it on in whole lines.

    A `print` of a connector may hold a secret, a source's control characters, or break lines of JSON.

    stream  what it stands in for
    line    takes one line, without its end
    prompt  takes part of a line that is flushed, such as a debugger's prompt; None keeps it for the whole line
    """

    def __init__(
        self, stream: TextIO, line: Callable[[str], None], prompt: Callable[[str], None] | None = None
    ) -> None:
        self._stream = stream
        self._line = line
        self._prompt = prompt
        self._parts: dict[int, str] = {}
        self.buffer = _Bytes(self)

    @property
    def encoding(self) -> str:  # type: ignore[override]  # io.TextIOBase has an attribute here
        return self._stream.encoding

    def reconfigure(self, **_: object) -> None:
        """Keep the encoding: lines are text here, whatever their reader takes."""

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str, /) -> int:
        # Each thread has its own unfinished line.
        thread = threading.get_ident()
        *lines, rest = (self._parts.pop(thread, "") + text).split("\n")
        if rest:
            self._parts[thread] = rest
        for line in lines:
            self._line(line)
        return len(text)

    def flush(self) -> None:
        if self._prompt is not None and (rest := self._parts.pop(threading.get_ident(), "")):
            self._prompt(rest)

    def finish(self) -> None:
        """Give on the lines that were not ended."""
        for thread in list(self._parts):
            if rest := self._parts.pop(thread, ""):
                self._line(rest)


class _Bytes(io.BufferedIOBase):
    """What `sys.stdout.buffer` is to a connector."""

    def __init__(self, text: AuthorOutput) -> None:
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # any buffer will do at run time
        self._text.write(bytes(data).decode("utf-8", "replace"))
        return len(data)
