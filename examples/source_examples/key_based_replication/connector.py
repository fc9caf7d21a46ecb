"""Key-based replication: of each table, only the rows whose replication key has grown since the last sync.

TABLES names the replication key of each table: a column that grows with every change, such as `updated_at`,
or, where rows are only ever added, a growing id. A batch becomes durable together with the place in the table
where it ends, so a sync of any size can be interrupted.
"""

from datetime import timedelta
from typing import Any

import psycopg
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op
from psycopg.types.string import TextLoader

from sdk_helpers.cursors import TableCursors
from sdk_helpers.sql import ChangedRows

TABLES = [
    # A transaction may write a time and commit later, when newer rows have been read: hence the lookback.
    ChangedRows("customers", cursor="updated_at", key=["id"], schema="shop", lookback=timedelta(minutes=5)),
    # Ids are given out in order, but not committed in order.
    ChangedRows("visits", cursor="id", key=["id"], schema="shop", columns=["id", "customer_id", "page"], lookback=1000),
]


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "customers",
            "primary_key": ["id"],
            "columns": {"credit_limit": {"type": "DECIMAL", "precision": 12, "scale": 2}, "updated_at": "UTC_DATETIME"},
        },
        {"table": "visits", "primary_key": ["id"], "columns": {"id": "LONG", "customer_id": "LONG"}},
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    batch_rows = int(configuration["batch_rows"])
    cursors = TableCursors(state)
    with connected(configuration) as connection:
        for table in TABLES:
            count = 0
            for batch, cursor in table.batches(connection, cursors[table.table], batch_rows=batch_rows):
                for row in batch:
                    op.upsert(table=table.table, data=row)
                count += len(batch)
                cursors[table.table] = cursor
                op.checkpoint(state=cursors.state())
            log.info(f"{table.table}: {count} rows")


def connected(configuration: dict[str, str]) -> "psycopg.Connection[Any]":
    """Connect for reading; one snapshot for all tables, so that they agree with each other."""
    connection = psycopg.connect(
        host=configuration["host"],
        port=int(configuration["port"]),
        dbname=configuration["database"],
        user=configuration["user"],
        password=configuration["password"],
        application_name="key_based_replication",
        connect_timeout=30,
    )
    # Exact numbers as text: Fivetran's SDK takes no Decimal.
    connection.adapters.register_loader("numeric", TextLoader)
    connection.read_only = True
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    return connection


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
