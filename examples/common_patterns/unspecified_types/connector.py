"""No types declared: each column gets its type from the first value, and a wider one when a later value needs it."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    # The primary key is all that cannot be found out from the data.
    return [{"table": "unspecified", "primary_key": ["id"]}]


ROWS: list[dict[str, Any]] = [
    {
        "id": 1,
        "_bool": True,
        "_int": 15,
        "_long": 2**63 - 1,
        "_float": 10.25,
        "_text": "This is a string",
        "_date_as_text": "2007-12-03",  # text stays text, whatever it looks like
        "_binary": b"\x00\x01\xff",
        "_dict": {"a": 10},
        "_list": [1, "x", None],
        "_grows": 42,  # a whole number here ...
        "_always_null": None,  # a column without any value is not made
    },
    {"id": 2, "_bool": False, "_grows": 42.5, "_appears_late": "the other row has NULL here"},  # ... and not here
]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    for row in ROWS:
        op.upsert(table="unspecified", data=row)
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
