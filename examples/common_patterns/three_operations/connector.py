"""The three operations on rows: upsert, update and delete."""

from typing import Any

from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [{"table": "three", "primary_key": ["id"]}]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    # upsert: insert the row, or replace the one with its key. Columns that are not given become NULL.
    for number, row_id in enumerate(["a", "b", "c"], start=1):
        op.upsert(table="three", data={"id": row_id, "val1": f"row {row_id}", "val2": number})
    op.upsert(table="three", data={"id": "a", "val1": "replaced"})  # val2 is NULL from here on
    op.checkpoint(state=state)

    # update: change the columns that are given, and no others. Without such a row, nothing happens.
    op.update(table="three", modified={"id": "b", "val1": "changed"})  # val2 stays 2
    op.update(table="three", modified={"id": "nobody", "val1": "ignored"})
    op.checkpoint(state=state)

    # delete: mark the row as deleted. Its values stay. Without such a row, nothing happens.
    op.delete(table="three", keys={"id": "c"})
    op.delete(table="three", keys={"id": "nobody"})
    op.checkpoint(state=state)


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
