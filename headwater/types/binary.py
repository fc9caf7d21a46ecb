"""BINARY: 2.13.1 takes bytes (`STRICT`); `LENIENT` takes bytearray as well (rules A-70 and A-76)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headwater.types.names import BINARY

EXPECTED_BYTES = "expected bytes or bytearray"


def strict_binary(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"expected bytes, {_c_name(value)} found")
    return bytes(value)


def lenient_binary(value: object) -> bytes:
    if not isinstance(value, (bytes, bytearray)):
        raise TypeError(EXPECTED_BYTES)
    return bytes(value)


def _c_name(value: object) -> str:
    """The name that CPython's own errors give the type of `value`.

    It has the module for types written in C and lacks it for classes; only such an error tells it.

    >>> import datetime, uuid
    >>> _c_name(datetime.date(2024, 2, 29)), _c_name(uuid.UUID(int=1)), _c_name("text")
    ('datetime.date', 'UUID', 'str')
    """
    try:
        object.__format__(value, "x")
    except TypeError as error:
        return str(error).removeprefix("unsupported format string passed to ").removesuffix(".__format__")
    raise AssertionError("object.__format__ refuses every format")


STRICT: dict[str, Callable[[Any], object]] = {BINARY: strict_binary}
LENIENT: dict[str, Callable[[Any], object]] = {BINARY: lenient_binary}
