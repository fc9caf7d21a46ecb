"""A large query result in small pieces: a server-side cursor leaves the rows in the database until they are asked for.

An ordinary cursor of psycopg fetches the whole result when the query is executed: ten million rows fill the memory
before the first one is sent. One with a name is declared in the database, and gives as many rows as are fetched.
"""

from typing import Any

import psycopg
from fivetran_connector_sdk import Connector
from fivetran_connector_sdk import Logging as log
from fivetran_connector_sdk import Operations as op
from psycopg.rows import dict_row

# In the order of the key, so that an interrupted sync can go on behind the last row that is safe. Exact numbers as
# text: a float would lose digits.
QUERY = """
    SELECT id, kind, amount::text AS amount, happened_at, details
    FROM event WHERE id > %(after)s ORDER BY id
"""


def schema(configuration: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "table": "event",
            "primary_key": ["id"],
            "columns": {
                "id": "LONG",
                "kind": "STRING",
                "amount": {"type": "DECIMAL", "precision": 20, "scale": 4},
                "happened_at": "UTC_DATETIME",
                "details": "JSON",
            },
        }
    ]


def update(configuration: dict[str, str], state: dict[str, Any]) -> None:
    batch_rows = int(configuration["batch_rows"])
    with (
        psycopg.connect(configuration["dsn"], connect_timeout=30) as connection,
        connection.cursor("events", row_factory=dict_row) as cursor,  # the name makes it a server-side cursor
    ):
        cursor.execute(QUERY, {"after": state.get("after", 0)})
        # No commit on this connection before the loop ends: it would close the cursor.
        while rows := cursor.fetchmany(batch_rows):
            for row in rows:
                op.upsert(table="event", data=row)
            log.info(f"{len(rows)} events, up to {rows[-1]['id']}")
            op.checkpoint(state={"after": rows[-1]["id"]})
    op.checkpoint(state={})  # the next sync reads the table from its beginning


connector = Connector(update=update, schema=schema)

if __name__ == "__main__":
    connector.debug()
