"""Arrow to COPY: a part of a batch as the lines that Postgres' `COPY … FROM STDIN` reads.

Takes     a part of a batch, in the types of its table
Gives     pieces of UTF-8 text, one line per row
Promises  each value that Postgres can hold arrives as it is; `storable` says what it changed of the others

COPY's text format, because Arrow writes it by columns: a batch of 20,480 rows of ten columns takes 0.16 s, values
that psycopg puts into the binary format one by one 0.40 s. ADBC takes 0.06 s, but leaves the casts to numeric and
jsonb to the merge: a whole sync gains a fifth, for 26 MB more to install and a second library of errors.
CSV would be as fast, but Postgres before 17 takes a line `\\.` inside a quoted value for the end of the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from headwater.types.names import BINARY, JSON, STRING, UTC_DATETIME, XML, ColumnType

PIECE_BYTES = 8_000_000

_TEXT = pa.large_string()  # the offsets of a plain string array end at 2 GB
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))

_JSON_MENDED = "jsonb cannot hold all of its JSON: lone surrogates became U+FFFD, NaN and Infinity became text"
_UNFIT_JSON = r"\\u[dD][89a-fA-F]|NaN|Infinity"
_JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN', re.DOTALL)
_JSON_ESCAPE = re.compile(r"\\u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|\\u[\da-fA-F]{4}|\\.", re.DOTALL)
_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][\da-fA-F]{2}")


def storable(array: pa.ChunkedArray, kind: ColumnType) -> tuple[pa.ChunkedArray, str | None]:
    """Take out of a column what its Postgres type cannot hold; also say what was taken out, if anything.

    U+0000 is out already: Postgres says that it does not keep it.
    """
    if kind.name == JSON and pc.any(pc.match_substring_regex(array, _UNFIT_JSON)).as_py():
        texts = array.to_pylist()
        mended = [None if text is None else mended_json(text) for text in texts]
        return (pa.chunked_array([pa.array(mended, pa.string())]), _JSON_MENDED) if mended != texts else (array, None)
    return array, None


def mended_json(text: str) -> str:
    r"""Change what `json.dumps` writes but jsonb refuses, and nothing else; `to_jsonb` writes NaN the same way.

    >>> mended_json('{"a": [NaN, "NaN", "\\\\ud83d"]}')
    '{"a": ["NaN", "NaN", "\\\\ud83d"]}'
    >>> mended_json('["\\ud83d\\ude00", "\\ud83d", -Infinity]')
    '["\\ud83d\\ude00", "\\ufffd", "-Infinity"]'
    """
    return _JSON_TOKEN.sub(_mended_token, text)


def _mended_token(token: re.Match[str]) -> str:
    return _JSON_ESCAPE.sub(_mended_escape, token[0]) if token[0].startswith('"') else f'"{token[0]}"'


def _mended_escape(escape: re.Match[str]) -> str:
    return "\\ufffd" if _LONE_SURROGATE.fullmatch(escape[0]) else escape[0]


def copy_text(part: pa.Table, kinds: list[ColumnType]) -> Iterator[memoryview]:
    """Write the rows as lines of COPY's text format.

    kinds  the type of each column, in order
    """
    rows = max(1, part.num_rows * PIECE_BYTES // max(part.nbytes, PIECE_BYTES))
    for start in range(0, part.num_rows, rows):
        yield _lines(part.slice(start, rows), kinds)


def _lines(rows: pa.Table, kinds: list[ColumnType]) -> memoryview:
    cells = [_texts(column.combine_chunks(), kind) for column, kind in zip(rows.columns, kinds, strict=True)]
    tab, end = (pa.scalar(text, _TEXT) for text in ("\t", "\n"))
    lines = pc.binary_join_element_wise(*cells, tab, null_handling="replace", null_replacement="\\N")
    ended = pc.binary_join_element_wise(lines, pa.scalar("", _TEXT), end)
    return memoryview(ended.buffers()[2])[: pc.sum(pc.binary_length(ended)).as_py()]


def _texts(array: pa.Array, kind: ColumnType) -> pa.Array:
    """Write each value as Postgres reads it, in COPY's escapes."""
    if kind.name == BINARY:
        return pa.array([None if value is None else f"\\\\x{value.hex()}" for value in array.to_pylist()], _TEXT)
    if kind.name == UTC_DATETIME:
        array = array.cast(pa.timestamp("us"))  # without a zone, as the session's is UTC; Arrow would need a tzdata
    texts = array.cast(_TEXT)
    if kind.name in (STRING, XML, JSON) and pc.any(pc.match_substring_regex(texts, r"[\\\t\n\r]")).as_py():
        for character, escape in _ESCAPES:
            texts = pc.replace_substring(texts, character, escape)
    return texts
