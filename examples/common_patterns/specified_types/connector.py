"""Every type that a column can be declared with, and values at its edges.

A declared column is there, with its type, before the first row. Values are brought into that type or refused: nothing
is guessed from the data.
"""

from datetime import UTC, datetime
from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "specified",
            "primary_key": ["id"],
            "columns": {
                "id": "INT",
                "_bool": "BOOLEAN",
                "_short": "SHORT",
                "_int": "INT",
                "_long": "LONG",
                "_decimal": {"type": "DECIMAL", "precision": 38, "scale": 10},
                "_float": "FLOAT",
                "_double": "DOUBLE",
                "_naive_date": "NAIVE_DATE",
                "_naive_datetime": "NAIVE_DATETIME",
                "_utc_datetime": "UTC_DATETIME",
                "_binary": "BINARY",
                "_xml": "XML",
                "_string": "STRING",
                "_json": "JSON",
                "_null": "STRING",
            },
        }
    ]


ROWS: list[dict[str, Any]] = [
    {
        "id": 1,
        "_bool": True,
        "_short": 15,
        "_int": 132_353,
        "_long": 9_007_199_254_740_993,  # one more than a double can count to
        "_decimal": "105.34",  # as text, on which nothing was rounded yet
        "_float": 10.25,
        "_double": 105.34,
        "_naive_date": "2007-12-03",
        "_naive_datetime": "2007-12-03T10:15:30",  # what a clock on a wall showed
        "_utc_datetime": "2007-12-03T10:15:30.123+01:00",  # a moment; stored in UTC
        "_binary": b"\x00\x01\xff",
        "_xml": '<tag name="a">1 &lt; 2</tag>',
        "_string": "This is a string: Zoë 🏔",
        "_json": {"a": 10, "b": [1.5, None, {"c": "ü"}]},
        "_null": None,
    },
    {
        "id": 2,
        "_bool": False,
        "_short": -(2**15),
        "_int": -(2**31),
        "_long": -(2**63),
        "_decimal": "-9999999999999999999999999999.9999999999",
        "_float": -1.5,
        "_double": 5e-324,
        "_naive_date": "0001-01-01",
        "_naive_datetime": datetime(1969, 12, 31, 23, 59, 59, 999_999),  # noqa: DTZ001  # a naive one is meant
        "_utc_datetime": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        "_binary": b"",
        "_xml": "",
        "_string": "",
        "_json": [],
        "_null": None,
    },
    {"id": 3},  # columns that a row lacks are NULL
]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    for row in ROWS:
        op.upsert(table="specified", data=row)
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
