"""The formats of what headwater keeps for itself, and what a program does that is older than they are.

A change that an older headwater would misread raises the number here, and brings what was made before to it where the
format is read: in the transaction that writes the new number. What names no format was made before there were numbers.
"""

from __future__ import annotations

from headwater.errors import DestinationError

FIRST = 1
# Of the tables in the schema _headwater of a destination.
OWN_TABLES = 1
# Of files/runs.db.
HISTORY = 1


def require_known(where: str, found: int, known: int) -> None:
    """Refuse what a newer headwater has written: this one would misread it, or spoil it for the other.

    Errors: DestinationError.

    >>> require_known("warehouse.db", found=2, known=1)
    Traceback (most recent call last):
        ...
    headwater.errors.DestinationError: warehouse.db is of a newer headwater: format 2, and this one knows up to 1
    Nothing was changed. Use that headwater again, or upgrade this one: pip install --upgrade headwater.
    """
    if found > known:
        raise DestinationError(
            f"{where} is of a newer headwater: format {found}, and this one knows up to {known}",
            hint="Nothing was changed. Use that headwater again, or upgrade this one: pip install --upgrade headwater.",
        )
