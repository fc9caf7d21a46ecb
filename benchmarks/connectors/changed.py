"""Rows of a table that is there already come again, evenly from all over it, with one checkpoint at the end."""

from typing import Any

from benchmarks.rows import KEY, TABLE, rows
from headwater import Connector
from headwater import Operations as op

CHANGED = "a changed row"


def schema(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"table": TABLE, "primary_key": [KEY]}]


def update(configuration: dict[str, Any], state: dict[str, Any]) -> None:
    count, table_rows = int(configuration["rows"]), int(configuration["table_rows"])
    for row in rows(count, step=table_rows // count):
        row["note"] = CHANGED
        op.upsert(TABLE, row)
    op.checkpoint({"changed": count})


connector = Connector(update=update, schema=schema)
