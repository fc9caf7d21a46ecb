"""Turns a raw customer record into a row."""

from datetime import date, datetime
from typing import Any


def customer_row(record: dict[str, str]) -> dict[str, Any]:
    """Name, trim and type the fields of a record; empty text becomes NULL."""
    return {
        "id": int(record["ID"]),
        "name": record["NAME"].strip() or None,
        "email": record["MAIL"].strip().lower() or None,
        "customer_since": german_date(record["SINCE"]),
        "credit_limit": german_decimal(record["LIMIT"]),
    }


def german_date(text: str) -> date | None:
    """Read a day written as 31.12.2024.

    >>> german_date("10.12.2019")
    datetime.date(2019, 12, 10)
    """
    return datetime.strptime(text, "%d.%m.%Y").date() if text else None  # noqa: DTZ007 - a day has no time zone


def german_decimal(text: str) -> str | None:
    """Write 1.250,50 as 1250.50; as text, because a DECIMAL column takes exact text and no float.

    >>> german_decimal("1.250,50")
    '1250.50'
    """
    return text.replace(".", "").replace(",", ".") if text else None
