"""JSON that a person has written: what is wrong with it, and what is easily overlooked."""

from __future__ import annotations

import json
from typing import Any


def json_hint(error: Exception) -> str | None:
    """Say what to do about a text that `json.loads` refuses; None when the error says it all.

    >>> json_hint(json.JSONDecodeError("Expecting value", "", 0))
    'It is empty: write {} into it.'
    """
    if not isinstance(error, json.JSONDecodeError):
        return None
    if not error.doc.strip():
        return "It is empty: write {} into it."
    if "escape" in error.msg:
        return "In JSON a backslash in a value is written twice."
    if "double quotes" in error.msg:
        return "In JSON names and texts stand in double quotes, and no comma follows the last one."
    return None


def repeated_names(text: str) -> list[str]:
    r"""Give the names that an object in a JSON text has twice: all but the last value of each are lost.

    >>> repeated_names('{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}')
    ['c', 'a']
    """
    repeated: list[str] = []

    def see(pairs: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                repeated.append(name)
            seen.add(name)

    json.loads(text, object_pairs_hook=see)
    return repeated
