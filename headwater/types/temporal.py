"""NAIVE_DATE, NAIVE_DATETIME and UTC_DATETIME: what each makes of a Python value.

| type           | 2.13.1 takes (`STRICT`)                                    | `LENIENT` takes         |
|----------------|------------------------------------------------------------|-------------------------|
| NAIVE_DATE     | date; datetime, of which it keeps the date; '2024-02-29'   | the same                |
| NAIVE_DATETIME | datetime, an aware one in UTC; '2024-02-29T01:02:03.456'   | and date, as midnight   |
| UTC_DATETIME   | datetime, a naive one as UTC; '2024-02-29 01:02:03+05:30'  | and date, as midnight   |

A fraction of a second finer than microseconds is refused, never cut, unless its further digits are zeros.

Source: rules A-67 to A-69, A-75 and A-76.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from headwater.types.names import NAIVE_DATE, NAIVE_DATETIME, UTC_DATETIME

EXPECTED_DATE = "expected a date, a datetime, or text like '2024-02-29'"
EXPECTED_MICROSECONDS = "expected at most 6 digits after the seconds: a column holds microseconds"
EXPECTED_INSTANT = "expected an instant that is in the years 1 to 9999 in UTC"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_CLOCK = r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?"
_LONG_FRACTION = re.compile(r"(\.\d{6})(\d+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Form:
    """A way to write a datetime as text."""

    usual: re.Pattern[str]
    format: str
    format_with_fraction: str
    expected: str

    def read(self, text: Any) -> datetime:
        """Read `text` as 2.13.1 does: stripped, the first space as good as a 'T'.

        `strptime` decides, and words the errors; what `usual` matches means the same to the twenty
        times faster `fromisoformat`.
        """
        text = text.strip().replace(" ", "T", 1)
        if self.usual.fullmatch(text):
            try:
                return datetime.fromisoformat(text)
            except ValueError:
                pass  # a 13th month: strptime words it
        return datetime.strptime(text, self.format_with_fraction if "." in text else self.format)  # noqa: DTZ007 naive is what the column holds


_NAIVE = _Form(
    usual=re.compile(_CLOCK, re.ASCII),
    format="%Y-%m-%dT%H:%M:%S",
    format_with_fraction="%Y-%m-%dT%H:%M:%S.%f",
    expected="expected a datetime, a date, or text like '2024-02-29T01:02:03' without an offset",
)
_ZONED = _Form(
    usual=re.compile(_CLOCK + r"(Z|[+-]\d{2}:?\d{2})", re.ASCII),
    format="%Y-%m-%dT%H:%M:%S%z",
    format_with_fraction="%Y-%m-%dT%H:%M:%S.%f%z",
    expected="expected a datetime, a date, or text with an offset, like '2024-02-29T01:02:03Z'",
)


def strict_date(value: object) -> date:
    if isinstance(value, str):
        return _date_of_text(value)
    if isinstance(value, date):
        return datetime.combine(value, time.min).date()
    raise TypeError(f"Expected str, datetime.date, or datetime.datetime, got {type(value)}")


def strict_naive_datetime(value: object) -> datetime:
    return _timestamp(value if isinstance(value, datetime) else _NAIVE.read(value))


def strict_utc_datetime(value: object) -> datetime:
    return _timestamp(value if isinstance(value, datetime) else _ZONED.read(value)).replace(tzinfo=UTC)


def lenient_date(value: object) -> date:
    """
    >>> lenient_date("2024-02-29")
    datetime.date(2024, 2, 29)
    """
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    if not isinstance(value, str):
        raise TypeError(EXPECTED_DATE)
    try:
        return _date_of_text(value)
    except ValueError:
        raise ValueError(EXPECTED_DATE) from None


def lenient_naive_datetime(value: object) -> datetime:
    """
    >>> lenient_naive_datetime("2024-02-29 01:02:03.5")
    datetime.datetime(2024, 2, 29, 1, 2, 3, 500000)
    """
    if type(value) is datetime and value.tzinfo is None:
        return value
    return _instant(value, _NAIVE).replace(tzinfo=None)


def lenient_utc_datetime(value: object) -> datetime:
    """
    >>> lenient_utc_datetime("2024-02-29T01:02:03+05:30")
    datetime.datetime(2024, 2, 28, 19, 32, 3, tzinfo=datetime.timezone.utc)
    """
    return _instant(value, _ZONED)


def _date_of_text(text: str) -> date:
    if _DATE.fullmatch(text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass  # a 30th of February: strptime words it
    return datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 a date has no zone


def _timestamp(moment: datetime) -> datetime:
    """`moment` as the wire carries it: UTC, without a time zone, seconds and microseconds apart."""
    year, month, day, hour, minute, second, *_ = moment.utctimetuple()
    return datetime(year, month, day, hour, minute, second, moment.microsecond)  # noqa: DTZ001 see above


def _instant(value: object, form: _Form) -> datetime:
    if isinstance(value, datetime):
        return _in_utc(_plain(value))
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, str):
        raise TypeError(form.expected)
    text = _LONG_FRACTION.sub(_microseconds, value)
    try:
        moment = form.read(text)
    except ValueError:
        raise ValueError(form.expected) from None
    return _in_utc(moment)


def _microseconds(fraction: re.Match[str]) -> str:
    if fraction[2].strip("0"):
        raise ValueError(EXPECTED_MICROSECONDS)
    return fraction[1]


def _plain(moment: datetime) -> datetime:
    """`moment` without what a subclass adds, such as the nanoseconds of a pandas Timestamp."""
    if type(moment) is datetime:
        return moment
    if getattr(moment, "nanosecond", 0):
        raise ValueError(EXPECTED_MICROSECONDS)
    return datetime.combine(moment.date(), moment.timetz())


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is UTC:
        return moment
    if moment.utcoffset() is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(EXPECTED_INSTANT) from None


STRICT: dict[str, Callable[[Any], object]] = {
    NAIVE_DATE: strict_date,
    NAIVE_DATETIME: strict_naive_datetime,
    UTC_DATETIME: strict_utc_datetime,
}
LENIENT: dict[str, Callable[[Any], object]] = {
    NAIVE_DATE: lenient_date,
    NAIVE_DATETIME: lenient_naive_datetime,
    UTC_DATETIME: lenient_utc_datetime,
}
