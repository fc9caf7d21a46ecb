"""Reads the customer database; here a list, so that the example needs no network."""

from collections.abc import Iterator

RECORDS = [
    {"ID": "1", "NAME": "  Ada Lovelace ", "MAIL": "Ada@Example.com", "SINCE": "10.12.2019", "LIMIT": "1.250,50"},
    {"ID": "2", "NAME": "Grace Hopper", "MAIL": "", "SINCE": "09.12.2021", "LIMIT": "900,00"},
    {"ID": "3", "NAME": "Zoë Østergård", "MAIL": "zoe@example.com", "SINCE": "", "LIMIT": ""},
]


def read_customers() -> Iterator[dict[str, str]]:
    """Give the records one by one, as the source spells them: everything is text."""
    yield from RECORDS
