"""SQL Server through ODBC: changed rows of some tables, and rows that were deleted.

What the queries need is ANSI SQL, so this works with every database that has an ODBC driver: the connection
string says which one it is. Deleted rows are read from a table that a trigger in the source fills.
"""

from contextlib import closing
from datetime import timedelta
from typing import Any

import pyodbc
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Operations as op

from sdk_helpers.cursors import TableCursors
from sdk_helpers.records import exact
from sdk_helpers.sql import ChangedRows

# A transaction may write a time and commit later, when newer rows have been read: hence the lookback.
EMPLOYEES = ChangedRows("employees", cursor="updated_at", key=["id"], schema="hr", lookback=timedelta(minutes=5))
DELETED = ChangedRows("employees_deleted", cursor="sequence", key=["sequence"], schema="hr")
BATCH_ROWS = 10_000


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "employees",
            "primary_key": ["id"],
            "columns": {
                "id": "LONG",
                "salary": {"type": "DECIMAL", "precision": 12, "scale": 2},
                "hired_on": "NAIVE_DATE",
                "updated_at": "NAIVE_DATETIME",
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    cursors = TableCursors(state)
    with closing(pyodbc.connect(configuration["connection_string"], readonly=True, timeout=30)) as connection:
        # Deletions first: a row that was deleted and put in again is there in the end.
        read_before = cursors["employees_deleted"].get("cursor", 0)
        for batch, cursor in DELETED.batches(connection, cursors["employees_deleted"], batch_rows=BATCH_ROWS):
            for row in batch:
                if row["sequence"] > read_before:  # the last one of the sync before comes again
                    op.delete(table="employees", keys={"id": row["id"]})
            cursors["employees_deleted"] = cursor
            op.checkpoint(state=cursors.state())
        for batch, cursor in EMPLOYEES.batches(connection, cursors["employees"], batch_rows=BATCH_ROWS):
            for row in batch:
                op.upsert(table="employees", data=exact(row))
            cursors["employees"] = cursor
            op.checkpoint(state=cursors.state())


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
