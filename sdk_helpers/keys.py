"""Primary keys for records whose source gives none: the same in every process, run and machine.

In a connector::

    for row in fetch("prices"):                      # no id of its own
        op.upsert("prices", {"id": hash_fields(row, ["shop", "article", "day"]), **row})

    for message in fetch("messages"):                # the same id may exist in two accounts
        op.upsert("messages", {"id": record_id("telegram", account, message["id"]), **message})

Python's own `hash` is salted per process and must never become a key.
"""

from __future__ import annotations

import hashlib
import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain

_HEAD = b"headwater key 1\n"  # a changed encoding needs a new head: keys of two encodings must never mix


def hash_values(*values: object) -> str:
    """Give the SHA-256 of `values` in their order, as 64 lower-case hexadecimal digits.

    Every value is written with its type and length, so `("ab", "c")` and `("a", "bc")` differ, and so do
    `1` and `"1"`. Equal numbers are alike (`1`, `1.0`, `Decimal("1.00")`), because JSON sources change
    between them from one page to the next; `True` is not `1`. Instants are compared in UTC.

    Errors: TypeError for a value without a canonical form (an object, a function).

    >>> hash_values("shop-1", 17)
    '6b01ed3fa2f70c8f6b0865d322b6e982ac47cf9bce423355127c19f9d5097dad'
    >>> hash_values(1) == hash_values(1.0) == hash_values(Decimal("1.00"))
    True
    """
    digest = hashlib.sha256(_HEAD)
    for value in values:
        for part in _encoded(value):
            digest.update(part)
    return digest.hexdigest()


def hash_fields(row: Mapping[str, object], fields: Sequence[str]) -> str:
    """Give the SHA-256 of the named `fields` of `row`, as 64 lower-case hexadecimal digits.

    The order of `fields` does not matter. An absent field and None are alike, since many sources leave
    out what is empty. Errors: ValueError when all of them are empty: such rows would all share one key.

    >>> hash_fields({"a": 1, "b": None, "c": "x"}, ["b", "a"]) == hash_fields({"a": 1}, ["a", "b"])
    True
    """
    if isinstance(fields, str):
        raise TypeError(f"fields is the text {fields!r}: give a list of names, [{fields!r}]")
    present = [(name, row[name]) for name in sorted(set(fields)) if row.get(name) is not None]
    if not present:
        raise ValueError(f"no key: {', '.join(fields) or 'no field'} is empty in a row with the columns {sorted(row)}")
    return hash_values(*chain.from_iterable(present))


def record_id(source: str, account: str | int, item: str | int) -> str:
    """Name one record over all sources and accounts, readable and reversible with `record_id_parts`.

    Two different triples never give one id: `%` and `:` inside a part are escaped. A number and its text
    are one id, because APIs change between them.

    >>> record_id("gmail", "ada@example.com", 17)
    'gmail:ada@example.com:17'
    >>> record_id("a:b", "c", "d"), record_id("a", "b:c", "d")
    ('a%3Ab:c:d', 'a:b%3Ac:d')
    """
    return ":".join(_part(name, value) for name, value in (("source", source), ("account", account), ("item", item)))


def record_id_parts(text: str) -> tuple[str, str, str]:
    """Take a `record_id` apart again, into source, account and item.

    >>> record_id_parts("a%3Ab:c:d")
    ('a:b', 'c', 'd')
    """
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(f"{text!r} is no record id: it has {len(parts)} parts, not source:account:item")
    source, account, item = (part.replace("%3A", ":").replace("%25", "%") for part in parts)
    return source, account, item


def _part(name: str, value: str | int) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"record_id: {name} must be text or a whole number, not {type(value).__name__}")
    if value == "":
        raise ValueError(f"record_id: {name} is empty, and an empty part names nothing")
    return str(value).replace("%", "%25").replace(":", "%3A")


def _encoded(value: object) -> Iterator[bytes]:
    if isinstance(value, Mapping):
        yield b"m%d:" % len(value)
        # Sorted by encoded key, so that 1 and "1" as keys have an order too.
        yield from sorted(b"".join(chain(_encoded(key), _encoded(value[key]))) for key in value)
    elif isinstance(value, list | tuple):
        yield b"l%d:" % len(value)
        for item in value:
            yield from _encoded(item)
    else:
        tag, content = _scalar(value)
        yield b"%s%d:%s" % (tag, len(content), content)


def _scalar(value: object) -> tuple[bytes, bytes]:
    if value is None:
        return b"n", b""
    if isinstance(value, bool):
        return b"o", b"1" if value else b"0"
    if isinstance(value, int | float | Decimal):
        return b"d", _number(value).encode()
    if isinstance(value, str):
        # surrogatepass: half of an emoji is a legal JSON string, and must still have a key.
        return b"s", value.encode("utf-8", "surrogatepass")
    if isinstance(value, bytes | bytearray | memoryview):
        return b"b", bytes(value)
    if isinstance(value, uuid.UUID):
        return b"u", value.bytes
    if isinstance(value, datetime):
        return _instant(value)
    if isinstance(value, date | time):
        return b"D" if isinstance(value, date) else b"T", value.isoformat().encode()
    if isinstance(value, timedelta):
        return b"P", str(value // timedelta(microseconds=1)).encode()
    raise TypeError(f"a value of type {type(value).__name__} has no canonical form: turn it into text or numbers first")


def _instant(value: datetime) -> tuple[bytes, bytes]:
    if value.tzinfo is None:
        return b"N", value.isoformat(timespec="microseconds").encode()
    return b"U", value.astimezone(UTC).isoformat(timespec="microseconds").encode()


def _number(value: int | float | Decimal) -> str:
    """Write a number by its significant digits and exponent, so that equal numbers read the same.

    A float counts as the shortest decimal that reads back as it, the digits people and JSON see.
    Decimal.normalize is no help: it rounds to the context's 28 digits.
    """
    if not math.isfinite(value):
        return str(float(value))
    # float's own repr: that of NumPy's floats, which are floats too, has their type in it.
    sign, digits, exponent = Decimal(float.__repr__(value) if isinstance(value, float) else value).as_tuple()
    assert isinstance(exponent, int)  # only NaN and infinity have letters here
    written = "".join(map(str, digits)).lstrip("0")
    significant = written.rstrip("0")
    if not significant:
        return "0"
    return f"{'-' if sign else ''}{significant}e{exponent + len(written) - len(significant)}"
