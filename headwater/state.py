"""State: what a checkpoint carries, and what the next sync starts from.

Takes     the author's dict
Gives     JSON text, checked; and the committed state a destination holds
Promises  what is committed can be read back
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from headwater.errors import ConfigurationError, ConnectorError
from headwater.piped_file import read_text

MAX_STATE_BYTES = 10_000_000
WARN_STATE_BYTES = 1_000_000
# Half of what Python's JSON reads and writes in its usual limits: each command that meets a state must get through it.
MAX_STATE_LEVELS = 500

_MEND = "Mend it, or delete it: the destination keeps the committed state."


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit says beside the rows: one per checkpoint.

    epoch     which opening of the destination it belongs to
    sequence  1 for the first commit of an epoch
    state     JSON text of an object
    previous  the state before it: how a crash between commit and file copy is told from an edit
    """

    epoch: int
    sequence: int
    state: str
    previous: str
    committed_at: datetime | None = None

    @property
    def state_hash(self) -> str:
        return hashlib.sha256(self.state.encode()).hexdigest()


def dump_state(state: Any) -> str:
    """Write a state as JSON text.

    Errors: TypeError when it is no dict or holds what JSON has not (rule A-36); ConnectorError above 10 MB (rule C-11),
    or where it is nested so deep that the next sync could not read it.
    """
    if not isinstance(state, dict):
        raise TypeError(f"the state must be a dict, not {type(state).__name__}")
    try:
        text = json.dumps(state)
    except RecursionError as error:
        raise _too_deep() from error
    if text.count("{") + text.count("[") > MAX_STATE_LEVELS and _is_too_deep(state):
        raise _too_deep()
    if len(text) > MAX_STATE_BYTES:
        raise ConnectorError(
            f"the state has {len(text):,} bytes; at most {MAX_STATE_BYTES:,} are allowed",
            hint="Keep cursors in the state, not rows or lists of ids.",
        )
    return text


def _is_too_deep(state: Any) -> bool:
    """Say whether containers lie in each other more than `MAX_STATE_LEVELS` deep."""
    level = [state]
    for _ in range(MAX_STATE_LEVELS):
        inside = (each.values() if isinstance(each, dict) else each for each in level)
        level = [value for values in inside for value in values if isinstance(value, dict | list | tuple)]
        if not level:
            return False
    return True


def _too_deep() -> ConnectorError:
    return ConnectorError(
        f"the state is nested too deep: at most {MAX_STATE_LEVELS} levels are allowed",
        hint="Keep cursors in the state, in one dict or a few.",
    )


def load_state(text: str, where: str) -> dict[str, Any]:
    """Read a state; `where` begins the message of the ConfigurationError for anything but a JSON object."""
    try:
        state = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{where} is not JSON: {error}", hint=_MEND) from error
    if not isinstance(state, dict):
        raise ConfigurationError(f"{where} must hold a JSON object, not {type(state).__name__}")
    return state


def read_copy(path: Path) -> str | None:
    """Read the copy of the state; None when there is none, or a crash of the machine left it empty.

    Errors: ConfigurationError that begins with the path when it cannot be read, or holds no state.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", hint=_MEND) from error
    if not text.strip():
        return None
    load_state(text, str(path))
    return text


def choose_state(committed: Commit | None, file_text: str | None) -> tuple[str, bool]:
    """Choose between the committed state and the copy people can edit; also say whether it was edited.

    The copy wins only when it is neither the committed state nor the one before it: then a person
    changed it. One that equals the previous state was left behind by a crash.
    """
    if file_text is None:
        return (committed.state, False) if committed else ("{}", False)
    if committed is None:
        return file_text, file_text.strip() not in ("", "{}")
    known = (_canonical(committed.state), _canonical(committed.previous))
    return (committed.state, False) if _canonical(file_text) in known else (file_text, True)


def _canonical(text: str) -> str:
    """Write JSON text so that equal texts mean equal values; Python itself takes 1, 1.0 and true for one."""
    return json.dumps(json.loads(text), sort_keys=True)
