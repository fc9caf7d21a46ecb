"""JSON: whatever `json.dumps` takes, as its text with the default separators (rule A-73).

Plain text is quoted; NaN stays NaN; a lone surrogate is escaped. Dates, Decimals, bytes, sets and UUIDs
are refused, nested ones too: what text they should become is the author's choice.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from headwater.types.names import JSON

EXPECTED_JSON = "expected what json.dumps takes: dicts, lists, text, numbers, True, False and None"


def strict_json(value: object) -> str:
    return json.dumps(value)


def lenient_json(value: object) -> str:
    """
    >>> lenient_json({"a": [1, None]})
    '{"a": [1, null]}'
    """
    try:
        return json.dumps(value)
    except TypeError as error:  # it names the type that is in the way, not the value
        raise TypeError(f"{EXPECTED_JSON} ({error})") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{EXPECTED_JSON} ({error})") from None


STRICT: dict[str, Callable[[Any], object]] = {JSON: strict_json}
LENIENT: dict[str, Callable[[Any], object]] = {JSON: lenient_json}
