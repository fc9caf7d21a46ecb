"""Text that an operator hands over in a file, or through a pipe: `--configuration <(vault read …)`."""

from __future__ import annotations

import os
import select
import stat
from pathlib import Path

from headwater.errors import ConfigurationError

# As long as fivetran-connector-sdk 2.13.1 waits (rule A-124).
WAIT_SECONDS = 30.0
_PIECE_BYTES = 65_536


def read_text(path: Path, *, wait_seconds: float = WAIT_SECONDS) -> str:
    """Read the whole of a file or FIFO as UTF-8, without a byte order mark; a FIFO can be read only once.

    wait_seconds  how long a FIFO may give nothing

    Errors: ConfigurationError when a FIFO gives nothing for so long; OSError, UnicodeDecodeError.
    """
    content = _read_pipe(path, wait_seconds) if stat.S_ISFIFO(path.stat().st_mode) else path.read_bytes()
    return content.decode("utf-8-sig")


def read_named(path: Path, what: str) -> str:
    """Read a file that an operator names; `what` it holds begins the message.

    Errors: ConfigurationError when it cannot be read.
    """
    try:
        return read_text(path)
    except FileNotFoundError as error:
        hint = None if path.is_absolute() else "It is looked for where the command is typed, then in the project."
        raise ConfigurationError(f"{what} cannot be read: {path}: {error.strerror}", hint=hint) from error
    except OSError as error:
        raise ConfigurationError(f"{what} cannot be read: {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"{what} cannot be read: {path}: it is not in UTF-8", hint="Save it as UTF-8."
        ) from error


def _read_pipe(path: Path, wait_seconds: float) -> bytes:
    # To open it in the usual way would wait for a writer, for ever if there is none.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    content = bytearray()
    try:
        while select.select([descriptor], [], [], wait_seconds)[0]:
            piece = os.read(descriptor, _PIECE_BYTES)
            if not piece:
                return bytes(content)
            content += piece
    finally:
        os.close(descriptor)
    raise ConfigurationError(
        f"{path}: nothing came through this pipe for {wait_seconds:g} s",
        hint="See whether the program that writes into it is running, and ends.",
    )
