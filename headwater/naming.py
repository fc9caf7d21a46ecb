"""Destination names: how a table or column of the source is called in the warehouse.

Takes     the name the connector uses
Gives     the name in the destination
Promises  the same name always gives the same result, and renaming a result changes nothing
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from anyascii import anyascii

from headwater.errors import ConfigurationError

CONNECTION_NAME = re.compile(r"[_a-z][_a-z0-9]*")

_CAPITAL_AFTER_SMALL = re.compile(r"([a-z0-9])([A-Z])")
_LAST_CAPITAL_OF_A_RUN = re.compile(r"([A-Z]+)([A-Z][a-z])")


@lru_cache(maxsize=65536)
def column_name(name: str) -> str:
    """Name a column by Fivetran's default rules.

    Source: rules B-30 to B-34 of the behaviour specification. A digit never starts a new word.

    >>> [column_name(n) for n in ("userData", "HTTPServer", "LoginID", "address1", "2nd place", "_bool", "custom__c")]
    ['user_data', 'http_server', 'login_id', 'address1', '_2nd_place', '_bool', 'custom_c']
    """
    text = anyascii(name)
    text = re.sub(r"[^A-Za-z0-9_]", "_", text)
    text = _LAST_CAPITAL_OF_A_RUN.sub(r"\1_\2", text)
    text = _CAPITAL_AFTER_SMALL.sub(r"\1_\2", text)
    text = re.sub(r"_+", "_", text).lower()
    return f"_{text}" if text[:1].isdigit() else text or "_"


@lru_cache(maxsize=4096)
def table_name(name: str) -> str:
    """Name a table: as a column, and without a leading underscore before a letter.

    >>> [table_name(n) for n in ("_Users", "user.data", "_1x", "A")]
    ['users', 'user_data', '_1x', 'a']
    """
    text = column_name(name)
    return text[1:] if text[:1] == "_" and text[1:2].isalpha() else text


@dataclass(frozen=True, slots=True)
class Naming:
    """One of the two ways to name things; fixed for the life of a connection."""

    table: Callable[[str], str]
    column: Callable[[str], str]


def _as_given(name: str) -> str:
    return name


NAMINGS = {"FIVETRAN": Naming(table_name, column_name), "SOURCE": Naming(_as_given, _as_given)}


def naming(option: str) -> Naming:
    """Look up a naming by its option value, in any case.

    Errors: ConfigurationError for anything but FIVETRAN and SOURCE.
    """
    try:
        return NAMINGS[option.upper()]
    except KeyError:
        raise ConfigurationError(
            f"naming: {option!r} is not a way to name tables", hint="Use FIVETRAN (the default) or SOURCE."
        ) from None
