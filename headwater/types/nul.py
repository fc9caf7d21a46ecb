"""U+0000 taken out of text, XML and JSON, for destinations whose text cannot hold it."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from headwater.types.names import JSON, STRING, XML, ColumnType

# A backslash takes the character after it along: `\\u0000` is a backslash and five characters.
_ESCAPE = re.compile(r"\\(?:u0000|.)", re.DOTALL)


def without_nul(array: pa.Array, kind: ColumnType) -> pa.Array:
    """Take U+0000 out of a column of type `kind`; the array itself when it holds none."""
    if kind.name in (STRING, XML) and pc.any(pc.match_substring(array, "\0")).as_py():
        return pc.replace_substring(array, "\0", "")
    if kind.name == JSON and pc.any(pc.match_substring(array, r"\u0000")).as_py():
        texts = array.to_pylist()
        cleaned = [None if text is None else json_without_nul(text) for text in texts]
        return array if cleaned == texts else pa.array(cleaned, array.type)
    return array


def json_without_nul(text: str) -> str:
    r"""Take the escapes of U+0000 out of JSON text.

    >>> json_without_nul('{"a": "x\\u0000y", "b": "\\\\u0000"}')
    '{"a": "xy", "b": "\\\\u0000"}'
    """
    return _ESCAPE.sub(lambda escape: "" if escape[0] == r"\u0000" else escape[0], text)
