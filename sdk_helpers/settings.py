"""Settings of a connector: from the argument, else the configuration, else the environment, else a default.

Needs no sibling module. In a connector.py:

    from dataclasses import dataclass, field
    from datetime import date
    from typing import Literal

    from sdk_helpers.settings import Secret, read_settings

    @dataclass(frozen=True)
    class Shop:
        api_key: Secret
        page_size: int = 100
        since: date | None = None
        regions: list[str] = field(default_factory=lambda: ["eu"])
        environment: Literal["live", "sandbox"] = "live"

    def update(configuration, state):
        shop = read_settings(Shop, configuration, prefix="SHOP_")     # SHOP_API_KEY, SHOP_PAGE_SIZE, ...

All that is missing or wrong is reported in one error, which never shows a secret. For one value: `setting`.
"""

import json
import math
import os
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Shape = TypeVar("Shape")

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")
# "1_000", "nan" and "inf" are numbers to Python, but typing errors in a form.
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


class Secret(str):
    """Text that is not shown by `repr`, and so not in tracebacks and printed settings; otherwise a plain str.

    >>> key = Secret("s3cr3t")
    >>> key
    Secret('***')
    >>> key == "s3cr3t"
    True
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"


class MissingSettings(KeyError):
    """Settings were found nowhere; the message names all of them, and those that are wrong."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError would show the repr, with \\n for line breaks


class WrongSettings(ValueError):
    """Settings cannot be read as what they should be; the message names all of them."""


def read_settings(
    shape: type[Shape],
    configuration: Mapping[str, object] | None = None,
    *,
    prefix: str = "",
    environment: Mapping[str, str] = os.environ,
    **arguments: object,
) -> Shape:
    """An instance of the dataclass `shape`, each field from the first place that has it.

    configuration  of the connector; a field's name is its key
    prefix         of the environment variables; NAME in upper case follows
    arguments      by field name; None is as if it were not there, everything else wins, even ""

    Empty text in the configuration and in the environment counts as missing: forms send it for what nobody
    filled in. Types of fields: str, Secret, int, float, Decimal, bool, date, datetime, list[...], dict, a
    Literal of choices, and each of them `| None`, which then is the default.

    Errors: MissingSettings, WrongSettings; TypeError for an argument that is no field.
    """
    if not is_dataclass(shape):
        raise TypeError(f"read_settings: {shape!r} is no dataclass")
    known = {each.name: each for each in fields(shape) if each.init}
    strange = sorted(arguments.keys() - known.keys())
    if strange:
        raise TypeError(f"read_settings: {shape.__name__} has no field {', '.join(strange)}")
    kinds = get_type_hints(shape)
    places = _Places(configuration or {}, environment, prefix)
    values: dict[str, object] = {}
    for name, each in known.items():
        default = None if _takes_none(kinds[name]) and not _has_default(each) else MISSING
        found = places.value(name, kinds[name], arguments.get(name), default, required=not _has_default(each))
        if found is not MISSING:
            values[name] = found
    places.raise_problems()
    return shape(**values)


def setting(
    name: str,
    argument: object = None,
    configuration: Mapping[str, object] | None = None,
    *,
    kind: Any = str,
    default: object = MISSING,
    environment: Mapping[str, str] = os.environ,
) -> Any:
    """One value: the argument, else in the configuration, else in the environment, else the default.

    name  the key in the configuration, and the environment variable
    kind  as a field's type in `read_settings`

    >>> setting("PAGE_SIZE", None, {}, kind=int, environment={"PAGE_SIZE": "50"})
    50

    Errors: MissingSettings (a KeyError) when there is none; WrongSettings.
    """
    places = _Places(configuration or {}, environment, "")
    found = places.value(name, kind, argument, default, required=default is MISSING)
    places.raise_problems()
    return found


class _Places:
    """Where values come from, and what was wrong with them."""

    def __init__(self, configuration: Mapping[str, object], environment: Mapping[str, str], prefix: str) -> None:
        self._configuration = configuration
        self._environment = environment
        self._prefix = prefix
        self._missing: list[str] = []
        self._wrong: list[str] = []

    def value(self, name: str, kind: Any, argument: object, default: object, *, required: bool) -> object:
        variable = (self._prefix + name).upper() if self._prefix else name
        candidates = [
            (argument, f"the argument {name}"),
            (_unless_empty(self._configuration.get(name)), f"{name} in the configuration"),
            (_unless_empty(self._environment.get(variable)), f"the environment variable {variable}"),
        ]
        for found, place in candidates:
            if found is not None:
                return self._converted(found, kind, place)
        if default is MISSING and required:
            self._missing.append(f"{name} (or the environment variable {variable})")
        return default

    def _converted(self, found: object, kind: Any, place: str) -> object:
        try:
            return convert(found, kind)
        except ValueError as error:
            shown = "" if _may_hold_secret(kind) else f", not {_short(found)}"
            self._wrong.append(f"{place} must be {error}{shown}")
            return MISSING

    def raise_problems(self) -> None:
        lines = [f"missing: {name}" for name in self._missing] + self._wrong
        if self._missing:
            raise MissingSettings("\n".join(lines))
        if self._wrong:
            raise WrongSettings("\n".join(lines))


def convert(value: object, kind: Any) -> Any:
    """`value`, usually text, as `kind`.

    >>> convert("1, 2", list[int]), convert("yes", bool), convert("2026-01-31", date)
    ([1, 2], True, datetime.date(2026, 1, 31))

    Errors: ValueError that says what would be right, and never shows the value.
    """
    kind = _without_none(kind)
    origin = get_origin(kind) or kind
    if origin is Literal:
        return _choice(value, get_args(kind))
    if origin is list:
        return [convert(each, (get_args(kind) or (str,))[0]) for each in _items(value)]
    reader = _READERS.get(origin)
    if reader is None:
        raise TypeError(f"settings: {kind!r} is no type that a setting can have")
    return reader(value)


def _choice(value: object, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if value == choice or (isinstance(value, str) and value.strip() == str(choice)):
            return choice
    raise ValueError(f"one of {', '.join(map(str, choices))}")


def _items(value: object) -> list[Any]:
    """A list: as it is, as a JSON list, or separated by commas."""
    if isinstance(value, list | tuple):
        return list(value)
    if not isinstance(value, str):
        raise ValueError("a list")
    if value.lstrip().startswith("["):
        return list(_json(value, list))
    return [item.strip() for item in value.split(",") if item.strip()]


def _json(value: object, kind: type) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, kind):
        raise ValueError("a JSON list" if kind is list else "a JSON object")
    return value


def _dict(value: object) -> dict[str, Any]:
    return dict(_json(value, dict))


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def _secret(value: object) -> Secret:
    return Secret(_text(value))


def _integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,1000}", value.strip()):
        return int(value)
    raise ValueError("a whole number")


def _decimal(value: object) -> Decimal:
    text = str(value).strip() if isinstance(value, int | float | Decimal | str) and not isinstance(value, bool) else ""
    if not NUMBER.fullmatch(text):
        raise ValueError("a number")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError("a number with a smaller exponent") from None


def _float(value: object) -> float:
    found = float(_decimal(value))
    if math.isinf(found):
        raise ValueError("a number with a smaller exponent")
    return found


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = value.strip().lower() if isinstance(value, str) else ""
    if text not in TRUE + FALSE:
        raise ValueError(f"one of {', '.join(TRUE)} or {', '.join(FALSE)}")
    return text in TRUE


def _date(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    # Only this form: Python 3.11 also takes 20260131 and 2026-W05-6.
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value.strip()):
        try:
            return date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise ValueError("a date like 2026-01-31")


def _time(value: object) -> datetime:
    """An aware time in UTC; without a zone it is taken as UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    if not isinstance(value, datetime):
        raise ValueError("a time like 2026-01-31T12:00:00Z")
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("a time between the years 1 and 9999 of UTC") from None


_READERS: dict[Any, Callable[[object], Any]] = {
    str: _text,
    Secret: _secret,
    int: _integer,
    float: _float,
    Decimal: _decimal,
    bool: _boolean,
    date: _date,
    datetime: _time,
    dict: _dict,
}


def _unless_empty(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _has_default(each: "Field[Any]") -> bool:
    return each.default is not MISSING or each.default_factory is not MISSING


def _takes_none(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType) and type(None) in get_args(kind)


def _without_none(kind: Any) -> Any:
    if not _takes_none(kind):
        return kind
    kinds = [each for each in get_args(kind) if each is not type(None)]
    if len(kinds) != 1:
        raise TypeError(f"settings: {kind!r} is more than one type")
    return kinds[0]


def _may_hold_secret(kind: Any) -> bool:
    """Whether a value of this type is not to be shown; a dict is whatever the author put into it, keys included."""
    return kind is Secret or dict in (kind, get_origin(kind)) or any(map(_may_hold_secret, get_args(kind)))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
