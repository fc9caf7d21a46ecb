"""Singer messages: one JSON object per line, checked for what its type needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from headwater.errors import HeadwaterError

# What a message of each type must have, and of which type that is.
_FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "SCHEMA": {"stream": str, "schema": dict},
    "RECORD": {"stream": str, "record": dict},
    "STATE": {"value": object},
    "ACTIVATE_VERSION": {"stream": str, "version": int},
    "BATCH": {"stream": str, "encoding": dict, "manifest": list},
}
_WORDS = {str: "text", dict: "an object", int: "a whole number", list: "a list"}

Message = dict[str, Any]


class MessageError(HeadwaterError):
    """The tap sent what is no Singer message, or one that its other messages contradict."""


def read_message(line: str) -> Message:
    """Read one line of a tap.

    Errors: MessageError.
    Source: the Singer specification, version 0.3.0, and the SDK's messages ACTIVATE_VERSION and BATCH.

    >>> read_message('{"type": "STATE", "value": {"id": 3}}')["value"]
    {'id': 3}
    """
    message = read_object(line)
    kind = message.get("type")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        known = ", ".join(_FIELDS)
        raise MessageError(f"a message has the type {kind!r}", hint=f"A Singer message is one of {known}.")
    for name, expected in fields.items():
        if name not in message:
            raise MessageError(f"a message of type {kind} lacks {name!r}: {_short(line)}")
        value = message[name]
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            assert isinstance(expected, type)
            raise MessageError(f"a message of type {kind}: {name!r} must be {_WORDS[expected]}: {_short(line)}")
    return message


def read_object(line: str, parse_float: Callable[[str], Any] | None = None) -> dict[str, Any]:
    """Read a line that holds one JSON object.

    parse_float  makes something else than a float of a number with a point

    Errors: MessageError.
    """
    try:
        value = json.loads(line, parse_float=parse_float)
    except (ValueError, RecursionError) as error:
        raise MessageError(
            f"a line is not JSON: {error}: {_short(line)}",
            hint="Only messages belong on a tap's standard output; it may have died while it wrote one.",
        ) from error
    if not isinstance(value, dict):
        raise MessageError(f"a line must hold a JSON object, not {type(value).__name__}: {_short(line)}")
    return value


def _short(line: str, limit: int = 200) -> str:
    return line if len(line) <= limit else line[: limit - 1] + "…"
