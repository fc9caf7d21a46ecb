"""A tap's lines as they come through a pipe, and the moments at which none has come."""

from __future__ import annotations

import os
import select

from headwater.singer.messages import MessageError

READ_BYTES = 1 << 20


class Lines:
    """The lines of an open file or pipe.

    descriptor  a file descriptor open for reading
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._begun: list[bytes] = []
        self._ended = False

    def read(self, wait_seconds: float | None) -> list[str] | None:
        """Give the lines that are there, waiting for the first; none when the wait is over; None at the end.

        wait_seconds  None to wait for ever

        Errors: MessageError when a line is not UTF-8.
        """
        if self._ended:
            return None
        if not select.select([self._descriptor], [], [], wait_seconds)[0]:
            return []
        read = os.read(self._descriptor, READ_BYTES)
        if not read:
            self._ended = True
            return self._decoded([b"".join(self._begun)])
        first, *others = read.split(b"\n")
        self._begun.append(first)
        if not others:
            return []
        whole = [b"".join(self._begun), *others[:-1]]
        self._begun = [others[-1]]
        return self._decoded(whole)

    def _decoded(self, lines: list[bytes]) -> list[str]:
        try:
            return [line.decode() for line in lines if line.strip()]
        except UnicodeDecodeError as error:
            raise MessageError(f"a line of the tap is not UTF-8: {error}") from error
