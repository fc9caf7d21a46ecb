"""A cursor in the state: each sync goes on where the one before it ended.

The source is a list in this file, so that nothing but the cursor is in the way. It has three rows, and
each sync delivers one of them. The fourth sync finds nothing and raises: it fails, and the state stays.
"""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op

SOURCE = [
    {"id": 10, "message": "Hello world"},
    {"id": 20, "message": "Hello again"},
    {"id": 30, "message": "Good bye"},
]


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "hello_world", "primary_key": ["id"]}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    cursor = state.get("cursor", 0)  # the first sync is given {}
    if cursor == len(SOURCE):
        raise RuntimeError(f"The source has no row after cursor {cursor}")

    log.info(f"Reading the row after cursor {cursor}")
    op.upsert(table="hello_world", data=SOURCE[cursor])
    op.checkpoint(state={"cursor": cursor + 1})  # from here on, this row and this cursor are safe


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
