"""Athena through SQLAlchemy and PyAthena: the same code as for any other database, with typed values.

`ChangedRows` writes the query: the rows at or above the last time of change, in order. PyAthena starts it, waits
for it, and reads its result page by page.
"""

from typing import Any

import pyathena
import sqlalchemy
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import TableCursors
from sdk_helpers.records import exact
from sdk_helpers.sql import ChangedRows

TABLES = [ChangedRows("orders", cursor="updated_at", key=["id"])]


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "orders",
            "primary_key": ["id"],
            "columns": {
                "id": "LONG",
                "amount": {"type": "DECIMAL", "precision": 12, "scale": 2},
                "ordered_on": "NAIVE_DATE",
                "updated_at": "NAIVE_DATETIME",
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    cursors = TableCursors(state)
    with athena_engine(configuration).connect() as connection:
        for table in TABLES:
            for batch, cursor in table.batches(connection, cursors[table.table], batch_rows=10_000):
                for row in batch:
                    op.upsert(table=table.table, data=exact(row))
                cursors[table.table] = cursor
                op.checkpoint(state=cursors.state())


def athena_engine(configuration: dict[str, str]) -> sqlalchemy.Engine:
    """Make an engine that connects with the keys of the configuration, which stay out of any URL."""
    return sqlalchemy.create_engine(
        "awsathena+rest://",
        creator=lambda: pyathena.connect(
            region_name=configuration["region"],
            endpoint_url=configuration.get("endpoint_url"),
            aws_access_key_id=configuration["access_key_id"],
            aws_secret_access_key=configuration["secret_access_key"],
            schema_name=configuration["database"],
            work_group=configuration["workgroup"],
            s3_staging_dir=configuration["output_location"],
        ),
    )


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
