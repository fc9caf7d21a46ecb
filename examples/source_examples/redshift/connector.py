"""Redshift: the rows of some tables that changed since the last sync, and a query of your own.

`ChangedRows` asks for the rows at or above the last time of change, in order, in batches. A query that groups or
joins has no time of change: its rows are read whole, and replace those of the last sync.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import redshift_connector
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import TableCursors
from sdk_helpers.records import exact
from sdk_helpers.settings import setting
from sdk_helpers.sql import ChangedRows, row_batches

# A load may write a time and commit later, when newer rows have been read: hence the lookback.
ORDERS = ChangedRows("orders", cursor="updated_at", key=["id"], schema="shop", lookback=timedelta(hours=1))
TURNOVER = "SELECT customer, sum(amount) AS turnover, count(*) AS orders FROM shop.orders GROUP BY customer"
BATCH_ROWS = 10_000


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "orders",
            "primary_key": ["id"],
            "columns": {
                "id": "LONG",
                "amount": {"type": "DECIMAL", "precision": 12, "scale": 2},
                "updated_at": "UTC_DATETIME",
            },
        },
        {
            "table": "turnover",
            "primary_key": ["customer"],
            "columns": {"turnover": {"type": "DECIMAL", "precision": 38, "scale": 2}, "orders": "LONG"},
        },
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    cursors = TableCursors(state)
    with connected(configuration) as connection:
        for batch, cursor in ORDERS.batches(connection, cursors["orders"], batch_rows=BATCH_ROWS):
            for row in batch:
                op.upsert(table="orders", data=exact(row))
            cursors["orders"] = cursor
            op.checkpoint(state=cursors.state())
        # Customers who are gone from the result are gone from the table; both happen in the one checkpoint.
        op.truncate(table="turnover")
        for batch in row_batches(connection, TURNOVER, batch_rows=BATCH_ROWS):
            for row in batch:
                op.upsert(table="turnover", data=exact(row))
        op.checkpoint(state=cursors.state())


@contextmanager
def connected(configuration: dict[str, str]) -> Iterator[Any]:
    connection = redshift_connector.connect(
        host=configuration["host"],
        port=int(configuration["port"]),
        database=configuration["database"],
        user=configuration["user"],
        password=configuration["password"],
        ssl=setting("ssl", configuration=configuration, kind=bool),
        timeout=60,
    )
    try:
        yield connection
    finally:
        connection.close()


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
